"""The upstream of a walk: in place of the network, answers each call at once, right or wrong."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO
from random import Random
from typing import Any, NamedTuple
from unittest.mock import patch

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from bench.walking.organizer import ORGANIZATION, UNREADABLE, Organizer, encode

URL = "http://upstream.example"

TROUBLES = (
    *("500", "503", "429", "401", "timeout", "reset", "no JSON", "half", "other event", "html 404"),
)
"""Answers that say nothing about an event."""

DOUBTS = ("404", "empty", "few", "unreadable run", "unreadable id")
"""Answers that decode, and say less than the organizer."""


class Reading(NamedTuple):
    """What an answer says: the fields of the event and of the runs that decode, by id.

    ``listed`` are the ids that can be read, of all runs. ``fields`` is None for a 404.
    ``complete`` is whether the answer proves that a run which is not listed is missing: not a 304.
    """

    fields: dict[str, Any] | None
    runs: dict[str, dict[str, Any]]
    listed: frozenset[str]
    complete: bool


class Call(NamedTuple):
    """A call of ``process`` at its time ``at``, after ``elapsed`` seconds of the walk.

    ``reading`` is None if the answer said nothing, because of ``trouble``.

    ``overtaken`` is whether another call can have been saved meanwhile, or the lease has ended.
    """

    process: str
    event_id: str
    at: datetime
    elapsed: float
    reading: Reading | None
    trouble: str
    overtaken: bool


class Trouble(NamedTuple):
    """What is wrong with answers for an event, or for all (None), for so many ``calls``."""

    kind: str
    event_id: str | None
    calls: int


class Upstream:
    """``calls`` are those since they were last taken. ``slow`` runs once within the next call.

    ``clocks`` are those of the processes, which are told by their API keys; ``elapsed`` gives the
    seconds of the walk.
    """

    def __init__(
        self, organizer: Organizer, random: Random, elapsed: Callable[[], float], *, etags: bool
    ) -> None:
        self.calls: list[Call] = []
        self.clocks: dict[str, Callable[[], datetime]] = {}
        self.trouble: Trouble | None = None
        self.slow: tuple[str, Callable[[str, str], bool]] | None = None
        self.total = 0
        self._organizer = organizer
        self._random = random
        self._elapsed = elapsed
        self._etags = etags

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Answer all calls that this process makes until the end of the block."""
        answer = self._answer

        def send(
            adapter: HTTPAdapter, request: requests.PreparedRequest, **_: object
        ) -> requests.Response:
            return adapter.build_response(request, answer(request))

        with patch.object(HTTPAdapter, "send", send):
            yield

    def _answer(self, request: requests.PreparedRequest) -> HTTPResponse:
        process = str(request.headers["Authorization"]).removeprefix("Bearer ")
        path = str(request.url).removeprefix(URL)
        self.total += 1
        if path == "/organization":
            return _respond(200, {"data": {"_id": ORGANIZATION, "name": "Walk"}})
        if path.startswith("/recurrences"):
            return _respond(200, {"data": [], "hasMore": False})
        if path.startswith("/events?"):
            return self._list_events()
        event_id = path.removeprefix("/events/")
        at, elapsed, overtaken, raised = self.clocks[process](), self._elapsed(), False, None
        slow, self.slow = self.slow, None
        if slow and slow[0] == "before":
            overtaken = slow[1](process, event_id)
        try:
            trouble = self._take_trouble(event_id)
            response, reading = self._respond(
                event_id, trouble, request.headers.get("If-None-Match")
            )
        except requests.RequestException as error:
            raised, reading = error, None
        if slow and slow[0] == "after":
            overtaken = slow[1](process, event_id)
        self.calls.append(Call(process, event_id, at, elapsed, reading, trouble, overtaken))
        if raised:
            raise raised
        return response

    def _list_events(self) -> HTTPResponse:
        """The list of all events, which lacks one of them while all answers are in doubt.

        It lacks no more: a collection asks for those events at once, in no certain order.
        """
        kind = self.trouble.kind if self.trouble and self.trouble.event_id is None else ""
        events = [each for each in self._organizer.events.values() if not each.deleted]
        names = ("_id", "name", "type", "date")
        items = [{name: each.fields[name] for name in names} for each in events]
        match kind:
            case "500" | "503" | "timeout" | "reset" | "no JSON" | "half":
                return self._fail(kind, json.dumps({"data": items}).encode(), "")
            case "404" | "empty" | "few":
                items = items[1:]
        return _respond(200, {"data": items, "hasMore": False})

    def _respond(
        self, event_id: str, kind: str, etag: str | None
    ) -> tuple[HTTPResponse, Reading | None]:
        event = self._organizer.events[event_id]
        runs: list[Any] = event.list_runs()
        if kind in TROUBLES or kind == "403":
            return self._fail(kind, encode(event.fields, runs)[0], event_id), None
        if kind == "404" or event.deleted:
            missing = Reading(None, {}, frozenset(), complete=True)
            return _respond(404, {"error": {"code": "NOT_FOUND", "message": "?"}}), missing
        if kind == "empty":
            runs = []
        elif kind == "few":
            runs = runs[1:]
        elif kind and runs:
            chosen = self._random.randrange(len(runs))
            runs[chosen] = runs[chosen] | UNREADABLE if kind == "unreadable run" else {"no": "id"}
        body, validator = encode(event.fields, runs)
        named = [run for run in runs if "_id" in run]
        reading = Reading(
            dict(event.fields),
            {run["_id"]: dict(run) for run in named if run["distanceMeters"] != "ten"},
            frozenset(run["_id"] for run in named),
            complete=all(run.get("distanceMeters", "ten") != "ten" for run in runs),
        )
        if not self._etags:
            return _respond(200, body), reading
        headers = {"ETag": validator}
        if etag == validator:
            return _respond(304, b"", headers), reading._replace(complete=False)
        return _respond(200, body, headers), reading

    def _take_trouble(self, event_id: str) -> str:
        trouble = self.trouble
        if trouble is None or trouble.event_id not in (None, event_id):
            return ""
        self.trouble = trouble._replace(calls=trouble.calls - 1) if trouble.calls > 1 else None
        return trouble.kind

    def _fail(self, kind: str, body: bytes, event_id: str) -> HTTPResponse:
        match kind:
            case "timeout":
                raise requests.ReadTimeout
            case "reset":
                raise requests.ConnectionError
            case "no JSON":
                return _respond(200, b"<html>")
            case "half":
                return _respond(200, body[: len(body) // 2])
            case "other event":
                return _respond(200, body.replace(f'"{event_id}"'.encode(), b'"other"'))
            case "html 404":
                return _respond(404, b"<html>")
        code = {"429": "RATE_LIMITED", "401": "UNAUTHORIZED", "403": "FORBIDDEN"}.get(kind, "?")
        return _respond(int(kind), {"error": {"code": code, "message": "?"}})


def _respond(
    status: int, body: bytes | dict[str, Any], headers: dict[str, str] | None = None
) -> HTTPResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HTTPResponse(BytesIO(data), headers, status, preload_content=False)
