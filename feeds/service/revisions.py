"""Revisions: when an entry changed, and its SEQUENCE; the upstream sends neither.

ICSx5 takes an update only if LAST-MODIFIED rose, Google is reported to want a higher SEQUENCE.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from msgspec import json, structs

from feeds.domain.entries import (
    Entry,
    Timetable,
    build_event_timetable,
    build_timetable,
)
from feeds.domain.feed import Feed
from feeds.domain.history.changes import capture_state, find_changes, find_turns, use_old_names
from feeds.domain.history.delisting import mark_left
from feeds.domain.history.numbering import append_changes, drop_old_changes
from feeds.domain.history.recovery import SECOND
from feeds.domain.history.sessions import drop_changes_of_past, find_announcements
from feeds.domain.model import NEVER, Edition, Revision, State
from feeds.domain.places import is_far
from feeds.formats.ical import render_contents

SEQUENCE_EPOCH = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def revise(
    known: Timetable | None,
    edition: Edition,
    now: dt.datetime,
    home: str,
    public_url: str,
    *,
    locale: str,
) -> Timetable:
    """The timetable of an edition with its history, made from ``known``, the timetable before it.

    ``now`` is the second in which the edition is saved, ``home`` the zone of events without a
    place, ``public_url`` the service's own address, ``locale`` that of texts. Without ``known``,
    the edition may have the history of a document that cannot be read. The same event under the
    same deployment changes nothing, unless the clock has brought something since.
    """
    edition = structs.replace(edition, event=mark_left(edition.event, edition.fetched))
    timetable = build_timetable(edition, home)
    before = known.entries if known else ()
    since = known.edition.fetched if known else NEVER
    entries, until = timetable.entries, edition.fetched
    new = find_turns(before, entries, since=since, until=until, noticed=now)
    announced = find_announcements(before, entries, since=since, until=until, noticed=now)
    if known and not new and not announced and _is_same(known.edition, edition):
        return timetable
    noticed = _choose_noticed(edition, now)
    changes = find_changes(before, entries, noticed)
    new += drop_changes_of_past(changes, before, entries, until)
    edition = structs.replace(
        edition,
        changes=append_changes(edition, new, edition.event.id),
        revisions={**edition.revisions, **announced},
    )
    edition = drop_old_changes(edition, now)
    # Above all stamps of the event, also after the clock was set back: a client that knows one of
    # them holds older bytes.
    stamps = [edition.modified, *(each.last_modified for each in edition.revisions.values())]
    modified = max(now, *(each + SECOND for each in stamps))
    timetable = timetable.with_history(structs.replace(edition, modified=modified))
    make_feed = partial(
        Feed, title="", page="", source="", public_url=public_url, timezone=home, locale=locale
    )
    return _revise_all(known, timetable, noticed, make_feed)


def _revise_all(
    known: Timetable | None,
    timetable: Timetable,
    noticed: dt.datetime,
    make_feed: Callable[..., Feed],
) -> Timetable:
    """The timetable with a revision of each run, and of the event for when it has no runs."""
    edition = timetable.edition
    before = (*build_event_timetable(known).entries, *known.entries) if known else ()
    entries = {entry.run.id: entry for entry in before}
    both = (timetable, build_event_timetable(timetable))
    keys = [f"{entry.run.id}/announced" for entry in timetable.entries]
    revisions = {key: edition.revisions[key] for key in keys if key in edition.revisions}
    for each in both if edition.event.runs else (timetable,):
        for entry, content in render_contents(make_feed(timetables=(each,))):
            for key, digest, digest_schedules in _list_digests(
                entry, content, entries.get(entry.run.id)
            ):
                revisions[key] = _revise(
                    edition.revisions.get(key), digest, digest_schedules, noticed, edition.modified
                )
    return timetable.with_history(structs.replace(edition, revisions=revisions))


def _is_same(known: Edition, edition: Edition) -> bool:
    return (known.event, known.gone, known.deployment) == (
        edition.event,
        edition.gone,
        edition.deployment,
    )


def _choose_noticed(edition: Edition, now: dt.datetime) -> dt.datetime:
    """Now, but never an instant at which other changes were noticed: they would be one item."""
    taken = {change.noticed for change in edition.changes}
    while now in taken:
        now += SECOND
    return now


class _Schedules(NamedTuple):
    """The digest of a schedule, and those of all schedules that mean the same."""

    own: str
    same: tuple[str, ...]


def _revise(
    known: Revision | None,
    content: str,
    digest_schedules: Callable[[], _Schedules],
    noticed: dt.datetime,
    modified: dt.datetime,
) -> Revision:
    """The next revision of a VEVENT; it never falls, not even after the clock was set back."""
    if known and known.content == content:
        return known
    sequence, schedules = int((modified - SEQUENCE_EPOCH).total_seconds()), digest_schedules()
    if known is None:
        return Revision(noticed, modified, sequence, content, schedules.own)
    moved = known.schedule not in schedules.same
    return Revision(
        created=known.created,
        last_modified=modified,
        sequence=max(known.sequence + 1, sequence) if moved else known.sequence,
        content=content,
        schedule=schedules.own,
    )


def _list_digests(
    entry: Entry, content: bytes, before: Entry | None
) -> Iterator[tuple[str, str, Callable[[], _Schedules]]]:
    """The digests of the VEVENT of an entry and of its registration entries, by their UIDs.

    Each has a function that digests its schedules, which only a VEVENT that has changed needs.
    ``content`` is the VEVENT, which shows all that the registration entries show but their time.
    ``before`` is the entry in the edition before.
    """
    run = entry.run
    digest = _digest_content(entry, content)
    yield run.id, digest, partial(_digest_schedules, entry, before)
    turns = (("opens", run.registration_opens), ("closes", run.registration_closes))
    for word, at in turns:
        if at:
            shown = _digest(f"{digest}{at}".encode())
            yield f"{run.id}/{word}", shown, partial(_digest_instant, at)


def _digest_schedules(entry: Entry, before: Entry | None) -> _Schedules:
    now = capture_state(entry)
    own = _digest_schedule(entry, now)
    if not before:
        return _Schedules(own, (own,))
    was = capture_state(before)
    # The schedule has the place as a text: another point under the same address is a move.
    if is_far(was.point, now.point):
        return _Schedules(own, ())
    return _Schedules(own, (own, _digest_schedule(entry, use_old_names(was, now))))


def _digest_instant(at: dt.datetime) -> _Schedules:
    own = _digest(str(at).encode())
    return _Schedules(own, (own,))


def _digest_content(entry: Entry, content: bytes) -> str:
    """The digest of the VEVENT, and of fields that the other formats show more exactly.

    The VEVENT of a run that takes no entries shows less of its registration than they do.
    """
    run = entry.run
    registration = (
        run.registration_opens,
        run.registration_closes,
        run.registration_override,
        entry.registration_url,
        run.sold_out,
    )
    distance = (run.distance_label, run.distance_standard, run.distance_meters)
    besides = (*distance, *registration, entry.period.estimated, entry.zone.key, *run.unread)
    return _digest(content + json.encode(besides))


def _digest_schedule(entry: Entry, state: State) -> str:
    period = entry.period
    zone = "" if period.all_day else state.zone
    return _digest(
        json.encode((state.start, zone, period.end.isoformat(), state.place, state.status))
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
