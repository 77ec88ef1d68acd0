"""Clean text."""

import unicodedata
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from feeds.text.cleaning import clean_line, clean_text

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    "end",
    ["\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"],
    ids=ascii,
)
def test_every_kind_of_line_end_becomes_a_newline_in_text_and_a_space_in_a_line(end):
    assert clean_text(f"one{end}two") == "one\ntwo"
    assert clean_line(f"one{end}two") == "one two"


@pytest.mark.parametrize(
    "mark", ["\u0301", "\u0316\u0301", "\u0344", "\u0f73", "\u302e", "\U0001d165"]
)
def test_a_text_has_at_most_thirty_combining_marks_in_a_row(mark):
    """More take time with the square of their number: for 5 MB, hours."""
    rest = unicodedata.normalize("NFC", f", e{mark * 15} 🏃")
    clean = clean_text(f"e{mark * 100_000}{rest}")
    assert clean.endswith(rest)
    assert 1 < len(clean) - len(rest) <= 31
    assert clean_text(clean) == clean


def test_a_clean_line_has_single_spaces_and_other_characters_stay_as_they_are():
    assert clean_line("\t one\n\n two\u00a0 \u3000three ") == "one two three"
    for text in ("Zoë's 5 km: ½ price — “go”", "🏃🏽‍♀️", "é", "مرحبا \u200fa", "a\U0010ffff"):
        assert clean_text(text) == clean_line(text) == text


@unhurried
@given(ANY_TEXT)
@example("\ufffe\uffff\x00\x1f")
def test_any_text_when_clean_has_one_kind_of_line_end_and_survives_xml(text):
    clean, line = clean_text(text), clean_line(text)
    control = {each for each in clean if unicodedata.category(each) in ("Cc", "Cs")}
    assert control <= {"\t", "\n"}
    assert clean.splitlines() == (clean.split("\n") if clean else [])
    assert clean_text(clean) == clean
    assert len(line.splitlines()) == bool(line)
    assert clean_line(line) == line
    element = ET.Element("description")
    element.text = clean
    assert (ET.fromstring(ET.tostring(element, encoding="utf-8")).text or "") == clean
