"""How an event and its runs stand, word by word."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from feeds.text import pages as standing
from tests.support.factories import HOME, a_run, an_edition, an_event, entries_of, the_entry

OPENS = datetime(2025, 3, 1, 15, tzinfo=UTC)
CLOSES = datetime(2025, 6, 13, 4, 59, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ENDS = datetime(2025, 6, 15, 5, tzinfo=UTC)
"""Midnight in Chicago: of a run without a time, the end of its day."""
SUN = date(2025, 6, 15)


def of(*runs, **event):
    return entries_of(an_edition(an_event(*runs, **event)), HOME)


def noticed(*runs, **event):
    return [
        (each.status.css_class, each.text) for each in standing.list_notices(of(*runs, **event))
    ]


class TestNotices:
    def test_as_planned_there_is_nothing_to_notice(self):
        assert noticed(a_run(id="a"), a_run(id="b")) == []
        assert noticed() == []

    @pytest.mark.parametrize(
        ("fields", "kind", "word"),
        [
            ({"status": "cancelled"}, "cancelled", "Cancelled"),
            ({"status": "postponed"}, "postponed", "Postponed"),
            ({"status": "rescheduled"}, "rescheduled", "Rescheduled"),
            ({"withdrawn": True}, "unlisted", "No longer listed"),
            ({"withdrawn": True, "status": "postponed"}, "unlisted", "No longer listed"),
        ],
    )
    def test_tell_of_all_runs_or_name_those_it_is_about(self, fields, kind, word):
        other = a_run(id="b", distance_label="5K")
        assert noticed(a_run(id="a", **fields)) == [(kind, f"{word}.")]
        assert noticed(a_run(id="a", **fields), other) == [(kind, f"{word}: 10K.")]

    def test_the_worst_comes_first(self):
        runs = [
            a_run(id="a", status="rescheduled", distance_label="A"),
            a_run(id="b", status="cancelled", distance_label="B"),
            a_run(id="c", status="postponed", distance_label="C"),
            a_run(id="d", status="cancelled", distance_label="D"),
        ]
        assert [text for _, text in noticed(*runs)] == [
            "Cancelled: B, D.",
            "Postponed: C.",
            "Rescheduled: A.",
        ]

    def test_one_of_two_of_the_same_name_is_told_by_its_start(self):
        runs = [a_run(id="a", start_time=time(8)), a_run(id="b", status="cancelled")]
        assert noticed(*runs) == [("cancelled", "Cancelled: 10K (Sat 14 Jun 2025).")]

    def test_what_is_so_as_a_whole_is_in_the_title(self):
        off = a_run(id="a", status="cancelled")
        assert standing.build_headline(of(off), "Harbor Run") == "Cancelled: Harbor Run"
        assert standing.build_headline(of(off, a_run(id="b")), "Harbor Run") == "Harbor Run"
        assert standing.build_headline(of(), "Harbor Run") == "Harbor Run"

    def test_a_word_that_nobody_knows_is_the_organizers_and_no_alarm(self):
        entry = the_entry(a_run(status="under review"))
        assert entry.status.word == "under review"
        assert noticed(entry.run) == []


class TestDates:
    def test_are_one_day_or_the_first_and_the_last(self):
        assert standing.format_dates(of(a_run())) == "Sat 14 Jun 2025"
        two = of(a_run(id="a"), a_run(id="b", date=SUN))
        assert standing.format_dates(two) == "Sat 14 Jun 2025 to Sun 15 Jun 2025"

    def test_are_those_of_what_takes_place(self):
        runs = [a_run(id="a", status="cancelled"), a_run(id="b", date=SUN)]
        assert standing.format_dates(of(*runs)) == "Sun 15 Jun 2025"
        assert standing.format_dates(of(runs[0])) == "Sat 14 Jun 2025"

    def test_end_on_the_last_day_not_on_the_one_after(self):
        virtual = of(a_run(virtual=True), end_date=SUN)
        assert standing.format_dates(virtual) == "Sat 14 Jun 2025 to Sun 15 Jun 2025"

    def test_of_an_event_without_runs_are_its_own(self):
        dates = standing.format_dates(of(start_time=time(8), end_date=SUN))
        assert dates == "Sat 14 Jun 2025 to Sun 15 Jun 2025"

    def test_are_not_stretched_by_a_finish_after_midnight(self):
        ultra = of(a_run(distance_meters=161_000, start_time=time(6)))
        assert standing.format_dates(ultra) == "Sat 14 Jun 2025"


class TestStart:
    def test_is_a_time_or_the_first_of_several(self):
        early, late = a_run(id="a", start_time=time(7)), a_run(id="b", start_time=time(8, 30))
        assert standing.format_first_start(of(late)) == "Sat 14 Jun 2025, 08:30"
        assert standing.format_first_start(of(early, late)) == "Sat 14 Jun 2025, from 07:00"
        assert standing.format_first_start(of(late, a_run(id="c"))) == "Sat 14 Jun 2025, from 08:30"

    def test_is_the_days_where_no_time_is_known_or_there_are_several(self):
        assert standing.format_first_start(of(a_run())) == "Sat 14 Jun 2025"
        days = of(a_run(id="a", start_time=time(7)), a_run(id="b", start_time=time(7), date=SUN))
        assert standing.format_first_start(days) == "Sat 14 Jun 2025 to Sun 15 Jun 2025"

    def test_is_never_that_of_what_is_cancelled(self):
        early = a_run(id="a", start_time=time(7), status="cancelled")
        assert standing.format_first_start(of(early, a_run(id="b", start_time=time(9)))).endswith(
            ", 09:00"
        )


class TestRegistration:
    RUN = a_run(registration_opens=OPENS, registration_closes=CLOSES)

    @pytest.mark.parametrize(
        ("at", "words"),
        [
            (None, "Opens Sat 1 Mar 2025, 09:00"),
            (OPENS - SECOND, "Opens Sat 1 Mar 2025, 09:00"),
            (OPENS, "Open until Thu 12 Jun 2025, 23:59"),
            (CLOSES - SECOND, "Open until Thu 12 Jun 2025, 23:59"),
            (CLOSES, "Closed"),
        ],
    )
    def test_opens_and_closes_with_the_clock(self, at, words):
        assert standing.describe_registration(the_entry(self.RUN), at) == words

    @pytest.mark.parametrize(
        ("fields", "at", "words"),
        [
            ({}, OPENS, ""),
            ({"registration_opens": OPENS}, OPENS, "Open"),
            ({"registration_closes": CLOSES}, None, "Open until Thu 12 Jun 2025, 23:59"),
            ({"registration_opens": OPENS, "sold_out": True}, OPENS, "Sold out"),
            ({"registration_opens": OPENS, "registration_override": "paused"}, OPENS, "Paused"),
            ({"registration_override": "lottery"}, None, "Lottery"),
            ({"registration_opens": OPENS, "status": "cancelled"}, OPENS, ""),
        ],
    )
    def test_is_what_the_organizer_made_of_it(self, fields, at, words):
        assert standing.describe_registration(the_entry(a_run(**fields)), at) == words

    def test_changes_at_its_turns_and_nowhere_else(self):
        assert list(standing.find_turn_times([the_entry(self.RUN)])) == [OPENS, CLOSES, ENDS]
        assert list(standing.find_turn_times([the_entry(a_run())])) == [ENDS]

    @pytest.mark.parametrize("fields", [{}, {"registration_closes": None}, {"sold_out": True}])
    def test_is_nothing_to_speak_of_once_the_run_is_over(self, fields):
        entry = the_entry(a_run(registration_opens=OPENS, **fields))
        assert standing.has_ended(entry, ENDS)
        assert not standing.has_ended(entry, ENDS - SECOND)
        assert standing.describe_registration(entry, ENDS) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (5, "1 minute"),
        (60, "1 minute"),
        (61, "2 minutes"),
        (15 * 60, "15 minutes"),
        (3600, "1 hour"),
        (5400, "90 minutes"),
        (7200, "2 hours"),
        (7201, "3 hours"),
        (86400, "24 hours"),
    ],
)
def test_an_age_is_rounded_up(seconds, words):
    assert standing.format_duration(timedelta(seconds=seconds)) == words


def test_an_instant_is_told_on_the_clock_of_the_place():
    told = standing.format_instant(datetime(2025, 6, 1, 12, 0, 59, tzinfo=UTC), of(a_run()))
    assert told == "Sun 1 Jun 2025, 07:00 (America/Chicago)"
