"""Titles without markup; tests/rules has summaries (6.4) and titles of feeds (6.1)."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feeds.text.cleaning import clean_line
from feeds.text.summaries import strip_markup


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("5 < 10", "5 < 10"),
        ("I <3 running > walking", "I <3 running > walking"),
        # tags
        ("<b>Harbor</b> Run", "Harbor Run"),
        ('<a href="https://club.example/?a=1&b=2">Harbor</a>', "Harbor"),
        ("<B\nCLASS='x'\n>Harbor</B\n>", "Harbor"),
        # comments
        ("Harbor<!-- <b>hidden</b>\n > --> Run", "Harbor Run"),
        ("Harbor <!-- never ends: <b>a</b>", "Harbor"),
        # entities
        ("Caf&eacute; Run", "Café Run"),
        ("It&#39;s&#x20;on", "It's on"),
        ("5 &lt; 10", "5 < 10"),
        # characters that rules 3.16 remove, as entities
        ("Harbor &#8238;nuR&#8203; e&#769;", "Harbor nuR é"),
        ("&#65279;Harbor&#8297;&zwj;Run", "Harbor\u200dRun"),
        ("&#8203;&#8238;", "&#8203;&#8238;"),
        # encoded tags
        ("&lt;b&gt;Harbor&lt;/b&gt; Run", "Harbor Run"),
        ("&#60;b>Harbor</b&#x3e; Run", "Harbor Run"),
        # white space
        (" <p>Harbor</p>\n\n<p> Run\t</p> &#10;", "Harbor Run"),
        # what remains opens no tag
        ("<scr<b>ipt>Run", "< script>Run"),
        ("<scr<!-- -->ipt>Run", "< script>Run"),
        ("Run <img src=x onerror=alert(1)", "Run < img src=x onerror=alert(1)"),
        # a title must not be empty
        ("<b></b>", "< b>< /b>"),
        ("&lt;Harbor&gt;", "&lt;Harbor&gt;"),
        ("&nbsp;", "&nbsp;"),
    ],
)
def test_a_title_loses_its_markup(text, plain):
    assert strip_markup(text) == plain


def test_a_long_hostile_title_takes_less_than_two_seconds():
    for piece in ("<!--", "<a", "<a ", "</", "<a<b>", "<!-", "&lt;!--"):
        started = datetime.now(UTC)
        strip_markup(piece * 50_000)
        assert datetime.now(UTC) - started < timedelta(seconds=2), piece


PIECES = ["<", ">", "/", "!", "--", "?", "b", "script", " ", "&lt;", "&gt;", "&amp;", "5", '"']


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3)).map("".join))
@example("<s<s>cript>")
@example("<!--<b>-->")
def test_a_title_without_markup_contains_no_tag_and_no_comment(text):
    assert not re.search("<[a-zA-Z/!?]", strip_markup(text))


@given(
    st.text(st.characters(exclude_characters="<&", exclude_categories=["Z", "C"])).map(clean_line)
)
def test_an_escaped_title_is_restored(text):
    assert strip_markup(html.escape(text)) == text
