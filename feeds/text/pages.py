"""Texts of pages: headline, dates of an event, registration, doubts, runs without room.

A page is a function of an edition: ``at`` is when the edition was fetched.
"""

import datetime as dt
import re
from collections.abc import Sequence

from babel.numbers import format_decimal

from feeds.domain.entries import Entry
from feeds.domain.feed import MAX_RUNS
from feeds.domain.history.changes import announces_start_time
from feeds.domain.history.delisting import CONFIRM_AFTER, find_provable
from feeds.domain.model import Change, Edition, Kind
from feeds.domain.status import CANCELLED, POSTPONED
from feeds.text import dates, descriptions


def get_label(entry: Entry) -> str:
    """``10K``, or the event's name for an event without runs."""
    return entry.run.distance_label or entry.run.distance_standard or entry.event.name


def humanize(word: str) -> str:
    """``Weather hold`` for an organizer's own word such as ``weatherHold`` or ``weather_hold``."""
    if re.fullmatch("[A-Za-z]+([_-][A-Za-z]+)*", word):
        parts = re.findall("[A-Z]?[a-z]+|[A-Z]+(?![a-z])", word)
        word = " ".join(part if part.isupper() else part.lower() for part in parts)
    return word[:1].upper() + word[1:]


def build_headline(entries: Sequence[Entry], name: str) -> str:
    """The title of a page: ``Cancelled: Harbor Run`` if that is the status of all runs.

    If all runs are off and one is cancelled, the event is cancelled.
    """
    statuses = {entry.status for entry in entries}
    if CANCELLED in statuses and all(status.off for status in statuses):
        return f"{CANCELLED.summary_prefix}{name}"
    return f"{statuses.pop().summary_prefix}{name}" if len(statuses) == 1 else name


def format_dates(entries: Sequence[Entry], locale: str) -> str:
    """``Sat, Jun 14, 2025``, or ``Sat, Jun 14 – Sun, Jun 15, 2025``."""
    return dates.format_range(*find_days(entries), locale)


def format_first_start(entries: Sequence[Entry], locale: str) -> tuple[str, str]:
    """``Saturday, June 14, 2025`` and ``from 7:00 AM CDT``: the days, and the first start.

    Of several days it is ``first start 6:30 PM EST``, if all times of the first day are known. The
    start is empty if it is unknown.
    """
    shown = _select_taking_place(entries)
    first, last = find_days(entries)
    days = dates.format_full_day(first, locale) if first == last else format_dates(entries, locale)
    starts = {e.period.start for e in shown if e.period.first_day == first}
    times = {each for each in starts if isinstance(each, dt.datetime)}
    if not times:
        return days, ""
    start = min(times)
    clock = f"{dates.format_clock(start, locale)} {dates.format_zone(start, locale)}"
    if first != last:
        return days, f"first start {clock}" if times == starts else ""
    return days, clock if len(starts) == 1 else f"from {clock}"


def describe_guess(entries: Sequence[Entry], locale: str) -> str:
    """That the zone of times is the home zone for want of a place; said once for all entries."""
    return next(
        (text for each in entries for text in descriptions.describe_guess(each, locale)), ""
    )


def find_days(entries: Sequence[Entry]) -> tuple[dt.date, dt.date]:
    """The first and the last day on which a run takes place; of all runs if none does."""
    shown = _select_taking_place(entries)
    lasts = [entry.period.last_day for entry in shown]
    # An event without runs ends on the event's end date.
    lasts += [e.event.end_date for e in shown if e.run.id == e.event.id and e.event.end_date]
    return min(entry.period.first_day for entry in shown), max(lasts)


def has_lost_its_date(entries: Sequence[Entry]) -> bool:
    """Whether nothing takes place on the dates shown: all runs are off or postponed.

    The date of a postponed run that was moved since is its new date.
    """
    return all(
        entry.off or (entry.status == POSTPONED and not has_new_date(entry)) for entry in entries
    )


def has_new_date(entry: Entry) -> bool:
    """Whether the start of a postponed run was moved since the run was postponed."""
    move = find_move(entry)
    postponed = [each.noticed for each in entry.changes if each.kind == Kind.POSTPONED]
    return move is not None and (not postponed or postponed[-1] <= move.noticed)


def find_move(entry: Entry) -> Change | None:
    """The last move of an entry, if that changed its start."""
    move = entry.last_move
    return move if move and move.new_start and not announces_start_time(move) else None


def _select_taking_place(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Those that keep their dates; if there are none, those that are postponed, or else all."""
    on = [entry for entry in entries if not entry.off]
    return [entry for entry in on if entry.status != POSTPONED] or on or entries


def describe_registration(entry: Entry, at: dt.datetime) -> str:
    """What is not normal about registration: ``Sold out``, ``Registration closed``; may be empty.

    It is empty for runs that are off or have ended.
    """
    run, closes = entry.run, entry.run.registration_closes
    if entry.off or entry.ends <= at:
        return ""
    if run.sold_out:
        return "Sold out"
    if run.registration_override:
        return _describe_override(run.registration_override)
    return "Registration closed" if run.registration_read and closes and closes <= at else ""


def describe_registration_window(entry: Entry, at: dt.datetime, locale: str) -> str:
    """``registration closes Thu, Jun 12, 2025, 11:59 PM``: the next change that is known.

    Empty for runs of which ``describe_registration`` says something.
    """
    run = entry.run
    if entry.off or entry.ends <= at or describe_registration(entry, at):
        return ""
    if not run.registration_read:
        return ""
    for word, when in (("opens", run.registration_opens), ("closes", run.registration_closes)):
        if when and when > at:
            return f"registration {word} {dates.format_moment(when.astimezone(entry.zone), locale)}"
    return ""


def _describe_override(word: str) -> str:
    """``Registration paused``; an organizer's own word stands behind a colon."""
    if word in ("paused", "closed"):
        return f"Registration {word}"
    return f"Registration: {humanize(word)}"


def find_register(entries: Sequence[Entry], at: dt.datetime) -> str | None:
    """The address at which one registers for all runs; None if runs have several, or none."""
    addresses = {e.register for e in entries if is_registration_open(e, at)}
    return addresses.pop() if len(addresses) == 1 else None


def is_registration_open(entry: Entry, at: dt.datetime) -> bool:
    """Whether registration is or may be open."""
    opens, closes = entry.run.registration_opens, entry.run.registration_closes
    if not entry.takes_entries or entry.ends <= at:
        return False
    return (opens is None or opens <= at) and (closes is None or at < closes)


def describe_held(edition: Edition, entries: Sequence[Entry], locale: str) -> str:
    """What enough answers have lacked while other events lacked something, too; empty if nothing.

    ``The organizer's list has lacked 10K since Sat, Jun 14, 2025, 10:00 AM CDT.``
    """
    held = find_provable(edition, CONFIRM_AFTER)
    if not held:
        return ""
    if edition.event.id in held:
        what = "this event"
    else:
        what = ", ".join(dict.fromkeys(get_label(e) for e in entries if e.run.id in held))
    since = format_instant(min(each.since for each in held.values()), entries[0].zone, locale)
    return f"The organizer's list has lacked {what or 'a run'} since {since}."


def describe_left_out(count: int, whose: str, locale: str) -> str:
    """What the calendar has no room for (rules 6.13); empty if nothing."""
    if not count:
        return ""
    left_out, runs = (format_decimal(each, locale=locale) for each in (count, MAX_RUNS))
    return (
        f"The calendar leaves out {left_out} of {whose} runs: it holds {runs} runs and 1 MB at"
        " most. First it leaves out what is no longer listed, then what has ended, then what is"
        " furthest ahead."
    )


def format_instant(at: dt.datetime, zone: dt.tzinfo, locale: str) -> str:
    """``Sun, Jun 1, 2025, 7:00 AM CDT``: the local time of a zone, to the minute."""
    local = at.astimezone(zone).replace(second=0)
    return f"{dates.format_moment(local, locale)} {dates.format_zone(local, locale)}"


def format_duration(age: dt.timedelta) -> str:
    """``15 minutes``, rounded up; in hours from two hours on."""
    minutes = -(-age // dt.timedelta(minutes=1))
    if minutes < 120:  # noqa: PLR2004 - two hours
        return "1 hour" if minutes == 60 else f"{minutes} minute{'s' * (minutes != 1)}"  # noqa: PLR2004
    return f"{-(-minutes // 60)} hours"
