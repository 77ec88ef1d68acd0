"""HTML of descriptions to plain text.

No pattern takes more than linear time: a tag ends before the next one begins, and what is not
closed reaches to the end.
"""

import html
import re

from feeds.upstream.fields import parse_url

_PARAGRAPHS = "blockquote|dl|h[1-6]|hr|ol|p|pre|table|ul"
_BLOCKS = (
    "address|article|aside|dd|div|dt|figcaption|figure|footer|form|header|li|main|nav|section|"
    "tbody|tfoot|thead|tr"
)
_INLINES = (
    "a|abbr|b|big|center|cite|code|del|em|font|i|img|ins|kbd|mark|q|s|small|span|strike|strong|sub|"
    "sup|td|th|u|wbr"
)


def _compile_tag(names: str) -> re.Pattern[str]:
    return re.compile(rf"</?(?:{names})(?:\s[^<>]*)?/?>", re.IGNORECASE)


_PARAGRAPH, _BLOCK, _BREAK = (_compile_tag(names) for names in (_PARAGRAPHS, _BLOCKS, "br"))
_ANY_BLOCK = _compile_tag(f"{_PARAGRAPHS}|{_BLOCKS}|br")
_ANY = _compile_tag(f"{_PARAGRAPHS}|{_BLOCKS}|br|{_INLINES}")
_ITEM = re.compile(r"<li(?:\s[^<>]*)?>", re.IGNORECASE)
_CELL = _compile_tag("td|th")
_HIDDEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style)\b[^<>]*>.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL
)
_LINK = re.compile(r"<a\s([^<>]*)>([^<]*(?:<(?!/?a[\s>])[^<]*)*)</a\s*>", re.IGNORECASE)
_HREF = re.compile(r"""\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)

_MAILTO = re.compile(r"mailto:\s*", re.IGNORECASE)
_MAIL = re.compile(r"[^\s@:/]+@\S.*", re.DOTALL)
"""An address of mail, also with a subject: neither a URL with a user nor a script."""

_DATA_URI = re.compile(r"\bdata:(?:[a-z]+/[a-z0-9.+-]+[;,]|;base64,)[^\s\"'<>)\]]*", re.IGNORECASE)
"""A file as a URI (RFC 2397), such as a pasted image: thousands of characters that say nothing."""

_UNFINISHED = re.compile(r"<[a-z/!][^<>]{0,2000}\Z", re.IGNORECASE)
"""A tag, or something like it, that the end of a text cuts off."""

_NEW_BLOCK, _NEW_PARAGRAPH = "\x00", "\x01"
"""Mark the boundaries of blocks: the text has no control characters."""
_BOUNDARY = re.compile("[ \x00\x01]*[\x00\x01][ \x00\x01]*")


def strip_data_uris(text: str) -> str:
    return _DATA_URI.sub("", text)


def cut_off(text: str, limit: int) -> str:
    """Return the first characters of HTML or of a text, without a tag that ends after them."""
    return text if len(text) <= limit else _UNFINISHED.sub("", text[:limit])


def convert_html(text: str) -> str:
    """Return a clean text without ``data:`` URIs, and as plain text if it has tags of HTML.

    Blocks and ``<br>`` become line breaks, a link keeps its address, entities are decoded. Tags
    that HTML does not know stay: ``<3 hours`` and ``<anna@club.example>`` are text.
    """
    text = strip_data_uris(text)
    if not _ANY.search(text):
        return text
    text = _HIDDEN.sub("", text)
    has_blocks = bool(_ANY_BLOCK.search(text))
    if has_blocks:
        text = _mark_blocks(re.sub(r"\s+", " ", text))
    text = html.unescape(_ANY.sub("", _LINK.sub(_convert_link, text)))
    return _break_lines(text) if has_blocks else text


def _mark_blocks(text: str) -> str:
    text = _ITEM.sub(f"{_NEW_BLOCK}- ", _PARAGRAPH.sub(_NEW_PARAGRAPH, _CELL.sub(" ", text)))
    return _BLOCK.sub(_NEW_BLOCK, _BREAK.sub("\n", text))


def _break_lines(text: str) -> str:
    """Return a text with line breaks in place of marks, without superfluous blanks."""
    text = re.sub(" {2,}", " ", text.replace("\xa0", " "))
    text = re.sub("\x00- [ \x00\x01]+", "\x00- ", text)
    text = _BOUNDARY.sub(lambda found: "\n" * (1 + (_NEW_PARAGRAPH in found[0])), text)
    lines = (line.strip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _convert_link(found: re.Match[str]) -> str:
    """Return the text of a link and its address, or the address alone if the text is the same."""
    attributes, text = found.groups()
    href = _HREF.search(attributes)
    address = html.unescape(next(filter(None, href.groups()), "")).strip() if href else ""
    if prefix := _MAILTO.match(address):
        address = address[prefix.end() :]
    label = html.unescape(_ANY.sub("", text)).strip()
    if not _MAIL.fullmatch(address):
        try:
            address = parse_url(address) or ""
        except ValueError:
            address = ""
    if _strip_scheme(address) == _strip_scheme(label):
        shown = address
    else:
        shown = f"{label} ({address})" if label and address else label or address
    return html.escape(shown, quote=False)


def _strip_scheme(address: str) -> str:
    return re.sub(r"^https?://|/$", "", address)
