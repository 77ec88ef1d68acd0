"""Content lines as bytes, compared with those of icalendar."""

from hypothesis import given
from hypothesis import strategies as st
from icalendar import Event, vText, vUri

from feeds.formats import folding

CHARACTERS = "a;,\\^é–\N{RUNNER}"
"""Of one to four bytes, some of them escaped and some that escape."""


@given(st.text(CHARACTERS, max_size=400), st.text(CHARACTERS, max_size=100))
def test_lines_of_any_text_are_those_of_icalendar(text, title):
    component = Event()
    component["SUMMARY"] = vText(text)
    component["URL"] = vUri(text, params={"X-TITLE": title})

    assert folding.write_component(component) == component.to_ical()


@given(st.integers(60, 90), st.sampled_from(CHARACTERS))
def test_no_line_is_longer_than_74_bytes_wherever_a_character_falls(length, character):
    component = Event()
    component["SUMMARY"] = vText(length * "a" + 80 * character)
    written = folding.write_component(component)

    assert max(map(len, written.split(b"\r\n"))) <= 75  # with the space that continues a line
    assert written.replace(b"\r\n ", b"").decode().count(character) >= 80
    assert written == component.to_ical()
