"""Components as bytes: those of icalendar, in less time.

icalendar counts the bytes of each character of each line, which takes a third of the time of a
calendar. Here, a line of up to 74 bytes is written as it is.
"""

from icalendar.cal.component import Component

_MAX_LINE = 74
"""Bytes of a part of a line. A space continues a line, and RFC 5545 3.1 allows 75 with it."""

_FOLD = b"\r\n "
_CONTINUATION = range(0x80, 0xC0)
"""The bytes of UTF-8 that are not the first one of their character."""


def write_component(component: Component) -> bytes:
    """The content lines of a component, each with its end."""
    return b"".join(_fold(line.encode()) + b"\r\n" for line in component.content_lines() if line)


def _fold(line: bytes) -> bytes:
    if len(line) <= _MAX_LINE:
        return line
    parts, start = [], 0
    while len(line) - start > _MAX_LINE:
        end = start + _MAX_LINE
        while line[end] in _CONTINUATION:
            end -= 1
        # Keep an escape and the character after it together (RFC 5545 3.3.11, RFC 6868).
        if line[end - 1] in b"\\^":
            end -= 1
        parts.append(line[start:end])
        start = end
    return _FOLD.join((*parts, line[start:]))
