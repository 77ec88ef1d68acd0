"""The optional fields of an event and of a run: what is read, and what is not understood.

A field is absent if its members are missing or ``null``; an address, a description and a URL also
if they are blank. A value that is not understood makes the field *unread*: the model then has its
default, and the field's name in ``unread`` (rules 3.7).
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from feeds.domain.status import STORED_BY_SPELLING
from feeds.logs import FindingLog
from feeds.text.cleaning import clean_line, clean_text
from feeds.upstream import fields
from feeds.upstream.markup import convert_html, cut_off, strip_data_uris

findings = FindingLog(logging.getLogger(__name__))
"""Each finding begins with the word ``event`` and the id of the event."""

OVERRIDES = {"paused": "paused", "closed": "closed"}
"""Words of the API in lower case, and the words of the model."""

MAX_RAW_DESCRIPTION = 4 * fields.MAX_DESCRIPTION
"""Characters of a description that are looked at: HTML is longer than its text."""

Read = Callable[..., Any]
"""From the field's name for the log and the values of its members to the model's value.

``None`` for a blank value; raises ``ValueError`` or ``OverflowError`` for one that is not
understood.
"""


class Field(NamedTuple):
    """An optional field: its name in the model, its members in JSON, and how they are read."""

    name: str
    members: tuple[str, ...]
    read: Read


def shorten(text: str, limit: int, what: str) -> str:
    """Return a text of at most ``limit`` characters."""
    if len(text) > limit:
        findings.warning(f"{what} has {len(text)} characters and is cut off after {limit}")
    return fields.shorten(text, limit)


def _read(parse: Callable[..., Any]) -> Read:
    """Return a reader that logs nothing."""
    return lambda _, *values: parse(*values)


def _read_word(words: Mapping[str, str]) -> Read:
    """Return a reader of the model's word; a word that the API does not document stays as it is."""

    def read(what: str, value: object) -> str:
        word = fields.shorten(clean_line(fields.parse_text(value)), fields.MAX_WORD)
        if not word:
            raise ValueError("a blank word")
        known = words.get(word.casefold())
        if not known:
            findings.warning(f"{what} {word!a:.80} is not known")
        return known or word

    return read


def _read_address(what: str, value: object) -> str | None:
    try:
        line = fields.format_address(value)
    except fields.PartlyReadError as error:
        raise fields.PartlyReadError(
            error.part and shorten(str(error.part), fields.MAX_PLACE, what)
        ) from None
    return line and shorten(line, fields.MAX_PLACE, what)


def _read_description(what: str, value: object) -> str | None:
    # A pasted image, which is a data: URI, must not displace the text after it.
    raw = strip_data_uris(clean_text(fields.parse_text(value)))
    text = clean_text(convert_html(cut_off(raw, MAX_RAW_DESCRIPTION)))
    if text and len(raw) > MAX_RAW_DESCRIPTION:
        text = f"{text}…"
        findings.warning(f"{what} is cut off after {MAX_RAW_DESCRIPTION} characters of HTML")
    return shorten(text, fields.MAX_DESCRIPTION, what) or None


EVENT_FIELDS = (
    Field("start_time", ("startTime",), _read(fields.parse_time)),
    Field("end_date", ("endDate",), _read(fields.parse_date)),
    Field("end_time", ("endTime",), _read(fields.parse_time)),
    Field("location", ("address",), _read_address),
    Field("point", ("lat", "lng"), _read(fields.parse_point)),
    Field("description", ("description",), _read_description),
    Field("website_url", ("websiteUrl",), _read(fields.parse_url)),
    Field("registration_url", ("registrationUrl",), _read(fields.parse_url)),
)
"""The optional fields of ``Event``; rules 3.14 has the same table in words."""

RUN_FIELDS = (
    Field("start_time", ("startTime",), _read(fields.parse_time)),
    Field("status", ("eventStatus",), _read_word(STORED_BY_SPELLING)),
    Field("registration_url", ("registrationUrl",), _read(fields.parse_url)),
    Field("registration_opens", ("registrationOpensAt",), _read(fields.parse_instant)),
    Field("registration_closes", ("registrationClosesAt",), _read(fields.parse_instant)),
    Field("registration_override", ("registrationOverride",), _read_word(OVERRIDES)),
    Field("sold_out", ("soldOut",), _read(fields.parse_flag)),
    Field("virtual", ("isVirtual",), _read(fields.parse_flag)),
    Field("relay", ("isRelay",), _read(fields.parse_flag)),
    Field("walking", ("isWalking",), _read(fields.parse_flag)),
)
"""The optional fields of ``Run``."""


def read_optional(
    members: Mapping[str, Any], table: tuple[Field, ...], what: str
) -> dict[str, Any]:
    """Return the fields of the model that are not absent, and ``unread``.

    ``what`` names the event or the run in the log. A value that was partly understood is returned
    although the field is unread.
    """
    found: dict[str, Any] = {}
    unread = []
    for field in table:
        values = [members.get(member) for member in field.members]
        if all(value is None for value in values):
            continue
        name = f"{what}: {' and '.join(field.members)}"
        try:
            value = field.read(name, *values)
        except (ValueError, OverflowError) as error:
            value = error.part if isinstance(error, fields.PartlyReadError) else None
            findings.warning(f"{name} {'can be read only in part' if value else 'cannot be read'}")
            unread.append(field.name)
        if value is not None:
            found[field.name] = value
    return found | {"unread": tuple(unread)}
