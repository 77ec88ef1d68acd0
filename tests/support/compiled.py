"""What the applications of a test process have compiled, shared: SQL, templates, routes, samples.

Each application would compile its own, which takes most of the time of its start, its first poll
and its first page.
"""

from functools import cache
from typing import Any

import flask
import sqlalchemy as sa
from flask.sansio.app import App
from flask.templating import Environment
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from werkzeug.routing import Rule

from feeds.sandbox import date_tokens, samples

_STATEMENTS: dict[Any, Any] = {}


class _Shared(sa.Dialect):
    """A dialect that equals those of other databases: dialects are part of the keys."""

    @classmethod
    def engine_created(cls, engine: sa.Engine) -> None:
        engine.update_execution_options(compiled_cache=_STATEMENTS)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


class Sqlite(_Shared, SQLiteDialect_pysqlite):
    supports_statement_cache = True


class Postgres(_Shared, PGDialect_psycopg):
    supports_statement_cache = True


class _Templates(BytecodeCache):
    """Templates by their name and source."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key, bucket.checksum] = bucket.code


_TEMPLATES = _Templates()


class _Environment(Environment):
    def __init__(self, app: App, **options: Any) -> None:
        super().__init__(app, **options | {"bytecode_cache": _TEMPLATES})


_ROUTES: dict[object, dict[str, Any]] = {}


class _Route(Rule):
    """A rule that takes what ``compile`` has made of an equal one."""

    def compile(self) -> None:
        more = (self.subdomain, self.merge_slashes, repr(self.defaults))
        key = (self.rule, *self.map.converters.values(), *more)
        if key not in _ROUTES:
            before = vars(self).copy()
            super().compile()
            made = {name: value for name, value in vars(self).items() if before.get(name) != value}
            _ROUTES[key] = made | {"arguments": self.arguments}
        vars(self).update(_ROUTES[key])


def share_compiled() -> None:
    """Share what the databases and applications compile that are made from now on."""
    registry.register("sqlite", __name__, "Sqlite")
    registry.register("postgresql.psycopg", __name__, "Postgres")
    flask.Flask.jinja_environment = _Environment
    flask.Flask.url_rule_class = _Route
    samples.resolve_date_tokens = cache(date_tokens.resolve_date_tokens)  # type: ignore[attr-defined]
