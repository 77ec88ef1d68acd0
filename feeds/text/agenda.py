"""The agenda of an event as of a time: what is ahead, what is next, what has ended (rules 9.3)."""

import datetime as dt
from collections.abc import Sequence

from msgspec import Struct

from feeds.domain.entries import Entry
from feeds.domain.schedule import DAY

OCCASION_GAP = 6 * DAY
"""How far the days of one occasion may be apart: what repeats weekly is another one."""

SERIES_OVER_AFTER = 60 * DAY
"""How long after its last session a series counts as over: it may pause for the holidays."""


class Agenda(Struct, frozen=True):
    """The entries of an event, which are in the order of their starts.

    ``ahead`` have not ended, ``past`` have ended, the latest first. ``next`` are the entries of the
    next occasion, which the head of a page names: the runs of a festival, or a session. Entries
    that are off are not among them, unless all ahead are off. If all have ended, ``next`` has all
    entries, of a series those of the last day. ``over`` is whether the event is over (rules 9.7).
    """

    ahead: tuple[Entry, ...]
    past: tuple[Entry, ...]
    next: tuple[Entry, ...]
    over: bool

    @property
    def shown(self) -> tuple[Entry, ...]:
        """What is shown first: the entries ahead, else those of ``next``."""
        return self.ahead or self.next


def build_agenda(entries: Sequence[Entry], at: dt.datetime) -> Agenda:
    """The agenda of entries in the order of their starts, at least one."""
    ahead = tuple(entry for entry in entries if entry.ends > at)
    past = tuple(entry for entry in reversed(entries) if entry.ends <= at)
    if ahead:
        return Agenda(ahead, past, _find_next(ahead), over=False)
    last_end = max(entry.ends for entry in entries)
    is_series = entries[0].event.is_series
    over = at >= last_end + (SERIES_OVER_AFTER if is_series else dt.timedelta(0))
    last_day = entries[-1].period.first_day
    last = [entry for entry in entries if entry.period.first_day == last_day]
    return Agenda((), past, tuple(last if is_series else entries), over)


def _find_next(ahead: Sequence[Entry]) -> tuple[Entry, ...]:
    """The entries of the next occasion, without those that are off, unless all are."""
    taking_place = [entry for entry in ahead if not entry.off] or ahead
    gap = dt.timedelta(0) if taking_place[0].event.is_series else OCCASION_GAP
    last, found = taking_place[0].period.first_day, []
    for entry in taking_place:
        if entry.period.first_day - last > gap:
            break
        found.append(entry)
        last = max(last, entry.period.last_day)
    return tuple(found)
