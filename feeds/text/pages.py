"""How an event and its runs stand, in the words of pages: what nobody may overlook, and when.

Pages know the clock, by the last instant that changed them; feeds do not.
"""

import datetime as dt
from collections.abc import Iterator, Sequence

from msgspec import Struct

from feeds.domain.entries import Entry
from feeds.domain.schedule import DAY, to_instant
from feeds.domain.status import CANCELLED, SCHEDULED, STATUSES, Status
from feeds.text import dates


class Notice(Struct, frozen=True):
    """A status that a page shows at its head, and the labels of its runs; none if all have it."""

    status: Status
    labels: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """``Cancelled.``, or ``Cancelled: 10K, 5K.``."""
        return f"{self.status.word}{': ' if self.labels else ''}{', '.join(self.labels)}."


def get_label(entry: Entry) -> str:
    """``10K``; of an event without runs its name."""
    return entry.run.distance_label or entry.run.distance_standard or entry.event.name


def list_notices(entries: Sequence[Entry]) -> Iterator[Notice]:
    """A notice for each status other than scheduled, the worst first."""
    for status in STATUSES[: STATUSES.index(SCHEDULED)]:
        those = [entry for entry in entries if entry.status == status]
        if len(those) == len(entries):
            yield Notice(status)
        elif those:
            others = {get_label(entry) for entry in entries if entry.status != status}
            labels = (
                f"{get_label(entry)} ({dates.format_when(entry.period)})"
                if get_label(entry) in others
                else get_label(entry)
                for entry in those
            )
            yield Notice(status, tuple(dict.fromkeys(labels)))


def build_headline(entries: Sequence[Entry], name: str) -> str:
    """A name for tabs and previews, which see nothing else: ``Cancelled: Harbor Run``."""
    statuses = {entry.status for entry in entries}
    if CANCELLED in statuses and all(status.off for status in statuses):
        return f"{CANCELLED.summary_prefix}{name}"
    return f"{statuses.pop().summary_prefix}{name}" if len(statuses) == 1 else name


def format_dates(entries: Sequence[Entry]) -> str:
    """When all of it takes place: ``Sat 14 Jun 2025``, or the first day and the last."""
    first, last = find_days(entries)
    return (
        dates.format_day(first)
        if first == last
        else f"{dates.format_day(first)} to {dates.format_day(last)}"
    )


def format_first_start(entries: Sequence[Entry]) -> str:
    """When it begins: the days, and the time of the first start if that is known."""
    those = [entry for entry in entries if not entry.off] or entries
    times = {e.period.start for e in those if isinstance(e.period.start, dt.datetime)}
    if not times or any(_day(each) != find_days(entries)[0] for each in times):
        return format_dates(entries)
    alone = len(times) == 1 and len(times) == len({e.period.start for e in those})
    return f"{format_dates(entries)}, {'' if alone else 'from '}{dates.format_clock(min(times))}"


def find_days(entries: Sequence[Entry]) -> tuple[dt.date, dt.date]:
    """The first day on which something starts, and the last; of what is off if all is."""
    those = [entry for entry in entries if not entry.off] or entries
    starts = [entry.period.start for entry in those]
    lasts = [
        entry.period.end - DAY if entry.period.all_day else entry.period.start for entry in those
    ]
    # Of an event without runs the end is its own.
    lasts += [e.event.end_date for e in those if e.run.id == e.event.id and e.event.end_date]
    return min(map(_day, starts)), max(map(_day, lasts))


def _day(when: dt.date) -> dt.date:
    return when.date() if isinstance(when, dt.datetime) else when


def describe_registration(entry: Entry, at: dt.datetime | None) -> str:
    """Whether one can register; ``at`` is the last of ``turns`` that has passed."""
    run, zone = entry.run, entry.zone
    opens, closes = run.registration_opens, run.registration_closes
    if entry.off or has_ended(entry, at):
        return ""
    if run.sold_out:
        return "Sold out"
    if run.registration_override:
        return run.registration_override.capitalize()
    if at and closes and closes <= at:
        return "Closed"
    if opens and not (at and opens <= at):
        return f"Opens {dates.format_moment(opens.astimezone(zone))}"
    if closes:
        return f"Open until {dates.format_moment(closes.astimezone(zone))}"
    return "Open" if opens else ""


def has_ended(entry: Entry, at: dt.datetime | None) -> bool:
    """Whether it has ended; ``at`` is the last of ``turns`` that has passed."""
    return at is not None and to_instant(entry.period.end, entry.zone) <= at


def find_turns(entries: Sequence[Entry]) -> Iterator[dt.datetime]:
    """The instants at which ``registration`` and ``over`` change by themselves."""
    for entry in entries:
        window = (entry.run.registration_opens, entry.run.registration_closes)
        yield from (at for at in window if at)
        yield to_instant(entry.period.end, entry.zone)


def has_times(entries: Sequence[Entry]) -> bool:
    """Whether there is any time to tell the zone of."""
    return any(not entry.period.all_day for entry in entries)


def format_instant(at: dt.datetime, entries: Sequence[Entry]) -> str:
    """An instant on the clock of the place, to the minute, with its zone."""
    zone = entries[0].zone
    return f"{dates.format_moment(at.astimezone(zone).replace(second=0))} ({zone.key})"


def format_duration(age: dt.timedelta) -> str:
    """``15 minutes``, rounded up; from two hours on in hours."""
    minutes = -(-age // dt.timedelta(minutes=1))
    if minutes < 120:  # noqa: PLR2004 - two hours
        return "1 hour" if minutes == 60 else f"{minutes} minute{'s' * (minutes != 1)}"  # noqa: PLR2004
    return f"{-(-minutes // 60)} hours"
