"""Clean text: Unicode's NFC without control characters (rules 3.16)."""

import re
import unicodedata

# Characters that some client's parser takes for the end of a line, and characters that XML 1.0 2.2
# does not allow: control characters, surrogates, U+FFFE and U+FFFF.
_LINE_ENDS = re.compile("\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_NOT_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

# No text has more combining marks in a row (UAX #15, 13). NFC sorts them, in a time that rises with
# the square of their number. Marks are neither letters nor digits.
_MAX_MARKS = 30
_DOUBLE_MARKS = frozenset("\u0344\u0f73\u0f75\u0f81")  # NFC makes two marks of each
_MANY_MARKS = re.compile(rf"[^\w\s\x00-\x7f]{{{_MAX_MARKS // 2 + 1},}}")

# Characters that only change how the text around them is shown: zero width space, byte order mark,
# and bidi controls (Unicode TR36, 2.5). Joiners (U+200C, U+200D) are part of words and emoji.
_CONTROLS = re.compile("[\u200b\ufeff\u202a-\u202e\u2066-\u2069]")

# Letters and symbols without ink: Hangul fillers, and the blank pattern of Braille.
_BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def clean_text(text: str) -> str:
    r"""Return text in NFC whose lines end in ``\n``, without control characters other than tab."""
    clean = _NOT_TEXT.sub("", _LINE_ENDS.sub("\n", text))
    return unicodedata.normalize("NFC", _MANY_MARKS.sub(_drop_marks, clean)).strip()


def _drop_marks(found: re.Match[str]) -> str:
    """The characters without the combining marks that are too many."""
    kept, marks = [], 0
    for character in found[0]:
        if character in _DOUBLE_MARKS:
            marks += 2
        else:
            marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= _MAX_MARKS:
            kept.append(character)
    return "".join(kept)


def clean_line(text: str) -> str:
    """Return clean text on one line, with single spaces; "" if nothing of the text is visible."""
    line = " ".join(clean_text(_CONTROLS.sub("", text)).split())
    return line if any(map(_is_visible, line)) else ""


def _is_visible(character: str) -> bool:
    """Whether a character has ink of its own: not a space, a control or a combining mark.

    Characters that Unicode had not assigned when this Python was made may have ink.
    """
    category = unicodedata.category(character)
    return not (category[0] in "ZM" or category in ("Cc", "Cf") or character in _BLANKS)
