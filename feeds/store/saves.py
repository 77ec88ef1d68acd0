"""The numbers of all saves, by which processes notice what others have saved.

Events and the parts of the catalog are numbered together. Names of parts begin with a slash, ids of
events do not. Statements are built once, as in ``store.editions``.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from feeds.store.tables import catalog, events, service

_TABLES = ((events, events.c.id), (catalog, catalog.c.name))
"""The tables whose saves are numbered, with their keys."""


class Saves(Struct, frozen=True):
    """What was saved after another save, and how many events are polled at present.

    ``number`` counts all saves, ``newest`` is what was saved last and its token. ``saved`` are the
    tokens by ids of events and names of parts of the catalog; if ``complete``, those of all.
    """

    number: int
    newest: tuple[str, str] | None
    saved: Mapping[str, str]
    complete: bool
    polled: int


_INCREMENT = (
    sa.update(service)
    .values(save_number=service.c.save_number + 1)
    .returning(service.c.save_number)
)
_SET_EVENT_NUMBER, _SET_PART_NUMBER = (
    sa.update(table).where(key == sa.bindparam("saved")).values(save_number=sa.bindparam("number"))
    for table, key in _TABLES
)


def number_save(connection: sa.Connection, saved: str) -> None:
    """Give the save of an event, or of a part of the catalog, the next number.

    The number is unique and rises with each commit: the row of the service is locked until then.
    """
    number = connection.execute(_INCREMENT).scalar_one()
    statement = _SET_PART_NUMBER if saved.startswith("/") else _SET_EVENT_NUMBER
    connection.execute(statement, {"saved": saved, "number": number})


_SELECT_LAST_NUMBER = sa.select(service.c.save_number)


def read_last_number(connection: sa.Connection) -> int:
    return int(connection.execute(_SELECT_LAST_NUMBER).scalar_one())


def _select(compare: Callable[[Any, Any], Any]) -> sa.Executable:
    """The statement that finds saves by comparing their numbers with one."""
    number: sa.BindParameter[int] = sa.bindparam("number")
    selects = (
        sa.select(key.label("saved"), table.c.token).where(compare(table.c.save_number, number))
        for table, key in _TABLES
    )
    return sa.union_all(*selects)


_SELECT_SINCE, _SELECT_NUMBERED = _select(operator.gt), _select(operator.eq)


def list_since(connection: sa.Connection, number: int) -> dict[str, str]:
    """The tokens of what was saved after the save with this number, by ids and names."""
    found = connection.execute(_SELECT_SINCE, {"number": number})
    return {row.saved: row.token for row in found}


def read_numbered(connection: sa.Connection, number: int) -> tuple[str, str] | None:
    """What was saved with this number, and its token; None if it was saved again since."""
    row = connection.execute(_SELECT_NUMBERED, {"number": number}).first()
    return (row.saved, row.token) if row else None
