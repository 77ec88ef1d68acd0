"""The table of statuses says what docs/rules.md says."""

import re
from pathlib import Path

import pytest

from feeds.domain.model import Kind
from feeds.domain.status import STATUSES, find_status, get_status
from tests.support.factories import NOW, a_run

ROOT = Path(__file__).parents[2]
RULES = (ROOT / "docs" / "rules.md").read_text()
STYLE = (ROOT / "templates" / "style.css").read_text()


def read_rule(number):
    """The text of one rule: from its bold number to the next one."""
    return re.split(r"\n(?:\*\*\d|## )", RULES.partition(f"\n**{number} ")[2])[0]


def read_table(number):
    """The rows of a rule's table, as lists of cells."""
    lines = [line for line in read_rule(number).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def quoted(text):
    return tuple(re.findall("`([^`]+)`", text))


def test_status_and_summary_prefix_of_each_word_are_those_of_rules_3_1():
    documented = {
        quoted(words) or words.split(" (")[0]: (status.split(";")[0], "".join(quoted(prefix)))
        for words, status, prefix in read_table("3.1")
    }
    table = {
        status.spellings or status.word.lower(): (status.vevent, status.summary_prefix)
        for status in STATUSES
    }
    own = find_status("on hold")
    assert documented == table | {"any other word": (own.vevent, own.summary_prefix)}


def test_the_statuses_that_are_off_are_those_of_rules_3_1():
    (documented,) = re.findall(r"A run that is (.+) is \*off\*", read_rule("3.1"))
    assert {status.word.lower() for status in STATUSES if status.off} == set(
        documented.split(" or ")
    )


def test_the_statuses_that_can_block_the_time_are_those_of_rules_3_2():
    text = " ".join(read_rule("3.2").split())
    (documented,) = re.findall("runs that are (.+), in person", text)
    assert {status.word.lower() for status in STATUSES if status.busy} == set(
        documented.split(" or ")
    )


def test_the_names_in_json_feed_are_those_of_rules_5_13():
    (documented,) = (cell for name, cell in read_table("5.13") if name == "`status`")
    assert {status.name for status in STATUSES} == set(quoted(documented))


def test_the_kinds_of_change_to_a_status_are_those_of_rules_5_4():
    titles = {quoted(kind)[0]: quoted(title)[0] for kind, title, _ in read_table("5.4")}
    news = [status for status in STATUSES if status.change_kind]
    assert {titles[status.change_kind] for status in news} == {status.word for status in news}
    assert len(news) == len(STATUSES) - 1


def test_a_run_that_no_longer_takes_place_as_planned_is_reinstated_by_rules_5_4():
    (documented,) = (when for kind, _, when in read_table("5.4") if kind == f"`{Kind.REINSTATED}`")
    suspended = {status.word.lower() for status in STATUSES if not status.confirmed}
    assert documented == "no longer cancelled, postponed or missing"
    assert suspended == {"cancelled", "postponed", "no longer listed"}


@pytest.mark.parametrize("status", STATUSES[:-1], ids=lambda status: status.name)
def test_each_status_other_than_scheduled_has_colours_in_the_style_sheet(status):
    assert re.search(rf"\.notice\.{status.css_class}\b.* color:", STYLE)
    assert re.search(rf"\.{status.css_class} \.status\b.* color:", STYLE)


def test_a_run_that_is_no_longer_listed_is_so_whatever_its_last_status_was():
    for word in ("scheduled", "postponed", "on hold"):
        status = get_status(a_run(status=word, unlisted=NOW, withdrawn=True))
        assert status.word == "No longer listed"
    assert get_status(a_run(unlisted=NOW)).word == "Scheduled"  # it had ended


@pytest.mark.parametrize("word", ["on hold", "unlisted", "CONFIRMED"])
def test_an_organizers_own_word_is_shown_and_means_nothing_else(word):
    status = get_status(a_run(status=word))
    assert status.sentence == f"Status given by the organizer: {word}"
    assert (status.name, status.word, status.css_class) == (word, word, "scheduled")
    assert (status.off, status.busy, status.confirmed) == (False, False, True)
    assert (status.schema_org, status.change_kind) == ("EventScheduled", None)
