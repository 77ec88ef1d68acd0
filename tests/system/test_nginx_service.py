"""nginx with deploy/nginx.conf in front of the real service gives the answers of the service."""

import gzip
import re
from datetime import UTC, datetime
from signal import Signals
from typing import NamedTuple

import pytest

from feeds import gunicorn_conf
from feeds.domain.freshness import FAILURE_CACHED_FOR
from feeds.service import editions
from tests.support.nginx import CONFIG, Received, request, run_nginx
from tests.support.processes import environment_for, serving
from tests.support.upstream import EXAMPLE, Upstream
from tests.support.waiting import PATIENCE, wait_until

FEED = f"/events/{EXAMPLE}.ics"


class ProxiedService(NamedTuple):
    """The port of nginx, and the port of the service behind nginx."""

    nginx: int
    service: int

    def request_both(
        self, path: str, method: str = "GET", **fields: str
    ) -> tuple[Received, list[Received]]:
        """Send a request to the service, and twice to nginx: the second time from its cache.

        nginx may send no gzip where the service does; then the answer is that without gzip.
        """
        direct = request(self.service, path, method, **fields)
        proxied = [request(self.nginx, path, method, **fields) for _ in range(2)]
        if direct.is_gzipped and not proxied[0].is_gzipped:
            direct = request(self.service, path, method, **fields | {"Accept_Encoding": ""})
        return direct, proxied

    def request_equal(self, path: str, method: str = "GET", **fields: str) -> Received:
        """Check that nginx gives the answer of the service; return the answer of nginx."""
        direct, proxied = self.request_both(path, method, **fields)
        for each in proxied:
            assert (each.status, each.body) == (direct.status, direct.body)
            assert abs(each.max_age - direct.max_age) <= PATIENCE
            if each.status == 304:
                # nginx adds fields of the 200: RFC 9110 15.4.5 only advises against that.
                assert each.lasting.items() >= direct.lasting.items()
            else:
                assert each.lasting == direct.lasting
        return proxied[-1]


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("proxied")
    with Upstream(lambda: datetime.now(UTC)).on() as upstream:
        upstream.refuse_path("/events", 403, "FORBIDDEN")  # else ``/`` changes until it is complete
        env = environment_for(upstream.url, folder, FEEDS_UPSTREAM_RATE="100000/minute")
        with serving(folder / "log", env) as (_, url):
            service = int(url.rpartition(":")[2])
            with run_nginx(service, folder) as nginx:
                yield ProxiedService(nginx, service)


PATHS = [
    *(f"/events/{EXAMPLE}.{extension}" for extension in ("ics", "rss", "json")),
    f"{FEED}?cancelled=keep&busy=1",
    f"{FEED}?download=1",
    f"{FEED}?unknown=option&this=%20too",
    f"{FEED}?x={'y' * 3900}",
    f"{FEED}?x={'y' * 8000}",  # more than gunicorn takes
    f"{FEED}?cancelled=maybe",
    f"{FEED}?run=none",
    f"/events/{EXAMPLE}",
    f"/events/{EXAMPLE}/qr.svg",
    f"/events/{EXAMPLE}/embed?theme=dark",
    "/events/unknown-id.rss",
    "//events/x.ics",
    "/nothing",
    "/",
    "/?event=abc",
    "/assets/style.css",
    "/robots.txt",
    "/oembed?format=xml",
]


@pytest.mark.parametrize("coding", ["gzip", "identity", "gzip, deflate, br, zstd"])
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:60])
def test_nginx_gives_the_answer_of_the_service_for_every_kind_of_path(proxied, path, coding):
    for method in ("GET", "HEAD"):
        proxied.request_equal(path, method, Accept_Encoding=coding)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nginx_passes_other_methods_to_the_service_which_refuses_them(proxied, method):
    received = proxied.request_equal(FEED, method, Content_Length="0")

    assert received.status == 405
    assert received.fields["allow"] == "GET, HEAD, OPTIONS"


def test_nginx_keeps_the_etag_of_each_coding_and_answers_304_to_its_own_only(proxied):
    plain, packed = (proxied.request_equal(FEED, Accept_Encoding=each) for each in ("", "gzip"))
    tags = [each.fields["etag"] for each in (plain, packed)]

    assert gzip.decompress(packed.body) == plain.body
    assert tags[1] == f'{tags[0][:-1]}-gzip"'
    for coding, tag in zip(("", "gzip"), tags, strict=True):
        for sent in (tag, f"W/{tag}", f'"other", {tag}', f'W/"other",{tag},"x"', "*"):
            for method in ("GET", "HEAD"):
                fields = {"Accept_Encoding": coding, "If_None_Match": sent}
                received = proxied.request_equal(FEED, method, **fields)
                assert (received.status, received.fields["etag"]) == (304, tag)
                assert received.body == b""
    for coding, tag in zip(("gzip", ""), tags, strict=True):
        assert proxied.request_equal(FEED, Accept_Encoding=coding, If_None_Match=tag).status == 200


def test_if_modified_since_is_304_for_the_date_of_the_last_change(proxied):
    changed = proxied.request_equal(FEED).fields["last-modified"]
    for date, status in {
        changed: 304,
        "Fri, 31 Dec 2100 23:59:59 GMT": 200,
        "Thu, 01 Jan 1970 00:00:00 GMT": 200,
        "yesterday": 200,
    }.items():
        assert proxied.request_equal(FEED, If_Modified_Since=date).status == status


ACCEPTED = r"""
gzip | GZIP | gzip, deflate | gzip,deflate,br | deflate, gzip | gzip, x-gzip, deflate | x-gzip
gzip;q=1.0,deflate;q=0.6,identity;q=0.3 | gzip;q=1 | gzip;q=0.5 | gzip;q=0.001 | x-gzip;q=0
gzip;q=0 | gzip;q=0.0 | gzip;q=0.000 | gzip; q=0 | gzip ;q=0 | gzip;Q=0 | gzip;q= | gzip;q=x
gzip;a=b;q=0 | gzip;q=1;q=0 | gzip;q=nan | gzip;q=-1 | gzip; | gzip;q=0, gzip | gzip, gzip;q=0
gzip, deflate, gzip;q=0 | identity, gzip;q=0.5 | identity;q=1, gzip;q=0.5 | gzip;q=0.5, identity
identity | identity;q=1, gzip | gzip, identity;q=5 | gzip, identity;q=1.001 | gzip, identity;q=0
identity;q=0 | identity;q=0.5, *;q=0.1 | * | *;q=0 | gzip, *;q=0 | *, gzip;q=0 | br, *;q=0.1 | br
gzipx | xgzip | gzip-x, br | my-gzip | gzip.x | "gzip" | gzip deflate | , | ,gzip | gzip, | gzip,,br
"""


@pytest.mark.parametrize("accept_encoding", ACCEPTED.replace("\n", " | ").split(" | ")[1:-1])
def test_nginx_sends_gzip_only_where_the_service_does(proxied, accept_encoding):
    proxied.request_equal(FEED, Accept_Encoding=accept_encoding)


@pytest.mark.parametrize(
    "fields",
    [
        {"Range": "bytes=0-10"},
        {"Range": "bytes=0-10", "If_Range": '"x"'},
        {"Accept": "*/*", "Cookie": "a" * 4000, "If_None_Match": '"x"'},
        {"If_None_Match": "\xff\xfe"},
        {"If_Modified_Since": "\xe9"},
        {"Accept_Encoding": "\xff"},
    ],
    ids=str,
)
def test_nginx_reads_odd_header_fields_as_the_service_does(proxied, fields):
    for method in ("GET", "HEAD"):
        assert proxied.request_equal(FEED, method, **fields).status == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"If_Match": '"x"'},
        {"If_Unmodified_Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
        {"If_None_Match": "{tag}", "If_Modified_Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
        {"If_None_Match": "{tag}, x"},
    ],
    ids=str,
)
def test_nginx_may_send_200_for_a_304_but_no_other_status(proxied, fields):
    tag = request(proxied.service, FEED).fields["etag"]
    sent = {name: value.replace("{tag}", tag) for name, value in fields.items()}
    direct, both = proxied.request_both(FEED, **sent)
    for received in both:
        assert received.status in (200, direct.status)
        assert received.fields["etag"] == direct.fields["etag"]


def test_nginx_serves_changes_and_the_last_answer_while_the_service_is_down(tmp_path):
    with Upstream(lambda: datetime.now(UTC)).on() as upstream:
        # An edition that ends after a second needs more calls than the usual rate has.
        changes = {"FEEDS_MAX_AGE": "1", "FEEDS_UPSTREAM_RATE": "100000/minute"}
        env = environment_for(upstream.url, tmp_path, **changes)
        with (
            serving(tmp_path / "log", env, "--workers", "1") as (process, url),
            run_nginx(int(url.rpartition(":")[2]), tmp_path) as nginx,
        ):
            upstream.publish("moving", "2030-01-01", name="Before")
            assert b"Before" in request(nginx, "/events/moving.ics").body
            upstream.publish("moving", "2030-01-01", name="Afterwards")
            wait_until(
                lambda: b"Afterwards" in request(nginx, "/events/moving.ics").body, "the change"
            )

            process.send(Signals.SIGTERM)
            process.wait()
            last, never = (request(nginx, f"/events/{id_}.ics") for id_ in ("moving", "never"))
            assert (last.status, b"Afterwards" in last.body) == (200, True)
            assert never.status == 502
            assert never.fields["content-type"] == "text/plain; charset=utf-8"
            assert never.fields["cache-control"] == "no-store"
            assert int(never.fields["retry-after"]) == FAILURE_CACHED_FOR.total_seconds()
            assert never.body.count(b"\n") == 1

            for path in ("/", "/events/never", "/events/never/embed"):
                page = request(nginx, path)
                assert page.status == 502
                assert page.fields["content-type"] == "text/html; charset=utf-8"
                assert page.fields["cache-control"] == "no-store"
                assert int(page.fields["retry-after"]) == FAILURE_CACHED_FOR.total_seconds()
                assert "<h1>We can’t answer right now.</h1>".encode() in page.body
                assert b"Gateway" not in page.body


def test_the_times_in_the_configuration_of_nginx_fit_those_of_the_service():
    def seconds(directive):
        (found,) = re.findall(rf"^ *{directive} (\d+)s;", CONFIG, re.MULTILINE)
        return int(found)

    assert seconds("keepalive_timeout") < gunicorn_conf.keepalive
    assert seconds("proxy_read_timeout") > editions.MAX_WAIT_COLD
    assert seconds("proxy_cache_lock_timeout") == editions.MAX_WAIT
