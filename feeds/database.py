"""What is remembered, in SQL: the last edition of each event with its history, and whose they are.

Times are kept as whole seconds since 1970 (UTC). Nothing is read, judged and written back: an
edition is saved over the version that it was made from, or not at all.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from msgspec import json, structs

from feeds import damage, migrations
from feeds.errors import SettingsError
from feeds.model import Change, Doubt, Edition, Event, Kind, Stamp, State
from feeds.tables import changes, deployment, events, stamps

PATIENCE = 10
"""Seconds that a statement waits for what others are writing."""


class Database:
    """One database. Threads and processes may share it; a connection is opened when needed."""

    def __init__(self, url: str) -> None:
        named = sa.make_url(url)
        self._path = Path(named.database or "").absolute()
        # Only open() makes a file: an empty one would take the place of one that is away.
        query = {"mode": "rw", "uri": "true", "timeout": str(PATIENCE)}
        self._engine = sa.create_engine(named.set(database=self._path.as_uri(), query=query))
        sa.event.listen(self._engine, "connect", self._connected)
        sa.event.listen(self._engine, "checkout", self._checked_out)
        sa.event.listen(self._engine, "begin", _begin)

    def open(self, api_url: str, fingerprint: str, now: datetime) -> datetime:
        """Make or migrate what is needed, and bind the database to one upstream.

        The answer is since when the deployment has had this fingerprint. Raises ``SettingsError``
        if the database cannot be used, is of a newer version, or holds another upstream's events.
        """
        folder = self._path.parent
        with _usable():
            folder.mkdir(parents=True, exist_ok=True)
            with damage.alone(folder):  # SQLite does not wait where many make a file its own
                damage.put_aside(self._path, now)
                self._path.touch()
                with self._writing() as connection:
                    migrations.migrate(connection)
                    bound = _bind(connection, "api_url", api_url, now)
                    if bound != api_url:  # raised in here: nothing is changed, not even migrated
                        raise SettingsError(
                            f"FEEDS_DATABASE_URL holds events of {bound}, FEEDS_API_URL is "
                            f"{api_url}; use another database for another upstream."
                        )
                    return _renewed(connection, "fingerprint", fingerprint, now)

    def belongs_to(self, organization: str, now: datetime) -> None:
        """Bind the database to the organization whose key is used.

        Raises ``SettingsError`` if it holds another one's events.
        """
        with _usable(), self._writing() as connection:
            bound = _bind(connection, "organization", organization, now)
        if bound != organization:
            raise SettingsError(
                f"FEEDS_DATABASE_URL holds events of the organization {bound}, "
                f"INTERVALS_PARTNER_API_KEY belongs to {organization}; "
                "use another database for another organization."
            )

    def read(self, event_id: str) -> Edition | None:
        """The edition last saved of an event."""
        with self._engine.connect() as connection:  # one transaction: one version of all tables
            row = connection.execute(sa.select(events).where(events.c.id == event_id)).first()
            if row is None:
                return None
            of_event = [
                connection.execute(
                    sa.select(table)
                    .where(table.c.event_id == event_id)
                    .order_by(*table.primary_key)
                ).all()
                for table in (stamps, changes)
            ]
        with _understood():
            return _edition(row, *of_event)

    def save(
        self, known: Edition | None, edition: Edition, span: tuple[datetime, datetime]
    ) -> Edition | None:
        """Save an edition over ``known``; None if that is no longer the last one."""
        version = known.version if known else 0
        id_ = edition.event.id
        columns = {
            "id": id_,
            "version": version + 1,
            "document": json.encode(edition.event),
            "fetched": _seconds(edition.fetched),
            "deployment": edition.deployment,
            "gone": _seconds(edition.gone) if edition.gone else None,
            "doubt": edition.doubt.of if edition.doubt else None,
            "doubted": _seconds(edition.doubt.since) if edition.doubt else None,
            "starts": _seconds(span[0]),
            "ends": _seconds(span[1]),
        }
        last = (events.c.id == id_) & (events.c.version == version)
        write: Any = sa.update(events).where(last) if known else sa.insert(events)
        try:
            with self._writing() as connection:
                if not connection.execute(write.values(columns)).rowcount:
                    return None
                if known is None or known.stamps != edition.stamps:
                    _replace(connection, stamps, id_, _stamp_rows(edition))
                if known is None or known.changes != edition.changes:
                    _replace(connection, changes, id_, _change_rows(edition))
        except sa.exc.IntegrityError:
            return None
        return structs.replace(edition, version=version + 1)

    def knows_any(self) -> bool:
        """Whether the key has ever read an event."""
        with self._engine.connect() as connection:
            return connection.execute(sa.select(events.c.id).limit(1)).first() is not None

    def nearest(self, now: datetime, most: int) -> list[Event]:
        """The events that are not over, next start first, then those that are, latest first."""
        ahead = events.c.ends >= _seconds(now)
        listed = sa.select(events.c.document).where(events.c.gone.is_(None))
        coming = listed.where(ahead).order_by(events.c.starts, events.c.id)
        past = listed.where(~ahead).order_by(events.c.ends.desc(), events.c.id)
        with self._engine.connect() as connection:
            rows = list(connection.execute(coming.limit(most)))
            rows += connection.execute(past.limit(most - len(rows)))
        with _understood():
            return [json.decode(row.document, type=Event) for row in rows]

    def _writing(self) -> AbstractContextManager[sa.Connection]:
        return self._engine.execution_options(begins="IMMEDIATE").begin()

    def _connected(self, connection: Any, record: Any) -> None:  # noqa: ANN401 - DBAPI connections have no common type
        # Else the driver opens no transaction for reading, and two reads may see two versions.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        record.info["file"] = self._file()

    def _checked_out(self, _connection: object, record: Any, _proxy: object) -> None:  # noqa: ANN401 - as above
        """Give up a connection to a file that was deleted, or put aside or replaced meanwhile."""
        if record.info["file"] != self._file():
            raise sa.exc.DisconnectionError("the database is another file now")

    def _file(self) -> tuple[int, int] | None:
        """Which file is there, as the system tells files apart; None if there is none."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


@contextmanager
def _usable() -> Iterator[None]:
    try:
        yield
    except (OSError, sa.exc.SQLAlchemyError) as error:
        reason = getattr(error, "orig", None) or error
        raise SettingsError(f"FEEDS_DATABASE_URL cannot be used: {reason}.") from None


@contextmanager
def _understood() -> Iterator[None]:
    """What makes no sense was damaged while it was kept: an error of the database like others."""
    try:
        yield
    except (ValueError, OverflowError) as error:
        raise sa.exc.DataError(None, None, error) from None


def _bind(connection: sa.Connection, name: str, value: str, now: datetime) -> str:
    """The value that the database was bound to first: the given one if it is new."""
    known = sa.select(deployment.c.value).where(deployment.c.name == name)
    columns = (sa.literal(name), sa.literal(value), sa.literal(_seconds(now), sa.BigInteger))
    row = sa.select(*columns).where(~sa.exists(known))
    connection.execute(sa.insert(deployment).from_select(["name", "value", "since"], row))
    return str(connection.execute(known).scalar_one())


def _renewed(connection: sa.Connection, name: str, value: str, now: datetime) -> datetime:
    """Since when the database has had this value; that time never falls."""
    _bind(connection, name, value, now)
    row = deployment.c.name == name
    last, new = deployment.c.since, _seconds(now)
    later = sa.case((last >= new, last + 1), else_=new)
    changed = sa.update(deployment).where(row, deployment.c.value != value)
    connection.execute(changed.values(value=value, since=later))
    since = connection.execute(sa.select(deployment.c.since).where(row)).scalar_one()
    return _instant(since)


def _replace(
    connection: sa.Connection, table: sa.Table, event_id: str, rows: Iterable[dict[str, Any]]
) -> None:
    connection.execute(sa.delete(table).where(table.c.event_id == event_id))
    if new := [{"event_id": event_id} | row for row in rows]:
        connection.execute(sa.insert(table), new)


def _stamp_rows(edition: Edition) -> Iterator[dict[str, Any]]:
    for id_, stamp in edition.stamps.items():
        times = {"created": _seconds(stamp.created), "last_modified": _seconds(stamp.last_modified)}
        yield {"id": id_} | structs.asdict(stamp) | times


def _change_rows(edition: Edition) -> Iterator[dict[str, Any]]:
    for number, change in enumerate(edition.changes):
        states = {"was": json.encode(change.was), "now": json.encode(change.now)}
        noticed = {"noticed": _seconds(change.noticed)}
        yield {"number": number} | structs.asdict(change) | states | noticed


def _edition(row: Any, stamp_rows: Iterable[Any], change_rows: Iterable[Any]) -> Edition:  # noqa: ANN401 - rows
    return Edition(
        event=json.decode(row.document, type=Event),
        fetched=_instant(row.fetched),
        stamps={
            each.id: Stamp(
                created=_instant(each.created),
                last_modified=_instant(each.last_modified),
                sequence=each.sequence,
                content=each.content,
                schedule=each.schedule,
            )
            for each in stamp_rows
        },
        changes=tuple(
            Change(
                run=each.run,
                kind=Kind(each.kind),
                was=json.decode(each.was, type=State),
                now=json.decode(each.now, type=State),
                noticed=_instant(each.noticed),
                nth=each.nth,
                group_nth=each.group_nth,
            )
            for each in change_rows
        ),
        gone=_instant(row.gone) if row.gone is not None else None,
        doubt=Doubt(row.doubt, _instant(row.doubted)) if row.doubt else None,
        deployment=row.deployment,
        version=row.version,
    )


def _seconds(instant: datetime) -> int:
    return int(instant.timestamp())


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _begin(connection: sa.Connection) -> None:
    begins = connection.get_execution_options().get("begins", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {begins}")
