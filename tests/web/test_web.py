"""The service over HTTP, asking a sandbox that listens on a socket."""

import logging
import re
import socket
from datetime import timedelta
from html.parser import HTMLParser
from urllib.robotparser import RobotFileParser

import pytest
from werkzeug import Response

from feeds.app import create_app
from feeds.formats import FORMATS
from feeds.upstream import http as exchange
from tests.support.processes import EXAMPLE, HOST, settings_for

PUBLIC_URL = "https://feeds.example.org"
RUN = "r41abc567def890"
CALENDAR = f"/events/{EXAMPLE}.ics"
CHANNEL = f"/events/{EXAMPLE}.rss"
PAGE = f"/events/{EXAMPLE}"
OF_AN_EVENT = [f"{PAGE}.{extension}" for extension in FORMATS] + [PAGE]
ROUTES = [*OF_AN_EVENT, "/", "/robots.txt"]
METHODS = ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]


def assert_one_line(response, status, retry_after=60):
    """An error as all of them are: a status and one line of text, on a page where one is wanted."""
    assert response.status_code == status
    asked = response.request
    if asked.method == "GET" and "." not in asked.path.rpartition("/")[2]:
        assert response.content_type == "text/html; charset=utf-8"
        assert re.search(r'<p class="lead">[ -~]+\.</p>', response.text)
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    else:
        assert response.content_type == "text/plain; charset=utf-8"
        assert re.fullmatch(r"[ -~]+\n", response.text)
        assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert not {"ETag", "Last-Modified", "Set-Cookie", "Age"} & set(response.headers.keys())
    if status >= 500:
        assert response.headers["Cache-Control"] == "no-store"
        assert int(response.headers["Retry-After"]) == retry_after
    else:
        assert response.headers["Cache-Control"] == "max-age=60"
        assert "Retry-After" not in response.headers


def max_age(response):
    """Of an answer that is an edition, with all that its Cache-Control must say."""
    assert response.status_code in (200, 304)
    match = re.fullmatch(
        r"max-age=([0-9]+), stale-if-error=604800", response.headers["Cache-Control"]
    )
    assert match
    return int(match[1])


def dtstarts(calendar):
    """The starts that its events have."""
    events = calendar.text.partition("BEGIN:VEVENT")[2]
    return re.findall(r"^DTSTART\S*:(\S+)", events, re.MULTILINE)


class TestFeeds:
    @pytest.mark.parametrize("extension", FORMATS)
    def test_the_address_decides_the_type(self, client, extension):
        for accepted in ("*/*", "text/html", "application/json;q=1, */*;q=0"):
            response = client.get(f"{PAGE}.{extension}", headers={"Accept": accepted})

            assert response.status_code == 200
            assert response.content_type == FORMATS[extension].media_type

    def test_types_are_the_registered_ones(self, client):
        assert client.get(CALENDAR).content_type == "text/calendar; charset=utf-8"
        assert client.get(CHANNEL).content_type == "application/rss+xml; charset=utf-8"
        assert client.get(PAGE).content_type == "text/html; charset=utf-8"

    def test_a_calendar_is_one_and_a_channel_is_one(self, client):
        assert client.get(CALENDAR).data.startswith(b"BEGIN:VCALENDAR\r\n")
        assert client.get(CALENDAR).data.endswith(b"END:VCALENDAR\r\n")
        assert "DTSTART;TZID=America/Chicago:20250614T080000\r\n" in client.get(CALENDAR).text
        assert "<rss " in client.get(CHANNEL).text

    @pytest.mark.parametrize("path", OF_AN_EVENT)
    def test_any_site_may_read_it_and_no_browser_guesses_its_type(self, client, path):
        headers = client.get(path).headers

        assert headers["Access-Control-Allow-Origin"] == "*"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert not {"Age", "Set-Cookie"} & set(headers.keys())

    @pytest.mark.parametrize("extension", FORMATS)
    @pytest.mark.parametrize(
        ("slug", "filename"),
        [
            ("harbor-run", "harbor-run"),
            ("Harbor Run 2025!", "harbor-run-2025"),
            ("run-for-all-全城跑", "run-for-all"),
            ('a"; filename="b', "a-filename-b"),
            ("../../etc/passwd", "etc-passwd"),
            ("a\r\nX-Evil: 1", "a-x-evil-1"),
            ("全城跑", "harbor_RUN"),
            ("-- --", "harbor_RUN"),
            ("", "harbor_RUN"),
        ],
    )
    def test_its_file_is_named_by_the_slug_or_else_the_id(
        self, client, upstream, extension, slug, filename
    ):
        upstream.publish("harbor_RUN", "2026-06-20", slug=slug)

        response = client.get(f"/events/harbor_RUN.{extension}")

        disposition = f'inline; filename="{filename}.{extension}"'
        assert response.headers["Content-Disposition"] == disposition
        assert "X-Evil" not in response.headers

    @pytest.mark.parametrize("extension", FORMATS)
    def test_a_long_slug_makes_a_name_of_bearable_length(self, client, upstream, extension):
        upstream.publish("harbor", "2026-06-20", slug="long-" * 1000)

        disposition = client.get(f"/events/harbor.{extension}").headers["Content-Disposition"]

        assert len(disposition) < 120

    @pytest.mark.parametrize("extension", FORMATS)
    def test_download_makes_it_an_attachment(self, client, extension):
        inline, attached = (client.get(f"{PAGE}.{extension}?download={given}") for given in (0, 1))

        name = f'filename="lakefront-5k-june-14.{extension}"'
        assert inline.headers["Content-Disposition"] == f"inline; {name}"
        assert attached.headers["Content-Disposition"] == f"attachment; {name}"
        assert attached.data == inline.data
        assert attached.headers["ETag"] == inline.headers["ETag"]

    @pytest.mark.parametrize("path", OF_AN_EVENT)
    def test_head_has_the_fields_of_get_and_no_body(self, client, path):
        got = client.get(path)
        head = client.head(path)

        assert head.data == b""
        assert dict(head.headers) == dict(got.headers)
        assert int(head.headers["Content-Length"]) == len(got.data)


class TestConditionalRequests:
    @pytest.mark.parametrize("path", OF_AN_EVENT)
    @pytest.mark.parametrize("coding", ["identity", "gzip"])
    def test_the_etag_that_was_sent_comes_back_as_304(self, client, path, coding):
        fields = {"Accept-Encoding": coding}
        first = client.get(path, headers=fields)
        second = client.get(path, headers=fields | {"If-None-Match": first.headers["ETag"]})

        assert second.status_code == 304
        assert second.data == b""
        assert set(second.headers.keys()) == {"ETag", "Cache-Control", "Vary"}
        assert second.headers["ETag"] == first.headers["ETag"]
        assert second.headers["Cache-Control"] == first.headers["Cache-Control"]

    @pytest.mark.parametrize("path", OF_AN_EVENT)
    def test_the_last_modified_that_was_sent_comes_back_as_304(self, client, path):
        modified = client.get(path).headers["Last-Modified"]

        assert modified == "Wed, 20 May 2026 12:00:00 GMT"
        assert client.get(path, headers={"If-Modified-Since": modified}).status_code == 304

    def test_after_a_change_neither_does(self, client, upstream, clock):
        upstream.publish("harbor", "2026-06-20")
        first = client.get("/events/harbor.ics")
        upstream.publish("harbor", "2026-06-21")
        clock.advance(hours=1)

        for fields in (
            {"If-None-Match": first.headers["ETag"]},
            {"If-Modified-Since": first.headers["Last-Modified"]},
        ):
            second = client.get("/events/harbor.ics", headers=fields)
            assert second.status_code == 200
            assert dtstarts(second) == ["20260621T120000"]
            assert second.headers["Last-Modified"] == "Wed, 20 May 2026 13:00:00 GMT"

    def test_a_document_fetched_again_unchanged_moves_nothing(self, client, upstream, clock):
        upstream.publish("harbor", "2026-06-20")
        first = client.get("/events/harbor.ics")
        clock.advance(hours=2)
        second = client.get("/events/harbor.ics")

        assert upstream.asked == ["harbor", "harbor"]
        assert second.data == first.data
        assert second.headers["Last-Modified"] == first.headers["Last-Modified"]

    def test_a_gzipped_feed_is_the_same_feed(self, client):
        plain = client.get(CALENDAR)
        gzipped = client.get(CALENDAR, headers={"Accept-Encoding": "gzip"})

        assert gzipped.headers["Content-Encoding"] == "gzip"
        assert gzipped.headers["ETag"] == plain.headers["ETag"][:-1] + '-gzip"'
        assert int(gzipped.headers["Content-Length"]) < len(plain.data)


class TestAddresses:
    @pytest.mark.parametrize(
        "event_id",
        [
            "a" * 65,
            "a" * 5000,
            "a.b",
            "..",
            ".",
            "%2E%2E",
            "a%0A",
            "%0Aa",
            "a%0D%0AX-Evil:%201",
            "a%00",
            "a%2Fb",
            "a/b",
            "a%20b",
            "a+b",
            "a~b",
            "a%25b",
            "a:b",
            "a@b",
            "é",
            "%C3%A9",
            "%D9%A1",
            "全城跑",
            "%FF%FE",
            "%E2%80%AE",
            "a%3Fb",
            "a%23b",
            "%3Cscript%3E",
            "'",
            "{0}",
            "",
        ],
    )
    def test_an_id_that_none_can_be_is_404_and_the_upstream_is_not_asked(
        self, client, upstream, event_id
    ):
        for ending in ("", *(f".{extension}" for extension in FORMATS)):
            assert_one_line(client.get(f"/events/{event_id}{ending}"), 404)
        assert upstream.asked == []

    @pytest.mark.parametrize("event_id", ["a", "A-_9", "a" * 64])
    def test_an_id_that_one_could_be_is_asked_for(self, client, upstream, event_id):
        assert_one_line(client.get(f"/events/{event_id}.ics"), 404)
        assert upstream.asked == [event_id]

    @pytest.mark.parametrize(
        "path",
        [
            "/events",
            "/events/",
            f"{PAGE}/",
            f"{CALENDAR}/",
            f"{PAGE}.ICS",
            f"{PAGE}.txt",
            f"{PAGE}.",
            f"{PAGE}.ics.ics",
            f"{PAGE}.ics%0A",
            f"{PAGE}%0A.ics",
            "/favicon.ico",
            "/static/style.css",
            "/../etc/passwd",
            "/" + "a" * 8000,
        ],
    )
    def test_what_is_not_there_is_404(self, client, upstream, path):
        assert_one_line(client.get(path), 404)
        assert upstream.asked == []

    @pytest.mark.parametrize("path", [PAGE, CALENDAR, CHANNEL])
    def test_a_doubled_slash_is_never_redirected(self, client, path):
        for doubled in (f"/{path}", path.replace("/events/", "/events//"), f"{path}//"):
            response = client.get("/", environ_overrides={"PATH_INFO": doubled})

            assert response.status_code in (200, 404)
            assert "Location" not in response.headers

    def test_robots_are_forbidden_nothing(self, client):
        response = client.get("/robots.txt")
        robots = RobotFileParser()
        robots.parse(response.text.splitlines())

        assert response.status_code == 200
        assert response.content_type == "text/plain; charset=utf-8"
        for path in ("/", PAGE, CALENDAR):
            assert robots.can_fetch("Googlebot", path)
            assert robots.can_fetch("Google-Calendar-Importer", path)

    @pytest.mark.parametrize("path", ROUTES)
    def test_only_get_and_head_are_taken(self, client, upstream, path):
        for method in METHODS:
            response = client.open(path, method=method)

            assert_one_line(response, 405)
            assert response.headers["Allow"] == "GET, HEAD"
        assert upstream.asked == []

    @pytest.mark.parametrize("path", [*ROUTES, "/nowhere", f"{PAGE}.ics?busy=2", "/events/no.ics"])
    def test_who_asks_does_not_decide_what_addresses_say(self, client, path):
        usual = client.get(path)
        for fields in (
            {"Host": "evil.test"},
            {"X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "evil"},
            {"X-Forwarded-Prefix": "/evil", "X-Script-Name": "/evil"},
            {"Forwarded": "host=evil.test;proto=evil"},
            {"X-Original-URL": "/evil", "Origin": "http://evil.test"},
        ):
            evil = client.get(path, headers=fields)

            assert "evil" not in f"{evil.headers}{evil.text}"
            assert evil.data == usual.data
            assert evil.status_code == usual.status_code

    def test_no_host_and_nonsense_as_one_are_no_error(self, client):
        for host in ("", 'a"><script>', "a b", "a:99999", "[::1"):
            assert client.get(CALENDAR, headers={"Host": host}).status_code in (200, 400)

    @pytest.mark.parametrize("path", OF_AN_EVENT)
    def test_addresses_come_from_the_settings(self, upstream, tmp_path, clock, path):
        for public_url in ("https://one.example", "https://two.example/running"):
            settings = settings_for(upstream.url, tmp_path, public_url=public_url)
            text = create_app(settings, clock.timestamp).test_client().get(path).text

            assert f"{public_url}/events/{EXAMPLE}" in re.sub("\r\n ", "", text)
            assert "localhost" not in text


class TestUnknownEvents:
    def test_one_is_404_in_all_its_forms(self, client):
        for path in ("/events/nobody", "/events/nobody.ics", "/events/nobody.rss"):
            assert_one_line(client.get(path), 404)

    def test_one_is_remembered(self, client, upstream, clock):
        for _ in range(3):
            client.get("/events/nobody.ics")
            client.get("/events/nobody")
            clock.advance(minutes=3)

        assert upstream.asked == ["nobody"]

    def test_after_ten_minutes_it_is_asked_for_again(self, client, upstream, clock):
        client.get("/events/nobody.ics")
        clock.advance(minutes=10)
        assert_one_line(client.get("/events/nobody.ics"), 404)
        assert upstream.asked == ["nobody", "nobody"]

        upstream.publish("nobody", "2026-06-20")
        clock.advance(minutes=10)
        assert client.get("/events/nobody.ics").status_code == 200

    def test_the_longest_max_age_holds_for_it_too(self, upstream, tmp_path, clock):
        settings = settings_for(upstream.url, tmp_path, max_age=timedelta(seconds=60))
        client = create_app(settings, clock.timestamp).test_client()
        client.get("/events/nobody.ics")
        clock.advance(seconds=60)
        client.get("/events/nobody.ics")

        assert upstream.asked == ["nobody", "nobody"]


class TestOptions:
    WRONG = (
        ("run", "a b", "the id of a run"),
        ("run", "", "the id of a run"),
        ("run", "a" * 65, "the id of a run"),
        ("distance", "26.2", "one of 5K, 10K, 15K, Half Marathon,"),
        ("distance", "10k", "one of 5K, 10K, 15K, Half Marathon,"),
        ("cancelled", "hide", "one of mark, keep, drop"),
        ("cancelled", "", "one of mark, keep, drop"),
        ("busy", "yes", "0 or 1"),
        ("busy", "", "0 or 1"),
        ("registration", "2", "0 or 1"),
        ("download", "true", "0 or 1"),
        ("download", "<script>alert(1)</script>", "0 or 1"),
        ("busy", "1\r\nX-Evil: 1", "0 or 1"),
        ("busy", "\N{ARABIC-INDIC DIGIT ONE}", "0 or 1"),
        ("busy", "\0", "0 or 1"),
    )
    NAMES = sorted({name for name, _, _ in WRONG})

    @pytest.mark.parametrize("extension", FORMATS)
    @pytest.mark.parametrize(("name", "value", "takes"), WRONG)
    def test_a_wrong_one_is_400_where_it_is_taken(self, client, extension, name, value, takes):
        response = client.get(f"{PAGE}.{extension}", query_string={name: value})

        if name in FORMATS[extension].options:
            assert_one_line(response, 400)
            assert response.text.startswith(f"{name} takes {takes}")
            assert not value.strip() or value not in response.text
        else:
            assert response.status_code == 200

    @pytest.mark.parametrize("extension", FORMATS)
    def test_a_wrong_one_costs_no_call(self, client, upstream, extension):
        for name in FORMATS[extension].options:
            assert_one_line(client.get(f"{PAGE}.{extension}?{name}=%FF"), 400)

        assert upstream.asked == []

    @pytest.mark.parametrize("name", ["busy", "cancelled", "registration", "download"])
    def test_one_that_makes_sense_once_is_400_if_doubled(self, client, name):
        value = "keep" if name == "cancelled" else "1"
        response = client.get(f"{CALENDAR}?{name}={value}&{name}={value}")

        assert_one_line(response, 400)
        assert response.text.startswith(f"{name} can be given once; it takes ")

    @pytest.mark.parametrize("extension", FORMATS)
    def test_one_that_a_format_does_not_take_is_ignored_whatever_its_value(self, client, extension):
        etag = client.get(f"{PAGE}.{extension}").headers["ETag"]

        for name in {*self.NAMES} - FORMATS[extension].options:
            for value in ("1", "keep", "nonsense", ""):
                response = client.get(f"{PAGE}.{extension}?{name}={value}&{name}={value}")
                assert response.headers["ETag"] == etag

    def test_a_page_takes_none(self, client):
        etag = client.get(PAGE).headers["ETag"]

        for name in self.NAMES:
            assert client.get(f"{PAGE}?{name}=nonsense").headers["ETag"] == etag

    @pytest.mark.parametrize("path", OF_AN_EVENT)
    @pytest.mark.parametrize(
        "query",
        ["utm_source=x&fbclid=y", "RUN=x", "run[]=x", "_=1", "=", "&&&", "%00=1", "%FF=%FF", "?"],
    )
    def test_unknown_parameters_are_ignored(self, client, path, query):
        assert client.get(f"{path}?{query}").headers["ETag"] == client.get(path).headers["ETag"]

    @pytest.mark.parametrize("extension", FORMATS)
    def test_a_query_of_8_kilobytes_is_no_trouble(self, client, extension):
        path = f"{PAGE}.{extension}"

        assert client.get(f"{path}?x={'a' * 8000}").status_code == 200
        assert client.get(f"{path}?{'&'.join('abcd' * 1000)}").status_code == 200
        assert_one_line(client.get(f"{path}?run={'a' * 8000}"), 400)
        assert_one_line(client.get(f"{path}?{'&'.join(['run=a'] * 1300)}"), 400)

    @pytest.mark.parametrize("extension", FORMATS)
    def test_a_run_that_is_none_of_the_event_s_is_404(self, client, extension):
        assert_one_line(client.get(f"{PAGE}.{extension}?run=nobody"), 404)

    @pytest.mark.parametrize("extension", FORMATS)
    def test_a_distance_that_nobody_runs_is_404_and_no_empty_feed(self, client, extension):
        assert_one_line(client.get(f"{PAGE}.{extension}?distance=Marathon"), 404)

    @pytest.mark.parametrize("extension", FORMATS)
    def test_a_filter_keeps_what_it_names(self, client, upstream, extension):
        upstream.publish("harbor", "2026-06-20", "2026-06-21")
        text = client.get(f"/events/harbor.{extension}?run=harbor-2").text

        assert "harbor-2@intervals.run" in text
        assert "harbor-1@intervals.run" not in text

    @pytest.mark.parametrize("extension", FORMATS)
    def test_a_filter_may_name_what_is_not_there_beside_what_is(self, client, extension):
        one, two = (f"{PAGE}.{extension}?run={RUN}", f"{PAGE}.{extension}?run=nobody&run={RUN}")

        assert client.get(one).status_code == client.get(two).status_code == 200

    @pytest.mark.parametrize("extension", FORMATS)
    @pytest.mark.parametrize(
        "queries",
        [
            ["distance=5K&distance=10K", "distance=10K&distance=5K&distance=10K"],
            ["run=run-for-all-5k&distance=5K", "distance=5K&x=1&run=run-for-all-5k"],
            ["busy=1&cancelled=keep&registration=1", "registration=1&busy=1&cancelled=keep"],
            ["", "busy=0&cancelled=mark&registration=0&download=0", "download=1"],
            ["distance=5K", "distance=%35%4B", "distance=5%4b"],
        ],
    )
    def test_one_choice_is_one_representation_however_it_is_written(
        self, client, extension, queries
    ):
        answers = [client.get(f"/events/run-for-all.{extension}?{query}") for query in queries]

        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.headers["ETag"] for answer in answers}) == 1
        assert len({answer.data for answer in answers}) == 1

    @pytest.mark.parametrize("extension", FORMATS)
    def test_another_choice_is_another_representation(self, client, extension):
        path = f"/events/run-for-all.{extension}"
        queries = ["", "?distance=5K", "?distance=10K", "?run=run-for-all-5k"]

        assert len({client.get(path + query).headers["ETag"] for query in queries}) == 4

    def test_a_feed_tells_its_own_address_with_its_options_in_order(self, client):
        query = "?run=run-for-all-5k&download=1&x=1&distance=5K&cancelled=keep"
        calendar = client.get(f"/events/run-for-all.ics{query}").text.replace("\r\n ", "")
        channel = client.get(f"/events/run-for-all.rss{query}").text

        source = (
            f"{PUBLIC_URL}/events/run-for-all.ics?cancelled=keep&distance=5K&run=run-for-all-5k"
        )
        assert f":{source}\r\n" in calendar
        rel_self = f"{PUBLIC_URL}/events/run-for-all.rss?distance=5K&amp;run=run-for-all-5k"
        assert f'href="{rel_self}"' in channel

    def test_a_space_in_one_may_be_written_either_way(self, client):
        for written in ("Half+Marathon", "Half%20Marathon"):
            calendar = client.get(f"/events/foothills-marathon.ics?distance={written}")
            assert calendar.text.count("BEGIN:VEVENT") == 1


class TestFreshness:
    @pytest.mark.parametrize(
        ("date", "seconds"),
        [
            ("2026-05-10", 86400),
            ("2026-05-19", 3600),
            ("2026-05-20", 300),
            ("2026-05-21", 300),
            ("2026-05-30", 900),
            ("2026-06-20", 3600),
        ],
    )
    def test_max_age_is_that_of_the_phase(self, client, upstream, date, seconds):
        upstream.publish("harbor", date)

        for path in ("/events/harbor.ics", "/events/harbor.rss", "/events/harbor"):
            assert max_age(client.get(path)) == seconds

    def test_an_edition_serves_all_formats_until_it_is_too_old(self, client, upstream, clock):
        upstream.publish("harbor", "2026-06-20")
        for _ in range(3):
            for path in ("/events/harbor.ics", "/events/harbor.rss", "/events/harbor", "/"):
                assert client.get(path).status_code == 200
            clock.advance(seconds=1199)
        assert upstream.asked == ["harbor"]

        clock.advance(seconds=3)
        client.get("/events/harbor.rss")
        client.get("/events/harbor.ics")
        assert upstream.asked == ["harbor", "harbor"]

    def test_max_age_counts_down(self, client, upstream, clock):
        upstream.publish("harbor", "2026-06-20")
        ages = []
        for seconds in (0, 1, 999, 2599, 1):
            clock.advance(seconds=seconds)
            ages.append(max_age(client.get("/events/harbor.ics")))

        assert ages == [3600, 3599, 2600, 1, 3600]

    def test_it_is_never_zero(self, client, upstream, clock):
        upstream.publish("harbor", "2026-06-20")
        client.get("/events/harbor.ics")
        clock.advance(seconds=3599.7)

        assert max_age(client.get("/events/harbor.ics")) == 1

    def test_a_change_arrives_as_soon_as_the_edition_is_too_old(self, client, upstream, clock):
        upstream.publish("harbor", "2026-06-20")
        client.get("/events/harbor.ics")
        upstream.publish("harbor", "2026-06-21")
        clock.advance(seconds=3599)
        assert dtstarts(client.get("/events/harbor.ics")) == ["20260620T120000"]

        clock.advance(seconds=1)
        assert dtstarts(client.get("/events/harbor.ics")) == ["20260621T120000"]

    def test_a_deployment_may_want_it_fresher(self, upstream, tmp_path, clock):
        settings = settings_for(upstream.url, tmp_path, max_age=timedelta(seconds=1))
        client = create_app(settings, clock.timestamp).test_client()
        assert max_age(client.get(CALENDAR)) == 1
        clock.advance(seconds=1)
        assert max_age(client.get(CALENDAR)) == 1

        assert upstream.asked == [EXAMPLE, EXAMPLE]

    def test_another_process_needs_no_call_of_its_own(self, app, upstream, tmp_path, clock):
        other = create_app(settings_for(upstream.url, tmp_path), clock.timestamp).test_client()
        for path in OF_AN_EVENT:
            mine, others = app.test_client().get(path), other.get(path)

            assert others.data == mine.data
            assert dict(others.headers) == dict(mine.headers)
        assert upstream.asked == [EXAMPLE]

    def test_another_process_takes_over_what_this_one_fetched(self, app, upstream, tmp_path, clock):
        upstream.publish("harbor", "2026-06-20")
        clients = [
            app.test_client(),
            create_app(settings_for(upstream.url, tmp_path), clock.timestamp).test_client(),
        ]
        for client in clients:
            client.get("/events/harbor.ics")
        upstream.publish("harbor", "2026-06-21")
        clock.advance(hours=1)
        etags = {client.get("/events/harbor.ics").headers["ETag"] for client in clients}

        assert len(etags) == 1
        assert upstream.asked == ["harbor", "harbor"]

    def test_a_process_started_later_knows_what_there_was(self, client, upstream, tmp_path, clock):
        upstream.publish("harbor", "2026-06-20")
        before = client.get("/events/harbor.ics")
        upstream.stop()
        clock.advance(days=1)
        later = create_app(settings_for(upstream.url, tmp_path), clock.timestamp).test_client()

        assert later.get("/events/harbor.ics").headers["ETag"] == before.headers["ETag"]


FAULTS = {
    "it is out of order": lambda upstream: upstream.refuse(500, "INTERNAL"),
    "it takes no more calls": lambda upstream: upstream.refuse(429, "RATE_LIMITED"),
    "it does not know the key": lambda upstream: upstream.refuse(401, "UNAUTHORIZED"),
    "it lets the key read nothing": lambda upstream: upstream.scopes.clear(),
    "it does not take the request": lambda upstream: upstream.refuse(422, "VALIDATION_ERROR"),
    "it refuses connections": lambda upstream: upstream.stop(),
    "something answers for it": lambda upstream: setattr(
        upstream, "instead", Response("<h1>Please log in</h1>", 200, mimetype="text/html")
    ),
    "something does not find it": lambda upstream: setattr(
        upstream, "instead", Response("<h1>Not Found</h1>", 404, mimetype="text/html")
    ),
    "it answers nothing": lambda upstream: setattr(upstream, "instead", Response("", 200)),
    "it answers something else": lambda upstream: setattr(
        upstream, "instead", Response('{"data": {"event": {}, "runs": []}}', 200)
    ),
    "it redirects": lambda upstream: setattr(
        upstream, "instead", Response("", 302, {"Location": "http://evil.test/"})
    ),
}
STATUSES = dict.fromkeys(FAULTS, 502) | dict.fromkeys(list(FAULTS)[:4], 503)
STATUSES["it refuses connections"] = 503


class TestAnUpstreamThatFails:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_what_is_known_is_served_on(self, client, upstream, clock, fault):
        upstream.publish("harbor", "2026-06-20")
        good = client.get("/events/harbor.ics")
        clock.advance(hours=1)
        FAULTS[fault](upstream)
        stale = client.get("/events/harbor.ics")

        assert stale.data == good.data
        assert stale.headers["ETag"] == good.headers["ETag"]
        assert stale.headers["Last-Modified"] == good.headers["Last-Modified"]
        assert max_age(stale) == 60
        unchanged = {"If-None-Match": good.headers["ETag"]}
        assert max_age(client.get("/events/harbor.ics", headers=unchanged)) == 60
        assert client.get("/events/harbor.rss").status_code == 200
        assert client.get("/events/harbor").status_code == 200

    def test_however_old_it_is(self, client, upstream, clock):
        good = client.get(CALENDAR)
        upstream.refuse(500, "INTERNAL")
        for _ in range(4):
            clock.advance(days=100)
            assert client.get(CALENDAR).data == good.data

    def test_it_is_asked_once_a_minute(self, client, upstream, clock):
        upstream.publish("harbor", "2026-06-20")
        client.get("/events/harbor.ics")
        clock.advance(hours=1)
        upstream.refuse(500, "INTERNAL")
        for _ in range(6):
            client.get("/events/harbor.ics")
            clock.advance(seconds=20)

        assert len(upstream.asked) == 1 + 2

    def test_well_again_it_is_believed_again(self, client, upstream, clock):
        upstream.publish("harbor", "2026-06-20")
        client.get("/events/harbor.ics")
        clock.advance(hours=1)
        upstream.refuse(500, "INTERNAL")
        client.get("/events/harbor.ics")
        upstream.publish("harbor", "2026-06-21")
        upstream.instead = None
        clock.advance(seconds=60)
        answer = client.get("/events/harbor.ics")

        assert dtstarts(answer) == ["20260621T120000"]
        assert max_age(answer) == 3600

    def test_an_event_that_it_does_not_find_once_is_not_gone(self, client, upstream, clock):
        upstream.publish("harbor", "2026-06-20")
        good = client.get("/events/harbor.ics")
        clock.advance(hours=1)
        upstream.refuse(404, "NOT_FOUND")
        doubtful = client.get("/events/harbor.ics")

        assert doubtful.data == good.data
        assert max_age(doubtful) <= 60

    @pytest.mark.parametrize("fault", FAULTS)
    @pytest.mark.parametrize("path", OF_AN_EVENT)
    def test_with_nothing_known_it_is_an_error(self, client, upstream, fault, path):
        FAULTS[fault](upstream)
        response = client.get(path)

        assert_one_line(response, STATUSES[fault])
        assert "Upstream's own" not in response.text
        assert "log in" not in response.text
        assert HOST not in response.text
        head = client.head(path)
        assert head.status_code == STATUSES[fault]
        assert head.data == b""

    def test_an_error_is_remembered_for_a_minute(self, client, upstream, clock):
        upstream.refuse(500, "INTERNAL")
        for seconds in (60, 41, 22):
            assert_one_line(client.get(CALENDAR), 503, retry_after=seconds)
            clock.advance(seconds=19)
        assert upstream.asked == [EXAMPLE]

        upstream.instead = None
        clock.advance(seconds=3)
        assert client.get(CALENDAR).status_code == 200

    def test_silent_it_is_504_in_time(self, tmp_path, clock, monkeypatch):
        monkeypatch.setattr(exchange, "READ_TIMEOUT", 0.2)
        with socket.create_server((HOST, 0)) as silent:
            settings = settings_for(f"http://{HOST}:{silent.getsockname()[1]}", tmp_path)
            response = create_app(settings, clock.timestamp).test_client().get(CALENDAR)

        assert_one_line(response, 504)

    def test_the_other_addresses_do_not_need_it(self, client, upstream):
        upstream.stop()

        assert client.get("/").status_code == 200
        assert client.get("/robots.txt").status_code == 200

    def test_what_nobody_expected_is_one_line_too(self, app, caplog):
        @app.get("/boom.txt")
        def boom():
            raise RuntimeError("a secret of the machine")

        assert_one_line(app.test_client().get("/boom.txt"), 500)
        assert "a secret of the machine" in caplog.text


class TestTheKey:
    WRONG = "not-the-key-4711"

    def test_a_wrong_one_is_told_to_the_operator_and_never_shown(
        self, upstream, tmp_path, clock, caplog
    ):
        caplog.set_level(logging.DEBUG)
        settings = settings_for(upstream.url, tmp_path, api_key=self.WRONG)
        client = create_app(settings, clock.timestamp).test_client()
        answers = [client.get(path) for path in ROUTES]

        for response in answers[: len(OF_AN_EVENT)]:
            assert_one_line(response, 503)
        warnings = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
        assert any("Check INTERVALS_PARTNER_API_KEY." in line for line in warnings)
        assert upstream.asked
        shown = [f"{each.headers}{each.text}" for each in answers]
        logged = [f"{each.__dict__}" for each in caplog.records]
        assert not [text for text in (*shown, caplog.text, *logged) if self.WRONG in text]

    def test_the_right_one_is_never_shown_either(self, client, caplog):
        caplog.set_level(logging.DEBUG)
        shown = [f"{(answer := client.get(path)).headers}{answer.text}" for path in ROUTES]

        logged = [f"{each.__dict__}" for each in caplog.records]
        assert not [text for text in (*shown, caplog.text, *logged) if "sandbox-key" in text]

    def test_without_the_scope_nothing_is_known_about_any_event(self, client, upstream, caplog):
        upstream.scopes.clear()

        assert_one_line(client.get(CALENDAR), 503)
        assert_one_line(client.get("/events/nobody.ics"), 503)
        assert "read:events" in caplog.text

    def test_once_it_has_read_an_event_what_it_may_not_read_is_not_there(
        self, client, upstream, clock
    ):
        upstream.scopes.clear()
        assert_one_line(client.get("/events/nobody.ics"), 503)
        upstream.scopes.add("read:events")
        clock.advance(minutes=1)
        assert client.get(CALENDAR).status_code == 200
        upstream.scopes.clear()
        clock.advance(minutes=1)

        assert_one_line(client.get("/events/nobody.ics"), 404)
        calls = len(upstream.asked)
        clock.advance(minutes=9)
        assert_one_line(client.get("/events/nobody.ics"), 404)
        assert len(upstream.asked) == calls


class Reader(HTMLParser):
    """What a browser makes of a page: its elements, their attributes, its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.words = set(), [], ""
        self.scripts = []
        self.feed(page.text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "script":
            self.scripts.append(dict(attrs).get("type", "src" if dict(attrs).get("src") else ""))
        self.attributes += attrs

    def handle_data(self, data):
        self.words += data

    @property
    def links(self):
        return [value for name, value in self.attributes if name == "href"]


class TestPages:
    def test_the_first_one_lists_what_is_known_the_nearest_first(self, client, upstream, clock):
        days = {
            "over": "2026-03-01",
            "later": "2026-07-18",
            "soon": "2026-05-23",
            "bygone": "2025-05-23",
            "next": "2026-06-20",
            "today": "2026-05-20",
        }
        for event_id, day in days.items():
            upstream.publish(event_id, day)
            client.get(f"/events/{event_id}.ics")
            clock.advance(seconds=10)

        page = client.get("/")
        listed = [
            link.removeprefix("./events/")
            for link in Reader(page).links
            if re.fullmatch(r"\./events/\w+", link)
        ]
        assert listed == ["today", "soon", "next", "later", "over", "bygone"]
        assert page.content_type == "text/html; charset=utf-8"
        assert page.headers["Cache-Control"] == "max-age=60"

    def test_it_links_to_every_format(self, client):
        client.get(CALENDAR)
        links = Reader(client.get("/")).links

        assert {f"{PUBLIC_URL}{PAGE}.{extension}" for extension in FORMATS} <= set(links)
        assert f".{PAGE}" in links

    def test_with_nothing_known_it_tells_how_to_begin(self, client):
        assert "/events/<id>" in Reader(client.get("/")).words

    def test_it_does_not_list_what_is_not_there(self, client):
        client.get("/events/nobody.ics")

        assert "nobody" not in client.get("/").text

    def test_an_event_s_page_announces_its_feeds(self, client):
        page = client.get(PAGE)
        for extension, format_ in FORMATS.items():
            type_ = format_.media_type.partition(";")[0]
            assert re.search(
                rf'<link rel="alternate" type="{re.escape(type_)}"[^>]*'
                rf' href="{PUBLIC_URL}{PAGE}\.{extension}">',
                page.text,
            )
        assert f"webcal://feeds.example.org{CALENDAR}" in Reader(page).links

    @pytest.mark.parametrize("path", ["/events/run-for-all", "/"])
    def test_an_event_s_text_is_text_and_no_html(self, client, path):
        client.get("/events/run-for-all")
        page = Reader(client.get(path))

        assert "<i>&amp; more</i>" in page.words
        assert not {"i", "b", "em"} & page.tags
        assert set(page.scripts) <= {"src", "application/ld+json"}
        assert not [name for name, _ in page.attributes if name.startswith("on")]

    def test_nor_is_its_description(self, client):
        page = Reader(client.get("/events/run-for-all"))

        assert "<b>bold</b> <script>alert('run')</script>" in page.words
        assert "{not a token} {{neither}} ${nor} {% this %}" in page.words
        assert "https://example.com/?a=1&b=2" not in page.links

    @pytest.mark.parametrize(
        "address", ["javascript:alert(1)", "data:text/html,x", '" onclick="alert(1)', "//evil.test"]
    )
    def test_no_link_leads_but_to_a_site(self, client, upstream, address):
        upstream.publish(
            "harbor", "2026-06-20", websiteUrl=address, registrationUrl=address, name=address
        )
        page = Reader(client.get("/events/harbor"))

        assert all(re.match(r"(https?|webcal)://|(\.\./)+|#main$", link) for link in page.links)
        assert not [link for link in page.links if "evil" in link and "name=" not in link]
        assert not [name for name, _ in page.attributes if name.startswith("on")]
        assert client.get("/events/harbor.ics").status_code == 200


def test_no_path_is_the_root_and_not_a_redirect_to_the_host_it_was_asked_with(app):
    client = app.test_client()
    answered = client.get("/", environ_overrides={"PATH_INFO": "", "HTTP_HOST": "evil.example"})
    assert answered.status_code == 200
    assert "Location" not in answered.headers
