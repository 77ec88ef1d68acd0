"""Which runs count as no longer listed, and which answers prove that."""

import json
from datetime import UTC, date, datetime, time, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain.delisting import (
    EMPTIED,
    FORGOTTEN_AFTER,
    GONE,
    has_listed_runs,
    is_confirmed,
    mark_all_unlisted,
    mark_unlisted,
    update_pending,
)
from feeds.domain.entries import find_ended
from feeds.domain.model import PendingRemoval
from feeds.upstream.schema import decode
from tests.support.factories import NOW, a_run, an_edition, an_event, entries_of

EARLIER = NOW - timedelta(days=3)
SECOND = timedelta(seconds=1)
TEN, FIVE = a_run(id="r10k"), a_run(id="r5k", distance_meters=5_000)


def listed_as(event):
    """Since when each run is not listed, and whether it was withdrawn."""
    return {run.id: (run.unlisted, run.withdrawn) for run in event.runs}


class TestWithUnlisted:
    def test_a_run_that_the_document_lacks_is_withdrawn_as_of_now(self):
        event = mark_unlisted(an_event(TEN), an_event(TEN, FIVE), (), NOW)
        assert listed_as(event) == {"r10k": (None, False), "r5k": (NOW, True)}

    def test_one_that_is_over_leaves_without_being_withdrawn(self):
        event = mark_unlisted(an_event(TEN), an_event(TEN, FIVE), {"r5k"}, NOW)
        assert listed_as(event)["r5k"] == (NOW, False)

    def test_that_others_are_over_does_not_matter(self):
        event = mark_unlisted(an_event(TEN), an_event(TEN, FIVE), {"r10k", "harbor"}, NOW)
        assert listed_as(event) == {"r10k": (None, False), "r5k": (NOW, True)}

    def test_all_else_of_it_stays_as_it_was(self):
        known = structs.replace(FIVE, status="postponed", sold_out=True, start_time=time(9))
        event = mark_unlisted(an_event(TEN), an_event(TEN, known), (), NOW)
        assert event.runs[1] == structs.replace(known, unlisted=NOW, withdrawn=True)

    @pytest.mark.parametrize("withdrawn", [True, False])
    @pytest.mark.parametrize("over_now", [set(), {"r5k"}], ids=str)
    def test_since_when_and_how_a_run_left_stays_as_it_was_first_noticed(self, withdrawn, over_now):
        left = structs.replace(FIVE, unlisted=EARLIER, withdrawn=withdrawn)
        event = mark_unlisted(an_event(TEN), an_event(TEN, left), over_now, NOW)
        assert listed_as(event)["r5k"] == (EARLIER, withdrawn)

    def test_one_that_comes_back_is_what_the_document_says(self):
        left = structs.replace(FIVE, unlisted=EARLIER, withdrawn=True)
        event = mark_unlisted(an_event(TEN, FIVE), an_event(TEN, left), (), NOW)
        assert event.runs == (FIVE, TEN)

    def test_a_run_that_is_new_is_listed(self):
        assert mark_unlisted(an_event(TEN, FIVE), an_event(TEN), (), NOW).runs == (FIVE, TEN)

    def test_what_the_document_says_of_the_event_holds(self):
        event = mark_unlisted(an_event(name="River Run"), an_event(TEN), (), NOW)
        assert event.name == "River Run"
        assert structs.replace(event, runs=()) == an_event(name="River Run")

    @pytest.mark.parametrize(
        ("since", "remembered"),
        [
            (NOW - FORGOTTEN_AFTER + SECOND, True),
            (NOW - FORGOTTEN_AFTER, False),
            (NOW - FORGOTTEN_AFTER - SECOND, False),
            (NOW + timedelta(days=3), True),  # the clock was put back
        ],
        ids=["a year but a second", "a year", "a year and a second", "the future"],
    )
    @pytest.mark.parametrize("withdrawn", [True, False])
    def test_a_run_is_forgotten_when_it_has_been_missing_for_a_year(
        self, since, remembered, withdrawn
    ):
        left = structs.replace(FIVE, unlisted=since, withdrawn=withdrawn)
        event = mark_unlisted(an_event(TEN), an_event(TEN, left), (), NOW)
        assert event.runs == ((left, TEN) if remembered else (TEN,))

    def test_a_year_is_a_year(self):
        assert timedelta(days=365) == FORGOTTEN_AFTER

    def test_runs_stay_in_the_order_of_documents_whichever_of_them_leave(self):
        def run(id_, day, start, meters):
            fields = {"date": f"2025-06-{day}", "distanceMeters": meters, "eventId": "harbor"}
            fields |= {"distanceStandard": "10K", "distanceLabel": id_}
            return {"_id": id_} | fields | ({"startTime": start} if start else {})

        def event(runs):
            of_event = {"_id": "harbor", "name": "Harbor Run", "slug": "harbor", "type": "race"}
            of_event |= {"date": "2025-06-14", "organizationId": "club"}
            data = {"data": {"event": of_event, "runs": list(runs)}}
            return decode(json.dumps(data).encode(), "harbor").event

        runs = [
            run("d", 14, None, 5_000),
            run("a", 14, "08:00", 10_000),
            run("b", 14, "08:00", 10_000),
            run("c", 15, "07:00", 5_000),
        ]
        known = event(runs)
        for some in permutations(runs, 2):
            merged = mark_unlisted(event(some), known, (), NOW)
            assert [each.id for each in merged.runs] == [each.id for each in known.runs]
            assert sum(each.withdrawn for each in merged.runs) == 2

    @given(*[st.sets(st.sampled_from("abcd"))] * 3)
    def test_every_run_that_is_known_or_listed_is_there_once(self, listed, known, ended):
        before = an_event(*(a_run(id=each) for each in known))
        after = an_event(*(a_run(id=each) for each in listed))
        event = mark_unlisted(after, before, ended, NOW)
        assert sorted(run.id for run in event.runs) == sorted(listed | known)
        assert {run.id for run in event.runs if run.unlisted} == known - listed
        assert {run.id for run in event.runs if run.withdrawn} == known - listed - ended
        assert mark_unlisted(after, event, ended, NOW + SECOND) == event, "the same proves no more"


class TestWithoutAny:
    def test_no_run_is_listed_any_more(self):
        event = mark_all_unlisted(an_event(TEN, FIVE), {"r5k"}, NOW)
        assert listed_as(event) == {"r10k": (NOW, True), "r5k": (NOW, False)}
        assert not has_listed_runs(event)

    def test_runs_that_had_left_before_stay_as_they_left(self):
        left = structs.replace(FIVE, unlisted=EARLIER)
        event = mark_all_unlisted(an_event(TEN, left), (), NOW)
        assert listed_as(event) == {"r10k": (NOW, True), "r5k": (EARLIER, False)}

    def test_an_event_without_runs_stays_as_it_is(self):
        assert mark_all_unlisted(an_event(), (), NOW) == an_event()


class TestHasListedRuns:
    @pytest.mark.parametrize(
        ("runs", "has"),
        [
            ((), False),
            ((TEN,), True),
            ((structs.replace(TEN, unlisted=NOW),), False),
            ((structs.replace(TEN, unlisted=NOW, withdrawn=True), FIVE), True),
            ((structs.replace(TEN, status="cancelled"),), True),
        ],
        ids=["none", "one", "one that left", "one besides", "one that is cancelled"],
    )
    def test_an_event_has_some_if_one_did_not_leave(self, runs, has):
        assert has_listed_runs(an_event(*runs)) is has


class TestOver:
    """A run is over from its end on, on the clock of its place."""

    EIGHT = a_run(start_time=time(8), distance_meters=10_000)  # 13:00 UTC; for two hours at most
    END = datetime(2025, 6, 14, 15, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("now", "ended"),
        [(END - SECOND, set()), (END, {"r10k"}), (END + SECOND, {"r10k"})],
        ids=["before", "at", "after"],
    )
    def test_a_run_that_leaves_from_its_end_on_is_not_withdrawn(self, now, ended):
        edition = an_edition(an_event(self.EIGHT))
        assert find_ended(entries_of(edition), now) == ended
        event = mark_unlisted(an_event(), edition.event, find_ended(entries_of(edition), now), now)
        assert listed_as(event) == {"r10k": (now, not ended)}

    def test_runs_of_one_event_are_over_one_by_one(self):
        sunday = a_run(id="sunday", date=date(2025, 6, 15))
        edition = an_edition(an_event(self.EIGHT, sunday))
        assert find_ended(entries_of(edition), self.END + timedelta(hours=3)) == {"r10k"}
        assert find_ended(entries_of(edition), self.END + timedelta(days=3)) == {"r10k", "sunday"}

    def test_an_event_without_runs_is_over_itself(self):
        assert find_ended(entries_of(an_edition(an_event())), self.END + timedelta(days=1)) == {
            "harbor"
        }
        assert find_ended(entries_of(an_edition(an_event())), self.END) == set()


class TestBelieved:
    @pytest.mark.parametrize(
        ("after", "enough"),
        [
            (timedelta(seconds=0), False),
            (timedelta(seconds=59), False),
            (timedelta(seconds=60), True),
            (timedelta(seconds=61), True),
            (timedelta(days=365), True),
            (timedelta(seconds=-60), False),
            (timedelta(days=-365), False),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("of", [GONE, EMPTIED])
    def test_a_second_answer_is_enough_a_minute_after_the_first(self, of, after, enough):
        assert is_confirmed(PendingRemoval(of, NOW), of, NOW + after) is enough

    @pytest.mark.parametrize("of", [GONE, EMPTIED])
    def test_one_answer_is_never_enough(self, of):
        assert not is_confirmed(None, of, NOW)

    @pytest.mark.parametrize(("first", "second"), [(GONE, EMPTIED), (EMPTIED, GONE)])
    def test_an_answer_of_another_kind_confirms_nothing(self, first, second):
        assert not is_confirmed(PendingRemoval(first, NOW), second, NOW + timedelta(hours=1))


class TestDoubted:
    @pytest.mark.parametrize("of", [GONE, EMPTIED])
    def test_the_first_answer_leaves_a_doubt_as_of_now(self, of):
        assert update_pending(None, of, NOW) == PendingRemoval(of, NOW)

    @pytest.mark.parametrize(
        "after", [timedelta(0), SECOND, timedelta(seconds=59), timedelta(days=365)], ids=str
    )
    def test_another_answer_of_the_kind_leaves_it_as_old_as_it_is(self, after):
        assert update_pending(PendingRemoval(GONE, NOW), GONE, NOW + after) == PendingRemoval(
            GONE, NOW
        )

    @pytest.mark.parametrize(("first", "second"), [(GONE, EMPTIED), (EMPTIED, GONE)])
    def test_an_answer_of_another_kind_starts_anew(self, first, second):
        later = NOW + timedelta(hours=1)
        assert update_pending(PendingRemoval(first, NOW), second, later) == PendingRemoval(
            second, later
        )

    @pytest.mark.parametrize("ahead", [SECOND, timedelta(days=365)], ids=str)
    def test_a_doubt_from_the_future_starts_anew_as_after_a_clock_that_was_put_back(self, ahead):
        assert update_pending(PendingRemoval(GONE, NOW + ahead), GONE, NOW) == PendingRemoval(
            GONE, NOW
        )

    @given(st.lists(st.integers(-100, 100), min_size=2, max_size=10))
    def test_what_is_believed_was_said_before_and_a_minute_ago_wherever_the_clock_goes(self, steps):
        now, doubt = NOW, None
        said: list[datetime] = []
        for step in steps:
            now += timedelta(seconds=step)
            if is_confirmed(doubt, GONE, now):
                assert max(now - each for each in said) >= timedelta(seconds=60)
                break
            said.append(now)
            doubt = update_pending(doubt, GONE, now)
