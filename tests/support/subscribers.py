"""Subscribers as they are: what they keep between polls, and what they believe.

A calendar as ICSx5 is: it keys by UID, takes an entry only if LAST-MODIFIED rose, and drops what
left the feed. A reader as miniflux is: it keys by guid and announces a guid once.
"""

from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import feedparser
from icalendar import Calendar


class Poller:
    """Polls with the validators of its last answer."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.etag: str | None = None
        self.last_modified: str | None = None
        self.statuses: list[int] = []

    def poll(self, client: Any) -> bytes | None:
        """The body if there is a new one."""
        headers = {"If-None-Match": self.etag} if self.etag else {}
        response = client.get(self.address, headers=headers)
        self.statuses.append(response.status_code)
        if response.status_code != 200:
            return None
        modified = response.headers.get("Last-Modified")
        if modified and self.etag and response.headers["ETag"] != self.etag:
            assert modified != self.last_modified, "the ETag moved without Last-Modified"
        self.etag, self.last_modified = response.headers["ETag"], modified
        return bytes(response.data)


class CalendarClient:
    """What a person sees in a subscribed calendar: ``entries`` by UID."""

    def __init__(self, address: str) -> None:
        self._poller = Poller(address)
        self.entries: dict[str, Any] = {}
        self.sequences: dict[str, int] = {}
        self.modified: dict[str, datetime] = {}

    def poll(self, client: Any) -> None:
        body = self._poller.poll(client)
        if body is None:
            return
        polled: dict[str, Any] = {
            str(event["UID"]): event for event in Calendar.from_ical(body).walk("VEVENT")
        }
        for uid, event in polled.items():
            modified, sequence = event["LAST-MODIFIED"].dt, int(event["SEQUENCE"])
            assert sequence >= self.sequences.get(uid, 0), f"SEQUENCE of {uid} fell"
            assert event["DTSTAMP"].dt == modified
            assert event["CREATED"].dt <= modified
            self.sequences[uid] = sequence
            if uid not in self.modified or modified > self.modified[uid]:
                self.entries[uid], self.modified[uid] = event, modified
        for uid in self.entries.keys() - polled.keys():
            del self.entries[uid]

    @property
    def shown(self) -> dict[str, str]:
        """The titles by UID."""
        return {uid: str(event["SUMMARY"]) for uid, event in sorted(self.entries.items())}

    def start(self, uid: str) -> str:
        return str(self.entries[uid]["DTSTART"].dt.strftime("%d %H:%M"))

    def status(self, uid: str) -> str:
        return str(self.entries[uid]["STATUS"])

    def description(self, uid: str) -> str:
        return str(self.entries[uid]["DESCRIPTION"])


class ReaderClient:
    """What a person was told by a feed reader: ``announced`` are titles, in order."""

    def __init__(self, address: str) -> None:
        self._poller = Poller(address)
        self._seen: set[str] = set()
        self.announced: list[str] = []

    def poll(self, client: Any, now: datetime) -> list[str]:
        """The titles that are new, oldest first."""
        body = self._poller.poll(client)
        if body is None:
            return []
        channel = feedparser.parse(body)
        assert not channel.bozo, channel.get("bozo_exception")
        new = [entry for entry in channel.entries if entry.id not in self._seen]
        assert len({entry.id for entry in channel.entries}) == len(channel.entries)
        for entry in channel.entries:
            published = parsedate_to_datetime(entry.published)
            assert published <= now, f"{entry.title} is from the future"
        self._seen.update(entry.id for entry in new)
        titles = [str(entry.title) for entry in reversed(new)]
        self.announced += titles
        return titles
