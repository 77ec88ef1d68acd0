"""Texts of pages: notices, dates of an event, registration.

A page is a function of an edition: ``at`` is when the edition was fetched.
"""

import datetime as dt
from collections.abc import Iterator, Sequence

from msgspec import Struct

from feeds.domain.entries import Entry
from feeds.domain.history.delisting import CONFIRM_AFTER, find_provable
from feeds.domain.model import Edition
from feeds.domain.schedule import DAY, to_instant
from feeds.domain.status import CANCELLED, SCHEDULED, STATUSES, Status
from feeds.text import dates


class Notice(Struct, frozen=True):
    """A status at the top of a page, and the labels of its runs; no labels if all runs have it."""

    status: Status
    labels: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """``Cancelled.``, or ``Cancelled: 10K, 5K.``."""
        return f"{self.status.word}{': ' if self.labels else ''}{', '.join(self.labels)}."


def get_label(entry: Entry) -> str:
    """``10K``, or the event's name for an event without runs."""
    return entry.run.distance_label or entry.run.distance_standard or entry.event.name


def list_notices(entries: Sequence[Entry]) -> Iterator[Notice]:
    """A notice for each status other than scheduled, the worst first."""
    for status in STATUSES[: STATUSES.index(SCHEDULED)]:
        affected = [entry for entry in entries if entry.status == status]
        if len(affected) == len(entries):
            yield Notice(status)
        elif affected:
            others = {get_label(entry) for entry in entries if entry.status != status}
            labels = (
                f"{get_label(entry)} ({dates.format_when(entry.period)})"
                if get_label(entry) in others
                else get_label(entry)
                for entry in affected
            )
            yield Notice(status, tuple(dict.fromkeys(labels)))


def build_headline(entries: Sequence[Entry], name: str) -> str:
    """The title of a page: ``Cancelled: Harbor Run`` if that is the status of all runs.

    If all runs are off and one is cancelled, the event is cancelled.
    """
    statuses = {entry.status for entry in entries}
    if CANCELLED in statuses and all(status.off for status in statuses):
        return f"{CANCELLED.summary_prefix}{name}"
    return f"{statuses.pop().summary_prefix}{name}" if len(statuses) == 1 else name


def format_dates(entries: Sequence[Entry]) -> str:
    """``Sat 14 Jun 2025``, or ``Sat 14 Jun 2025 to Sun 15 Jun 2025``."""
    first, last = find_days(entries)
    return (
        dates.format_day(first)
        if first == last
        else f"{dates.format_day(first)} to {dates.format_day(last)}"
    )


def format_first_start(entries: Sequence[Entry]) -> str:
    """``Sat 14 Jun 2025, from 07:00``: the days, and the time of the first start if it is known.

    Runs on several days have no common time.
    """
    shown = _select_taking_place(entries)
    times = {e.period.start for e in shown if isinstance(e.period.start, dt.datetime)}
    if not times or any(_get_day(each) != find_days(entries)[0] for each in times):
        return format_dates(entries)
    alone = len(times) == 1 and len(times) == len({e.period.start for e in shown})
    return f"{format_dates(entries)}, {'' if alone else 'from '}{dates.format_clock(min(times))}"


def find_days(entries: Sequence[Entry]) -> tuple[dt.date, dt.date]:
    """The first and the last day on which a run takes place; of all runs if all are off."""
    shown = _select_taking_place(entries)
    starts = [entry.period.start for entry in shown]
    lasts = [
        entry.period.end - DAY if entry.period.all_day else entry.period.start for entry in shown
    ]
    # An event without runs ends on the event's end date.
    lasts += [e.event.end_date for e in shown if e.run.id == e.event.id and e.event.end_date]
    return min(map(_get_day, starts)), max(map(_get_day, lasts))


def _select_taking_place(entries: Sequence[Entry]) -> Sequence[Entry]:
    return [entry for entry in entries if not entry.off] or entries


def _get_day(when: dt.date) -> dt.date:
    return when.date() if isinstance(when, dt.datetime) else when


def describe_registration(entry: Entry, at: dt.datetime) -> str:
    """The state of registration: ``Open until Thu 12 Jun 2025, 23:59``.

    Empty if the state is unknown, and for runs that are off or have ended.
    """
    run, zone = entry.run, entry.zone
    opens, closes = run.registration_opens, run.registration_closes
    if entry.off or has_ended(entry, at):
        return ""
    if run.sold_out:
        return "Sold out"
    if run.registration_override:
        return run.registration_override.capitalize()
    if not run.registration_read:
        return ""
    if closes and closes <= at:
        return "Closed"
    if opens and opens > at:
        return f"Opens {dates.format_moment(opens.astimezone(zone))}"
    if closes:
        return f"Open until {dates.format_moment(closes.astimezone(zone))}"
    return "Open" if opens else ""


def has_ended(entry: Entry, at: dt.datetime) -> bool:
    return to_instant(entry.period.end, entry.zone) <= at


def describe_held(edition: Edition, entries: Sequence[Entry]) -> str:
    """What enough answers have lacked while other events lacked something, too; empty if nothing.

    ``The organizer's list has lacked 10K since Sat 14 Jun 2025, 10:00 (America/Chicago).``
    """
    held = find_provable(edition, CONFIRM_AFTER)
    if not held:
        return ""
    if edition.event.id in held:
        what = "this event"
    else:
        what = ", ".join(dict.fromkeys(get_label(e) for e in entries if e.run.id in held))
    since = format_instant(min(each.since for each in held.values()), entries)
    return f"The organizer's list has lacked {what or 'a run'} since {since}."


def has_times(entries: Sequence[Entry]) -> bool:
    """Whether a page shows any time of day, so that it names the zone."""
    return any(not entry.period.all_day for entry in entries)


def format_instant(at: dt.datetime, entries: Sequence[Entry]) -> str:
    """``Sun 1 Jun 2025, 07:00 (America/Chicago)``: the local time of the place, to the minute."""
    zone = entries[0].zone
    return f"{dates.format_moment(at.astimezone(zone).replace(second=0))} ({zone.key})"


def format_duration(age: dt.timedelta) -> str:
    """``15 minutes``, rounded up; in hours from two hours on."""
    minutes = -(-age // dt.timedelta(minutes=1))
    if minutes < 120:  # noqa: PLR2004 - two hours
        return "1 hour" if minutes == 60 else f"{minutes} minute{'s' * (minutes != 1)}"  # noqa: PLR2004
    return f"{-(-minutes // 60)} hours"
