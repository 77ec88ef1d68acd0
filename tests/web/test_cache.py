"""The answers that are at hand before the application are those that it would give."""

from datetime import timedelta
from itertools import product
from math import inf
from weakref import ref

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from werkzeug.test import EnvironBuilder, run_wsgi_app

from feeds.domain.freshness import MaxAge
from feeds.errors import EventNotFound
from feeds.formats import FORMATS
from feeds.service.refresh import CacheEntry
from feeds.web import cache as module
from tests.support.processes import EXAMPLE, Clock

FEED = f"/events/{EXAMPLE}.ics"
RUN = "r41abc567def890"


class Both:
    """One application, asked with the front and without."""

    def __init__(self, app, monkeypatch):
        self._client = app.test_client()
        self.delivery = app.extensions["delivery"]
        self._monkeypatch = monkeypatch
        self.at_hand = 0

    def ask(self, path, **options):
        """The answer of both, which is the same; how often the front had it is counted."""
        first = self._client.open(path, **options)  # from here on it is at hand, if it can be
        real = self.delivery.at_hand

        def counting(environ):
            found = real(environ)
            self.at_hand += found is not None
            return found

        with self._monkeypatch.context() as patched:
            patched.setattr(self.delivery, "at_hand", counting)
            fronted = self._client.open(path, **options)
            patched.setattr(self.delivery, "at_hand", real)
            again = self._client.open(path, **options)  # as it was said
            patched.setattr(self.delivery, "at_hand", lambda _: None)
            plain = self._client.open(path, **options)
        for each in (first, fronted, again):
            assert each.status == plain.status
            assert sorted(each.headers) == sorted(plain.headers)
            assert each.data == plain.data
        return fronted


@pytest.fixture
def clock():
    """Between two seconds: at a whole one max-age is about to be another."""
    clock = Clock()
    clock.advance(milliseconds=400)
    return clock


@pytest.fixture
def both(app, monkeypatch):
    return Both(app, monkeypatch)


@pytest.fixture
def unlooked(app, monkeypatch):
    """It is never time to look: each other reason to ask the application has to hold by itself."""
    monkeypatch.setattr(app.extensions["delivery"].newsroom._polls, "looked", lambda _: True)


TAGS = st.one_of(
    st.sampled_from([None, "*", "", '"x"', 'W/"x"', "x", '"', "W/", '"a", "b"', "\xff\xfe"]),
    st.tuples(st.sampled_from(['"{}"', 'W/"{}"', '"x", "{}"', '"{}-gzip"', "{}", '"{}'])),
)
DATES = st.sampled_from(
    [
        None,
        "",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 31 Dec 2100 23:59:59 GMT",
        "Friday, 31-Dec-99 23:59:59 GMT",
        "yesterday",
        "\xe9",
    ]
)
CODINGS = st.sampled_from(
    [
        None,
        "",
        "gzip",
        "gzip;q=0",
        "gzip;q=0.5, identity",
        "br, *;q=0.1",
        "GZIP, deflate",
        "x-gzip",
        "gzip;q=x",
        "identity;q=0",
        "\xff",
    ]
)
QUERIES = st.sampled_from(
    [
        "",
        "?",
        "?cancelled=keep",
        "?busy=1&cancelled=keep",
        "?x=1",
        "?download=1",
        "?run=none",
        "?busy=2",
        "?registration=1",
        "?" + "x=1&" * 300,
    ]
)
MORE = st.dictionaries(
    st.sampled_from(["Range", "Accept", "User-Agent", "If-Range", "If-Match", "Cookie", "X-Odd"]),
    st.sampled_from(["bytes=0-10", "*/*", "", "\xa0\xff", "a" * 8000]),
    max_size=3,
)


@given(
    method=st.sampled_from(["GET", "GET", "HEAD", "POST", "OPTIONS"]),
    extension=st.sampled_from(["ics", "rss", "json"]),
    query=QUERIES,
    tags=TAGS,
    since=DATES,
    codings=CODINGS,
    more=MORE,
)
@settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_both_say_the_same_whatever_is_asked(
    both, method, extension, query, tags, since, codings, more
):
    path = f"/events/{EXAMPLE}.{extension}{query}"
    if isinstance(tags, tuple):
        tag = both.ask(path).headers.get("ETag", "").strip('"').removesuffix("-gzip")
        tags = tags[0].format(tag)
    fields = {"If-None-Match": tags, "If-Modified-Since": since, "Accept-Encoding": codings}
    headers = {name: value for name, value in fields.items() if value is not None} | more
    both.ask(path, method=method, headers=headers)


def test_both_say_the_same_one_after_the_other_within_a_second(both):
    tag = both.ask(FEED).headers["ETag"]
    tags = (None, tag, f'{tag[:-1]}-gzip"', '"x"')
    dates = (None, "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 2100 23:59:59 GMT")
    paths = (FEED, f"{FEED}?download=1", FEED.replace("ics", "rss"))
    for asked in product(("GET", "HEAD"), paths, (None, "gzip"), tags, dates):
        method, path, *values = asked
        names = ("Accept-Encoding", "If-None-Match", "If-Modified-Since")
        fields = {name: value for name, value in zip(names, values, strict=True) if value}
        both.ask(path, method=method, headers=fields)


def test_a_wish_for_another_protocol_is_ignored_by_both(both):
    wish = {"Upgrade": "websocket", "Connection": "Upgrade"}
    assert both.ask(FEED, headers=wish).status_code == 200


def test_what_was_asked_for_before_is_at_hand(both):
    both.ask(FEED)
    both.ask(f"{FEED}?cancelled=keep&x=1")
    both.ask(FEED, method="HEAD")
    assert both.at_hand == 3


def test_during_an_outage_as_well(both, upstream, clock):
    both.ask(FEED)
    upstream.refuse(500, "INTERNAL")
    clock.advance(days=2)
    assert both.ask(FEED).headers["Cache-Control"].startswith("max-age=60, ")
    assert both.at_hand == 2


def test_every_two_seconds_somebody_looks_what_others_have_saved(app, client, clock, monkeypatch):
    client.get(FEED)
    looks = []
    polls = app.extensions["delivery"].newsroom._polls
    monkeypatch.setattr(polls, "look", lambda: looks.append(clock()))
    start = clock()
    for _ in range(10):
        client.get(FEED)
        clock.advance(milliseconds=500)
    assert [(each - start).total_seconds() for each in looks] == [2, 4]


@pytest.mark.usefixtures("unlooked")
def test_once_an_hour_it_is_noted_that_an_event_is_polled(app, client, clock, monkeypatch):
    client.get(FEED)
    noted = []
    delivery = app.extensions["delivery"]
    monkeypatch.setattr(
        delivery.newsroom._polls, "note", lambda event_id, now: noted.append((event_id, now))
    )
    for _ in range(5):
        clock.advance(minutes=20)
        client.get(FEED)
    assert [event_id for event_id, _ in noted] == [EXAMPLE]


@pytest.mark.usefixtures("unlooked")
def test_a_clock_that_was_put_back_proves_nothing(app, client, clock):
    client.get(FEED)
    delivery = app.extensions["delivery"]
    environ = EnvironBuilder(FEED).get_environ()
    assert delivery.at_hand(environ)
    clock.advance(seconds=-10)
    assert delivery.at_hand(environ) is None


@pytest.mark.parametrize("path", ["/", f"/events/{EXAMPLE}", "/robots.txt", f"{FEED}?busy=2"])
def test_what_is_no_feed_is_not(both, path):
    both.ask(path)
    assert both.at_hand == 0


def test_a_query_too_long_to_be_remembered_is_answered_all_the_same(both):
    assert both.ask(f"{FEED}?x={'y' * 8000}").status_code == 200
    assert both.at_hand == 0


def test_ten_thousand_queries_of_one_event_are_one_rendering(app, monkeypatch):
    monkeypatch.setattr(module, "KEPT", 50)
    client, delivery = app.test_client(), app.extensions["delivery"]
    delivery.__init__(delivery.newsroom, delivery._timestamp, delivery.timezone, delivery._since)
    tags = {client.get(f"{FEED}?x={number}").headers["ETag"] for number in range(200)}
    assert len(tags) == 1
    assert len(delivery._asked._entries) == 50
    assert len(delivery._kept._entries) == 1


@pytest.mark.usefixtures("unlooked")
def test_a_new_edition_is_never_hidden_by_what_was_at_hand(client, upstream, clock):
    before = client.get(FEED)
    assert client.get(FEED).data == before.data
    document = upstream.document(EXAMPLE)
    document["event"]["name"] = "Another name"
    upstream.put(EXAMPLE, document)
    clock.advance(days=2)
    assert b"Another name" in client.get(FEED).data


def test_max_age_counts_down_at_hand_as_well(client, clock):
    first = client.get(FEED).headers["Cache-Control"]
    clock.advance(seconds=7)
    assert client.get(FEED).headers["Cache-Control"] != first


@pytest.mark.usefixtures("unlooked")
@pytest.mark.parametrize("failing", [False, True])
def test_what_the_clock_changes_is_rendered_anew(client, upstream, clock, failing):
    feed = "/events/harbor-festival.rss"
    max_age = client.get(feed).cache_control.max_age + 1
    document = upstream.document("harbor-festival")
    opens = clock() + timedelta(seconds=2 * max_age + 30)
    document["runs"][0] |= {"registrationOpensAt": opens.isoformat()}
    upstream.put("harbor-festival", document)
    clock.advance(seconds=max_age)
    assert client.get(feed).status_code == 200
    clock.advance(seconds=max_age)
    if failing:  # what there is, is served for a minute, whatever happens by then
        upstream.refuse(500, "INTERNAL")
    before = [client.get(feed).data.count(b"<item>") for _ in range(2)]
    clock.advance(seconds=30)
    after = client.get(feed).data.count(b"<item>")
    assert [*before, after] == [before[0], before[0], before[0] + 1]


@pytest.mark.usefixtures("unlooked")
def test_what_is_not_there_any_more_is_not_at_hand(app, client, clock):
    newsroom = app.extensions["delivery"].newsroom
    for _ in range(3):
        assert client.get(FEED).status_code == 200
    later = clock() + timedelta(minutes=1)
    newsroom._memory.put(EXAMPLE, CacheEntry(clock(), later, None, EventNotFound()))
    for _ in range(2):
        assert client.get(FEED).status_code == 404


@pytest.mark.usefixtures("unlooked")
def test_an_event_that_is_gone_for_good_is_gone_at_hand_as_well(client, upstream, clock):
    document = upstream.document(EXAMPLE)
    document["runs"] = []
    upstream.put(EXAMPLE, document)
    client.get(FEED)
    upstream.delete(EXAMPLE)
    for wait in (timedelta(days=2), timedelta(minutes=2)):
        clock.now += wait
        assert client.get(FEED).status_code == 200
    upstream.refuse(500, "INTERNAL")
    clock.advance(days=30, seconds=-30)
    assert client.get(FEED).status_code == 200  # for a minute, as the refresh failed
    clock.advance(seconds=30)
    for _ in range(3):
        assert client.get(FEED).status_code == 410


def test_an_environment_without_what_may_be_absent_is_a_request(app):
    environ = EnvironBuilder("/").get_environ()
    del environ["QUERY_STRING"], environ["PATH_INFO"]  # as PEP 3333 allows
    assert run_wsgi_app(app.wsgi_app, environ)[1] == "200 OK"
    environ = EnvironBuilder(FEED).get_environ()
    del environ["QUERY_STRING"]
    for _ in range(2):
        assert run_wsgi_app(app.wsgi_app, environ)[1] == "200 OK"


@pytest.mark.usefixtures("unlooked")
def test_what_is_polled_is_not_forgotten_for_what_is_not(app, client, clock, monkeypatch):
    monkeypatch.setattr(module, "KEPT", 50)
    delivery = app.extensions["delivery"]
    delivery.__init__(delivery.newsroom, delivery._timestamp, delivery.timezone, delivery._since)
    client.get(FEED)
    rendering = delivery._kept.get((EXAMPLE, "ics", "")).rendering
    for number in range(100):
        client.get(f"{FEED}?cancelled=keep&run={RUN}&run=x{number}")
        client.get(FEED)
        clock.advance(seconds=1)
    assert delivery._kept.get((EXAMPLE, "ics", "")).rendering is rendering


@pytest.mark.usefixtures("unlooked")
def test_a_rendering_keeps_no_old_edition_alive(app, client, upstream, clock):
    client.get(f"{FEED}?busy=1")
    old = ref(app.extensions["delivery"].newsroom.current(EXAMPLE).edition)
    document = upstream.document(EXAMPLE)
    document["event"]["name"] = "Another name"
    upstream.put(EXAMPLE, document)
    clock.advance(days=2)
    client.get(FEED)
    assert len(app.extensions["delivery"]._kept._entries) == 2
    assert old() is None


def test_a_rendering_from_the_future_is_not_served_after_the_clock_was_put_right(
    client, upstream, clock
):
    feed = "/events/harbor-festival.rss"
    document = upstream.document("harbor-festival")
    document["runs"][0] |= {"registrationOpensAt": (clock() + timedelta(hours=3)).isoformat()}
    upstream.put("harbor-festival", document)
    before = client.get(feed).data.count(b"<item>")
    clock.advance(days=1)
    assert client.get(feed).data.count(b"<item>") == before + 1
    upstream.refuse(500, "INTERNAL")
    clock.advance(days=-1, seconds=70)
    assert client.get(feed).data.count(b"<item>") == before


def test_max_age_counts_from_when_the_answer_is_given(client, upstream, clock, monkeypatch):
    left = client.get(FEED).cache_control.max_age
    slow = FORMATS["rss"].render

    def render(feed):
        clock.advance(seconds=30)
        return slow(feed)

    monkeypatch.setitem(FORMATS, "rss", structs.replace(FORMATS["rss"], render=render))
    assert client.get(f"/events/{EXAMPLE}.rss").cache_control.max_age == left - 30


def test_a_clock_that_catches_up_has_last_modified_told_again(app, client, clock, monkeypatch):
    monkeypatch.setattr(MaxAge, "another", lambda *_: inf)  # that has to hold by itself
    deployed = clock() + timedelta(milliseconds=600)
    monkeypatch.setattr(app.extensions["delivery"], "_since", lambda: deployed)
    told = []
    for _ in range(2):
        client.get(FEED)  # from here on it is at hand
        told.append("Last-Modified" in client.get(FEED).headers)
        clock.advance(milliseconds=700)
    assert told == [False, True]


def test_what_was_said_is_bounded_whatever_is_sent(app, client, monkeypatch):
    monkeypatch.setattr(module, "SAID", 20)
    delivery = app.extensions["delivery"]
    delivery.__init__(delivery.newsroom, delivery._timestamp, delivery.timezone, delivery._since)
    for number in range(60):
        for tag in (f'"{number}"', f'"{"x" * 8000}{number}"'):
            assert client.get(FEED, headers={"If-None-Match": tag}).status_code == 200
    assert len(delivery._said._entries) == 20
    assert all(len(tag) < 10 for *_, tag, _ in delivery._said._entries)


def test_no_server_can_spoil_what_was_said(app):
    environ = EnvironBuilder(FEED).get_environ()
    for _ in range(3):
        _, status, headers = run_wsgi_app(app.wsgi_app, environ)
        assert (status, len(headers)) == ("200 OK", 9)
        app.wsgi_app(environ, lambda _, headers: headers.clear())
