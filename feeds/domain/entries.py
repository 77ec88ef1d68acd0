"""Entries: the runs of an edition, each with its period and its history."""

import datetime as dt
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from feeds.domain.freshness import find_next_start
from feeds.domain.model import NO_REVISION, Change, Edition, Event, Kind, Revision, Run
from feeds.domain.moves import merge_moves
from feeds.domain.places import format_point
from feeds.domain.schedule import Period, compute_period, find_main_runs, to_instant
from feeds.domain.status import Status, get_status
from feeds.domain.timezones import find_zone

MAX_TEXT = 2_000
"""Characters of the event's own text in an entry; the page has the whole text."""

CUT = "… "
"""Ends a text that was cut off. No other text ends with a space."""


class Entry(Struct, frozen=True):
    """What becomes a VEVENT and an item: a run in its event, when it takes place, its history.

    An event without runs is an entry itself; ``run`` then has the event's id. ``event`` is without
    its runs, and with ``MAX_TEXT`` characters of its own text. ``alone`` says whether the event has
    this run only: texts of a run depend on its entry alone, so that equal entries have equal
    VEVENTs. ``opens`` and ``closes`` are the revisions of its registration entries. The item of
    a session was published when ``announced`` was created. ``changes`` are those that feeds show
    (``merge_moves``).
    """

    event: Event
    alone: bool
    run: Run
    period: Period
    zone: ZoneInfo
    revision: Revision
    opens: Revision
    closes: Revision
    announced: Revision
    changes: tuple[Change, ...]

    @property
    def uid(self) -> str:
        """The same for ever, on every deployment and in every feed (RFC 5545 3.8.4.7)."""
        return f"{self.run.id}@intervals.run"

    @property
    def is_session(self) -> bool:
        """Whether it is a run of a series (rules 9)."""
        return self.event.is_series and self.run.id != self.event.id

    @property
    def published(self) -> dt.datetime | None:
        """When its own item was published; None before that (rules 5.2 and 9.4)."""
        if not self.is_session:
            return self.revision.created
        return self.announced.created if self.announced != NO_REVISION else None

    @property
    def starts(self) -> dt.datetime:
        """The instant of the start, in UTC."""
        return to_instant(self.period.start, self.zone)

    @property
    def ends(self) -> dt.datetime:
        """The instant of the end, in UTC."""
        return to_instant(self.period.end, self.zone)

    @property
    def wall_start(self) -> str:
        """The start as ``State`` has it: a day, or a wall time without its zone, in ISO 8601."""
        start = self.period.start
        wall = start.replace(tzinfo=None) if isinstance(start, dt.datetime) else start
        return wall.isoformat()

    @property
    def last_move(self) -> Change | None:
        """The last time that its start or its place changed; it may be rescheduled to the same.

        A move to a start that is not the present one was undone.
        """
        moves = (Kind.MOVED, Kind.RESCHEDULED)
        return next(
            (
                each
                for each in reversed(self.changes)
                if each.kind in moves
                and (each.new_start or each.new_place)
                and (each.now.start == self.wall_start or not each.new_start)
            ),
            None,
        )

    @property
    def place(self) -> str | None:
        """Where it is, on one line; without an address the coordinates; none if it is virtual."""
        event = self.event
        if not self.run.in_person:
            return None
        if event.location or not event.point:
            return event.location
        return format_point(event.point)

    @property
    def registration_url(self) -> str | None:
        """The address of registration, also while it takes no entries.

        None if the run is off, or if its own URL could not be read.
        """
        if self.off or "registration_url" in self.run.unread:
            return None
        return self.run.registration_url or self.event.registration_url

    @property
    def takes_entries(self) -> bool:
        """Whether one can register, within the registration window."""
        closed = self.run.registration_override in ("paused", "closed")
        return not (self.off or self.run.sold_out or closed)

    @property
    def register(self) -> str | None:
        """Where to register; None while the run takes no entries."""
        return self.registration_url if self.takes_entries else None

    @property
    def off(self) -> bool:
        """Whether the run does not take place, or is no longer listed."""
        return self.status.off

    @property
    def status(self) -> Status:
        """The row of rules 3.1."""
        return get_status(self.run)


class Timetable(Struct, frozen=True):
    """An edition with its entries, built once: those of runs that have left as well.

    ``entries`` are in the order of the event's runs, ``by_start`` are the same by start and uid.
    ``span`` is from their earliest start to their latest end, in UTC.
    """

    edition: Edition
    entries: tuple[Entry, ...]
    by_start: tuple[Entry, ...]
    span: tuple[dt.datetime, dt.datetime]

    def list_current(self, *, by_start: bool = False) -> tuple[Entry, ...]:
        """The entries without the runs that have left the feeds.

        Once all runs have left, the event itself is the entry, as of an event without runs.
        """
        entries = self.by_start if by_start else self.entries
        current = tuple(entry for entry in entries if not entry.run.left)
        return current or (_build_event_entry(self.edition, self.entries[0].zone),)

    def list_spans(self) -> list[tuple[dt.datetime, dt.datetime]]:
        """When each entry that has not left takes place: start and end in UTC."""
        return [(entry.starts, entry.ends) for entry in self.list_current()]

    def find_span_ahead(self) -> tuple[dt.datetime, dt.datetime]:
        """From the start of the next run to the latest end, as of when the edition was fetched.

        The start of the first run if all have ended.
        """
        spans = self.list_spans()
        ahead = find_next_start(spans, self.edition.fetched)
        return ahead or min(spans)[0], max(end for _, end in spans)

    def with_history(self, edition: Edition) -> "Timetable":
        """The timetable of the same event with the changes and revisions of another edition."""
        changes = _group_by_run(edition.changes)
        revised = {
            entry.run.id: structs.replace(
                entry,
                **_find_revisions(edition, entry.run.id),
                changes=changes.get(entry.run.id, ()),
            )
            for entry in self.entries
        }
        return Timetable(
            edition,
            tuple(revised.values()),
            tuple(revised[entry.run.id] for entry in self.by_start),
            self.span,
        )


def build_timetable(edition: Edition, home: str) -> Timetable:
    """The timetable of an edition; ``home`` is the zone of events without a known place."""
    event = edition.event
    zone = find_zone(event.point, home)
    if not event.runs:
        return _build(edition, (_build_event_entry(edition, zone),))
    bare, main = _strip(event), _find_main_runs(event)
    changes = _group_by_run(edition.changes)
    return _build(
        edition,
        tuple(
            Entry(
                event=bare,
                alone=len(event.runs) == 1,
                run=run,
                period=compute_period(run, bare, zone, main=run.id in main),
                zone=zone,
                **_find_revisions(edition, run.id),
                changes=changes.get(run.id, ()),
            )
            for run in event.runs
        ),
    )


def _find_main_runs(event: Event) -> frozenset[str]:
    """The runs that the event's end is about; each day of a series has its own."""
    if not event.is_series:
        return find_main_runs(event.runs)
    days: dict[dt.date, list[Run]] = {}
    for run in event.runs:
        days.setdefault(run.date, []).append(run)
    return frozenset().union(*map(find_main_runs, days.values()))


def build_event_timetable(timetable: Timetable) -> Timetable:
    """The timetable of an event as if it had no runs."""
    edition = timetable.edition
    edition = structs.replace(edition, event=structs.replace(edition.event, runs=()))
    return _build(edition, (_build_event_entry(edition, timetable.entries[0].zone),))


def _build(edition: Edition, entries: tuple[Entry, ...]) -> Timetable:
    by_start = tuple(sorted(entries, key=order_by_start))
    span = min(entry.starts for entry in entries), max(entry.ends for entry in entries)
    return Timetable(edition, entries, by_start, span)


def order_by_start(entry: Entry) -> tuple[dt.datetime, str]:
    return entry.starts, entry.uid


def _build_event_entry(edition: Edition, zone: ZoneInfo) -> Entry:
    """The entry of an event itself; one that had ended when it went was not withdrawn."""
    bare = _strip(edition.event)
    run = structs.replace(bare.as_run, unlisted=edition.gone)
    period = compute_period(run, bare, zone, main=True, as_run=True)
    withdrawn = edition.gone is not None and edition.gone < to_instant(period.end, zone)
    return Entry(
        event=bare,
        alone=len(edition.event.runs) == 1,
        run=structs.replace(run, withdrawn=withdrawn),
        period=period,
        zone=zone,
        **_find_revisions(edition, run.id),
        changes=_group_by_run(edition.changes).get(run.id, ()),
    )


def _strip(event: Event) -> Event:
    """The event as its entries have it: without its runs, and with the beginning of its text.

    A series has no end date: the days of its sessions are their own (rules 9.2).
    """
    text = event.description
    if text and len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT].rstrip()}{CUT}"
    bare = structs.replace(event, runs=(), description=text)
    if not event.is_series:
        return bare
    unread = tuple(name for name in event.unread if name != "end_date")
    return structs.replace(bare, end_date=None, unread=unread)


def _find_revisions(edition: Edition, run_id: str) -> dict[str, Revision]:
    """The revisions of an entry, of its registration entries, and of its item."""
    words = ("opens", "closes", "announced")
    keys = {"revision": run_id} | {word: f"{run_id}/{word}" for word in words}
    return {name: edition.revisions.get(key, NO_REVISION) for name, key in keys.items()}


def _group_by_run(changes: Iterable[Change]) -> dict[str, tuple[Change, ...]]:
    grouped: dict[str, list[Change]] = {}
    for change in filter(None, merge_moves(tuple(changes))):
        grouped.setdefault(change.run, []).append(change)
    return {run: tuple(group) for run, group in grouped.items()}


def find_ended(entries: Iterable[Entry], now: dt.datetime) -> frozenset[str]:
    return frozenset(entry.run.id for entry in entries if entry.ends <= now)
