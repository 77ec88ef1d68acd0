"""How an event and its runs stand, in the words of pages: what nobody may overlook, and when.

Pages know the clock, by the last instant that changed them; feeds do not.
"""

import datetime as dt
from collections.abc import Iterator, Sequence

from msgspec import Struct

from feeds.domain.schedule import DAY, Entry, instant
from feeds.text import wording

_WORDS = {
    "scheduled": "Scheduled",
    "cancelled": "Cancelled",
    "postponed": "Postponed",
    "rescheduled": "Rescheduled",
    "unlisted": "No longer listed",
}
NOTICED = ("cancelled", "unlisted", "postponed", "rescheduled")
"""What a page says at its head, the worst first."""


class Notice(Struct, frozen=True):
    """What stands out: one of ``NOTICED``, its word, and of what it is so; of all, without any."""

    of: str
    word: str
    labels: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """``Cancelled.``, or ``Cancelled: 10K, 5K.``."""
        return f"{self.word}{': ' if self.labels else ''}{', '.join(self.labels)}."


def kind(entry: Entry) -> str:
    """One of the known ones; an organizer's own word is ``scheduled`` with that word told."""
    if entry.run.withdrawn:
        return "unlisted"
    return entry.run.status if entry.run.status in _WORDS else "scheduled"


def word(entry: Entry) -> str:
    """``Cancelled``; a word that is not known is the organizer's own."""
    known = entry.run.withdrawn or entry.run.status in _WORDS
    return _WORDS[kind(entry)] if known else entry.run.status


def label(entry: Entry) -> str:
    """``10K``; of an event without runs its name."""
    return entry.run.distance_label or entry.run.distance_standard or entry.event.name


def notices(entries: Sequence[Entry]) -> Iterator[Notice]:
    """What is not as planned."""
    for each in NOTICED:
        those = [entry for entry in entries if kind(entry) == each]
        if len(those) == len(entries):
            yield Notice(each, _WORDS[each])
        elif those:
            others = {label(entry) for entry in entries if kind(entry) != each}
            labels = (
                f"{label(entry)} ({wording.when(entry.period)})"
                if label(entry) in others
                else label(entry)
                for entry in those
            )
            yield Notice(each, _WORDS[each], tuple(dict.fromkeys(labels)))


def title(entries: Sequence[Entry], name: str) -> str:
    """A name for tabs and previews, which see nothing else: ``Cancelled: Harbor Run``."""
    kinds = {kind(entry) for entry in entries}
    if all(entry.off for entry in entries) and "cancelled" in kinds:
        return f"{_WORDS['cancelled']}: {name}"
    alone = kinds.pop() if len(kinds) == 1 else "scheduled"
    return name if alone == "scheduled" else f"{_WORDS[alone]}: {name}"


def dates(entries: Sequence[Entry]) -> str:
    """When all of it takes place: ``Sat 14 Jun 2025``, or the first day and the last."""
    first, last = days(entries)
    return wording.day(first) if first == last else f"{wording.day(first)} to {wording.day(last)}"


def start(entries: Sequence[Entry]) -> str:
    """When it begins: the days, and the time of the first start if that is known."""
    those = [entry for entry in entries if not entry.off] or entries
    times = {e.period.start for e in those if isinstance(e.period.start, dt.datetime)}
    if not times or any(_day(each) != days(entries)[0] for each in times):
        return dates(entries)
    alone = len(times) == 1 and len(times) == len({e.period.start for e in those})
    return f"{dates(entries)}, {'' if alone else 'from '}{wording.clock(min(times))}"


def days(entries: Sequence[Entry]) -> tuple[dt.date, dt.date]:
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


def registration(entry: Entry, at: dt.datetime | None) -> str:
    """Whether one can register; ``at`` is the last of ``turns`` that has passed."""
    run, zone = entry.run, entry.zone
    opens, closes = run.registration_opens, run.registration_closes
    if entry.off or over(entry, at):
        return ""
    if run.sold_out:
        return "Sold out"
    if run.registration_override:
        return run.registration_override.capitalize()
    if at and closes and closes <= at:
        return "Closed"
    if opens and not (at and opens <= at):
        return f"Opens {wording.moment(opens.astimezone(zone))}"
    if closes:
        return f"Open until {wording.moment(closes.astimezone(zone))}"
    return "Open" if opens else ""


def over(entry: Entry, at: dt.datetime | None) -> bool:
    """Whether it has ended; ``at`` is the last of ``turns`` that has passed."""
    return at is not None and instant(entry.period.end, entry.zone) <= at


def turns(entries: Sequence[Entry]) -> Iterator[dt.datetime]:
    """The instants at which ``registration`` and ``over`` change by themselves."""
    for entry in entries:
        window = (entry.run.registration_opens, entry.run.registration_closes)
        yield from (at for at in window if at)
        yield instant(entry.period.end, entry.zone)


def timed(entries: Sequence[Entry]) -> bool:
    """Whether there is any time to tell the zone of."""
    return any(not entry.period.all_day for entry in entries)


def moment(at: dt.datetime, entries: Sequence[Entry]) -> str:
    """An instant on the clock of the place, to the minute, with its zone."""
    zone = entries[0].zone
    return f"{wording.moment(at.astimezone(zone).replace(second=0))} ({zone.key})"


def lasting(age: dt.timedelta) -> str:
    """``15 minutes``, rounded up; from two hours on in hours."""
    minutes = -(-age // dt.timedelta(minutes=1))
    if minutes < 120:  # noqa: PLR2004 - two hours
        return "1 hour" if minutes == 60 else f"{minutes} minute{'s' * (minutes != 1)}"  # noqa: PLR2004
    return f"{-(-minutes // 60)} hours"
