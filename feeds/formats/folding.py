"""Content lines as bytes, folded as icalendar folds them, which counts the bytes of each character.

That takes a third of the time of a calendar, so most lines are not even looked at here.
"""

from icalendar.cal.component import Component

MAX_LINE = 74
"""Bytes of a line without its end; RFC 5545 3.1 allows 75."""

_FOLD = b"\r\n "
_CONTINUATION = range(0x80, 0xC0)
"""The bytes of UTF-8 that are not the first one of their character."""


def write(component: Component) -> bytes:
    """The content lines of a component, each with its end."""
    return b"".join(_fold(line.encode()) + b"\r\n" for line in component.content_lines() if line)


def _fold(line: bytes) -> bytes:
    if len(line) <= MAX_LINE:
        return line
    parts, start = [], 0
    while len(line) - start > MAX_LINE:
        end = start + MAX_LINE
        while line[end] in _CONTINUATION:
            end -= 1
        if line[end - 1] in b"\\^":  # it escapes the next character (RFC 5545 3.3.11, RFC 6868)
            end -= 1
        parts.append(line[start:end])
        start = end
    return _FOLD.join((*parts, line[start:]))
