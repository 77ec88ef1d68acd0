"""Summaries of runs, titles of feeds, and titles without markup."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feeds.domain.model import Options
from feeds.text.summaries import build_feed_title, build_summary, strip_markup
from tests.support.factories import a_run, an_edition, an_event, entries_of, the_entry


@pytest.mark.parametrize(
    ("name", "label", "summary"),
    [
        *((name, "10K", name) for name in ("Harbor 10k", "Harbor (10K)", "Harbor-10K-Run", "10K")),
        ("Harbor Run 10+ km", "10+ km", "Harbor Run 10+ km"),
        ("Harbor 15K", "5K", "Harbor 15K: 5K"),
        ("Harbor Half-Marathon", "Half Marathon", "Harbor Half-Marathon: Half Marathon"),
        ("Ultraviolet Run", "Ultra", "Ultraviolet Run: Ultra"),
        ("Harbor 10x km", "10. km", "Harbor 10x km: 10. km"),
        ("Harbor", "Harbor Mile", "Harbor: Harbor Mile"),
    ],
)
def test_a_summary_omits_the_label_of_the_only_run_if_the_name_contains_its_words(
    name, label, summary
):
    assert build_summary(the_entry(a_run(distance_label=label), name=name)) == summary
    cancelled = the_entry(a_run(distance_label=label, status="cancelled"), name=name)
    assert build_summary(cancelled) == f"Cancelled: {summary}"


def test_the_summaries_of_several_runs_have_their_labels_even_if_the_name_contains_them():
    runs = a_run(id="a", distance_label="10K"), a_run(id="b", distance_label="5K")
    entries = entries_of(an_edition(an_event(*runs, name="Harbor 10K & 5K")))
    summaries = [build_summary(entry) for entry in entries]
    assert summaries == ["Harbor 10K & 5K: 10K", "Harbor 10K & 5K: 5K"]


TEN = a_run(id="a", distance_label="10K by the sea")
FIVE, SECOND_FIVE = (a_run(id=each, distance_label="5K", distance_standard="5K") for each in "bc")


@pytest.mark.parametrize(
    ("options", "title"),
    [
        (Options(), "Harbor Run"),
        (Options(busy=True, cancelled="keep"), "Harbor Run"),
        (Options(run=("a",)), "Harbor Run: 10K by the sea"),
        (Options(run=("a", "b")), "Harbor Run: 10K by the sea, 5K"),
        (Options(run=("b", "c")), "Harbor Run: 5K"),
        (Options(run=("a", "unknown")), "Harbor Run: 10K by the sea"),
        (Options(run=("unknown",)), "Harbor Run"),
        (Options(distance=("5K",)), "Harbor Run: 5K"),
        (Options(distance=("5K", "Half Marathon")), "Harbor Run: 5K, Half Marathon"),
        (Options(run=("a", "b"), distance=("5K",)), "Harbor Run: 5K"),
    ],
    ids=str,
)
def test_the_title_of_a_feed_names_its_filter(options, title):
    assert build_feed_title(an_event(TEN, FIVE, SECOND_FIVE), options) == title


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


@given(st.text(st.characters(exclude_characters="<&", exclude_categories=["Z", "C"])))
def test_an_escaped_title_is_restored(text):
    assert strip_markup(html.escape(text)) == text
