"""Scenarios in which the upstream fails, does not know an id, or has nothing new."""

import json
from collections.abc import Callable

from werkzeug import Response

from tests.support.recording import Service

KNOWN, UNSEEN = "harbor-festival", "night-owl-run"
PAGE = f"/events/{KNOWN}"
TARGETS = (
    f"/events/{KNOWN}.ics",
    f"/events/{UNSEEN}.ics",
    f"/events/{UNSEEN}",
    f"/oembed?url=https://feeds.example.org/events/{UNSEEN}",
)


def fail(service: Service, *, begin: Callable[[Service], None]) -> None:
    """Poll before, during and after an outage: a failure is remembered for a minute."""
    service.step("before")
    service.ask(f"/events/{KNOWN}.ics")
    service.ask(PAGE)
    service.step("the edition is old, the upstream fails", minutes=61)
    begin(service)
    _poll(service)
    service.ask(PAGE)
    service.ask(f"/events/{KNOWN}.rss", "HEAD")
    service.ask(f"/events/{UNSEEN}.rss", "HEAD")
    for seconds in (30, 30, 61):
        service.step(f"{seconds} s later", seconds=seconds)
        _poll(service)
    end(service)
    for seconds in (0, 61, 540, 3600):
        service.step(f"the upstream works, {seconds} s later", seconds=seconds)
        _poll(service)
    service.ask(PAGE)


def fail_at_start(service: Service, *, begin: Callable[[Service], None]) -> None:
    """An outage before the key has read any event."""
    begin(service)
    for seconds in (0, 61):
        service.step(f"{seconds} s", seconds=seconds)
        _poll(service)
    end(service)
    service.step("the upstream works", seconds=61)
    _poll(service)


def _poll(service: Service) -> None:
    for target in TARGETS:
        service.ask(target, times=2)


def end(service: Service) -> None:
    """The upstream works again."""
    service.upstream.instead = None
    service.upstream.failing.clear()
    service.upstream.give_key_to("k57abc123def456")
    if service.upstream.stopped:
        service.upstream.restart()


def _answer(status: int, media_type: str, body: str) -> Callable[[Service], None]:
    return lambda service: service.upstream.answer(status, media_type, body)


def _refuse(status: int, code: str) -> Callable[[Service], None]:
    return lambda service: service.upstream.refuse(status, code)


def _limit(service: Service) -> None:
    retry = int(service.clock.timestamp() + 100) * 1000
    service.upstream.refuse(429, "RATE_LIMITED", retryAfter=retry)


def _forbid_one(service: Service) -> None:
    service.upstream.refuse_path(f"/events/{UNSEEN}", 403, "FORBIDDEN")


def _lose_events(service: Service) -> None:
    for id_ in (KNOWN, UNSEEN):
        service.upstream.refuse_path(f"/events/{id_}", 404, "NOT_FOUND")


OUTAGES: dict[str, Callable[[Service], None]] = {
    "500": _refuse(500, "INTERNAL"),
    "503 in HTML": _answer(503, "text/html", "<h1>Service Unavailable</h1>"),
    "401": _refuse(401, "UNAUTHORIZED"),
    "403": _refuse(403, "FORBIDDEN"),
    "403 for an id never seen": _forbid_one,
    "404 without a code": _answer(404, "text/html", "<h1>Not Found</h1>"),
    "404 NOT_FOUND": _lose_events,
    "404 NOT_FOUND for the organization too": _refuse(404, "NOT_FOUND"),
    "the key of another organization": lambda service: service.upstream.give_key_to("k57other"),
    "422": _refuse(422, "VALIDATION_ERROR"),
    "429 with retryAfter": _limit,
    "429 in HTML": _answer(429, "text/html", "<h1>Too Many Requests</h1>"),
    "half a document": _answer(200, "application/json", '{"data": {"event": {'),
    "a document without an event": _answer(
        200, "application/json", '{"data": {"event": {}, "runs": []}}'
    ),
    "refused connections": lambda service: service.upstream.stop(),
}
"""What begins an outage, by the name of the outage."""


def remember_unknown_ids(service: Service) -> None:
    """Ids that the upstream does not know, until the budget for such ids is spent."""
    service.step("a known event")
    service.ask(f"{PAGE}.ics")
    service.ask_all(f"/events/unknown-{number}.ics" for number in range(30))
    service.ask_all([f"{PAGE}.rss", f"/events/{UNSEEN}"])
    for name, duration in (("5 s", 5), ("a minute", 55), ("ten minutes", 539), ("one more", 1)):
        service.step(f"{name} later", seconds=duration)
        service.ask_all(f"/events/unknown-{number}.ics" for number in (0, 29))
        service.ask_all([f"/events/{UNSEEN}", f"{PAGE}.ics"])


def revalidate(service: Service) -> None:
    """An upstream with an ETag: it answers 304 as long as nothing has changed."""
    document = service.upstream.document(KNOWN)
    for name, seconds, status, etag in (
        ("first", 0, 200, '"1"'),
        ("not modified", 7200, 304, '"1"'),
        ("not modified again", 7200, 304, '"1"'),
        ("modified", 7200, 200, '"2"'),
        ("not modified after a restart", 7200, 304, '"2"'),
        ("no runs", 7200, 200, '"3"'),
        ("not modified, but the service has to ask for the whole", 60, 304, '"3"'),
        ("no runs again", 60, 200, '"3"'),
        ("no runs half an hour later", 1800, 200, '"3"'),
    ):
        service.step(name, seconds=seconds)
        document["event"]["name"] = f"Harbor Festival, {etag}"
        if "no runs" in name:
            document["runs"] = []
        serve(service, document, status, etag)
        if "restart" in name:
            service.start()
        service.ask_all([f"{PAGE}.ics", PAGE, f"{PAGE}.rss"])


def serve(service: Service, document: object, status: int = 200, etag: str = "") -> None:
    """Have the upstream answer with this document, whatever its rate limit says."""
    body = json.dumps({"data": document}) if status == 200 else ""
    answer = Response(body, status, {"ETag": etag} if etag else {}, mimetype="application/json")
    service.upstream.failing[PAGE] = answer
