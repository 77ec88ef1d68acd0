"""The table of statuses says what docs/rules.md says."""

import re
from pathlib import Path

import pytest

from feeds.domain.status import STATUSES, find_status, get_status
from tests.support.factories import NOW, a_run
from tests.support.rules import find_code, read_table

STYLE = (Path(__file__).parents[2] / "templates" / "style.css").read_text()


def test_status_and_summary_prefix_of_each_word_are_those_of_rules_3_1():
    documented = {
        find_code(words) or words.split(" (")[0]: (status.split(";")[0], "".join(find_code(prefix)))
        for words, status, prefix in read_table("3.1")
    }
    table = {
        status.spellings or status.word.lower(): (status.vevent, status.summary_prefix)
        for status in STATUSES
    }
    own = find_status("on hold")
    assert documented == table | {"any other word": (own.vevent, own.summary_prefix)}


@pytest.mark.parametrize("status", STATUSES[:-1], ids=lambda status: status.name)
def test_each_status_other_than_scheduled_has_colours_in_the_style_sheet(status):
    assert re.search(rf"\.notice\.{status.css_class}\b.* color:", STYLE)
    assert re.search(rf"\.{status.css_class}\b[^{{]* \.state\b.* color:", STYLE)


def test_a_run_that_is_no_longer_listed_is_so_whatever_its_last_status_was():
    for word in ("scheduled", "postponed", "on hold"):
        status = get_status(a_run(status=word, unlisted=NOW, withdrawn=True))
        assert status.word == "No longer listed"
    assert get_status(a_run(unlisted=NOW)).word == "Scheduled"  # it had ended


@pytest.mark.parametrize("word", ["on hold", "unlisted", "CONFIRMED"])
def test_an_organizers_own_word_is_shown_and_means_nothing_else(word):
    status = get_status(a_run(status=word))
    assert status.sentence == f"Status given by the organizer: {word}"
    assert (status.name, status.word, status.css_class) == (word, word, "doubtful")
    assert (status.off, status.busy, status.confirmed) == (False, False, True)
    assert (status.schema_org, status.change_kind) == ("EventScheduled", None)
