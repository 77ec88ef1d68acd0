"""Pages of a collection: ``limit``, and a cursor that is the ``_id`` of an item."""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import date
from typing import Any

from flask import abort
from werkzeug.exceptions import UnprocessableEntity

LONGEST = 100
DEFAULT = 50


def page(
    items: Mapping[str, Any], query: Mapping[str, str], keep: Callable[[Any], bool]
) -> dict[str, Any]:
    """``{"data": [...], "hasMore": bool}``: the items to keep, by date, then ``_id``, ascending.

    ``items`` are by ``_id``. After ``after`` come its next ones; ``before`` gives those that end
    right before it, in the same order, and ``hasMore`` then speaks of still earlier ones. A cursor
    need not be among the items to keep. 400 for both cursors, 422 for one that is no item, and for
    a limit that is not 1 to 100.
    """
    limit = _limit(query.get("limit"))
    after, before = query.get("after"), query.get("before")
    if after and before:
        abort(400, "Pass after or before, not both.")
    if (cursor := after or before) and cursor not in items:
        abort(422, "The cursor is not the _id of an item of this collection.")
    place = {id_: (_date_of(item), id_) for id_, item in items.items()}
    ids = sorted((id_ for id_, item in items.items() if keep(item)), key=place.__getitem__)
    if after:
        ids = [id_ for id_ in ids if place[id_] > place[after]]
    elif before:
        ids = [id_ for id_ in ids if place[id_] < place[before]]
    kept = ids[-limit:] if before else ids[:limit]
    return {"data": [items[id_] for id_ in kept], "hasMore": len(ids) > len(kept)}


def one_of(query: Mapping[str, str], name: str, words: Collection[str]) -> str | None:
    """The parameter, None without it; 422 if it is none of the words."""
    word = query.get(name) or None
    if word is not None and word not in words:
        abort(422, f"{name} must be one of {', '.join(words)}.")
    return word


def date_range(query: Mapping[str, str]) -> tuple[str | None, str | None]:
    """``dateFrom`` and ``dateTo``; 422 if one is no date, 400 if they are in the wrong order."""
    first, last = _date(query, "dateFrom"), _date(query, "dateTo")
    if first and last and first > last:
        abort(400, "dateFrom must not be after dateTo.")
    return first, last


def _limit(text: str | None) -> int:
    if not text:
        return DEFAULT
    if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= LONGEST:
        abort(422, f"limit must be a whole number from 1 to {LONGEST}.")
    return int(text)


def _date(query: Mapping[str, str], name: str) -> str | None:
    text = query.get(name) or None
    if text is None or _is_date(text):
        return text
    raise UnprocessableEntity(f"{name} must be a date, YYYY-MM-DD.")


def _is_date(text: str) -> bool:
    # fromisoformat takes 20250614 and 2025-W24-6 as well.
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _date_of(item: object) -> str:
    return str(item.get("date") or "") if isinstance(item, dict) else ""
