"""What has been served so far, and the checks that compare each answer with it."""

from collections.abc import Collection, Iterator
from datetime import datetime
from hashlib import sha256

from werkzeug.http import parse_date
from werkzeug.test import TestResponse

from bench.walking.clients import parse_vevents
from bench.walking.deployment import Process, Stamps, Time

NOTICED_AFTER = 2.5
"""Seconds after which all processes serve what one has saved (rules 8.3)."""


def get_event_id(path: str) -> str:
    """The id of the event that a feed is of."""
    return path.split("/")[2].partition(".")[0]


class Record:
    """The bytes and stamps of all answers; ``find_faults`` compares one more answer with them."""

    def __init__(self, time: Time) -> None:
        self._time = time
        self._bytes: dict[tuple[str, str, str], str] = {}
        self._contents: dict[tuple[str, str, object], str] = {}
        self._newest: dict[str, dict[str, tuple[Stamps, float]]] = {}
        self._modified: dict[str, datetime] = {}

    def find_faults(
        self, process: Process, path: str, response: TestResponse, *, settled: bool, sound: bool
    ) -> Iterator[str]:
        """What is wrong with a 200.

        Until the processes have ``settled`` on one story, an answer is compared with the answers of
        its own process alone; those of others count while all is ``sound``.
        """
        if settled:
            yield from self._check_bytes(process, path, response)
        if ".ics" in path:
            yield from self._check_stamps(
                process, path, response.data, settled=settled, sound=sound
            )

    def _check_bytes(self, process: Process, path: str, response: TestResponse) -> Iterator[str]:
        """One Last-Modified has one byte string, and is not in the future."""
        modified = response.headers.get("Last-Modified")
        if modified is None:
            return
        date = parse_date(modified)
        if date is None or date > process.clock():
            yield f"Last-Modified is {modified}"
            return
        for known in (process.modified, self._modified):
            known[get_event_id(path)] = max(date, known.get(get_event_id(path), date))
        key = (process.public_url, path, modified)
        digest = sha256(response.data).hexdigest()[:12]
        if self._bytes.setdefault(key, digest) != digest:
            yield f"other bytes with the same Last-Modified {modified}"

    def _check_stamps(
        self,
        process: Process,
        path: str,
        body: bytes,
        *,
        settled: bool,
        sound: bool,
    ) -> Iterator[str]:
        """Stamps do not fall, and rise with what they are the stamps of."""
        event_id, now = get_event_id(path), self._time.elapsed
        own = process.stamps.setdefault(event_id, {})
        newest = self._newest.setdefault(event_id, {})
        for uid, vevent in parse_vevents(body).items():
            stamps = vevent.stamps
            last, since = newest.get(uid, (stamps, now))
            others = [last] if sound and now - since > NOTICED_AFTER else []
            for known in (own.get(uid, stamps), *others):
                if stamps[0] < known[0] or stamps[1] < known[1]:
                    yield f"{uid} fell from {known} to {stamps}"
            own[uid] = _find_highest(stamps, own.get(uid, stamps))
            if not settled:
                continue
            highest = _find_highest(stamps, last)
            newest[uid] = highest, since if highest == last else now
            for stamp, value in zip(stamps, (vevent.content, vevent.start), strict=True):
                key = (process.public_url + path, uid, stamp)
                if self._contents.setdefault(key, value) != value:
                    yield f"{uid} is another with the same {stamp}"

    def find_unremembered(self, processes: Collection[Process]) -> list[str]:
        """The events of which no process remembers the newest stamps that were served."""
        return [
            id_
            for id_, modified in self._modified.items()
            if not any(each.modified.get(id_) == modified for each in processes)
        ] + [
            id_
            for id_, newest in self._newest.items()
            for uid, (stamps, _) in newest.items()
            if not any(
                known and _find_highest(known, stamps) == known
                for known in (each.stamps.get(id_, {}).get(uid) for each in processes)
            )
        ]

    def forget(self, event_id: str) -> None:
        """Compare no answer of the event with those so far."""
        self._newest[event_id] = {}
        self._modified.pop(event_id, None)
        self._bytes = {
            key: each for key, each in self._bytes.items() if get_event_id(key[1]) != event_id
        }
        part = f"/events/{event_id}."
        self._contents = {key: each for key, each in self._contents.items() if part not in key[0]}


def _find_highest(one: Stamps, other: Stamps) -> Stamps:
    return max(one[0], other[0]), max(one[1], other[1])
