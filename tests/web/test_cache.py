"""The representation cache: with it in front, every answer is the one that the view gives."""

import gc
import tracemalloc
from datetime import timedelta
from functools import partial
from weakref import ref

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import Client, EnvironBuilder, run_wsgi_app

from feeds.app import create_app
from feeds.formats import FORMATS
from feeds.web import cache as module
from feeds.web.cache import OVERHEAD, RepresentationCache
from feeds.web.collections import memory
from feeds.web.collections.memory import PageCache
from feeds.web.conditional import build_representation
from tests.support.clock import Clock
from tests.support.headers import list_stable
from tests.support.processes import settings_for
from tests.support.upstream import EXAMPLE

EVENT = f"/events/{EXAMPLE}"
FEED = f"{EVENT}.ics"
FESTIVAL = "harbor-festival"
ANOTHER = "/events/virtual-miles-challenge.ics"


@pytest.fixture
def clock():
    """A clock between two seconds: at a whole second, max-age is about to change."""
    clock = Clock()
    clock.advance(milliseconds=500)
    return clock


@pytest.fixture
def cache(app):
    """The cache in front of ``app``."""
    return app.extensions["site"].cache


@pytest.fixture
def is_answered(app, cache):
    """Whether the cache answers a request, shortly after the process polled another event.

    That poll reads what other processes have saved. Without it, the cache answers for two seconds,
    whatever else would end that.
    """

    def look(path=FEED):
        app.test_client().get(ANOTHER)
        return cache.lookup(EnvironBuilder(path).get_environ()) is not None

    return look


@pytest.fixture
def poll(client, clock):
    """Poll a feed until the process has read that it saved the edition itself."""

    def poll(path=FEED):
        for polled in (path, ANOTHER, path):
            response = client.get(polled)
            clock.advance(seconds=2)
        assert response.status_code == 200
        return response

    return poll


@pytest.fixture
def ask(app, cache):
    """Send a request with the cache in front, again, and without it; return the one answer."""
    fronted, view = (
        Client(each, use_cookies=False) for each in (app, partial(Flask.wsgi_app, app))
    )

    def ask(path, method="GET", headers=()):
        first, again, routed = (
            client.open(path, method=method, headers=headers) for client in (fronted, fronted, view)
        )
        for each in (first, again):
            assert read(each) == read(routed)
        found = cache.lookup(EnvironBuilder(path, method=method, headers=headers).get_environ())
        ok = method in ("GET", "HEAD") and routed.status_code in (200, 304)
        is_feed = path.partition("?")[0].endswith(tuple(FORMATS))
        short = len(path.replace("?", "", 1)) <= module.MAX_URL_LENGTH
        assert (found is not None) == (ok and is_feed and short)
        return routed

    return ask


def read(response):
    """What a client can see of a response."""
    return response.status, list_stable(response.headers), response.data


def rename(upstream, event_id, name="Another name"):
    document = upstream.document(event_id)
    document["event"]["name"] = name
    upstream.put(event_id, document)


NONE = st.none()
TAGS = NONE | st.sampled_from(["*", "", '"x"', 'W/"x"', "x", '"', "W/", '"a", "b"', "\xff\xfe"])
OWN_TAGS = st.sampled_from(['"{}"', 'W/"{}"', '"x", "{}"', '"{}-gzip"', "{}", '"{}'])
DATES = NONE | st.sampled_from(
    ["", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 2100 23:59:59 GMT"]
)
ODD_DATES = st.sampled_from(["Friday, 31-Dec-99 23:59:59 GMT", "yesterday", "\xe9"])
CODINGS = NONE | st.sampled_from(["", "gzip", "gzip;q=0", "gzip;q=0.5, identity", "br, *;q=0.1"])
ODD_CODINGS = st.sampled_from(["GZIP, deflate", "x-gzip", "gzip;q=x", "identity;q=0", "\xff"])
QUERIES = st.sampled_from(["", "?", "?cancelled=keep", "?busy=1&cancelled=keep", "?registration=1"])
MORE_QUERIES = st.sampled_from(["?download=1", "?run=none", "?busy=2", "?x=1", "?x=%FF"])
LONG_QUERIES = st.sampled_from(["?" + "x=1&" * 300, "?x=" + "y" * 480, "?x=" + "y" * 490])
OTHER_HEADERS = st.dictionaries(
    st.sampled_from(["Range", "Accept", "User-Agent", "If-Range", "If-Match", "Cookie", "X-Odd"])
    | st.sampled_from(["Upgrade", "Connection", "Forwarded", "X-Forwarded-Host"]),
    st.sampled_from(["bytes=0-10", "*/*", "", "\xa0\xff", "a" * 8000, "websocket", 'a"><script>']),
    max_size=3,
)
HOSTS = st.dictionaries(
    st.just("Host"), st.sampled_from(["evil.test", "", 'a"><script>', "a:99999", "[::1", "\xff"])
)


@given(
    method=st.sampled_from(["GET", "GET", "HEAD", "POST", "OPTIONS"]),
    extension=st.sampled_from([*(f".{each}" for each in FORMATS), "", "/embed", ".txt"]),
    query=QUERIES | MORE_QUERIES | LONG_QUERIES,
    tags=TAGS | OWN_TAGS,
    since=DATES | ODD_DATES,
    codings=CODINGS | ODD_CODINGS,
    others=OTHER_HEADERS | HOSTS,
)
@settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_request_gets_the_same_answer_with_and_without_the_cache_in_front(
    ask, method, extension, query, tags, since, codings, others
):
    path = f"{EVENT}{extension}{query}"
    if tags and "{}" in tags:
        etag = ask(path).headers.get("ETag", "")
        tags = tags.format(etag.strip('"').removesuffix("-gzip"))
    named = {"If-None-Match": tags, "If-Modified-Since": since, "Accept-Encoding": codings}
    headers = {name: value for name, value in named.items() if value is not None}
    ask(path, method, headers | others)


@pytest.mark.usefixtures("unlisted")
@pytest.mark.parametrize("path", ["/", "/robots.txt", "/assets/style.css", f"{EVENT}/qr.svg"])
def test_the_cache_answers_requests_for_feeds_only(client, cache, path):
    for _ in range(2):
        assert client.get(path).status_code == 200
    assert cache.lookup(EnvironBuilder(path).get_environ()) is None


@pytest.mark.usefixtures("unlisted")
def test_an_environment_without_path_or_query_is_answered(app):
    """PEP 3333: both may be absent."""
    environ = EnvironBuilder("/").get_environ()
    del environ["QUERY_STRING"], environ["PATH_INFO"]
    assert run_wsgi_app(app, environ)[1] == "200 OK"
    environ = EnvironBuilder(FEED).get_environ()
    del environ["QUERY_STRING"]
    for _ in range(2):
        assert run_wsgi_app(app, environ)[1] == "200 OK"


def test_a_server_that_changes_a_list_of_headers_changes_no_later_answer(app):
    """PEP 3333: the list belongs to the server."""
    environ = EnvironBuilder(FEED).get_environ()
    expected = list_stable(run_wsgi_app(app, environ)[2])
    for _ in range(3):
        app(environ, lambda _, headers: headers.clear())
        assert list_stable(run_wsgi_app(app, environ)[2]) == expected


def test_once_an_hour_a_request_reaches_the_application(poll, is_answered, clock):
    """So the database learns that the event is still polled; this edition is fresh for a day."""
    poll()
    clock.advance(hours=1, seconds=-2.001)
    assert is_answered()
    clock.advance(milliseconds=1)
    assert not is_answered()


def test_the_cache_does_not_answer_after_the_edition_has_ended(poll, is_answered, clock):
    feed = f"/events/{FESTIVAL}.ics"
    max_age = poll(feed).cache_control.max_age
    clock.advance(seconds=max_age + 0.5 - 2.001)  # max-age is rounded down
    assert is_answered(feed)
    clock.advance(milliseconds=1)
    assert not is_answered(feed)


def test_the_cache_does_not_answer_after_another_process_has_saved_an_edition(
    app, client, poll, is_answered, upstream, clock, tmp_path
):
    poll()
    entry = app.extensions["site"].editions.get(EXAMPLE)  # a running request holds it, too
    rename(upstream, EXAMPLE)
    clock.advance(minutes=2)
    assert is_answered()
    settings = settings_for(upstream.url, tmp_path, max_age=timedelta(minutes=1))
    other = create_app(settings, clock.timestamp).test_client()
    assert "Another name" in other.get(FEED).text
    clock.advance(seconds=2)
    assert not is_answered()
    assert "Another name" in client.get(FEED).text
    assert entry.edition.event.name != "Another name"


def test_max_age_counts_from_the_end_of_rendering(app, client, cache, clock):
    max_age = client.get(FEED).cache_control.max_age

    def render(_timetable):
        clock.advance(seconds=30)
        return make_representation()

    with app.test_request_context(FEED):
        response = cache.respond(EXAMPLE, "ics", "busy=1", render)
    assert response.cache_control.max_age == max_age - 30


def test_the_cache_keeps_no_edition_in_memory(app, client, poll, is_answered, upstream, clock):
    for path in (FEED, f"{FEED}?busy=1"):
        poll(path)
        assert is_answered(path)
    old = ref(app.extensions["site"].editions.get(EXAMPLE).edition)
    rename(upstream, EXAMPLE)
    clock.advance(days=2)
    client.get(FEED)
    gc.collect()
    assert old() is None


def make_representation(size=1):
    body = b"x" * size
    now = Clock().now
    return build_representation(
        body, media_type="text/calendar", last_modified=now, filename="harbor-run.ics"
    )


@pytest.fixture
def small(app, clock, monkeypatch):
    """A cache of 1 MB with 200 kB of URLs, and a function that fills it."""
    monkeypatch.setattr(module, "MAX_BYTES", 1_000_000)
    monkeypatch.setattr(module, "MAX_URL_BYTES", 200_000)
    cache = RepresentationCache(app.extensions["site"].editions, clock.timestamp)

    def fill(number, *, size=1, query="", rest=""):
        with app.test_request_context(f"{FEED}?n={number}{rest}"):
            cache.respond(EXAMPLE, "ics", query, lambda *_: make_representation(size))

    def count(numbers, rest=""):
        """How many of the URLs with these numbers the cache answers."""
        paths = (f"{FEED}?n={number}{rest}" for number in numbers)
        return sum(cache.lookup(EnvironBuilder(path).get_environ()) is not None for path in paths)

    fill(-1)
    return fill, count


@pytest.mark.parametrize(
    ("size", "query", "rest", "held"),
    [
        (1, "", "", 190),
        (1, "", "&" + "x" * 450, 130),
        (1, "{}", "", 190),
        (50_000, "{}", "", 18),
        (1, "x" * 7000 + "{}", "", 24),
    ],
    ids=["URLs of one feed", "long URLs of one feed", "small feeds", "large feeds", "long options"],
)
def test_the_memory_of_the_cache_is_bounded(small, size, query, rest, held):
    fill, count = small
    tracemalloc.start()
    try:
        for number in range(400):
            fill(number, size=size, query=query.format(number), rest=rest)
            assert count([number], rest)  # a read takes memory, too
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    others = 12_000  # whatever else the process has allocated meanwhile
    assert taken <= module.MAX_BYTES + module.MAX_URL_BYTES + others
    assert held <= count(range(400), rest) <= 1.2 * held


def test_a_feed_larger_than_the_cache_is_served_and_not_kept(small):
    fill, count = small
    fill(1, size=2)
    fill(2, size=1_000_000, query="large")
    assert count([1]) == 1
    assert count([2]) == 0


@pytest.fixture
def render_page(monkeypatch):
    """A function: renders a page with a ``PageCache`` of ten pages of 100 bytes, or takes it.

    It returns the body, and whether the page was rendered.
    """
    monkeypatch.setattr(memory, "MAX_PAGE_BYTES", 10 * (OVERHEAD + 100))
    pages = PageCache()

    def render_page(state, key, size=100):
        calls = []

        def render():
            calls.append(key)
            return key * size

        return pages.get_or_render(state, key, render), bool(calls)

    return render_page


def test_a_page_without_an_edition_is_rendered_once_for_each_state_and_key(render_page):
    one, other = ["same"], ["same"]
    for state, key, again in [(one, "a", True), (one, "b", True), (other, "a", True)]:
        assert render_page(state, key) == (key.encode() * 100, again)
        assert render_page(state, key) == (key.encode() * 100, False)
    assert render_page(other, "b") == (b"b" * 100, True)


def test_pages_without_an_edition_are_bounded_in_bytes(render_page):
    state, letters = object(), "abcdefghijklmnopqrst"
    for key in letters:
        assert render_page(state, key)[1]
    assert render_page(state, "z", size=100_000) == (b"z" * 100_000, True)
    kept = [key for key in reversed(letters) if not render_page(state, key)[1]]
    assert kept == list("tsrqponmlk")
