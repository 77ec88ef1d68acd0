"""The tables of the database, as the newest version has them."""

import sqlalchemy as sa

metadata = sa.MetaData()

deployment = sa.Table(
    "deployment",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.String, nullable=False),
    sa.Column("since", sa.BigInteger, nullable=False),
)
"""The version of the tables, the upstream, its organization, the fingerprint of what is run."""

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("fetched", sa.BigInteger, nullable=False),
    sa.Column("deployment", sa.String(64), nullable=False),
    sa.Column("gone", sa.BigInteger),
    sa.Column("pending", sa.String(16)),
    sa.Column("pending_since", sa.BigInteger),
    sa.Column("starts", sa.BigInteger, nullable=False),
    sa.Column("ends", sa.BigInteger, nullable=False, index=True),
    sa.Column("etag", sa.String(256)),
    sa.Column("due", sa.BigInteger, nullable=False, server_default="0", index=True),
    sa.Column("polled", sa.BigInteger, index=True),
    sa.Column("save_number", sa.BigInteger, nullable=False, server_default="0", index=True),
)
"""``due`` is when the next edition is to be fetched, ``polled`` when somebody asked for one, as far
as it was noted, ``save_number`` the number of the save among all saves."""

revisions = sa.Table(
    "revisions",
    metadata,
    sa.Column("event_id", sa.String(64), primary_key=True),
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("last_modified", sa.BigInteger, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("content", sa.String(64), nullable=False),
    sa.Column("schedule", sa.String(64), nullable=False),
)

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

refreshes = sa.Table(
    "refreshes",
    metadata,
    sa.Column("event_id", sa.String(64), primary_key=True),
    sa.Column("holder", sa.String(32), nullable=False),
    sa.Column("since", sa.BigInteger, nullable=False),
    sa.Column("cause", sa.String(32)),
    sa.Column("retry", sa.BigInteger, nullable=False, index=True),
)
"""Who refreshes an event, since when (0: nobody does); why the last attempt failed, and when the
next one may be made. Times are in microseconds here: calls are counted within seconds."""

service = sa.Table(
    "service",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("save_number", sa.BigInteger, nullable=False),
    sa.Column("full", sa.BigInteger, nullable=False),
    sa.Column("unseen_full", sa.BigInteger, nullable=False),
    sa.Column("closed", sa.BigInteger, nullable=False),
    sa.Column("cause", sa.String(32)),
)
"""The one row that all processes share: how often something was saved, and the budget of calls.

A bucket is kept as the instant at which it is full again (the generic cell rate algorithm, ATM
Forum TM 4.0), in microseconds; ``closed`` is until when no call is made, and ``cause`` why.
"""
