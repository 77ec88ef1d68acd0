"""Notices at the top of a page: what is off, postponed or moved, and why."""

from datetime import time

import pytest

from feeds.domain.model import Change, Kind, State
from feeds.text.notices import find_about, list_notices
from tests.support.factories import NOW, a_run, an_edition, an_event, entries_of

CANCELLED = {"status": "cancelled"}
UNKNOWN = "We don’t know the old date."
WHY = ["The levee road is under water.", "Entries are refunded."]


def notices_of(*runs, changes=(), **event):
    edition = an_edition(an_event(*runs, **event), changes=changes)
    return list(list_notices(entries_of(edition), "en_US"))


def read(*runs):
    return [(each.css_class, each.text) for each in notices_of(*runs)]


@pytest.mark.parametrize(
    ("fields", "name", "word"),
    [
        (CANCELLED, "cancelled", "Cancelled"),
        ({"status": "postponed"}, "postponed", "Postponed"),
        ({"status": "rescheduled"}, "rescheduled", "Rescheduled"),
        ({"status": "postponed", "withdrawn": True}, "unlisted", "No longer listed"),
    ],
)
def test_a_notice_names_its_runs_unless_all_runs_have_the_status(fields, name, word):
    run = a_run(id="a", **fields)
    assert read(run) == [(name, f"{word}.")]
    assert read(run, a_run(id="b", distance_label="5K")) == [(name, f"{word}: 10K.")]


def test_the_worst_notice_comes_first():
    statuses = ["rescheduled", "cancelled", "postponed", "cancelled"]
    runs = [
        a_run(id=label, status=status, distance_label=label)
        for label, status in zip("ABCD", statuses, strict=True)
    ]
    assert [text for _, text in read(*runs, a_run(id="E", withdrawn=True))] == [
        "Cancelled: B, D.",
        "No longer listed: 10K.",
        "Postponed: C.",
        "Rescheduled: A.",
    ]


def test_a_notice_about_one_of_two_runs_with_the_same_label_has_its_start():
    runs = [a_run(id="a", start_time=time(8)), a_run(id="b", **CANCELLED)]
    assert read(*runs) == [("cancelled", "Cancelled: Sat, Jun 14, 2025.")]


def test_a_notice_about_one_of_several_runs_with_one_label_and_start_says_how_many():
    waves = [a_run(id=id_, start_time=time(8)) for id_ in "abc"]
    at = "Sat, Jun 14, 2025, 8:00 AM"
    off = a_run(id="d", start_time=time(8), **CANCELLED)
    assert read(*waves, off) == [("cancelled", f"Cancelled: {at} (1 of 4).")]
    other = a_run(id="e", distance_label="5K", start_time=time(8))
    assert read(*waves, off, other) == [("cancelled", f"Cancelled: 10K ({at}; 1 of 4).")]


@pytest.mark.parametrize(
    ("status", "details"),
    [
        ("cancelled", ()),
        ("postponed", ("No new date yet. It was planned for Sat, Jun 14, 2025, 8:00 AM.",)),
        ("rescheduled", ("The organizer now lists Sat, Jun 14, 2025, 8:00 AM.", UNKNOWN)),
    ],
)
@pytest.mark.parametrize("gap", ["\n\n", "\n \n"])
def test_the_notice_about_all_runs_has_the_reason_and_the_page_has_it_once(status, details, gap):
    found = notices_of(a_run(status=status, start_time=time(8)), description=gap.join(WHY))
    assert [(each.details, each.reason) for each in found] == [(details, WHY[0])]
    event = an_event(description=gap.join(WHY))
    assert find_about(event, found) == WHY[1]

    some = notices_of(a_run(id="a", status=status), a_run(id="b"), description=gap.join(WHY))
    unknown = (UNKNOWN,) if status == "rescheduled" else ()
    assert [(each.details, each.reason) for each in some] == [(unknown, "")]
    assert find_about(event, some) == gap.join(WHY)


def test_the_notice_about_postponed_runs_with_different_starts_has_their_day():
    runs = [a_run(id=str(n), status="postponed", start_time=time(n)) for n in (8, 9)]
    (notice,) = notices_of(*runs)
    assert notice.details == ("No new date yet. It was planned for Sat, Jun 14, 2025.",)


def test_the_text_of_an_event_without_a_notice_is_as_the_organizer_wrote_it():
    assert find_about(an_event(description=" a\n\nb "), []) == " a\n\nb "
    assert find_about(an_event(), notices_of(a_run(**CANCELLED))) == ""


BY_A_WEEK = "From Sat, Jun 7, 2025 to Sat, Jun 14, 2025."


def move(run_id, was, now):
    old, new = (State(start=each, zone="America/Chicago") for each in (was, now))
    return Change(run=run_id, kind=Kind.MOVED, was=old, now=new, noticed=NOW)


@pytest.mark.parametrize(
    ("was", "heading", "details"),
    [
        (["2025-06-07", "2025-06-07"], "Moved", BY_A_WEEK),
        (["2025-06-07", "2025-06-08"], None, None),  # the moves differ
        (["2025-06-07", None], None, None),
        (["2025-06-07T08:00:00", "2025-06-07T09:00:00"], "Moved", BY_A_WEEK),
        (["2025-06-14T08:00:00", "2025-06-14T09:00:00"], None, None),  # the day is the same
    ],
)
def test_a_notice_tells_of_a_move_that_all_runs_share(was, heading, details):
    runs = [a_run(id=str(n)) for n, _ in enumerate(was)]
    changes = tuple(move(str(n), day, "2025-06-14") for n, day in enumerate(was) if day)
    found = notices_of(*runs, changes=changes)
    assert [each.heading for each in found] == ([heading] if heading else [])
    assert [each.details for each in found] == ([(details,)] if details else [])


def test_a_notice_knows_the_old_date_of_rescheduled_runs_from_their_moves():
    runs = [a_run(id=id_, status="rescheduled") for id_ in "ab"]
    changes = tuple(move(id_, f"2025-06-07T0{n}:00:00", "2025-06-14") for n, id_ in enumerate("ab"))
    (notice,) = notices_of(*runs, changes=changes)
    assert notice.details == (BY_A_WEEK,)
    (notice,) = notices_of(*runs, changes=changes[:1])  # the row of the run has its old date
    assert notice.details == ("The organizer now lists Sat, Jun 14, 2025.",)
