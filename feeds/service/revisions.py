"""Stamps: when an entry changed, and how often, kept here since the upstream does not tell.

ICSx5 takes an update only if LAST-MODIFIED rose, Google is reported to want a higher SEQUENCE.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping

from msgspec import json, structs

from feeds.domain.changes import append_changes, capture_state, find_changes
from feeds.domain.model import Edition, Feed, Revision
from feeds.domain.schedule import Entry, build_entries, has_left
from feeds.formats.ical import render_contents

SEQUENCE_EPOCH = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


def revise(
    known: Edition | None, edition: Edition, now: dt.datetime, home: str, page: str
) -> Edition:
    """An edition with the history that ``known``, the one before it, gives it.

    ``home`` is the zone of events without a place, ``page`` the address of the event's page. The
    same event under the same deployment changes nothing.
    """
    if known is None:
        return structs.replace(edition, revisions=dict(_revisions(edition, {}, now, home, page)))
    if _same(known, edition):
        return edition
    noticed = _noticed(known, now)
    new = find_changes(build_entries(known, home), build_entries(edition, home), noticed)
    edition = structs.replace(edition, changes=append_changes(known.changes, new))
    # Above all that a feed of this edition has had, also when the clock was put back: a feed's
    # Last-Modified is that of its newest entry, and has to rise with each of them.
    newest = max(
        (revision.last_modified for revision in known.revisions.values()), default=now - SECOND
    )
    at = max(now, newest + SECOND)
    revisions = dict(known.revisions)
    for id_ in _returned(known, edition, now) & revisions.keys():
        revisions[id_] = structs.replace(revisions[id_], content="")
    return structs.replace(edition, revisions=dict(_revisions(edition, revisions, at, home, page)))


def _same(known: Edition, edition: Edition) -> bool:
    return (known.event, known.gone, known.deployment) == (
        edition.event,
        edition.gone,
        edition.deployment,
    )


def _noticed(known: Edition, now: dt.datetime) -> dt.datetime:
    """Now, but never an instant at which something else was noticed: that would be one item."""
    taken = {change.noticed for change in known.changes}
    while now in taken:
        now += SECOND
    return now


def _returned(known: Edition, edition: Edition, now: dt.datetime) -> set[str]:
    """The runs that are in the feeds again, which change by that even if nothing of a run does."""
    listed = {run.id for run in edition.event.runs if run.unlisted is None}
    return {run.id for run in known.event.runs if run.id in listed and has_left(run, now)}


def _revisions(
    edition: Edition, known: Mapping[str, Revision], now: dt.datetime, home: str, page: str
) -> Iterator[tuple[str, Revision]]:
    """The revision of each run, and of the event for when it has none."""
    without = structs.replace(edition, event=structs.replace(edition.event, runs=()))
    for each in (edition, without) if edition.event.runs else (edition,):
        feed = Feed(title="", page=page, source="", timezone=home, editions=(each,))
        for entry, content in render_contents(feed):
            id_ = entry.run.id
            yield id_, _revision(known.get(id_), _content(entry, content), _schedule(entry), now)


def _revision(known: Revision | None, content: str, schedule: str, now: dt.datetime) -> Revision:
    """What rises, rises for good: also when the clock was put back, or the database was lost."""
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


def _content(entry: Entry, content: bytes) -> str:
    """Of the VEVENT, and of what only titles, the channel and the JSON feed show exactly."""
    run = entry.run
    zone = entry.zone.key
    window = (run.registration_opens, run.registration_closes)
    besides = (run.distance_label, run.distance_meters, *window, zone)
    return _digest(content + json.encode(besides))


def _schedule(entry: Entry) -> str:
    told, period = capture_state(entry), entry.period
    zone = "" if period.all_day else told.zone
    return _digest(json.encode((told.start, zone, period.end.isoformat(), told.place, told.status)))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
