"""Subscribers with a memory, as real clients have one.

``CalendarClient`` works as ICSx5: its key is the UID, it takes a VEVENT only if LAST-MODIFIED rose,
and it drops what left the feed. ``ReaderClient`` works as miniflux: its key is the guid, and it
announces each guid once. Of a channel, it reads the items alone: tests/formats has the rest.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree as ET

from icalendar import Calendar, Event


class Poller:
    """Polls an address with the ETag of its last response."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.etag: str | None = None
        self.last_modified: str | None = None
        self.statuses: list[int] = []

    def poll(self, client: Any) -> bytes | None:
        """Return the body of a 200, None for any other status."""
        headers = {"If-None-Match": self.etag} if self.etag else {}
        response = client.get(self.address, headers=headers)
        self.statuses.append(response.status_code)
        if response.status_code != 200:
            return None
        modified = response.headers.get("Last-Modified")
        if modified and self.etag and response.headers["ETag"] != self.etag:
            assert modified != self.last_modified, "the ETag changed without Last-Modified"
        self.etag, self.last_modified = response.headers["ETag"], modified
        return bytes(response.data)


_VEVENT = re.compile(rb"^BEGIN:VEVENT\r\n.*?^END:VEVENT\r\n", re.DOTALL | re.MULTILINE)

# Most VEVENTs are the same in each poll, and so is what stands around them.
_parse_vevent = lru_cache(maxsize=2_000)(Event.from_ical)
_parse_rest = lru_cache(maxsize=100)(Calendar.from_ical)


def _read_vevents(body: bytes) -> dict[str, Any]:
    """The VEVENTs of a calendar by UID; all of it is parsed."""
    found = _VEVENT.findall(body)
    assert len(found) == body.count(b"BEGIN:VEVENT\r\n"), "a VEVENT has no end"
    _parse_rest(_VEVENT.sub(b"", body))  # raises ValueError if there is not exactly one calendar
    return {str(event["UID"]): event for event in map(_parse_vevent, found)}


Revision = tuple[int, datetime]
"""SEQUENCE and LAST-MODIFIED."""


def _read_revision(event: Any) -> Revision:
    return int(event["SEQUENCE"]), event["LAST-MODIFIED"].dt


class CalendarClient:
    """A subscribed calendar: ``entries`` holds the VEVENTs by UID."""

    def __init__(self, address: str) -> None:
        self.poller = Poller(address)
        self.entries: dict[str, Any] = {}
        self.sequences: dict[str, int] = {}
        self.modified: dict[str, datetime] = {}
        self._before: dict[str, Revision] = {}

    def poll(self, client: Any, unnoticed_since: datetime | None = None) -> None:
        """Poll, and check that no revision of a VEVENT fell.

        What was saved after ``unnoticed_since`` may be unknown to other processes: the client
        ignores a response with the revision before such a one.
        """
        body = self.poller.poll(client)
        if body is None:
            return
        polled = _read_vevents(body)
        fallen = {uid: event for uid, event in polled.items() if self._has_fallen(uid, event)}
        for uid, event in fallen.items():
            known, revision = self._get_revision(uid), _read_revision(event)
            is_unnoticed = unnoticed_since is not None and self.modified[uid] > unnoticed_since
            is_excused = is_unnoticed and revision == self._before.get(uid)
            assert is_excused, f"the revision of {uid} fell from {known} to {revision}"
        if fallen:
            return
        for uid, event in polled.items():
            sequence, modified = _read_revision(event)
            if uid in self.modified and (sequence, modified) != self._get_revision(uid):
                self._before[uid] = self._get_revision(uid)
            assert event["DTSTAMP"].dt == modified
            assert event["CREATED"].dt <= modified
            self.sequences[uid] = sequence
            if uid not in self.modified or modified > self.modified[uid]:
                self.entries[uid], self.modified[uid] = event, modified
        for uid in self.entries.keys() - polled.keys():
            del self.entries[uid]

    def _get_revision(self, uid: str) -> Revision:
        return self.sequences[uid], self.modified[uid]

    def _has_fallen(self, uid: str, event: Any) -> bool:
        if uid not in self.modified:
            return False
        known, revision = self._get_revision(uid), _read_revision(event)
        return revision[0] < known[0] or revision[1] < known[1]

    @property
    def shown(self) -> dict[str, str]:
        """The summaries by UID."""
        return {uid: str(event["SUMMARY"]) for uid, event in sorted(self.entries.items())}

    def start(self, uid: str) -> str:
        """Return DTSTART as day and time, ``13 08:00``."""
        return str(self.entries[uid]["DTSTART"].dt.strftime("%d %H:%M"))

    def status(self, uid: str) -> str:
        """Return STATUS."""
        return str(self.entries[uid]["STATUS"])


class ReaderClient:
    """A feed reader: ``announced`` holds the titles of all new items, in order, ``seen`` guids."""

    def __init__(self, address: str) -> None:
        self.poller = Poller(address)
        self.seen: set[str] = set()
        self.announced: list[str] = []

    def poll(self, client: Any, now: datetime | None = None) -> list[str]:
        """Poll; return the titles of the new items, oldest first.

        No item may be of the future. ``now`` is the time of a simulation; by default, the time at
        which the response arrived.
        """
        body = self.poller.poll(client)
        if body is None:
            return []
        now = now or datetime.now(UTC)
        root = ET.fromstring(body)
        assert (root.tag, len(root.findall("channel"))) == ("rss", 1)
        listed = root.findall("channel/item")
        items = {_read(item, "guid"): _read(item, "title") for item in listed}
        assert len(items) == len(listed), "two items have the same guid"
        for item in listed:
            published = parsedate_to_datetime(_read(item, "pubDate"))
            assert published <= now, f"{_read(item, 'title')} is from the future"
        titles = [title for guid, title in reversed(items.items()) if guid not in self.seen]
        self.seen |= items.keys()
        self.announced += titles
        return titles


def _read(item: ET.Element, name: str) -> str:
    """The text of an element that every item has."""
    text = item.findtext(name)
    assert text, f"an item has no {name}"
    return text
