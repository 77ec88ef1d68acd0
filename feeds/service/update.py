"""From the upstream's answer to the next edition, which is saved before it is served."""

import logging
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from msgspec import structs

from feeds.domain.catalog import Organization, RecurrenceList
from feeds.domain.entries import Timetable, find_ended
from feeds.domain.history import delisting
from feeds.domain.model import Edition, Recurrence
from feeds.domain.quota import Priority, Rate
from feeds.errors import EventNotFound, InvalidResponse, StorageUnavailable
from feeds.logs import Throttle
from feeds.service.entry import Snapshot
from feeds.service.repository import EditionRepository
from feeds.store.database import Database
from feeds.store.editions import Witness
from feeds.store.leases import Lease
from feeds.upstream import schema
from feeds.upstream.client import FetchResult
from feeds.upstream.http import DEADLINE
from feeds.upstream.lists import Page
from feeds.upstream.ownership import KeyOwner

log = logging.getLogger(__name__)


class Source(Protocol):
    """Where events come from: the partner API, or its stand-in in a benchmark."""

    def fetch(self, event_id: str, etag: str | None) -> FetchResult:
        """The document of an event as sent; raises a leaf of ``UpstreamError``."""

    def fetch_organization(self, seconds: float) -> Organization:
        """The organization of the key, in that time; raises as ``fetch`` does."""

    def fetch_page(self, path: str, after: str | None = None) -> Page:
        """The page of a list after a cursor; raises as ``fetch`` does."""


class Updater:
    """Makes the editions of one upstream; threads may share it.

    ``find_recurrences`` finds those of all events within so many seconds; ``confirm_after`` is as
    in ``Settings``.
    """

    def __init__(
        self,
        source: Source,
        repository: EditionRepository,
        database: Database,
        clock: Callable[[], datetime],
        rate: Rate,
        *,
        find_recurrences: Callable[[float], RecurrenceList | None],
        confirm_after: timedelta = delisting.CONFIRM_AFTER,
    ) -> None:
        self._source = source
        self._repository = repository
        self._database = database
        self._confirm_after = confirm_after
        self._throttle = Throttle(log, lambda: clock().timestamp())
        self._owner = KeyOwner(
            lambda seconds: source.fetch_organization(seconds).id,
            database.read_organization,
            lambda now: database.spend_call(rate.quota_for(Priority.URGENT), now),
            clock,
        )
        self._find_recurrences = find_recurrences
        self._clock = clock

    def fetch_and_save(self, lease: Lease, known: Snapshot | None, *, polled: bool) -> Snapshot:
        """The edition after one call of the upstream.

        1. Ask for the document, with the etag of ``known``, the edition before it.
        2. Decode the document; compare it with ``known``: delisted runs, an event that is gone.
        3. Find the changes, and revise the entries: LAST-MODIFIED and SEQUENCE.
        4. Save the edition over ``known``. If another process was faster, repeat from 2 with its
           edition.

        ``polled`` is whether somebody asked for the event. Raises the ``UpstreamError`` that leaves
        ``known`` as it is, and ``StorageUnavailable``.
        """
        asked = known.timetable.edition if known else None
        timetable = known.timetable if known else None
        now = lease.at.replace(microsecond=0)
        try:
            etag = self._repository.assign_to_deployment(asked).etag if asked else None
            result = self._source.fetch(lease.key, etag)
            recurrences = self._list_recurrences(lease, asked)
            make = partial(
                self._apply_result, lease.key, result, asked, now, recurrences=recurrences
            )
        except EventNotFound as error:
            make = partial(self._apply_not_found, error, lease)
        return self._repository.save(lease.key, asked, timetable, make, lease=lease, polled=polled)

    def _list_recurrences(self, lease: Lease, known: Edition | None) -> tuple[Recurrence, ...]:
        """The recurrences of the event; those of the last edition while the list is unknown."""
        left = DEADLINE - (self._clock() - lease.at).total_seconds()
        found = self._find_recurrences(max(0.0, left))
        if found is None:
            return known.event.recurrences if known else ()
        return found.items.get(lease.key, ())

    def find_witness(self, edition: Edition) -> Witness | None:
        """The event that must be fetched before an edition counts as gone; None if no event must.

        A fault of the upstream may answer 404 to all events, while nobody polls the others. So one
        other event that is ahead has to have been listed since this one began to be missing.
        """
        pending = delisting.find_provable(edition, self._confirm_after).get(edition.event.id)
        if pending is None:
            return None
        witness = self._database.find_witness(edition.event.id, edition.fetched)
        known = witness and witness.is_listed and witness.fetched > pending.since
        return None if known else witness

    def confirm_gone(self, snapshot: Snapshot) -> Snapshot:
        """The edition after another event was fetched; it may be gone now."""
        edition = snapshot.timetable.edition
        return self._repository.save(
            edition.event.id, edition, snapshot.timetable, self._confirm_again
        )

    def _confirm_again(self, known: Timetable | None) -> Edition:
        if known is None:  # the row was deleted meanwhile
            raise StorageUnavailable
        edition = known.edition
        if self.find_witness(edition):
            return edition
        return self._confirm_removals(edition, find_ended(known.entries, edition.fetched))

    def _apply_result(
        self,
        event_id: str,
        result: FetchResult,
        asked: Edition | None,
        now: datetime,
        known: Timetable | None,
        *,
        recurrences: tuple[Recurrence, ...],
    ) -> Edition:
        """The edition that an answer makes, still with the history of ``known``.

        304 Not Modified concerns the edition whose etag was sent, and no other one.
        """
        if result.body is None:
            if known is None:
                raise InvalidResponse
            edition = known.edition
            if edition is not asked:
                return edition
            event = edition.event
            if event.recurrences != recurrences:
                event = structs.replace(event, recurrences=recurrences)
            return structs.replace(edition, event=event, fetched=now)
        last = known.edition.event if known else None
        document = schema.decode(result.body, event_id, last)
        event = structs.replace(document.event, recurrences=recurrences)
        if known is None:
            edition = Edition(event=event, fetched=now, revisions={})
        else:
            ended = find_ended(known.entries, now)
            edition = delisting.apply_document(
                known.edition, event, ended, now, complete=document.complete
            )
            if document.complete:
                edition = self._confirm_removals(edition, ended)
        # A pending removal is confirmed by whole documents: do not ask for changes alone.
        etag = None if delisting.find_unconfirmed(edition) else result.etag
        return structs.replace(self._repository.assign_to_deployment(edition), etag=etag)

    def _apply_not_found(
        self, error: EventNotFound, lease: Lease, known: Timetable | None
    ) -> Edition:
        """The edition after a 404; raises that error for an event that was never known."""
        if known is None:
            raise error
        if known.edition.gone is None:
            self._owner.check(lease.at)
        now = lease.at.replace(microsecond=0)
        edition = delisting.apply_not_found(known.edition, now)
        edition = self._confirm_removals(edition, find_ended(known.entries, now))
        return structs.replace(edition, etag=None)

    def _confirm_removals(self, edition: Edition, ended: Collection[str]) -> Edition:
        """The edition after an answer that may lack something, with the proved removals.

        Logs the removals that are pending. Raises ``StorageUnavailable``.
        """
        event_id, now = edition.event.id, edition.fetched
        unconfirmed = delisting.find_unconfirmed(edition)
        if any(each.since == now for each in unconfirmed.values()):
            missing = "the event" if event_id in unconfirmed else "some of its runs"
            message = "event %s: the answer lacks %s; asking again"
            self._throttle.warning("missing", message, event_id, missing)
        provable = delisting.find_provable(edition, self._confirm_after)
        if not provable:
            return edition
        window = delisting.compute_doubt_window(self._confirm_after)
        instants = [each.since for each in provable.values()]
        between = (min(instants) - window, max(instants) + window)
        others = self._database.list_missing_since(event_id, between, now)
        doubts = others
        if self.find_witness(edition):  # the upstream may lack all events
            doubts = [*others, provable[event_id].since]
        edition = delisting.confirm_removals(edition, ended, doubts, self._confirm_after)
        held = delisting.find_provable(edition, self._confirm_after)
        if held and others:
            self._throttle.warning(
                "held",
                "event %s, or some of its runs, has been missing since %s, and so has something of"
                " other events (%d): all stay listed for a day. Check whether the Intervals API"
                " lists them, and whether INTERVALS_PARTNER_API_KEY may read them.",
                event_id,
                f"{min(each.since for each in held.values()):%Y-%m-%dT%H:%M:%SZ}",
                len(others),
            )
        return edition
