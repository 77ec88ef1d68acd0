"""Descriptions of runs in feeds: facts, links and categories.

Times are local times of the place, with the name of its zone. No text depends on the current time:
a text gives the registration window, never "open now" (rules 4.9).
"""

import re
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from feeds.domain.entries import CUT, Entry
from feeds.domain.history.changes import announces_start_time
from feeds.domain.model import Run
from feeds.domain.schedule import find_start_time, is_start_unread, tells_length
from feeds.domain.status import POSTPONED
from feeds.domain.timezones import find_zone_at
from feeds.text.dates import (
    format_clock,
    format_moment,
    format_old_start,
    format_wall_time,
    format_when,
    format_zone,
    format_zoned,
)
from feeds.text.places import VIRTUAL, format_place

_EVENT_TYPES = {"race": "Race", "runClub": "Run club", "timeTrial": "Time trial"}


class Link(Struct, frozen=True):
    """A URL and the text of a link to it."""

    label: str
    url: str


def build_description(entry: Entry, page: str, locale: str) -> str:
    """Plain text, as calendars show it; ``page`` is the page's URL.

    What is news comes first, and the addresses last: a phone shows the first lines.
    """
    reason, text = split_text(entry, page)
    blocks = (
        "\n".join(list_news(entry, locale)),
        reason,
        "\n".join([*list_facts(entry, locale), *_list_finish(entry, locale)]),
        text,
        "\n".join(f"{link.label}: {link.url}" for link in list_links(entry, page)),
    )
    return "\n\n".join(block for block in blocks if block)


def split_text(entry: Entry, page: str) -> tuple[str, str]:
    """The organizer's reason and the rest of the event's own text.

    The reason is the first paragraph if the run is off or postponed, else empty.
    """
    text = build_own_text(entry, page)
    if _is_on(entry):
        return "", text
    return split_first_paragraph(text)


def split_first_paragraph(text: str) -> tuple[str, str]:
    """The first paragraph of a text, and the rest."""
    first, *rest = re.split(r"\n\s*\n", text.strip(), maxsplit=1)
    return first, "".join(rest)


def _is_on(entry: Entry) -> bool:
    return not entry.off and entry.status != POSTPONED


def list_news(entry: Entry, locale: str) -> Iterator[str]:
    """The status, and what was moved, in one sentence each."""
    if entry.status.sentence:
        yield entry.status.sentence
    yield from describe_move(entry, locale)


def build_own_text(entry: Entry, page: str) -> str:
    """The event's own text; one that was cut off ends with the address of the page."""
    text = entry.event.description or ""
    return f"{text}{page}" if text.endswith(CUT) else text


def list_facts(entry: Entry, locale: str) -> Iterator[str]:
    """The start, the registration and the kind of an entry, each one a sentence or a line."""
    run = entry.run
    yield from _list_start(entry, locale)
    if entry.period.estimated and entry.period.all_day:
        yield "The organizer's last day could not be read."
    if not entry.off:
        yield from _list_registration(run, entry.zone, locale)
    if run.virtual:
        yield VIRTUAL
    if run.relay:
        yield "Relay."
    if run.walking:
        yield "Walking event."


def _list_finish(entry: Entry, locale: str) -> Iterator[str]:
    """The estimated end, which only calendars show: they need an end, announced or not."""
    start, end = entry.period.start, entry.period.end
    if not (entry.period.estimated and _is_on(entry)):
        return
    if isinstance(start, datetime) and isinstance(end, datetime):
        same_day = start.date() == end.date()
        finish = format_clock(end, locale) if same_day else format_moment(end, locale)
        known = tells_length(entry.run)
        yield f"Estimated finish {finish}." if known else "The finish is not known."


def _list_start(entry: Entry, locale: str) -> Iterator[str]:
    run, period = entry.run, entry.period
    if not period.all_day:
        word = "Start" if entry.status.confirmed else "Planned start"
        yield f"{word}: {format_zoned(period.start, locale)}"
        yield from describe_guess(entry, locale)
        return
    word = "Dates" if period.last_day > period.first_day else "Date"
    yield f"{word}: {format_when(period, locale)}"
    clock = run.start_time if run.virtual else find_start_time(run, entry.event)
    if clock:
        yield f"The organizer starts at {format_wall_time(clock, locale)}."
    elif is_start_unread(run, entry.event):
        yield "The organizer's start time could not be read."
    elif not run.virtual:
        yield "No start time has been announced."


def describe_guess(entry: Entry, locale: str) -> Iterator[str]:
    """That the zone of a time is a guess: it is the home zone for want of a place."""
    start = entry.period.start
    if isinstance(start, datetime) and not find_zone_at(entry.event.point):
        yield (
            f"The time zone, {format_zone(start, locale)}, is a guess:"
            " Intervals has no usable coordinates for this race."
        )


def describe_move(entry: Entry, locale: str) -> Iterator[str]:
    """The old start and the old place, if the last move changed them, in one sentence each."""
    move = entry.last_move
    if move is None:
        return
    if move.new_start and not announces_start_time(move):
        yield f"Moved from {format_old_start(move.was, move.now, locale)}."
    if move.new_place and move.was.place:
        yield f"Moved from {format_place(move.was, move.now)}."


def _list_registration(run: Run, zone: ZoneInfo, locale: str) -> Iterator[str]:
    window = [
        f"{word} {format_zoned(at.astimezone(zone), locale)}"
        for word, at in (("opens", run.registration_opens), ("closes", run.registration_closes))
        if at
    ]
    if window and run.registration_override != "closed":
        yield f"Registration {' and '.join(window)}."
    if run.registration_override in ("paused", "closed"):
        yield f"Registration is {run.registration_override}."
    elif run.registration_override:
        yield f"Registration: {run.registration_override}"
    if run.sold_out:
        yield "Sold out."


def list_links(entry: Entry, page: str) -> tuple[Link, ...]:
    """The links to registration, to the event's own site, and to its page."""
    website = entry.event.website_url
    known = (("Register", entry.register), ("Website", website), ("Event page", page))
    return tuple(Link(label, url) for label, url in known if url)


def list_categories(entry: Entry) -> tuple[str, ...]:
    """The standard distance, unless it says nothing, and the type of the event."""
    distance, type_ = entry.run.distance_standard, _EVENT_TYPES.get(entry.event.type, "Event")
    return (type_,) if distance in ("", "Other") else (distance, type_)
