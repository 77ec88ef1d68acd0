"""Decode the lists of the partner API: a page of any list, events, groups.

An item whose id or slug no address can hold is left out. A page of another shape is not understood.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from feeds.domain.catalog import Group, ListedEvent
from feeds.domain.model import ID_PATTERN, SLUG_PATTERN
from feeds.text.cleaning import clean_line, clean_text
from feeds.upstream import fields

_ID = re.compile(ID_PATTERN)
# An end such as ``.ics`` would be the extension of a feed, and ``..`` leads elsewhere.
_SLUG = re.compile(rf"(?!.*\.[A-Za-z]*\Z){SLUG_PATTERN}")

_GROUP_STATUSES = {word: word for word in ("active", "paused", "archived")}

MAX_CURSOR = 200
"""Characters of a cursor, which may be an id that no address of this service can hold."""


class Page(Struct, frozen=True):
    """Items as sent; ``after`` is the cursor of the next page, None at the end."""

    items: Sequence[Any]
    after: str | None


def read_page(items: Sequence[Any], *, has_more: bool) -> Page | None:
    """A page of a list; None if more is to come and there is no cursor."""
    if not has_more:
        return Page(items, None)
    cursor = items[-1].get("_id") if items and isinstance(items[-1], dict) else None
    if not isinstance(cursor, str) or not 0 < len(cursor) <= MAX_CURSOR:
        return None
    return Page(items, cursor)


def decode_events(items: Iterable[object]) -> tuple[ListedEvent, ...]:
    """The events of a list in its order, each once."""
    found = _index(items, "_id", _ID)
    return tuple(_decode_event(id_, item) for id_, item in found.items())


def decode_groups(items: Iterable[object]) -> tuple[Group, ...]:
    """The groups that an address can hold, in the order of the list, each once."""
    found = _index(items, "slug", _SLUG)
    return tuple(_decode_group(slug, item) for slug, item in found.items())


def _index(
    items: Iterable[object], member: str, pattern: re.Pattern[str]
) -> dict[str, dict[str, Any]]:
    """The objects of a list by a member that has this pattern; the first one of each value."""
    found: dict[str, dict[str, Any]] = {}
    for item in items:
        value = item.get(member) if isinstance(item, dict) else None
        if isinstance(item, dict) and isinstance(value, str) and pattern.fullmatch(value):
            found.setdefault(value, item)
    return found


def _decode_event(id_: str, item: dict[str, Any]) -> ListedEvent:
    try:
        day = fields.parse_date(item.get("date"))
    except ValueError:
        day = None
    name, type_ = decode_name(item.get("name")), _decode_word(item.get("type"), fields.TYPES)
    return ListedEvent(id_, name or id_, type_, day)


def _decode_group(slug: str, item: dict[str, Any]) -> Group:
    description = item.get("description")
    text = clean_text(description) if isinstance(description, str) else ""
    return Group(
        slug,
        decode_name(item.get("name")) or slug,
        fields.shorten(text, fields.MAX_DESCRIPTION),
        _decode_word(item.get("status"), _GROUP_STATUSES) or "active",
    )


def decode_name(item: object) -> str:
    """The name of an event, a group or an organization; empty if it has none."""
    return fields.shorten(_clean(item), fields.MAX_NAME)


def _decode_word(item: object, words: Mapping[str, str]) -> str:
    """A documented word as the API documents it, another word as sent; empty if it has none."""
    text = _clean(item)
    return fields.find_word(text, words) or text[: fields.MAX_LABEL]


def _clean(value: object) -> str:
    return clean_line(value) if isinstance(value, str) else ""
