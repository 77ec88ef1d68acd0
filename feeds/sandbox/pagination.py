"""Pages of a collection, and the query parameters that select them."""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import date
from typing import Any

from flask import abort
from werkzeug.exceptions import UnprocessableEntity

MAX_LIMIT = 100
DEFAULT_LIMIT = 50


def paginate(
    items: Mapping[str, Any], query: Mapping[str, str], matches: Callable[[Any], bool]
) -> dict[str, Any]:
    """One page, ``{"data": [...], "hasMore": bool}``: matching items by date, then ``_id``.

    ``items`` are by ``_id``. The cursor ``after`` or ``before`` is the ``_id`` of an item, matching
    or not. ``after`` gives the items after the cursor. ``before`` gives the last items before the
    cursor, in the same order; ``hasMore`` then means that there are earlier items.

    400 for both cursors; 422 for an unknown cursor, and for a ``limit`` other than 1 to 100.
    """
    limit = _read_limit(query.get("limit"))
    after, before = query.get("after"), query.get("before")
    if after and before:
        abort(400, "Pass after or before, not both.")
    if (cursor := after or before) and cursor not in items:
        abort(422, "The cursor is not the _id of an item of this collection.")
    position = {id_: (_get_date(item), id_) for id_, item in items.items()}
    ids = sorted((id_ for id_, item in items.items() if matches(item)), key=position.__getitem__)
    if after:
        ids = [id_ for id_ in ids if position[id_] > position[after]]
    elif before:
        ids = [id_ for id_ in ids if position[id_] < position[before]]
    page = ids[-limit:] if before else ids[:limit]
    return {"data": [items[id_] for id_ in page], "hasMore": len(ids) > len(page)}


def read_choice(query: Mapping[str, str], name: str, choices: Collection[str]) -> str | None:
    """The parameter, None without it; 422 if it is none of the choices."""
    value = query.get(name) or None
    if value is not None and value not in choices:
        abort(422, f"{name} must be one of {', '.join(choices)}.")
    return value


def read_date_range(query: Mapping[str, str]) -> tuple[str | None, str | None]:
    """``dateFrom`` and ``dateTo``; 422 if one is not a date, 400 if they are in the wrong order."""
    first, last = _read_date(query, "dateFrom"), _read_date(query, "dateTo")
    if first and last and first > last:
        abort(400, "dateFrom must not be after dateTo.")
    return first, last


def _read_limit(text: str | None) -> int:
    if not text:
        return DEFAULT_LIMIT
    if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= MAX_LIMIT:
        abort(422, f"limit must be a whole number from 1 to {MAX_LIMIT}.")
    return int(text)


def _read_date(query: Mapping[str, str], name: str) -> str | None:
    text = query.get(name) or None
    if text is None or _is_date(text):
        return text
    raise UnprocessableEntity(f"{name} must be a date, YYYY-MM-DD.")


def _is_date(text: str) -> bool:
    # fromisoformat also accepts 20250614 and 2025-W24-6.
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _get_date(item: object) -> str:
    return str(item.get("date") or "") if isinstance(item, dict) else ""
