"""The tables of the database. Times are whole seconds since 1970 (UTC), if not said otherwise."""

import sqlalchemy as sa

metadata = sa.MetaData()

deployment = sa.Table(
    "deployment",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.String, nullable=False),
    sa.Column("since", sa.BigInteger, nullable=False),
)
"""The version of the tables, the upstream, its organization, and when the refresher ran last."""

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("token", sa.String(32), nullable=False),
    sa.Column("modified", sa.BigInteger, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("numbers", sa.LargeBinary, nullable=False),
    sa.Column("fetched", sa.BigInteger, nullable=False),
    sa.Column("deployment", sa.String(64), nullable=False),
    sa.Column("gone", sa.BigInteger),
    sa.Column("pending", sa.LargeBinary),
    sa.Column("missing_since", sa.BigInteger, index=True),
    sa.Column("starts", sa.BigInteger, nullable=False),
    sa.Column("ends", sa.BigInteger, nullable=False, index=True),
    sa.Column("etag", sa.String(256)),
    sa.Column("due", sa.BigInteger, nullable=False, index=True),
    sa.Column("polled", sa.BigInteger, index=True),
    sa.Column("save_number", sa.BigInteger, nullable=False, server_default="0", index=True),
)
"""``token`` names the save, ``modified`` is Last-Modified; ``document``, ``numbers`` and
``pending`` are JSON. ``missing_since`` is the latest instant since when the upstream lacked the
event or a run of it, even if that is listed again.

``starts`` is the start of the next run as of ``fetched``, ``ends`` the end of the last run.
``due`` is when the background refresher fetches the next edition; ``polled`` when the event was
polled, to the hour; ``save_number`` the number of the event's last save among all saves.
"""

revisions = sa.Table(
    "revisions",
    metadata,
    sa.Column("event_id", sa.String(64), primary_key=True),
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("last_modified", sa.BigInteger, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("content", sa.String(64), nullable=False),
    sa.Column("schedule", sa.String(64), nullable=False),
)
"""``id`` is that of a run or of the event; of a registration entry, it ends with its word."""

changes = sa.Table(
    "changes",
    metadata,
    sa.Column("event_id", sa.String(64), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("run", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("was", sa.LargeBinary, nullable=False),
    sa.Column("now", sa.LargeBinary, nullable=False),
    sa.Column("noticed", sa.BigInteger, nullable=False),
    sa.Column("nth", sa.Integer, nullable=False),
    sa.Column("group_nth", sa.Integer, nullable=False),
)

catalog = sa.Table(
    "catalog",
    metadata,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("token", sa.String(32), nullable=False),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sa.Column("fetched", sa.BigInteger, nullable=False),
    sa.Column("changed", sa.BigInteger, nullable=False),
    sa.Column("due", sa.BigInteger, nullable=False),
    sa.Column("pages", sa.Integer, nullable=False),
    sa.Column("served", sa.Boolean, nullable=False),
    sa.Column("polled", sa.BigInteger),
    sa.Column("save_number", sa.BigInteger, nullable=False, server_default="0", index=True),
)
"""The lists of the upstream (``store.catalog``): events, groups, recurrences, the organization.
``name`` is the path in the partner API, with which leases are named as well."""

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("event_id", sa.String(128), primary_key=True),
    sa.Column("holder", sa.String(32), nullable=False),
    sa.Column("acquired_at", sa.BigInteger, nullable=False),
    sa.Column("cause", sa.String(32)),
    sa.Column("retry_at", sa.BigInteger, nullable=False, index=True),
    sa.Column("refusals", sa.Integer, nullable=False, server_default="0"),
)
"""Which process refreshes an event or a part of the catalog, and since when (0: none does).

``cause`` is why the last attempt failed, ``retry_at`` when the next one may be made, ``refusals``
how often the event was refused since the last success. Times are in microseconds.
"""

service = sa.Table(
    "service",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("save_number", sa.BigInteger, nullable=False),
    sa.Column("tat", sa.BigInteger, nullable=False),
    sa.Column("unseen_tat", sa.BigInteger, nullable=False),
    sa.Column("closed_until", sa.BigInteger, nullable=False),
    sa.Column("cause", sa.String(32)),
    sa.Column("forbidden_event", sa.String(64)),
)
"""One row that all processes share: the number of the last save, and the rate limit.

``tat`` is the theoretical arrival time of the bucket of all calls (``store.ratelimit``),
``unseen_tat`` that of the bucket for ids that were never seen. No call is made before
``closed_until``; ``cause`` is the error that closed the upstream. ``forbidden_event`` is the known
event that got a 403 first since the last success. Times are in microseconds.
"""
