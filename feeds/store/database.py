"""What is remembered, in SQL: editions with their history, who refreshes them, what may be spent.

Nothing is read, judged and written back: an edition is saved over the version that it was made
from, a lease and a call are taken with one statement each, or not at all. Every method raises
``StorageAway`` while the database is not to be had.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic

import sqlalchemy as sa
from msgspec import Struct, structs

from feeds.domain.freshness import POLLED_WITHIN
from feeds.domain.model import Edition, Event
from feeds.domain.quota import Quota
from feeds.errors import (
    DatabaseUnavailable,
    SettingsError,
    StorageCorrupt,
    StorageUnavailable,
    UpstreamError,
)
from feeds.logs import Throttle
from feeds.store import leases, rows
from feeds.store import ratelimit as budget
from feeds.store import schema as migrations
from feeds.store.engines import create_engine
from feeds.store.identity import bind, bind_latest
from feeds.store.leases import Lease, Leased
from feeds.store.tables import changes, events, refreshes, revisions, service

sparing = Throttle(logging.getLogger(__name__), monotonic)


class Saves(Struct, frozen=True):
    """What was saved since a save of that number, and how many events are polled at present.

    ``saved`` are the ids of the events; None stands for all, after a database was put back.
    """

    number: int
    saved: frozenset[str] | None
    polled: int


class Database:
    """One database. Threads and processes may share it; a connection is opened when needed."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url)

    def open(
        self, api_url: str, fingerprint: str, now: datetime, *, must_exist: bool = False
    ) -> datetime:
        """Create the tables if there are none, and bind the database to one upstream.

        A database that ``must_exist`` is not created where it is missing. The answer is
        since when the deployment has had this fingerprint. Raises ``SettingsError`` if the database
        cannot be used, has tables of another version, or holds another upstream's events.
        """
        opening = self._engine.write() if must_exist else self._engine.making(now)
        with _usable(), opening as connection:
            migrations.create_schema(connection)
            bound = bind(connection, "api_url", api_url, now)
            if bound != api_url:  # raised in here: nothing is changed
                raise SettingsError(
                    f"FEEDS_DATABASE_URL holds events of {bound}, FEEDS_API_URL is "
                    f"{api_url}; use another database for another upstream."
                )
            return bind_latest(connection, "fingerprint", fingerprint, now)

    def close(self) -> None:
        """Close its connections; it opens new ones when it is used again."""
        self._engine.close()

    def bind_organization(self, organization: str, now: datetime) -> None:
        """Bind the database to the organization whose key is used.

        Raises ``SettingsError`` if it holds another one's events.
        """
        with _usable(), self._engine.making(now) as connection:
            bound = bind(connection, "organization", organization, now)
        if bound != organization:
            raise SettingsError(
                f"FEEDS_DATABASE_URL holds events of the organization {bound}, "
                f"INTERVALS_PARTNER_API_KEY belongs to {organization}; "
                "use another database for another organization."
            )

    def read(self, event_id: str) -> Edition | None:
        """The edition last saved of an event."""
        with _at_hand(), self._engine.read() as connection:
            row = connection.execute(sa.select(events).where(events.c.id == event_id)).first()
            if row is None:
                return None
            of_event = [
                connection.execute(
                    sa.select(table)
                    .where(table.c.event_id == event_id)
                    .order_by(*table.primary_key)
                ).all()
                for table in (revisions, changes)
            ]
            return rows.read_edition(row, *of_event)

    def acquire(
        self, event_id: str, known: Edition | None, allowance: Quota, now: datetime
    ) -> Lease | Edition | Leased | UpstreamError:
        """Look again; if ``known`` is still the last edition, take what a refresh needs.

        The answer is the edition that somebody else has saved meanwhile; the error with which the
        last attempt failed, while that is remembered; that somebody refreshes it just now; the
        error that says why no call can be made, each with ``retry_at``; or else the event's lease
        and a call of the allowance, taken together.
        """
        claim = Lease(event_id, now)
        with _at_hand():
            # First without writing: most of those who wait for another one find it at work.
            if met := self._met(event_id, known, now):
                return met
            with self._engine.write() as connection:
                if not leases.acquire(connection, claim, self._engine.upsert(refreshes)):
                    connection.rollback()
                    return self._met(event_id, known, now) or Leased(now)
                if _version(connection, event_id) > _version_of(known):
                    connection.rollback()
                    return self.read(event_id) or Leased(now)
                if refusal := budget.spend_call(connection, allowance, now):
                    connection.rollback()
                    return refusal
            return claim

    def _met(
        self, event_id: str, known: Edition | None, now: datetime
    ) -> Edition | Leased | UpstreamError | None:
        """What stands in the way of a claim, as far as one can see without writing."""
        with self._engine.read() as connection:
            if _version(connection, event_id) <= _version_of(known):
                return leases.find_obstacle(connection, event_id, now)
        return self.read(event_id)

    def save(
        self,
        known: Edition | None,
        edition: Edition,
        span: tuple[datetime, datetime],
        due: datetime,
        *,
        lease: Lease | None = None,
        polled: datetime | None = None,
    ) -> Edition | None:
        """Save an edition over ``known``; None if that is no longer the last one.

        ``span`` is when its runs take place, ``due`` when the next edition is to be fetched. The
        claim that it was made with ends; ``polled`` is noted of an event that is new.
        """
        version, id_ = _version_of(known), edition.event.id
        row = rows.build_event_row(edition, span, due) | {"version": version + 1}
        last = (events.c.id == id_) & (events.c.version == version)
        write: sa.Update | sa.Insert = sa.update(events).where(last).values(row)
        if known is None:
            noted = {"polled": rows.to_seconds(polled) if polled else None}
            write = sa.insert(events).values(row | noted)
        with _at_hand():
            try:
                with self._engine.write() as connection:
                    if not connection.execute(write).rowcount:
                        return None
                    if known is None or known.revisions != edition.revisions:
                        _replace(connection, revisions, id_, rows.build_revision_rows(edition))
                    if known is None or known.changes != edition.changes:
                        _replace(connection, changes, id_, rows.build_change_rows(edition))
                    if lease:
                        leases.release(connection, lease)
                    _number(connection, id_)
            except sa.exc.IntegrityError:  # the first edition, which another one has saved first
                return None
        return structs.replace(edition, version=version + 1)

    def fail(self, claim: Lease, error: UpstreamError, retry: datetime) -> None:
        """End a claim with an error that all processes remember until ``retry``."""
        with _at_hand(), self._engine.write() as connection:
            leases.fail(connection, claim, error, retry)

    def release(self, claim: Lease) -> None:
        """End a claim that came to nothing."""
        with _at_hand(), self._engine.write() as connection:
            leases.release(connection, claim)

    def spend_call(self, allowance: Quota, now: datetime) -> UpstreamError | None:
        """Take one call that is for no event; or the error that says why there is none."""
        with _at_hand(), self._engine.write() as connection:
            return budget.spend_call(connection, allowance, now)

    def count_call(self, allowance: Quota, now: datetime) -> None:
        """Count the call that is made at a start in any case; raises ``SettingsError``."""
        with _usable(), self._engine.write() as connection:
            budget.count_call(connection, allowance, now)

    def close_upstream(
        self, until: datetime, cause: UpstreamError, now: datetime, window: timedelta
    ) -> None:
        """Have no call made by anybody until then; ``window`` is that of the rate."""
        with _at_hand(), self._engine.write() as connection:
            budget.close_upstream(connection, until, type(cause).__name__, now, window)

    def has_events(self) -> bool:
        """Whether the key has ever read an event."""
        with _at_hand(), self._engine.read() as connection:
            return connection.execute(sa.select(events.c.id).limit(1)).first() is not None

    def list_events(self, now: datetime, most: int) -> list[Event]:
        """The events that are not over, next start first, then those that are, latest first."""
        ahead = events.c.ends >= rows.to_seconds(now)
        listed = sa.select(events.c.document).where(events.c.gone.is_(None))
        coming = listed.where(ahead).order_by(events.c.starts, events.c.id)
        past = listed.where(~ahead).order_by(events.c.ends.desc(), events.c.id)
        with _at_hand(), self._engine.read() as connection:
            found = list(connection.execute(coming.limit(most)))
            found += connection.execute(past.limit(most - len(found)))
            return [rows.read_event(row.document) for row in found]

    def read_saves(self, save_number: int | None, now: datetime) -> Saves:
        """What all processes have saved since a save_number; anything, if that is not known."""
        with _at_hand(), self._engine.read() as connection:
            last = connection.execute(sa.select(service.c.save_number)).scalar_one()
            saved = None  # a database that was put back has lower numbers
            if save_number is not None and save_number <= last:
                new = sa.select(events.c.id).where(events.c.save_number > save_number)
                saved = frozenset(connection.execute(new).scalars())
            polled = connection.execute(
                sa.select(sa.func.count()).where(events.c.polled >= _lately(now))
            ).scalar_one()
        return Saves(last, saved, polled)

    def mark_polled(self, ids: Iterable[str], now: datetime) -> None:
        """Note that these events are polled. In order: those who note the same do not deadlock."""
        note = sa.update(events).where(events.c.id == sa.bindparam("polled_id"))
        parameters = [{"polled_id": id_} for id_ in sorted(ids)]
        with _at_hand(), self._engine.write() as connection:
            connection.execute(note.values(polled=rows.to_seconds(now)), parameters)

    def list_due(self, now: datetime, most: int) -> list[str]:
        """The ids of polled events whose next edition is due and can be claimed, nearest first."""
        free = refreshes.c.event_id.is_(None) | leases.is_free(now)
        listed = (
            sa.select(events.c.id)
            .outerjoin(refreshes, refreshes.c.event_id == events.c.id)
            .where(events.c.due <= rows.to_seconds(now), events.c.polled >= _lately(now), free)
            .where(events.c.gone.is_(None))
            .order_by(events.c.ends < rows.to_seconds(now), events.c.starts, events.c.id)
        )
        with _at_hand(), self._engine.read() as connection:
            return list(connection.execute(listed.limit(most)).scalars())


@contextmanager
def _usable() -> Iterator[None]:
    try:
        yield
    except (OSError, sa.exc.SQLAlchemyError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0].rstrip(".")
        raise DatabaseUnavailable(f"FEEDS_DATABASE_URL cannot be used: {reason}.") from None


@contextmanager
def _at_hand() -> Iterator[None]:
    """Whatever keeps the database from answering. What makes no sense was damaged while kept."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        sparing.warning("away", "the database is not to be had: %s", type(error).__name__)
        raise StorageUnavailable from None
    except (ValueError, OverflowError) as error:
        sparing.warning("damaged", "the database is damaged: %s", type(error).__name__)
        raise StorageCorrupt from None


def _version(connection: sa.Connection, event_id: str) -> int:
    version = sa.select(events.c.version).where(events.c.id == event_id)
    return connection.execute(version).scalar() or 0


def _version_of(known: Edition | None) -> int:
    return known.version if known else 0


def _number(connection: sa.Connection, event_id: str) -> None:
    """Give a save its number among all saves; they wait for each other here."""
    one_more = sa.update(service).values(save_number=service.c.save_number + 1)
    number = connection.execute(one_more.returning(service.c.save_number)).scalar_one()
    connection.execute(sa.update(events).where(events.c.id == event_id).values(save_number=number))


def _lately(now: datetime) -> int:
    return rows.to_seconds(now - POLLED_WITHIN)


def _replace(
    connection: sa.Connection,
    table: sa.Table,
    event_id: str,
    new: Iterable[dict[str, object]],
) -> None:
    connection.execute(sa.delete(table).where(table.c.event_id == event_id))
    if new := list(new):
        connection.execute(sa.insert(table), new)
