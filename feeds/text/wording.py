"""What all formats and pages say alike: summaries, dates as text, and what there is to know.

Times are told on the clock of the place and name its zone. Nothing here depends on what time it is:
a text tells the registration window, never "open now".
"""

import datetime as dt
import html
import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from msgspec import Struct

from feeds.domain.entries import Entry
from feeds.domain.model import Change, Event, Options, Run
from feeds.domain.options import selects
from feeds.domain.schedule import DAY, Period

# By hand: strftime speaks the language of the process.
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_TAG = re.compile(r"<!--.*?(?:-->|\Z)|</?[a-zA-Z][^<>]*>", re.DOTALL)
"""A tag or a comment; one that never ends takes the rest, as in browsers."""
_TYPES = {"race": "Race", "runClub": "Run club", "timeTrial": "Time trial"}


class Link(Struct, frozen=True):
    """An address and what is found there."""

    label: str
    url: str


def build_feed_title(event: Event, options: Options) -> str:
    """The name of a feed; a filtered one names its filter."""
    labels = [run.distance_label for run in event.runs if options.run and selects(options, run)]
    kept = ", ".join(dict.fromkeys([*labels, *options.distance]))
    return f"{event.name}: {kept}" if kept else event.name


def describe_feed(title: str) -> str:
    """What a channel of that title is about."""
    return f"{title}: starts, changes and cancellations, as the organizer tells them."


def build_summary(entry: Entry) -> str:
    """``Cancelled: Harbor Run: 10K``."""
    return entry.status.summary_prefix + build_name(entry)


def build_name(entry: Entry) -> str:
    """``Harbor Run: 10K``; the label is left out where it tells nothing new."""
    event, label = entry.event, entry.run.distance_label
    if not label or (entry.alone and _holds(event.name, label)):
        return event.name
    return f"{event.name}: {label}"


def _holds(name: str, label: str) -> bool:
    """Whether the label is in the name as words of its own: ``15K`` does not hold ``5K``."""
    return bool(re.search(rf"(?<!\w){re.escape(label)}(?!\w)", name, re.IGNORECASE))


def format_day(when: dt.date) -> str:
    """``Sat 14 Jun 2025``."""
    return f"{_WEEKDAYS[when.weekday()]} {when.day} {_MONTHS[when.month - 1]} {when.year}"


def format_clock(when: dt.datetime) -> str:
    """``08:00``, with seconds if there are any."""
    return f"{when:%H:%M:%S}" if when.second else f"{when:%H:%M}"


def format_moment(when: dt.date) -> str:
    """``Sat 14 Jun 2025, 08:00``; of a day, the day."""
    return (
        f"{format_day(when)}, {format_clock(when)}"
        if isinstance(when, dt.datetime)
        else format_day(when)
    )


def format_when(period: Period) -> str:
    """When it starts; of several whole days the first and the last."""
    last = period.end - DAY
    if period.all_day and last > period.start:
        return f"{format_day(period.start)} to {format_day(last)}"
    return format_moment(period.start)


def list_categories(entry: Entry) -> tuple[str, ...]:
    """Its standard distance, if it has one, and what type of event it is."""
    distance, kind = entry.run.distance_standard, _TYPES.get(entry.event.type, "Event")
    return (distance, kind) if distance else (kind,)


def list_facts(entry: Entry) -> Iterator[str]:
    """What there is to know of an entry besides the event's own text, a sentence each."""
    run, period, zone = entry.run, entry.period, entry.zone
    if entry.status.sentence:
        yield entry.status.sentence
    yield from _start(entry)
    yield from describe_move(entry)
    if period.estimated:
        yield "The finish time is an estimate."
    yield from _registration(run, zone)
    if run.sold_out:
        yield "Sold out."
    if run.virtual:
        yield "Virtual: take part from anywhere."
    if run.relay:
        yield "Relay."
    if run.walking:
        yield "Walking event."


def _start(entry: Entry) -> Iterator[str]:
    run, period = entry.run, entry.period
    if not period.all_day:
        # Of a race that does not take place, or not then, it is what had been planned.
        word = "Start" if entry.status.confirmed else "Planned start"
        yield f"{word}: {format_moment(period.start)} local time ({entry.zone.key})"
        return
    yield f"{'Dates' if period.end - DAY > period.start else 'Date'}: {format_when(period)}"
    if not run.virtual:
        yield "No start time has been announced."
    elif run.start_time:
        yield f"The organizer starts at {run.start_time:%H:%M}."


def describe_move(entry: Entry) -> Iterator[str]:
    """What was told before the last move: the start, the place, or both."""
    move = entry.last_move
    if move is None:
        return
    if move.new_start and not announces_start_time(move):
        clock_of = f" ({move.was.zone})" if move.was.zone != move.now.zone else ""
        yield f"Moved from {format_start(move.was.start)}{clock_of}"
    if move.new_place and move.was.place:
        yield f"Moved from {move.was.place}"


def announces_start_time(change: Change) -> bool:
    """Whether a run that had only its day now has a time on that day."""
    return "T" not in change.was.start and change.now.start.startswith(f"{change.was.start}T")


def format_start(start: str) -> str:
    """A start as it stands in a ``State``, in words."""
    read = dt.datetime if "T" in start else dt.date
    return format_moment(read.fromisoformat(start))


def _registration(run: Run, zone: ZoneInfo) -> Iterator[str]:
    window = [
        f"{word} {format_moment(at.astimezone(zone))}"
        for word, at in (("opens", run.registration_opens), ("closes", run.registration_closes))
        if at
    ]
    if window:
        yield f"Registration {' and '.join(window)} ({zone.key})"
    if run.registration_override in ("paused", "closed"):
        yield f"Registration is {run.registration_override}."
    elif run.registration_override:
        yield f"Registration: {run.registration_override}"


def list_links(entry: Entry, page: str) -> tuple[Link, ...]:
    """Where to register, the event's own site, and the page with all its feeds."""
    website = entry.event.website_url
    known = (("Register", entry.register), ("Website", website), ("Event page", page))
    return tuple(Link(label, url) for label, url in known if url)


def build_description(entry: Entry, page: str) -> str:
    """All that there is to know as plain text: facts, links, and the event's own text."""
    lines = [
        *list_facts(entry),
        "",
        *(f"{link.label}: {link.url}" for link in list_links(entry, page)),
    ]
    if entry.event.description:
        lines += ["", entry.event.description]
    return "\n".join(lines)


def strip_markup(text: str) -> str:
    """A text on one line without tags and entities, for readers that would take it for HTML.

    What is left opens no tag (``<scr<b>ipt>`` would); of nothing but tags, the text itself is left.
    """
    without = _TAG.sub("", html.unescape(text))
    return re.sub(r"<(?=[a-zA-Z/!?])", "< ", " ".join(without.split()) or text)
