"""Members of collections that could not be read after several lists: how long to wait for them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from feeds.domain.history.delisting import CONFIRM_AFTER, MIN_ANSWERS, compute_doubt_limit
from feeds.errors import UpstreamTimeout, UpstreamUnavailable
from feeds.service.collections.entry import is_outage
from feeds.service.entry import CacheEntry

CALL_FAILED = UpstreamTimeout | UpstreamUnavailable

_LONG_OUTAGE = compute_doubt_limit(CONFIRM_AFTER)
"""An outage that has lasted for so long may never end."""


class Failures(Struct, frozen=True):
    """The lists after which a member could not be read: the first, the last, how many."""

    first: datetime
    last: datetime
    lists: int = 1

    def count(self, listed: datetime) -> "Failures":
        """With the list that was fetched at ``listed``; anew after the clock was set back."""
        if listed < self.first:
            return Failures(listed, listed)
        return self if listed <= self.last else Failures(self.first, listed, self.lists + 1)

    def spans(self, least: timedelta) -> bool:
        """Whether there are enough lists over so much time."""
        return self.lists >= MIN_ANSWERS and self.last - self.first >= least


class MemberFailures:
    """The failures of members, by collection, as one process has seen them."""

    def __init__(self) -> None:
        self._failed_calls: dict[str, dict[str, Failures]] = {}
        self._failed_reads: dict[str, dict[str, Failures]] = {}

    def find_broken(
        self, name: str, unread: Sequence[str], entries: Mapping[str, CacheEntry], listed: datetime
    ) -> frozenset[str]:
        """The members without an edition for which no collection waits any longer (rules 11.7).

        The calls for them failed after each of several lists, although the upstream answered the
        calls for the lists. A single such member is given up after half an hour. If there are
        several, the upstream is probably at fault, and they are given up after a day.
        """
        failed = {id_ for id_ in unread if _has_failed(entries.get(id_), listed)}
        failures = _count_failures(self._failed_calls.get(name, {}), unread, failed, listed)
        self._failed_calls[name] = failures
        return _select_lasting(failures, CONFIRM_AFTER if len(failures) == 1 else _LONG_OUTAGE)

    def find_given_up(
        self, name: str, missing: Sequence[str], entries: Mapping[str, CacheEntry], listed: datetime
    ) -> frozenset[str]:
        """The members without an edition for which no choice waits any longer (rules 11.11).

        For a day, they have not existed, could not be understood, or their calls have failed.
        """
        failed = {
            id_
            for id_ in missing
            if _has_failed(entry := entries.get(id_), listed)
            or (entry and entry.since >= listed and not is_outage(entry.error))
        }
        failures = _count_failures(self._failed_reads.get(name, {}), missing, failed, listed)
        self._failed_reads[name] = failures
        return _select_lasting(failures, _LONG_OUTAGE)


def _has_failed(entry: CacheEntry | None, listed: datetime) -> bool:
    """Whether the call for a member has failed since the list was fetched."""
    return entry is not None and entry.since >= listed and isinstance(entry.error, CALL_FAILED)


def _count_failures(
    known: Mapping[str, Failures], ids: Sequence[str], failed: Collection[str], listed: datetime
) -> dict[str, Failures]:
    """The failures of the members with these ids, with the list fetched at ``listed``."""
    counted = {id_: known[id_] for id_ in ids if id_ in known}
    for id_ in failed:
        counted[id_] = counted.get(id_, Failures(listed, listed)).count(listed)
    return counted


def _select_lasting(failures: Mapping[str, Failures], least: timedelta) -> frozenset[str]:
    return frozenset(id_ for id_, each in failures.items() if each.spans(least))
