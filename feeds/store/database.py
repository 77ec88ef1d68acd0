"""The database of the service: editions with their history, leases, and the rate limit.

Processes share it without locks of their own: an edition is saved only over the one from which it
was made (compare-and-swap of tokens); a lease and a call are taken with one SQL statement each.
Every method but those of a start raises ``StorageUnavailable`` while the database cannot be used.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar
from uuid import uuid4

import sqlalchemy as sa
from msgspec import structs

from feeds.domain.model import Edition, History
from feeds.domain.quota import Quota
from feeds.errors import SettingsError, UpstreamError
from feeds.store import catalog, editions, leases, ratelimit, saves, schema, tables
from feeds.store.catalog import Part
from feeds.store.engines import create_engine
from feeds.store.errors import convert_errors, convert_startup_errors
from feeds.store.leases import HeldByOther, Lease
from feeds.store.operations.overview import Overview
from feeds.store.saves import Saves

P = ParamSpec("P")
T = TypeVar("T")


def _as_method(
    query: Callable[Concatenate[sa.Connection, P], T], *, writes: bool = False
) -> Callable[Concatenate["Database", P], T]:
    """The method of ``Database`` that runs a query in a transaction of its own."""

    @wraps(query)
    def method(self: "Database", /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self._write() if writes else self._read() as connection:
            return query(connection, *args, **kwargs)

    return method


class Database:
    """One database. Threads and processes may share it; a connection is opened when needed."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url)
        self._acquisition = leases.build_acquisition(self._engine.insert(tables.leases))
        self.overview = Overview(self._engine)

    # Editions.
    read = _as_method(editions.read)
    has_events = _as_method(editions.has_any)
    list_events = _as_method(editions.list_events)
    list_coming = _as_method(editions.list_coming)
    list_due = _as_method(editions.list_due)
    list_missing_since = _as_method(editions.list_missing_since)
    find_witness = _as_method(editions.find_witness)
    # The catalog.
    read_part = _as_method(catalog.read)
    count_pages = _as_method(catalog.count_pages)
    list_polled_parts = _as_method(catalog.list_polled)
    list_ends = _as_method(catalog.list_ends)
    list_gone = _as_method(catalog.list_gone)
    mark_served = _as_method(catalog.mark_served, writes=True)
    # Leases and calls.
    fail = _as_method(leases.fail, writes=True)
    release = _as_method(leases.release, writes=True)
    spend_call = _as_method(ratelimit.spend_call, writes=True)
    close_upstream = _as_method(ratelimit.close_upstream, writes=True)
    note_forbidden = _as_method(ratelimit.note_forbidden, writes=True)

    def open(self, api_url: str, now: datetime, *, must_exist: bool = False) -> None:
        """Create the tables if there are none, and bind the database to one upstream.

        Raises ``SettingsError`` if the database cannot be used, has tables of another version, or
        holds another upstream's events; with ``must_exist`` also if the database is missing.
        """
        engine = self._engine
        opening = engine.write() if must_exist else engine.write_exclusively(now)
        with convert_startup_errors(), opening as connection:
            schema.create_schema(connection)
            bound = schema.bind(connection, "api_url", api_url, now)
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
            bound = schema.bind(connection, "organization", organization, now)
            ratelimit.accept_key(connection)
        if bound != organization:
            raise SettingsError(
                f"FEEDS_DATABASE_URL holds events of the organization {bound}, "
                f"INTERVALS_PARTNER_API_KEY belongs to {organization}; "
                "use another database for another organization."
            )

    def read_organization(self) -> str | None:
        """The organization that the database is bound to; None if it is not bound."""
        with self._read() as connection:
            return schema.read_bound(connection, "organization")

    def save_part(self, part: Part, lease: Lease | None = None) -> Part | None:
        """Save a part of the catalog and release its lease; returns the part with its token.

        None if another process has the lease: what that one has asked for is newer.
        """
        part = structs.replace(part, token=uuid4().hex)
        with self._write() as connection:
            if lease and not leases.succeed(connection, lease):
                connection.rollback()
                return None
            catalog.write(connection, part)
            saves.number_save(connection, part.name)
        return part

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
        # Read first: most callers wait for another process, and need no write transaction.
        with self._read() as connection:
            if _read_token(connection, event_id) != token:
                return None
            if obstacle := leases.find_obstacle(connection, event_id, now):
                return obstacle
        with self._write() as connection:
            acquired = leases.acquire(connection, lease, self._acquisition)
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

    def give_up(self, lease: Lease, quota: Quota) -> None:
        """Release a lease whose call was not made, and give the call back to the quota."""
        with self._write() as connection:
            leases.release(connection, lease)
            ratelimit.return_call(connection, quota)

    def renew(self, lease: Lease, quota: Quota, now: datetime) -> Lease | UpstreamError | None:
        """Take one more call under a lease; None if the lease was lost.

        The lease begins anew, also if no call can be made.
        """
        renewed = structs.replace(lease, at=now)
        with self._write() as connection:
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
        with convert_errors(writing=True):
            try:
                with self._engine.write() as connection:
                    if not editions.write(connection, token, edition, span, due=due, polled=polled):
                        return None
                    if lease:
                        leases.succeed(connection, lease)
                    # Last: concurrent saves wait for each other from here on. ``acquire`` locks
                    # the lease before the row of the service, too.
                    saves.number_save(connection, event_id)
            except sa.exc.IntegrityError:  # another process has saved the first edition
                return None
        return edition

    def count_call(self, quota: Quota, now: datetime) -> None:
        """Count the call that every start makes, whatever is left; raises ``SettingsError``."""
        with convert_startup_errors(), self._engine.write() as connection:
            ratelimit.count_call(connection, quota, now)

    def read_saves(self, last: Saves | None, now: datetime) -> Saves:
        """The events that all processes saved after the ``last`` look.

        All events if the newest save of that look is not there any more: its event was saved again,
        or the database went back (a backup was restored, a failover lost commits).
        """
        with self._read() as connection:
            number = saves.read_last_number(connection)
            known = last and saves.read_numbered(connection, last.number) == last.newest
            saved = saves.list_since(connection, last.number if last and known else -1)
            newest = saves.read_numbered(connection, number)
            polled = editions.count_polled(connection, now)
            return Saves(number, newest, saved, not known, polled)

    def mark_polled(self, ids: Iterable[str], now: datetime) -> None:
        """Store that events and parts of the catalog were polled; unknown ones are ignored."""
        names = {each for each in ids if each.startswith("/")}
        with self._write() as connection:
            if ids := set(ids) - names:
                editions.mark_polled(connection, ids, now)
            catalog.mark_polled(connection, names, now)

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        with convert_errors(), self._engine.read() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        with convert_errors(writing=True), self._engine.write() as connection:
            yield connection


def _read_token(connection: sa.Connection, key: str) -> str:
    read = catalog.read_token if key.startswith("/") else editions.read_token
    return read(connection, key)
