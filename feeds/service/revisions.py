"""Revisions: when an entry changed, and its SEQUENCE; the upstream sends neither.

ICSx5 takes an update only if LAST-MODIFIED rose, Google is reported to want a higher SEQUENCE.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping

from msgspec import json, structs

from feeds.domain.changes import append_changes, capture_state, find_changes
from feeds.domain.entries import Entry, Timetable, build_event_timetable, build_timetable, has_left
from feeds.domain.feed import Feed
from feeds.domain.model import Edition, Revision
from feeds.formats.ical import render_contents

SEQUENCE_EPOCH = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


def revise(
    known: Timetable | None, edition: Edition, now: dt.datetime, home: str, page: str
) -> Timetable:
    """The timetable of an edition with the history that ``known``, the one before it, gives it.

    ``home`` is the zone of events without a place, ``page`` the address of the event's page. The
    same event under the same deployment changes nothing.
    """
    timetable = build_timetable(edition, home)
    if known is None:
        return _revise_all(timetable, {}, now, home, page)
    if _is_same(known.edition, edition):
        return timetable
    noticed = _choose_noticed(known.edition, now)
    new = find_changes(known.entries, timetable.entries, noticed)
    changes = append_changes(known.edition.changes, new)
    timetable = timetable.with_history(structs.replace(edition, changes=changes))
    # Above all revisions of the event, also after the clock was set back: Last-Modified is that of
    # the newest entry, and has to rise with each change.
    revisions = dict(known.edition.revisions)
    newest = max((each.last_modified for each in revisions.values()), default=now - SECOND)
    for id_ in _find_returned(known.edition, edition, now) & revisions.keys():
        revisions[id_] = structs.replace(revisions[id_], content="")
    return _revise_all(timetable, revisions, max(now, newest + SECOND), home, page)


def _revise_all(
    timetable: Timetable,
    known: Mapping[str, Revision],
    now: dt.datetime,
    home: str,
    page: str,
) -> Timetable:
    """The timetable with a revision of each run, and of the event for when it has no runs."""
    edition = timetable.edition
    both = (timetable, build_event_timetable(timetable))
    revisions = {}
    for each in both if edition.event.runs else (timetable,):
        feed = Feed(title="", page=page, source="", timezone=home, timetables=(each,))
        for entry, content in render_contents(feed):
            digests = _digest_content(entry, content), _digest_schedule(entry)
            revisions[entry.run.id] = _revise(known.get(entry.run.id), *digests, now)
    return timetable.with_history(structs.replace(edition, revisions=revisions))


def _is_same(known: Edition, edition: Edition) -> bool:
    return (known.event, known.gone, known.deployment) == (
        edition.event,
        edition.gone,
        edition.deployment,
    )


def _choose_noticed(known: Edition, now: dt.datetime) -> dt.datetime:
    """Now, but never an instant at which other changes were noticed: they would be one item."""
    taken = {change.noticed for change in known.changes}
    while now in taken:
        now += SECOND
    return now


def _find_returned(known: Edition, edition: Edition, now: dt.datetime) -> set[str]:
    """The runs that are in the feeds again: the feeds change even if the runs do not."""
    listed = {run.id for run in edition.event.runs if run.unlisted is None}
    return {run.id for run in known.event.runs if run.id in listed and has_left(run, now)}


def _revise(known: Revision | None, content: str, schedule: str, now: dt.datetime) -> Revision:
    """The next revision; it never falls, not even after the clock was set back."""
    sequence = int((now - SEQUENCE_EPOCH).total_seconds())
    if known is None:
        return Revision(now, now, sequence, content, schedule)
    if known.content == content:
        return known
    moved = known.schedule != schedule
    return Revision(
        created=known.created,
        last_modified=now,
        sequence=max(known.sequence + 1, sequence) if moved else known.sequence,
        content=content,
        schedule=schedule,
    )


def _digest_content(entry: Entry, content: bytes) -> str:
    """The digest of the VEVENT, and of fields that the other formats show more exactly."""
    run = entry.run
    zone = entry.zone.key
    window = (run.registration_opens, run.registration_closes)
    besides = (run.distance_label, run.distance_meters, *window, zone)
    return _digest(content + json.encode(besides))


def _digest_schedule(entry: Entry) -> str:
    state, period = capture_state(entry), entry.period
    zone = "" if period.all_day else state.zone
    return _digest(
        json.encode((state.start, zone, period.end.isoformat(), state.place, state.status))
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
