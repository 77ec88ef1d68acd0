"""The database of the service: editions with their history, leases, and the rate limit.

Processes share it without locks of their own: an edition is saved only over the one from which it
was made (compare-and-swap of tokens); a lease and a call are taken with one SQL statement each.
Every method but those of a start raises ``StorageUnavailable`` while the database cannot be used.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import uuid4

import sqlalchemy as sa
from msgspec import structs

from feeds.domain.model import Edition, Event, History
from feeds.domain.quota import Quota
from feeds.errors import SettingsError, UpstreamError
from feeds.store import catalog, editions, identity, leases, ratelimit, tables
from feeds.store.catalog import Part
from feeds.store.editions import Saves
from feeds.store.engines import create_engine
from feeds.store.errors import convert_errors, convert_startup_errors
from feeds.store.leases import HeldByOther, Lease
from feeds.store.operations.overview import Overview
from feeds.store.schema import create_schema


class Database:
    """One database. Threads and processes may share it; a connection is opened when needed."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url)
        self.overview = Overview(self._engine)

    def open(self, api_url: str, now: datetime, *, must_exist: bool = False) -> None:
        """Create the tables if there are none, and bind the database to one upstream.

        Raises ``SettingsError`` if the database cannot be used, has tables of another version, or
        holds another upstream's events; with ``must_exist`` also if the database is missing.
        """
        engine = self._engine
        opening = engine.write() if must_exist else engine.write_exclusively(now)
        with convert_startup_errors(), opening as connection:
            create_schema(connection)
            bound = identity.bind(connection, "api_url", api_url, now)
            if bound != api_url:  # raised within the transaction, which is rolled back
                raise SettingsError(
                    f"FEEDS_DATABASE_URL holds events of {bound}, FEEDS_API_URL is "
                    f"{api_url}; use another database for another upstream."
                )

    def close(self) -> None:
        """Close all idle connections; the next call opens a new one."""
        self._engine.close()

    def bind_organization(self, organization: str, now: datetime) -> None:
        """Bind the database to the organization of the API key, which the upstream accepts.

        Raises ``SettingsError`` if it holds another organization's events.
        """
        with convert_startup_errors(), self._engine.write_exclusively(now) as connection:
            bound = identity.bind(connection, "organization", organization, now)
            ratelimit.accept_key(connection)
        if bound != organization:
            raise SettingsError(
                f"FEEDS_DATABASE_URL holds events of the organization {bound}, "
                f"INTERVALS_PARTNER_API_KEY belongs to {organization}; "
                "use another database for another organization."
            )

    def read_organization(self) -> str | None:
        """The organization that the database is bound to; None if it is not bound."""
        with convert_errors(), self._engine.read() as connection:
            return identity.read(connection, "organization")

    def read_part(self, name: str) -> Part | None:
        """A part of the catalog as it was saved last."""
        with convert_errors(), self._engine.read() as connection:
            return catalog.read(connection, name)

    def save_part(self, part: Part, lease: Lease | None = None) -> Part | None:
        """Save a part of the catalog and release its lease; returns the part with its token.

        None if another process has the lease: what that one has asked for is newer.
        """
        part = structs.replace(part, token=uuid4().hex)
        with convert_errors(), self._engine.write() as connection:
            if lease and not leases.succeed(connection, lease):
                connection.rollback()
                return None
            catalog.write(connection, part)
            editions.number_save(connection, part.name)
        return part

    def mark_served(self, name: str) -> None:
        """Store that a feed was made of a part of the catalog."""
        with convert_errors(), self._engine.write() as connection:
            catalog.mark_served(connection, name)

    def count_pages(self, name: str) -> int:
        """The calls that the other parts of the catalog cost."""
        with convert_errors(), self._engine.read() as connection:
            return catalog.count_pages(connection, name)

    def list_polled_parts(self, since: datetime) -> list[str]:
        """The parts of the catalog that were polled since then."""
        with convert_errors(), self._engine.read() as connection:
            return catalog.list_polled(connection, since)

    def list_ends(self, gone_before: datetime) -> dict[str, datetime | None]:
        """When each stored event ends; None for events that were gone before then."""
        with convert_errors(), self._engine.read() as connection:
            return catalog.list_ends(connection, gone_before)

    def read(self, event_id: str) -> History | None:
        """The edition of an event that was saved last; its history alone if it cannot be read."""
        with convert_errors(), self._engine.read() as connection:
            return editions.read(connection, event_id)

    def acquire(
        self, event_id: str, token: str, quota: Quota, now: datetime
    ) -> Lease | HeldByOther | UpstreamError | None:
        """Take the lease of an event or a part of the catalog, and one call of the quota, together.

        Otherwise returns the reason: None if what is stored does not have this token;
        ``HeldByOther`` while another process refreshes the event; or an error with ``retry_at``,
        either that of the last attempt while it is remembered, or the one for which no call can be
        made.
        """
        lease = Lease(event_id, now)
        with convert_errors():
            # Read first: most callers wait for another process, and need no write transaction.
            with self._engine.read() as connection:
                if _read_token(connection, event_id) != token:
                    return None
                if obstacle := leases.find_obstacle(connection, event_id, now):
                    return obstacle
            with self._engine.write() as connection:
                acquired = leases.acquire(connection, lease, self._engine.insert(tables.leases))
                if acquired is None:
                    connection.rollback()
                    return HeldByOther(now)
                if _read_token(connection, event_id) != token:
                    connection.rollback()
                    return None
                if refusal := ratelimit.spend_call(connection, quota, now):
                    connection.rollback()
                    return refusal
            return acquired

    def renew(self, lease: Lease, quota: Quota, now: datetime) -> Lease | UpstreamError | None:
        """Take one more call under a lease; None if the lease was lost.

        The lease begins anew, also if no call can be made.
        """
        renewed = structs.replace(lease, at=now)
        with convert_errors(), self._engine.write() as connection:
            if not leases.renew(connection, renewed):
                return None
            return ratelimit.spend_call(connection, quota, now) or renewed

    def save(
        self,
        known: History | None,
        edition: Edition,
        span: tuple[datetime, datetime],
        due: datetime,
        *,
        lease: Lease | None = None,
        polled: datetime | None = None,
    ) -> Edition | None:
        """Save an edition over ``known`` and release the lease; None if there is another one.

        ``span`` is from the start of the next run to the latest end, ``due`` when the background
        refresher fetches the next edition. ``polled`` is stored with the first edition of an event.
        Returns the edition with its token.
        """
        event_id, token = edition.event.id, known.token if known else ""
        edition = structs.replace(edition, token=uuid4().hex)
        with convert_errors():
            try:
                with self._engine.write() as connection:
                    if not editions.write(connection, token, edition, span, due=due, polled=polled):
                        return None
                    if lease:
                        leases.succeed(connection, lease)
                    # Last: concurrent saves wait for each other from here on. ``acquire`` locks
                    # the lease before the row of the service, too.
                    editions.number_save(connection, event_id)
            except sa.exc.IntegrityError:  # another process has saved the first edition
                return None
        return edition

    def fail(
        self, lease: Lease, error: UpstreamError, retry: datetime, *, refused: bool = False
    ) -> None:
        """Release a lease with an error that all processes remember until ``retry``.

        ``refused`` is whether the error counts as one more refusal of the event.
        """
        with convert_errors(), self._engine.write() as connection:
            leases.fail(connection, lease, error, retry, refused=refused)

    def note_forbidden(self, event_id: str) -> bool:
        """Note a 403 for a known event; whether another one got a 403 since the last success."""
        with convert_errors(), self._engine.write() as connection:
            return ratelimit.note_forbidden(connection, event_id)

    def release(self, lease: Lease) -> None:
        """Release a lease without a result."""
        with convert_errors(), self._engine.write() as connection:
            leases.release(connection, lease)

    def spend_call(self, quota: Quota, now: datetime) -> UpstreamError | None:
        """Spend one call that concerns no single event; the error if none can be made."""
        with convert_errors(), self._engine.write() as connection:
            return ratelimit.spend_call(connection, quota, now)

    def count_call(self, quota: Quota, now: datetime) -> None:
        """Count the call that every start makes, whatever is left; raises ``SettingsError``."""
        with convert_startup_errors(), self._engine.write() as connection:
            ratelimit.count_call(connection, quota, now)

    def close_upstream(
        self, until: datetime, cause: UpstreamError, now: datetime, window: timedelta
    ) -> None:
        """Refuse the calls of all processes until then; ``window`` is that of the rate limit."""
        with convert_errors(), self._engine.write() as connection:
            ratelimit.close_upstream(connection, until, type(cause).__name__, now, window)

    def has_events(self) -> bool:
        """Whether the API key has ever read an event."""
        with convert_errors(), self._engine.read() as connection:
            return editions.has_any(connection)

    def list_events(self, now: datetime, most: int) -> list[Event]:
        """Coming events, the next one first, then past events, the last one first."""
        with convert_errors(), self._engine.read() as connection:
            return editions.list_events(connection, now, most)

    def list_coming(self, now: datetime, most: int) -> list[str]:
        """The ids of events that are not over or gone, the next start first."""
        with convert_errors(), self._engine.read() as connection:
            return editions.list_coming(connection, now, most)

    def list_missing_since(
        self, event_id: str, between: tuple[datetime, datetime], now: datetime
    ) -> list[datetime]:
        """Since when other events have missed a run, or are missing, if that began ``between``.

        Only events that have not ended at ``now`` count, whether they are gone or not.
        """
        with convert_errors(), self._engine.read() as connection:
            return editions.list_missing_since(connection, event_id, between, now)

    def find_witness(self, event_id: str, now: datetime) -> editions.Witness | None:
        """The other event that has not ended and was fetched last; a listed one, if any is."""
        with convert_errors(), self._engine.read() as connection:
            return editions.find_witness(connection, event_id, now)

    def read_saves(self, last: Saves | None, now: datetime) -> Saves:
        """The events that all processes saved after the ``last`` look.

        All events if the newest save of that look is not there any more: its event was saved again,
        or the database went back (a backup was restored, a failover lost commits).
        """
        with convert_errors(), self._engine.read() as connection:
            number = editions.read_save_number(connection)
            known = last and editions.read_numbered(connection, last.number) == last.newest
            saved = editions.list_saved(connection, last.number if last and known else -1)
            newest = editions.read_numbered(connection, number)
            polled = editions.count_polled(connection, now)
            return Saves(number, newest, saved, not known, polled)

    def mark_polled(self, ids: Iterable[str], now: datetime) -> None:
        """Store that events and parts of the catalog were polled; unknown ones are ignored."""
        names = {each for each in ids if each.startswith("/")}
        with convert_errors(), self._engine.write() as connection:
            if ids := set(ids) - names:
                editions.mark_polled(connection, ids, now)
            catalog.mark_polled(connection, names, now)

    def list_due(self, now: datetime, most: int) -> list[str]:
        """The ids of polled events that are due and can be leased, the nearest event first."""
        with convert_errors(), self._engine.read() as connection:
            return editions.list_due(connection, now, most)


def _read_token(connection: sa.Connection, key: str) -> str:
    """The token of what is stored of an event or a part of the catalog."""
    read = catalog.read_token if key.startswith("/") else editions.read_token
    return read(connection, key)
