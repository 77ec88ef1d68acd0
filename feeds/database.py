"""What is remembered, in SQL: the document last seen of each event, and whose documents they are.

Times are kept as whole seconds since 1970 (UTC).
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from feeds.errors import SettingsError
from feeds.model import Edition, Event

_metadata = sa.MetaData()

_deployment = sa.Table(
    "deployment",
    _metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("value", sa.String, nullable=False),
)

_events = sa.Table(
    "events",
    _metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("fetched", sa.BigInteger, nullable=False),
    sa.Column("first_seen", sa.BigInteger, nullable=False),
    sa.Column("last_modified", sa.BigInteger, nullable=False),
    sa.Column("starts", sa.BigInteger, nullable=False),
    sa.Column("ends", sa.BigInteger, nullable=False, index=True),
)


class Database:
    """One database. Threads and processes may share it; a connection is opened when needed."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url, connect_args={"timeout": 10})
        sa.event.listen(self._engine, "connect", _prepare)

    def open(self, api_url: str) -> None:
        """Make what is missing, and bind the database to one upstream.

        Raises ``SettingsError`` if it cannot be used, or holds another upstream's events.
        """
        try:
            path = make_url(str(self._engine.url)).database
            if path:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            _metadata.create_all(self._engine)
            bound = self._bind("api_url", api_url)
        except (OSError, sa.exc.SQLAlchemyError) as error:
            reason = getattr(error, "orig", None) or error
            raise SettingsError(f"FEEDS_DATABASE_URL cannot be used: {reason}.") from None
        if bound != api_url:
            raise SettingsError(
                f"FEEDS_DATABASE_URL holds events of {bound}, FEEDS_API_URL is {api_url}; "
                "use another database for another upstream."
            )

    def read(self, event_id: str) -> Edition | None:
        """The edition last saved of an event."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(_events).where(_events.c.id == event_id)).first()
        return _edition(row) if row else None

    def save(self, edition: Edition, span: tuple[datetime, datetime]) -> Edition | None:
        """Save an edition over the version it was made from; None if that is no longer the last."""
        columns = {
            "document": msgspec.json.encode(edition.event),
            "fetched": _seconds(edition.fetched),
            "first_seen": _seconds(edition.first_seen),
            "last_modified": _seconds(edition.last_modified),
            "starts": _seconds(span[0]),
            "ends": _seconds(span[1]),
            "version": edition.version + 1,
        }
        id_ = edition.event.id
        write: Any
        if edition.version:
            write = sa.update(_events).where(
                _events.c.id == id_, _events.c.version == edition.version
            )
        else:
            write = sa.insert(_events)
            columns["id"] = id_
        try:
            with self._engine.begin() as connection:
                written = connection.execute(write.values(columns)).rowcount
        except sa.exc.IntegrityError:
            return None
        if not written:
            return None
        return msgspec.structs.replace(edition, version=edition.version + 1)

    def knows_any(self) -> bool:
        """Whether the key has ever read an event."""
        with self._engine.connect() as connection:
            return connection.execute(sa.select(_events.c.id).limit(1)).first() is not None

    def nearest(self, now: datetime, most: int) -> list[Edition]:
        """The events that are not over, next start first, then those that are, latest first."""
        ahead = _events.c.ends >= _seconds(now)
        coming = sa.select(_events).where(ahead).order_by(_events.c.starts, _events.c.id)
        past = sa.select(_events).where(~ahead).order_by(_events.c.ends.desc(), _events.c.id)
        with self._engine.connect() as connection:
            rows = list(connection.execute(coming.limit(most)))
            rows += connection.execute(past.limit(most - len(rows)))
        return [_edition(row) for row in rows]

    def _bind(self, name: str, value: str) -> str:
        """The value that this database was bound to first: the given one if it is new."""
        with self._engine.begin() as connection:
            known = sa.select(_deployment.c.value).where(_deployment.c.name == name)
            missing = ~sa.exists(known)
            row = sa.select(sa.literal(name), sa.literal(value)).where(missing)
            connection.execute(sa.insert(_deployment).from_select(["name", "value"], row))
            return str(connection.execute(known).scalar_one())


def _edition(row: sa.Row[Any]) -> Edition:
    return Edition(
        event=msgspec.json.decode(row.document, type=Event),
        fetched=_instant(row.fetched),
        first_seen=_instant(row.first_seen),
        last_modified=_instant(row.last_modified),
        version=row.version,
    )


def _seconds(instant: datetime) -> int:
    return int(instant.timestamp())


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - DBAPI connections have no common type
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()
