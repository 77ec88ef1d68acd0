"""Simulated clients, each with one address, and what they remember of its answers.

A calendar knows entries by UID; it takes an entry only if LAST-MODIFIED rose, as ICSx5 does, and a
new start only with a higher SEQUENCE. A reader knows items by guid, and announces each one once.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from typing import NamedTuple

from msgspec import json
from werkzeug.test import TestResponse

from bench.walking.deployment import Stamps

CONDITIONS = ("none", "ETag", "If-Modified-Since", "both", "own time")
"""What a client sends; ``own time`` is If-Modified-Since with the time of its last poll."""

_STAMPS = re.compile(r"^(?:CREATED|DTSTAMP|LAST-MODIFIED|SEQUENCE):.*\n", re.MULTILINE)


class Vevent(NamedTuple):
    """A VEVENT: its stamps, its DTSTART, and all of it but the stamps."""

    stamps: Stamps
    start: str
    content: str


class Client:
    """One subscriber; ``path`` is the path and query of its address, ``sends`` its condition."""

    def __init__(self, event_id: str, form: str, sends: str) -> None:
        self.event_id = event_id
        self.path = f"/events/{event_id}{form}"
        self.sends = sends
        self.forget()

    def forget(self) -> None:
        """Subscribe anew."""
        self.body = b""
        self.etag = self._modified = ""
        self.vevents: dict[str, Vevent] = {}
        self.starts: dict[str, tuple[int, str]] = {}
        self.announced: set[str] = set()

    @property
    def is_calendar(self) -> bool:
        return ".ics" in self.path

    def build_headers(self) -> dict[str, str]:
        """The condition of the next request."""
        etag, modified = self.etag, self._modified
        headers = {}
        if etag and self.sends in ("ETag", "both"):
            headers["If-None-Match"] = etag
        if modified and self.sends in ("If-Modified-Since", "both", "own time"):
            headers["If-Modified-Since"] = modified
        return headers

    def take(self, response: TestResponse, now: datetime) -> Iterator[str]:
        """Take a 200; yields what such clients cannot bear."""
        self.body = response.data
        self.etag = response.headers["ETag"]
        self._modified = response.headers.get("Last-Modified", "")
        if self.sends == "own time":
            self._modified = f"{now:%a, %d %b %Y %H:%M:%S} GMT"
        if not self.is_calendar:
            guids = list_guids(self.body, self.path)
            if len(set(guids)) != len(guids) or not guids:
                yield f"{len(guids)} items, {len(set(guids))} guids"
            self.announced.update(guids)
            return
        vevents = parse_vevents(self.body)
        if not vevents and "cancelled=drop" not in self.path:  # rules 6.14
            yield "no VEVENT"
        for uid, vevent in vevents.items():
            known = self.vevents.get(uid)
            if known is None or vevent.stamps[0] > known.stamps[0]:
                self.vevents[uid] = vevent
            sequence, _ = self.starts.get(uid, (-1, ""))
            if vevent.stamps[1] > sequence:
                self.starts[uid] = (vevent.stamps[1], vevent.start)
        for uid in self.vevents.keys() - vevents.keys():
            del self.vevents[uid], self.starts[uid]

    def find_mistakes(self, body: bytes) -> Iterator[str]:
        """What the client shows otherwise than ``body``, the present feed."""
        if self.body != body:
            yield "it holds other bytes than the feed"
        if self.is_calendar:
            for uid, vevent in parse_vevents(body).items():
                if self.vevents[uid].content != vevent.content:
                    yield f"it has not taken the last version of {uid}"
                if self.starts[uid][1] != vevent.start:
                    yield f"it has not taken the last start of {uid}"


def parse_vevents(body: bytes) -> dict[str, Vevent]:
    """The VEVENTs of a calendar by UID."""
    text = body.decode().replace("\r\n ", "").replace("\r\n", "\n")
    found = {}
    for part in text.split("BEGIN:VEVENT\n")[1:]:
        lines = part.partition("END:VEVENT")[0]
        values = dict(line.partition(":")[::2] for line in lines.splitlines())
        start = next(line for line in lines.splitlines() if line.startswith("DTSTART"))
        modified = datetime.strptime(values["LAST-MODIFIED"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        stamps = (modified, int(values["SEQUENCE"]))
        found[values["UID"]] = Vevent(stamps, start, _STAMPS.sub("", lines))
    return found


def list_guids(body: bytes, path: str) -> list[str]:
    """The guids of a channel, in its order."""
    if ".json" in path:
        return [item["id"] for item in json.decode(body)["items"]]
    return [unescape(guid) for guid in re.findall(r"<guid[^>]*>(.*?)</guid>", body.decode())]
