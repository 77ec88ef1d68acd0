"""Debian's nginx with deploy/nginx.conf changes no answer, but for what the file says.

It is that very file, with other addresses. Before the real service: whatever is asked, both say the
same. Before an origin that answers as a test wants: what nginx keeps, and what it does in trouble.
"""

import gzip
import http.client
import os
import re
import shutil
import socket
import subprocess
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from signal import Signals
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds import gunicorn_conf
from feeds.domain import freshness
from feeds.service import editions
from feeds.web.conditional import STALE_IF_ERROR
from tests.support.processes import (
    EXAMPLE,
    HOST,
    PATIENCE,
    Upstream,
    environment_for,
    serving,
    two_free_ports,
    until,
)
from tests.web.test_cache import CODINGS, DATES, TAGS

if TYPE_CHECKING:
    from email.message import Message

CHECKOUT = Path(__file__).parents[2]
CONFIG = CHECKOUT / "deploy" / "nginx.conf"
UNPACKED = CHECKOUT / ".venv/nginx/usr/sbin"  # by make
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:{UNPACKED}")
FEED = f"/events/{EXAMPLE}.ics"
BROKEN = "orchard-loop-5k"
PLAIN = "text/plain; charset=utf-8"
A_MINUTE = int(freshness.FAILURE_CACHED_FOR.total_seconds())
OWN = {"date", "server", "connection", "keep-alive", "transfer-encoding"}
"""Fields of a connection, or of who answers."""

# What Debian's own /etc/nginx/nginx.conf has around a site, as far as it matters.
FRAME = """
worker_processes 1;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 768; }}
http {{
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    default_type application/octet-stream;
    access_log off;
    gzip on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


class Told(NamedTuple):
    """An answer as it came; the names of ``fields`` are in lower case."""

    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def max_age(self) -> int:
        found = re.search(r"max-age=(\d+)", self.fields.get("cache-control", ""))
        return int(found[1]) if found else 0

    @property
    def gzipped(self) -> bool:
        return self.fields.get("etag", "").endswith('-gzip"')

    @property
    def lasting(self) -> dict[str, str]:
        """What does not change with the second, nor with who answers."""
        control = re.sub(r"max-age=\d+", "max-age=", self.fields.get("cache-control", ""))
        kept = {name: value for name, value in self.fields.items() if name not in OWN}
        return kept | {"cache-control": control}


def ask(port: int, path: str, method: str = "GET", **fields: str) -> Told:
    """The answer to a request with just these fields (``_`` for ``-``), besides Host."""
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in fields.items():
            connection.putheader(name.replace("_", "-"), value.encode("latin-1"))
        connection.endheaders()
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        assert len(names) == len(response.getheaders()), f"a field twice: {response.getheaders()}"
        return Told(response.status, names, response.read())
    finally:
        connection.close()


@contextmanager
def nginx_before(port: int, folder: Path) -> Iterator[int]:
    """Debian's nginx with our file before whoever listens on a port here; its own port."""
    if not NGINX:
        pytest.skip("no nginx on this machine: apt-get install nginx")
    own, site = two_free_ports(), CONFIG.read_text("utf-8")
    for ours, theirs in {
        "server 127.0.0.1:8000;": f"server {HOST}:{port};",
        "/var/cache/nginx-feeds ": f"{folder}/cache ",
        "listen 80;": f"listen {HOST}:{own};",
        "listen [::]:80;": "",
    }.items():
        assert site.count(ours) == 1, ours
        site = site.replace(ours, theirs)
    (folder / "site.conf").write_text(site)
    # As root it would hand over to a user who may not enter the folders of tests.
    user = "user root;" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(user + FRAME.format(folder=folder))
    command = [NGINX, "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen([*command, "-g", "daemon off;"], stderr=log)

    def listening() -> bool:
        assert process.poll() is None, (folder / "nginx.log").read_text()
        with suppress(ConnectionRefusedError):
            socket.create_connection((HOST, own), PATIENCE).close()
            return True
        return False

    try:
        until(listening, "nginx")
        yield own
    finally:
        process.terminate()
        process.wait(PATIENCE)


# ------------------------------------------------------------------------- the real service


class Both(NamedTuple):
    """The port of nginx, and that of the service behind it."""

    nginx: int
    service: int

    def ask(self, path: str, method: str = "GET", **fields: str) -> tuple[Told, Told, Told]:
        """What the service says, and what nginx says, twice: the second comes from its copy.

        Where nginx is not sure that gzip is wanted it is what the service says to those who do not.
        """
        direct = ask(self.service, path, method, **fields)
        first, second = (ask(self.nginx, path, method, **fields) for _ in range(2))
        if direct.gzipped and not first.gzipped:
            direct = ask(self.service, path, method, **fields | {"Accept_Encoding": ""})
        return direct, first, second

    def say_the_same(self, path: str, method: str = "GET", **fields: str) -> Told:
        """That all of them are the same; the answer of nginx."""
        direct, *others = self.ask(path, method, **fields)
        for told in others:
            assert (told.status, told.body) == (direct.status, direct.body)
            assert abs(told.max_age - direct.max_age) <= PATIENCE
            if told.status == 304:
                # nginx keeps what the 200 has besides: RFC 9110 15.4.5 only advises against it.
                assert told.lasting.items() >= direct.lasting.items()
            else:
                assert told.lasting == direct.lasting
        return others[-1]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("both")
    with Upstream(lambda: datetime.now(UTC)).on() as upstream:
        upstream.refuse_path(f"/events/{BROKEN}", 500, "INTERNAL")
        env = environment_for(upstream.url, folder, FEEDS_UPSTREAM_RATE="100000/minute")
        with serving(folder / "log", env) as (_, url):
            service = int(url.rpartition(":")[2])
            with nginx_before(service, folder) as nginx:
                yield Both(nginx, service)


PATHS = [
    *(f"/events/{EXAMPLE}.{extension}" for extension in ("ics", "rss", "json")),
    f"{FEED}?cancelled=keep&busy=1",
    f"{FEED}?download=1",
    f"{FEED}?nobody=knows&this=%20one",
    f"{FEED}?x={'y' * 3900}",
    f"{FEED}?x={'y' * 8000}",  # more than gunicorn takes
    f"{FEED}?cancelled=maybe",
    f"{FEED}?run=none",
    f"/events/{EXAMPLE}",
    f"/events/{EXAMPLE}/qr.svg",
    f"/events/{EXAMPLE}/embed?theme=dark",
    "/events/nobody-knows-it.rss",
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
def test_whatever_is_asked_the_answer_is_that_of_the_service(both, path, coding):
    for method in ("GET", "HEAD"):
        both.say_the_same(path, method, Accept_Encoding=coding)


def test_what_the_service_cannot_say_nginx_does_not_keep(both):
    for told in both.ask(f"/events/{BROKEN}.ics"):
        assert told.status == 503
        assert told.fields["cache-control"] == "no-store"
        assert int(told.fields["retry-after"]) <= 60
        assert told.body.startswith(b"The Intervals API ")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_refused_by_the_service(both, method):
    told = both.say_the_same(FEED, method, Content_Length="0")

    assert told.status == 405
    assert told.fields["allow"] == "GET, HEAD"


def test_each_coding_has_its_own_tag_and_is_known_by_it(both):
    plain, packed = (both.say_the_same(FEED, Accept_Encoding=each) for each in ("", "gzip"))
    tags = [each.fields["etag"] for each in (plain, packed)]

    assert gzip.decompress(packed.body) == plain.body
    assert tags[1] == f'{tags[0][:-1]}-gzip"'
    for coding, tag in zip(("", "gzip"), tags, strict=True):
        for sent in (tag, f"W/{tag}", f'"other", {tag}', f'W/"other",{tag},"x"', "*"):
            for method in ("GET", "HEAD"):
                fields = {"Accept_Encoding": coding, "If_None_Match": sent}
                told = both.say_the_same(FEED, method, **fields)
                assert (told.status, told.fields["etag"], told.body) == (304, tag, b"")
    for coding, tag in zip(("gzip", ""), tags, strict=True):
        assert both.say_the_same(FEED, Accept_Encoding=coding, If_None_Match=tag).status == 200


def test_a_date_counts_from_that_of_the_last_change_on(both):
    changed = both.say_the_same(FEED).fields["last-modified"]
    for date, status in {
        changed: 304,
        "Fri, 31 Dec 2100 23:59:59 GMT": 304,
        "Thu, 01 Jan 1970 00:00:00 GMT": 200,
        "yesterday": 200,
    }.items():
        assert both.say_the_same(FEED, If_Modified_Since=date).status == status


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
def test_gzip_is_sent_to_nobody_to_whom_the_service_does_not_send_it(both, accept_encoding):
    both.say_the_same(FEED, Accept_Encoding=accept_encoding)


LIST = re.compile(r'\*|(W/)?"[^"]*"(, *(W/)?"[^"]*")*')
"""A field of tags (RFC 9110 8.8.3)."""

FOR_WRITERS = {"If_Match", "If_Unmodified_Since"}
MORE = st.dictionaries(
    st.sampled_from(["Range", "If_Range", "If_Match", "If_Unmodified_Since", "Accept", "Cookie"]),
    st.sampled_from(["bytes=0-10", "*/*", '"x"', "Thu, 01 Jan 1970 00:00:00 GMT", "a" * 4000]),
    max_size=3,
)


@given(
    method=st.sampled_from(["GET", "HEAD"]),
    extension=st.sampled_from(["ics", "rss", "json"]),
    tags=TAGS,
    since=DATES,
    codings=CODINGS,
    more=MORE,
)
@settings(deadline=None, max_examples=150)
def test_fields_of_requests_mean_what_they_mean_to_the_service(
    both, method, extension, tags, since, codings, more
):
    path = f"/events/{EXAMPLE}.{extension}"
    if isinstance(tags, tuple):
        known = ask(both.service, path).fields["etag"].strip('"')
        tags = tags[0].format(known)
    fields = {"If_None_Match": tags, "If_Modified_Since": since, "Accept_Encoding": codings}
    sent = {name: value for name, value in fields.items() if value is not None} | more
    both_ways = tags is not None and since is not None
    if both_ways or (tags and not LIST.fullmatch(tags)) or more.keys() & FOR_WRITERS:
        # Where the service says 304 nginx may send it all, as it takes tags as the RFC writes them,
        # wants a date beside them to be right, too, and keeps no copy for those who write. Never
        # the other way round.
        direct, *others = both.ask(path, method, **sent)
        for told in others:
            assert told.status in (200, direct.status)
            assert told.fields["etag"] == direct.fields["etag"]
    else:
        both.say_the_same(path, method, **sent)


@pytest.mark.parametrize("range_", ["bytes=0-10", "bytes=-5", "bytes=0-1,5-6", "bytes=999999-"])
def test_ranges_are_not_known_here_either(both, range_):
    told = both.say_the_same(FEED, Range=range_)

    assert told.status == 200
    assert "accept-ranges" not in told.fields


def test_changes_are_seen_and_the_service_may_be_away(tmp_path):
    with Upstream(lambda: datetime.now(UTC)).on() as upstream:
        # No refresh of an edition that ends after a second is ever out of budget.
        rate = {"FEEDS_MAX_AGE": "1", "FEEDS_UPSTREAM_RATE": "100000/minute"}
        env = environment_for(upstream.url, tmp_path, **rate)
        with (
            serving(tmp_path / "log", env, "--workers", "1") as (process, url),
            nginx_before(int(url.rpartition(":")[2]), tmp_path) as nginx,
        ):
            upstream.publish("moving", "2030-01-01", name="Before")
            assert b"Before" in ask(nginx, "/events/moving.ics").body
            upstream.publish("moving", "2030-01-01", name="Afterwards")
            until(lambda: b"Afterwards" in ask(nginx, "/events/moving.ics").body, "the change")

            process.send(Signals.SIGTERM)
            process.wait()
            last, never = (ask(nginx, f"/events/{name}.ics") for name in ("moving", "never"))
            assert (last.status, b"Afterwards" in last.body) == (200, True)
            assert (never.status, never.fields["content-type"]) == (502, PLAIN)
            assert never.fields["cache-control"] == "no-store"
            assert never.fields["retry-after"] == str(A_MINUTE)
            assert never.body.count(b"\n") == 1


# ------------------------------------------------------------- an origin that does as it is told


MADE = "Sun, 06 Nov 1994 08:49:37 GMT"
"""When the origin says that its answers were made."""


class Request(BaseHTTPRequestHandler):
    """A request as the origin sees it; ``number`` counts those of its connection."""

    protocol_version = "HTTP/1.1"
    number = 0

    def do_GET(self) -> None:
        self.number += 1
        there = self.server
        assert isinstance(there, Origin)
        there.requests[self.path].append(self.headers)
        there.behaviours[self.path](self)

    def tell(self, status: int, body: str = "", **fields: str) -> None:
        """Answer; the names of fields have ``_`` for ``-``."""
        self.send_response_only(status)
        always = {"Date": MADE, "Vary": "Accept-Encoding", "Content_Length": str(len(body))}
        for name, value in (always | fields).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body.encode())

    def hang_up(self) -> None:
        """Close the connection without an answer."""
        self.close_connection = True

    def talk_nonsense(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nno field\0\r\n\r\n")
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass


def says(status: int, body: str = "", **fields: str) -> Callable[[Request], None]:
    return lambda request: request.tell(status, body, **fields)


OLD = says(200, "old", ETag='"old"', Cache_Control="max-age=3600, stale-if-error=604800")
NEW = says(200, "new", ETag='"new"', Cache_Control="max-age=3600, stale-if-error=604800")


class Origin(ThreadingHTTPServer):
    """What stands behind ``nginx``: what it does, and what it was asked for, by path."""

    nginx: int

    def __init__(self) -> None:
        super().__init__((HOST, 0), Request)
        self.behaviours: dict[str, Callable[[Request], None]] = {}
        self.requests: defaultdict[str, list[Message]] = defaultdict(list)

    def asked(self, path: str) -> int:
        return len(self.requests[path])

    def ask(self, path: str, **fields: str) -> Told:
        """What nginx says."""
        return ask(self.nginx, path, **fields)

    def is_asked_anew(self, path: str) -> None:
        """Wait until nginx has no fresh copy any more."""
        before = self.asked(path)

        def asked() -> bool:
            self.ask(path)
            return self.asked(path) > before

        until(asked, "the end of a copy")


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    with Origin() as there:
        thread = threading.Thread(target=there.serve_forever, args=(0.01,))
        thread.start()
        try:
            with nginx_before(there.server_port, tmp_path_factory.mktemp("origin")) as port:
                there.nginx = port
                yield there
        finally:
            there.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def many_aged(origin):
    """Paths of which nginx has an old copy that is no longer fresh; each is for one test."""
    paths = [f"/aged/{number}" for number in range(20)]
    origin.behaviours |= dict.fromkeys([*paths, "/canary"], OLD)
    for path in [*paths, "/canary"]:
        assert origin.ask(path).body == b"old"
    origin.is_asked_anew("/canary")  # the last one
    return iter(paths)


@pytest.fixture
def aged(many_aged):
    return next(many_aged)


def test_a_copy_is_fresh_for_a_moment_whatever_its_max_age_says(origin, aged):
    origin.behaviours[aged] = NEW

    assert origin.ask(aged).body == b"new"


def test_a_copy_tells_when_it_was_made(origin):
    origin.behaviours["/dated"] = OLD

    assert {origin.ask("/dated").fields["date"] for _ in range(3)} == {MADE}
    assert origin.asked("/dated") <= 2


def test_max_age_is_that_of_the_last_answer(origin, aged):
    def unchanged(request):
        status, body = (304, "") if "If-None-Match" in request.headers else (200, "old")
        request.tell(status, body, ETag='"old"', Cache_Control="max-age=5")

    origin.behaviours[aged] = unchanged

    assert origin.ask(aged).max_age == 5


def test_those_who_ask_first_wait_for_one_answer(origin):
    gate = threading.Event()

    def behind_the_gate(request):
        gate.wait(PATIENCE)
        OLD(request)

    origin.behaviours |= {"/cold": behind_the_gate, "/other": OLD}
    with crowd(origin.nginx, "/cold", 20) as answers:
        until(lambda: origin.asked("/cold"), "the first one")
        # nginx has one process here, which does one thing after the other: it has seen them all.
        assert origin.ask("/other").body == b"old"
        gate.set()
        assert set(answers()) == {(200, b"old")}
    assert origin.asked("/cold") == 1


def test_nobody_gets_the_old_answer_while_a_new_one_is_on_its_way(origin, aged):
    gate = threading.Event()

    def behind_the_gate(request):
        gate.wait(PATIENCE)
        NEW(request)

    origin.behaviours |= {aged: behind_the_gate, "/another": OLD}
    with crowd(origin.nginx, aged, 5) as answers:
        assert origin.ask("/another").body == b"old"
        gate.set()
        assert set(answers()) == {(200, b"new")}


@contextmanager
def crowd(port: int, path: str, size: int) -> Iterator[Callable[[], list[tuple[int, bytes]]]]:
    """Several requests that have all been sent, and then their answers."""
    connections = [http.client.HTTPConnection(HOST, port, timeout=PATIENCE) for _ in range(size)]

    def answers() -> list[tuple[int, bytes]]:
        return [
            (response.status, response.read())
            for response in (connection.getresponse() for connection in connections)
        ]

    try:
        for connection in connections:
            connection.request("GET", path)
        yield answers
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.parametrize(
    "trouble",
    [*(says(status) for status in (500, 502, 503, 504)), Request.hang_up, Request.talk_nonsense],
    ids=["500", "502", "503", "504", "hangs up", "nonsense"],
)
def test_in_trouble_the_last_answer_is_given_and_lasts_a_minute(origin, aged, trouble):
    origin.behaviours[aged] = trouble
    told = origin.ask(aged)
    unchanged = origin.ask(aged, If_None_Match='"old"')

    assert (told.status, told.body) == (200, b"old")
    assert (unchanged.status, unchanged.body) == (304, b"")
    for each in (told, unchanged):
        assert each.fields["etag"] == '"old"'
        assert (
            each.fields["cache-control"] == f"max-age={A_MINUTE}, stale-if-error={STALE_IF_ERROR}"
        )
    assert origin.asked(aged) >= 3
    origin.behaviours[aged] = NEW
    assert origin.ask(aged).body == b"new"


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_gone_is_not_hidden_and_does_not_return_in_trouble(origin, aged, status):
    origin.behaviours[aged] = says(status, "gone", Cache_Control="max-age=3600")
    assert (origin.ask(aged).status, origin.ask(aged).max_age) == (status, 3600)
    origin.behaviours[aged] = Request.hang_up
    origin.is_asked_anew(aged)

    assert (origin.ask(aged).status, origin.ask(aged).body) == (status, b"gone")


@pytest.mark.parametrize("status", [303, 400, 403, 414, 431, 500, 501, 502, 503, 504])
def test_what_may_be_otherwise_for_the_next_one_is_not_kept(origin, status):
    path = f"/refused/{status}"
    control = "no-store" if status >= 500 else "max-age=60"
    origin.behaviours[path] = says(status, "no\n", Cache_Control=control, Retry_After="7")
    for times in (1, 2):
        told = origin.ask(path)
        assert (told.status, told.body, told.fields["retry-after"]) == (status, b"no\n", "7")
        assert told.fields["cache-control"] == control
        assert origin.asked(path) == times


def test_what_most_clients_accept_is_one_copy_and_nothing_at_all_another(origin):
    origin.behaviours["/coded"] = OLD
    many = """gzip|GZIP|gzip, deflate|gzip, deflate, br|gzip, deflate, br, zstd|gzip,deflate
        gzip, x-gzip, deflate|deflate, gzip|br;q=1.0, gzip;q=1.0, *;q=0.1
        gzip;q=1.0,deflate;q=0.6,identity;q=0.3""".replace("\n", "|").split("|")
    for accepted in many:
        origin.ask("/coded", Accept_Encoding=accepted.strip())
    for nothing in ("", "identity"):
        origin.ask("/coded", Accept_Encoding=nothing)
    origin.ask("/coded")
    codings = [fields["Accept-Encoding"] for fields in origin.requests["/coded"]]

    assert list(dict.fromkeys(codings)) == ["gzip", None]
    assert len(codings) < len(many)


def test_what_is_not_in_the_key_does_not_reach_the_service(origin):
    origin.behaviours["/plain"] = OLD
    odd = {f"X_{number}": "x" for number in range(200)}
    origin.ask("/plain", X_Forwarded_Proto="gopher", If_None_Match='"a"', Range="bytes=1-", **odd)
    (fields,) = origin.requests["/plain"]

    assert fields.items() == [("Host", "feeds")]


def test_connections_are_kept_and_one_that_was_just_closed_is_no_error(origin):
    """As when the service's time for idle ones is over in the same moment, or it ends."""
    closed: list[Request] = []

    def closes_kept_ones(request):
        if request.number > 1 and not closed:
            closed.append(request)
            request.hang_up()
        else:
            NEW(request)

    for number in range(10):
        origin.behaviours[f"/kept/{number}"] = closes_kept_ones
        assert origin.ask(f"/kept/{number}").status == 200
    assert closed


def test_times_fit_those_of_the_service():
    text = CONFIG.read_text("utf-8")

    def seconds(directive):
        (found,) = re.findall(rf"^ *{directive} (\d+)s;", text, re.MULTILINE)
        return int(found)

    assert seconds("keepalive_timeout") < gunicorn_conf.keepalive
    assert seconds("proxy_read_timeout") > editions.MAX_WAIT_COLD
    assert seconds("proxy_cache_lock_timeout") == editions.MAX_WAIT
