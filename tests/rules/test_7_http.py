"""Rules 7: status, header fields and bodies of answers, for every format."""

import re
from itertools import product
from urllib.robotparser import RobotFileParser

import pytest

from tests.support.headers import list_stable
from tests.support.service import EVENT, PAGE, PUBLIC_URL, a_run

FEEDS = (".ics", ".rss", ".json")
FORMS = (*FEEDS, "")
"""The ends of the URLs of feeds, and of the page."""


def assert_one_line(response, status):
    assert response.status_code == status
    assert response.content_type == "text/plain; charset=utf-8"
    assert re.fullmatch(r"[ -~]+\.\n", response.text)


@pytest.mark.parametrize(
    ("extension", "media_type"),
    [
        (".ics", "text/calendar; charset=utf-8"),
        (".rss", "application/rss+xml; charset=utf-8"),
        (".json", "application/feed+json; charset=utf-8"),
    ],
)
def test_the_extension_of_the_url_decides_the_media_type(unchanged, extension, media_type):
    """Rules 7.1."""
    assert unchanged.get(extension).content_type == media_type
    for accept in ("text/html", "application/json", "text/calendar;q=0", "image/png"):
        response = unchanged.get(extension, accept=accept, user_agent="Mozilla/5.0")
        assert response.content_type == media_type


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
@pytest.mark.parametrize(
    "path", ["/", "/robots.txt", *(f"/events/{EVENT}{form}" for form in FORMS)]
)
def test_other_methods_than_get_and_head_are_405(unchanged, path, method):
    """Rules 7.2."""
    response = unchanged.client.open(path, method=method)
    assert_one_line(response, 405)
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    "path", ["/", "/oembed", f"/events/{EVENT}.json", f"/events/{EVENT}/", "/nowhere"]
)
def test_options_is_204_and_allows_the_requests_of_scripts_of_other_sites(service, path):
    """Rules 7.2; also at addresses that are redirected, since no preflight follows a redirect."""
    asked = {"Origin": "https://club.example.org", "Access-Control-Request-Method": "GET"}
    response = service.client.options(path, headers=asked)
    assert (response.status_code, response.data) == (204, b"")
    assert "Content-Type" not in response.headers
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"
    allowed = {
        name: response.headers[f"Access-Control-{name}"]
        for name in ("Allow-Origin", "Allow-Methods", "Allow-Headers", "Max-Age")
    }
    assert allowed == {
        "Allow-Origin": "*",
        "Allow-Methods": "GET, HEAD, OPTIONS",
        "Allow-Headers": "*",
        "Max-Age": "86400",
    }
    assert service.upstream.asked == []


@pytest.mark.parametrize("form", FORMS)
def test_head_has_the_header_fields_of_get_and_no_body(unchanged, form):
    """Rules 7.2."""
    get, head = unchanged.get(form), unchanged.client.head(f"/events/{EVENT}{form}")
    assert head.status_code == 200
    assert list_stable(head.headers) == list_stable(get.headers)
    assert head.data == b""
    assert int(head.headers["Content-Length"]) == len(get.data)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
@pytest.mark.parametrize("condition", ["none", "If-None-Match", "If-Modified-Since"])
def test_the_cache_in_front_gives_the_answer_of_the_view(unchanged, method, coding, condition):
    """Rules 7.3; a URL is answered by the view at first and by the cache from then on."""
    plain = unchanged.get(accept_encoding=coding).headers
    headers = {
        "none": {},
        "If-None-Match": {"If-None-Match": plain["ETag"]},
        "If-Modified-Since": {"If-Modified-Since": plain["Last-Modified"]},
    }[condition] | {"Accept-Encoding": coding}
    path = f"/events/{EVENT}.ics?unknown={method}{coding}{condition}"
    view, *cache = (unchanged.client.open(path, method=method, headers=headers) for _ in range(3))
    assert view.status_code == (200 if condition == "none" else 304)
    for each in cache:
        assert (each.status, list_stable(each.headers), each.data) == (
            view.status,
            list_stable(view.headers),
            view.data,
        )


def test_max_age_counts_the_seconds_that_are_left(announced):
    """Rules 7.8."""
    for elapsed, left in ((0, 3600), (1, 3599), (2599, 1000), (999, 1), (0.7, 1), (0.3, 3600)):
        announced.advance(seconds=elapsed)
        cache_control = announced.get().headers["Cache-Control"]
        assert cache_control == f"max-age={left}, stale-if-error=604800"


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_can_be_read_by_any_site_and_has_no_age_and_no_cookie(unchanged, form):
    """Rules 7.8 and 7.9."""
    headers = unchanged.get(form).headers
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert not {"Age", "Set-Cookie"} & set(headers.keys())


@pytest.mark.parametrize("form", FORMS)
def test_scripts_of_other_sites_may_read_the_validators_of_a_200_and_of_a_304(unchanged, form):
    """Rules 7.9."""
    first = unchanged.get(form)
    for response in (first, unchanged.get(form, if_none_match=first.headers["ETag"])):
        exposed = response.headers["Access-Control-Expose-Headers"]
        assert exposed == "Cache-Control, ETag, Last-Modified"
        assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("slug", "name"),
    [
        ("harbor-run", "harbor-run"),
        ("Harbor Run 2026!", "harbor-run-2026"),
        ("run-for-all-全城跑", "run-for-all"),
        ('a"; filename="b', "a-filename-b"),
        ("../../etc/passwd", "etc-passwd"),
        ("a\r\nX-Evil: 1", "a-x-evil-1"),
        ("全城跑", EVENT),
        ("", EVENT),
        ("Long-" * 1000, ("long-" * 13)[:64]),
    ],
)
def test_a_file_is_named_by_the_slug_or_else_the_id(service, slug, name):
    """Rules 7.9."""
    service.announce(a_run(), slug=slug)
    queries = (("", "inline"), ("?download=1", "attachment"))
    for extension, (query, disposition) in product(FEEDS, queries):
        header = service.get(extension + query).headers["Content-Disposition"]
        assert header == f'{disposition}; filename="{name}{extension}"'


@pytest.mark.parametrize(
    ("extension", "given", "canonical"),
    [
        (".ics", "", ""),
        (".ics", "?busy=0&cancelled=mark&registration=0&download=1", ""),
        (".ics", "?run=ten&busy=1&run=five", "?busy=1&run=five&run=ten"),
        (".ics", "?registration=1&cancelled=keep", "?cancelled=keep&registration=1"),
        (".ics", "?distance=10K&distance=5K&distance=10K", "?distance=5K&distance=10K"),
        (".ics", "?utm_source=x&distance=%35K", "?distance=5K"),
        (".rss", "?run=ten&busy=1&distance=10K", "?distance=10K&run=ten"),
        (".json", "?run=ten&cancelled=keep", "?run=ten"),
        (".ics", "?Run=ten&amp;BUSY=1&amp;amp;run=five", "?busy=1&run=five&run=ten"),
        (".json", "?AMP;Distance=5K", "?distance=5K"),
    ],
)
def test_a_feed_gives_its_own_url_with_the_options_in_one_order(
    unchanged, extension, given, canonical
):
    """Rules 7.10."""
    url = f"{PAGE}{extension}{canonical}"
    if extension == ".ics":
        assert unchanged.calendar(given)["SOURCE"] == url
    elif extension == ".rss":
        links = unchanged.channel(given).feed.links
        assert [link.href for link in links if link.rel == "self"] == [url]
    else:
        assert unchanged.json_feed(given)["feed_url"] == url
    etags = {unchanged.get(extension + query).headers["ETag"] for query in (given, canonical)}
    assert len(etags) == 1


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("?run=a+b", "run takes the id of a run."),
        ("?run=", "run takes the id of a run."),
        ("?distance=10k", "distance takes one of 5K, 10K, 15K, Half Marathon, "),
        ("?cancelled=hide", "cancelled takes one of mark, keep, drop."),
        ("?busy=yes", "busy takes 0 or 1."),
        ("?registration=2", "registration takes 0 or 1."),
        ("?download=", "download takes 0 or 1."),
        ("?busy=1&busy=1", "busy can be given once; it takes 0 or 1."),
        ("?cancelled=keep&cancelled=drop", "cancelled can be given once; it takes one of "),
        ("?Busy=1&amp;busy=1", "busy can be given once; it takes 0 or 1."),
        ("?download=<b>repeated</b>", "download takes 0 or 1."),
        ("?busy=1%0D%0AX-Evil:%20repeated", "busy takes 0 or 1."),
        ("?busy=%D9%A1repeated", "busy takes 0 or 1."),
        ("?run=%FF", "run takes the id of a run."),
        (f"?run={'repeated' * 1000}", "run takes the id of a run."),
        (f"?{'run=a&' * 1300}", "run can be given 100 times at most."),
    ],
)
def test_a_wrong_option_is_400_with_a_line_that_names_the_option(unchanged, query, line):
    """Rules 7.10."""
    for form in FEEDS if query.startswith(("?run", "?distance", "?download")) else FEEDS[:1]:
        response = unchanged.get(f"{form}{query}")
        assert_one_line(response, 400)
        assert response.text.startswith(line)
        assert "repeated" not in f"{response.text}{response.headers}"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "query",
    [
        *("utm_source=x&fbclid=y", "RUNS=x", "run[]=x", "_=1", "&&=", "?"),
        *(f"x={'a' * 8000}", "&".join("abcd" * 1000)),
    ],
)
def test_unknown_parameters_are_ignored(unchanged, form, query):
    """Rules 7.10."""
    assert unchanged.get(f"{form}?{query}").headers["ETag"] == unchanged.get(form).headers["ETag"]


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "evil.example"},
        {"x_forwarded_host": "evil.example", "x_forwarded_proto": "evil"},
        {"x_forwarded_prefix": "/evil", "forwarded": "host=evil.example;proto=evil"},
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_absolute_urls_come_from_the_settings_and_never_from_the_request(unchanged, form, fields):
    """Rules 7.11."""
    assert unchanged.get(form, **fields).data == unchanged.get(form).data
    assert f"{PUBLIC_URL}/events/" in unchanged.get(form).text.replace("\r\n ", "")


def test_the_status_of_an_error_decides_how_long_the_error_is_cached(announced):
    """Rules 7.12."""
    client = announced.client
    for response, status in (
        (announced.get(".ics?busy=2"), 400),
        (announced.get(".ics?run=another"), 404),
        (client.get("/events/unknown.ics"), 404),
        (client.get("/events/unknown"), 404),
        (client.get("/nowhere"), 404),
        (client.post("/"), 405),
        (client.get("/oembed?format=xml"), 501),
    ):
        assert response.status_code == status
        assert response.headers["Cache-Control"] == "max-age=60"
        assert "Retry-After" not in response.headers
    announced.upstream.refuse(500, "INTERNAL")
    for path in ("/events/new.ics", "/events/new"):
        response = client.get(path)
        assert response.status_code == 503
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Retry-After"] == "60"


def test_errors_of_feeds_are_one_line_of_text_and_errors_of_pages_are_pages(announced):
    """Rules 7.12."""
    announced.upstream.refuse(500, "INTERNAL")
    for extension in FEEDS:
        assert_one_line(announced.client.get(f"/events/new{extension}"), 503)
    page = announced.client.get("/events/new")
    assert page.content_type == "text/html; charset=utf-8"
    assert "<h1>We can’t reach Intervals right now.</h1>" in page.text


def test_an_event_without_runs_is_a_calendar_with_one_entry(service):
    """Rules 7.13; what cannot be used is no 200 either (rules 3.4, 8.10 and 8.21)."""
    service.announce()
    assert set(service.entries()) == {EVENT}


def test_an_event_that_the_key_may_not_read_any_more_is_never_410(announced):
    """Rules 7.13."""
    good = announced.poll()
    announced.bind()
    announced.upstream.give_key_to("another organization")
    for elapsed in ({"hours": 1}, {"minutes": 1}, {"days": 29}, {"days": 1}, {"days": 1}):
        announced.advance(**elapsed)
        assert announced.poll() == good


def test_robots_txt_forbids_nothing(service):
    """Rules 7.14."""
    response = service.client.get("/robots.txt")
    assert response.status_code == 200
    robots = RobotFileParser()
    robots.parse(response.text.splitlines())
    for path in ("/", f"/events/{EVENT}", f"/events/{EVENT}.ics"):
        assert robots.can_fetch("Google-Calendar-Importer", path)


@pytest.mark.parametrize(
    ("target", "location"),
    [
        (f"/events/{EVENT}/", f"../../events/{EVENT}"),
        (f"/events/{EVENT}.ICS?Run=ten&x=%20%C3%BC", f"../events/{EVENT}.ics?Run=ten&x=%20%C3%BC"),
        (f"/events/{EVENT}.Rss/", f"../../events/{EVENT}.rss"),
        (f"//events///{EVENT}.json", f"../../../../events/{EVENT}.json"),
        (f"/events/{EVENT}/embed/?theme=dark", f"../../../events/{EVENT}/embed?theme=dark"),
        (f"/events/{EVENT}//qr.SVG", f"../../../events/{EVENT}/qr.svg"),
        ("//", "../"),
        ("/robots.TXT", "./robots.txt"),
    ],
)
def test_a_slip_in_an_address_is_redirected_to_the_address_that_was_meant(
    service, target, location
):
    """Rules 7.15; the address is relative, so it depends on no header."""
    for method in ("GET", "HEAD"):
        path, _, query = target.partition("?")
        response = service.client.open(
            "/",
            method=method,
            headers={"Host": "evil.example", "X-Forwarded-Host": "evil"},
            environ_overrides={"PATH_INFO": path, "QUERY_STRING": query},
        )
        assert response.status_code == 308
        assert response.headers["Location"] == location
        assert response.headers["Cache-Control"] == "max-age=86400"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "evil" not in str(response.headers)
    assert service.upstream.asked == []


@pytest.mark.parametrize(
    "target", ["/nowhere/", "/events/", "/events//", "//nowhere", "/events/a.b/"]
)
def test_an_address_at_which_nothing_can_be_meant_is_404(service, target):
    """Rules 7.15."""
    response = service.client.get("/", environ_overrides={"PATH_INFO": target})
    assert response.status_code == 404


@pytest.mark.parametrize("end", ["", "/", "//", "?x", "/?x#runs"])
@pytest.mark.parametrize("slashes", ["/", "//"])
def test_oembed_takes_the_address_of_a_page_with_the_same_slips(unchanged, slashes, end):
    """Rules 7.15."""
    asked = {"amp;URL": f"{PUBLIC_URL}{slashes}events{slashes}{EVENT}{end}"}
    response = unchanged.client.get("/oembed", query_string=asked)
    assert response.status_code == 200
    assert f'src="{PAGE}/embed"' in response.json["html"]
