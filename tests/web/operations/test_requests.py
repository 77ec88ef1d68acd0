"""The id of each request, and the access log."""

import json
import logging
import re
import subprocess
import sys
from io import StringIO
from urllib.parse import quote

import pytest

from feeds.logformat import build_formatter
from tests.support.service import EVENT, Service, a_run

CALENDAR = f"/events/{EVENT}.ics"


@pytest.fixture
def service(upstream, clock, tmp_path):
    """The service after a poll of one event."""
    started = Service(upstream, clock, tmp_path)
    started.announce(a_run())
    return started


def get_id(service, path=CALENDAR, **headers):
    """The id that a response has."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    (found,) = service.client.get(path, headers=named).headers.getlist("X-Request-Id")
    return found


@pytest.mark.parametrize("path", [CALENDAR, f"/events/{EVENT}", "/healthz", "/nothing", "/oembed"])
def test_every_response_has_an_id_of_its_own(service, path):
    made = {get_id(service, path) for _ in range(20)}
    assert len(made) == 20
    assert all(re.fullmatch("[0-9a-f]{16}", each) for each in made)


def test_a_response_without_a_body_has_an_id_as_well(service):
    etag = service.get().headers["ETag"]
    answer = service.get(if_none_match=etag)
    assert answer.status_code == 304
    assert answer.headers["X-Request-Id"]


@pytest.mark.parametrize(
    ("proxies", "sent", "kept"),
    [
        *((1, sent, True) for sent in ("a", "Root-1_2.3", "x" * 64)),
        *((1, sent, False) for sent in ("", "x" * 65, "a b", "a\tb", "ä", "a;b", '"a"', "a\x00")),
        (0, "a", False),
    ],
    ids=ascii,
)
def test_an_id_is_taken_from_a_trusted_proxy_alone_and_if_it_is_harmless(
    service, proxies, sent, kept
):
    service.restart(trusted_proxies=proxies)
    for _ in range(2):  # from the view, and from the cache in front of it
        assert (get_id(service, x_request_id=sent) == sent) == kept


FIRST_REQUESTS = """
import threading
from time import sleep
from feeds.web.operations.requests import identify, make_id

answered, inside = [], threading.Barrier(8)

def switch(frame, *_):
    if frame.f_code.co_filename == threading.__file__:
        return None
    sleep(0.01)  # so that all threads execute each line before one executes the next
    return switch

def request():
    answered.append(identify(lambda *_: inside.wait(), make_id)({}, None))

threading.settrace(switch)
threads = [threading.Thread(target=request) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(answered))
"""


def test_the_first_requests_of_a_process_are_all_answered_if_they_come_at_once():
    ran = subprocess.run(
        [sys.executable, "-c", FIRST_REQUESTS], capture_output=True, text=True, check=True
    )
    assert (ran.stdout, ran.stderr) == ("8\n", "")


def test_what_a_request_causes_in_the_background_is_logged_with_its_id(service):
    service.restart(trusted_proxies=1)
    service.upstream.refuse(500, "INTERNAL")
    service.advance(days=1)
    output = StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(build_formatter(terminal=False))
    logging.getLogger().addHandler(handler)
    try:
        get_id(service, x_request_id="the-request")
        get_id(service, "/healthz", x_request_id="another")
    finally:
        logging.getLogger().removeHandler(handler)
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    assert "event harbor-run: The Intervals API is out of order." in [
        line["message"] for line in lines
    ]
    assert {line["request_id"] for line in lines} == {"the-request"}


def read_access(caplog):
    return [record for record in caplog.records if record.name == "feeds.access"]


def test_without_the_setting_no_request_is_logged(service, caplog):
    caplog.set_level(logging.INFO)
    service.poll()
    assert read_access(caplog) == []


def test_the_access_log_has_one_line_for_each_request(service, caplog):
    caplog.set_level(logging.INFO)
    service.restart(access_log=True, trusted_proxies=1)
    headers = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Request-Id": "abc",
        "User-Agent": "Reader/1",
        "Accept-Encoding": "identity",
    }
    bodies = [
        service.client.get(path, headers=headers).data
        for path in (CALENDAR, f"{CALENDAR}?", "/nothing?x=1")
    ]
    lines = read_access(caplog)
    assert [line.getMessage() for line in lines] == [
        *(f"GET {CALENDAR} 200",) * 2,
        "GET /nothing?x=1 404",
    ]
    for line, body in zip(lines, bodies, strict=True):
        assert (line.client, line.request_id, line.agent) == ("203.0.113.9", "abc", "Reader/1")
        assert (line.status, line.bytes) == (200 if "ics" in line.target else 404, len(body))
        assert line.milliseconds >= 0


def test_no_request_writes_control_characters_into_the_message_of_the_access_log(service, caplog):
    caplog.set_level(logging.INFO)
    service.restart(access_log=True)
    service.client.get(f"/{quote(chr(27))}[31m{quote(chr(10))}x")
    (line,) = read_access(caplog)
    assert line.getMessage().isprintable()
