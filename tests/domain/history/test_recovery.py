"""The history of an event: numbers of changes, what is dropped, two histories that are merged."""

from datetime import date, time, timedelta

import pytest
from msgspec import structs

from feeds.domain.history.changes import CHANGES_KEPT_FOR, group_changes
from feeds.domain.history.delisting import (
    CONFIRM_AFTER,
    MAX_UNLISTED,
    apply_not_found,
    confirm_removals,
)
from feeds.domain.history.numbering import append_changes, drop_old_changes
from feeds.domain.history.recovery import has_gone_back, merge
from feeds.domain.model import Change, History, Kind, PendingRemoval, Revision, State
from feeds.service.revisions import revise
from tests.support.factories import HOME, NOW, PUBLIC_URL, a_run, an_edition, an_event, timetable_of

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


def a_change(run="r10k", kind=Kind.CANCELLED, days=0, to="2025-06-14"):
    """A change that was noticed so many days after NOW."""
    was, now = State(start="2025-06-13", zone=HOME), State(start=to, zone=HOME)
    return Change(run=run, kind=kind, was=was, now=now, noticed=NOW + days * DAY)


def both(days, kind=Kind.CANCELLED):
    """The same change of two runs, noticed together."""
    return [a_change("r10k", kind, days), a_change("r5k", kind, days)]


NONE = History(revisions={})


def number(*steps, known=NONE):
    """The changes of an event after these steps; the changes of each are noticed together."""
    for step in steps:
        known = structs.replace(known, changes=append_changes(known, step, "harbor"))
    return known.changes


def numbers_of(changes):
    return [(each.nth, each.group_nth) for each in changes]


def test_changes_of_another_kind_value_or_run_have_numbers_of_their_own():
    known = number(
        [a_change(kind=Kind.MOVED, to="2025-06-15")],
        [a_change(kind=Kind.MOVED, to="2025-06-16", days=1)],
        [a_change(kind=Kind.RESCHEDULED, to="2025-06-15", days=2)],
        [a_change("r5k", kind=Kind.MOVED, to="2025-06-15", days=3)],
        [a_change(kind=Kind.MOVED, to="2025-06-15", days=4)],
    )
    assert [each.nth for each in known] == [1, 1, 1, 1, 2]


def test_groups_of_other_runs_are_numbered_together_because_all_have_the_events_guid():
    known = number(
        [a_change("c", days=-2)],
        [a_change("c", days=-1)],  # the changes of single runs do not count for groups
        both(0),
        [a_change("a", days=1), a_change("b", days=1)],
        both(2, Kind.POSTPONED),
    )
    assert numbers_of(known[2::2]) == [(1, 1), (1, 2), (1, 1)]


def a_turn(noticed=NOW):
    state = State(start="2025-06-14", zone=HOME, opens=NOW)
    kind = Kind.REGISTRATION_OPENS
    return Change(run="r10k", kind=kind, was=state, now=state, noticed=noticed)


def test_a_turn_is_appended_once_however_often_the_clock_is_set_back_unless_an_edit_brings_it():
    assert number([a_turn()], [a_turn()]) == (a_turn(),)
    assert number([a_turn(NOW + HOUR)], [a_turn()]) == (a_turn(NOW + HOUR),)
    assert [each.nth for each in number([a_turn()], [a_turn(NOW + HOUR)])] == [1, 2]


# A year later


def aged(*steps):
    return an_edition(an_event(a_run(), a_run(id="r5k")), changes=number(*steps))


@pytest.mark.parametrize(
    ("age", "kept"),
    [
        (CHANGES_KEPT_FOR - SECOND, True),
        (CHANGES_KEPT_FOR, False),
        (-3 * DAY, True),  # the clock was set back
    ],
    ids=str,
)
def test_a_change_is_dropped_after_a_year_whichever_run_it_is_of(age, kept):
    edition = drop_old_changes(aged([a_change("r5k")], [a_change(days=400)]), NOW + age)
    assert [each.run for each in edition.changes] == (["r5k"] if kept else []) + ["r10k"]
    assert edition.numbers == ({} if kept else {"r5k/cancelled/": 1})


def test_numbers_go_on_after_the_changes_that_had_them_were_dropped():
    edition = drop_old_changes(aged(both(0), both(1)), NOW + 400 * DAY)
    assert edition.changes == ()
    again = structs.replace(edition, changes=number(both(400), known=edition))
    assert numbers_of(again.changes) == [(3, 3), (3, 3)]
    later = drop_old_changes(again, NOW + 800 * DAY)
    assert numbers_of(number(both(800), known=later)) == [(4, 4), (4, 4)]


def test_numbers_go_with_a_run_that_is_forgotten():
    edition = drop_old_changes(aged([a_change()], [a_change("gone", days=1)]), NOW + 400 * DAY)
    assert edition.numbers == {"r10k/cancelled/": 1}
    edition = structs.replace(edition, event=an_event(), changes=(a_change(),))
    assert drop_old_changes(edition, NOW + 400 * DAY).numbers == {}


# Too many changes


def flapped(times, runs=("r10k",), known=None, kind=Kind.CANCELLED):
    """The edition after so many changes of these runs, which change together."""
    edition = known or aged()
    begin = len(edition.changes)
    steps = [[a_change(run, kind, days=(begin + n) / 1000) for run in runs] for n in range(times)]
    edition = structs.replace(edition, changes=number(*steps, known=edition))
    return drop_old_changes(edition, NOW + DAY)


def test_the_last_100_changes_of_a_run_are_kept_and_the_numbers_go_on():
    edition = flapped(250)
    assert [each.nth for each in edition.changes] == list(range(151, 251))
    assert flapped(1, known=edition).changes[-1].nth == 251


def test_a_run_that_flaps_drops_no_change_of_another_run():
    first = structs.replace(aged(), changes=number([a_change("r5k", Kind.MOVED)]))
    together = structs.replace(first, changes=number(both(0, Kind.POSTPONED), known=first))
    edition = flapped(250, known=together)
    assert edition.changes[:3] == together.changes
    assert len(edition.changes) == 103


def test_a_status_that_flaps_drops_no_move_of_the_run():
    first = structs.replace(aged(), changes=number([a_change("r10k", Kind.MOVED)]))
    assert flapped(250, known=first).changes[0] == first.changes[0]


def test_changes_that_were_noticed_together_are_dropped_together():
    edition = flapped(250, runs=("r10k", "r5k"))
    assert {len(group) for group in group_changes(edition.changes)} == {2}
    assert numbers_of(edition.changes)[::2] == [(n, n) for n in range(151, 251)]


def test_an_event_keeps_at_most_5000_changes_however_many_runs_it_has():
    edition = an_edition(an_event(*(a_run(id=f"r{number}") for number in range(900))))
    edition = flapped(20, runs=[run.id for run in edition.event.runs], known=edition)
    assert len(edition.changes) == 4_500


def test_however_many_runs_flap_a_quiet_run_keeps_its_last_move():
    edition = an_edition(an_event(*(a_run(id=f"r{number}") for number in range(1_001))))
    moved = number([a_change("r0", Kind.MOVED)], known=edition)
    edition = structs.replace(edition, changes=moved)
    edition = flapped(20, runs=[f"r{number}" for number in range(1, 1_001)], known=edition)
    assert edition.changes[0] == moved[0]


def test_the_numbers_of_many_guids_are_united_and_none_is_used_twice():
    guids: set[tuple[str, int]] = set()
    edition = aged()
    for step in range(40):
        moves = [
            [a_change(kind=Kind.MOVED, to=f"{2100 + n}-06-14", days=n / 1000)]
            for n in range(step * 20, step * 20 + 20)
        ]
        again = [a_change(kind=Kind.MOVED, to="2100-06-14", days=step + 0.5)]
        edition = structs.replace(edition, changes=number(*moves, again, known=edition))
        new = [(each.now.start, each.nth) for each in edition.changes[-21:]]
        assert guids.isdisjoint(new)
        assert len(set(new)) == 21
        guids.update(new)
        edition = drop_old_changes(edition, NOW + DAY)
    assert len(edition.numbers) <= 101


def test_a_database_did_not_go_back_if_it_has_dropped_the_oldest_of_too_many_changes():
    served = structs.replace(flapped(100), modified=NOW)
    stored = structs.replace(flapped(1, known=served), modified=NOW + SECOND)
    assert len(stored.changes) == 100
    assert not has_gone_back(served, stored)
    assert has_gone_back(
        structs.replace(served, modified=NOW), structs.replace(aged(), modified=NOW + SECOND)
    )


# A database that went back: ``SERVED`` is what a process has served, another one is stored.

SUN = date(2025, 6, 15)
TEN, FIVE = a_run(), a_run(id="r5k")
FULL = structs.replace(FIVE, sold_out=True)
CANCELLED = structs.replace(TEN, status="cancelled")


def then(known, *runs, hours, deployment="first", **fields):
    """The edition that is saved so many hours after NOW, when the runs are these."""
    now, event = NOW + hours * HOUR, an_event(*runs, **fields)
    edition = structs.replace(
        known or an_edition(an_event()), event=event, fetched=now, deployment=deployment
    )
    if not known:
        edition = structs.replace(edition, revisions={})
    return revise(
        timetable_of(known) if known else None, edition, now, HOME, PUBLIC_URL, locale="en_US"
    ).edition


def merged(served, stored, at=10):
    assert has_gone_back(served, stored)
    return merge(timetable_of(served), timetable_of(stored), NOW + at * HOUR, HOME).edition


BACKUP = then(None, TEN, FIVE, hours=0)
SERVED = then(BACKUP, CANCELLED, FIVE, hours=2)


def restamped(edition, **fields):
    revision = Revision(NOW, NOW, 7, "", "")
    revisions = {"r10k": structs.replace(revision, **fields)}
    return structs.replace(edition, revisions=revisions, modified=NOW)


@pytest.mark.parametrize(
    ("stored", "undercut"),
    [
        ({"last_modified": NOW - SECOND}, True),
        ({"sequence": 6}, True),
        ({"last_modified": NOW + SECOND, "sequence": 8, "content": "another"}, False),
    ],
    ids=str,
)
def test_a_database_went_back_if_a_stamp_is_older_than_the_one_that_was_served(stored, undercut):
    served, stored = restamped(SERVED), restamped(SERVED, **stored)
    later = structs.replace(stored, modified=NOW + SECOND)
    assert has_gone_back(served, later) is undercut
    assert has_gone_back(later, served)
    assert has_gone_back(structs.replace(served, revisions={}), later) is False


def test_a_database_went_back_if_other_content_has_the_time_of_the_one_that_was_served():
    served = restamped(SERVED)
    assert has_gone_back(served, restamped(BACKUP))
    assert has_gone_back(served, restamped(SERVED, content="another"))
    assert not has_gone_back(served, structs.replace(served, fetched=NOW + HOUR, token="other"))


def test_a_database_went_back_if_it_lacks_a_run_that_was_served_and_is_not_gone_for_a_year():
    gone = structs.replace(FIVE, unlisted=NOW, withdrawn=True)
    served = structs.replace(SERVED, event=an_event(TEN, gone), modified=NOW)
    for days, has_left in ((364, False), (365, True)):
        at = NOW + days * DAY
        stored = structs.replace(served, event=an_event(TEN), fetched=at, modified=at)
        assert has_gone_back(served, stored) is not has_left


def test_a_database_went_back_if_it_lacks_a_change_that_was_served_and_is_not_a_year_old():
    # The 10K was reinstated and moved before the next fetch: all of its stamps are newer.
    stored = then(BACKUP, structs.replace(TEN, date=SUN), FIVE, hours=3)
    kinds = {each.kind for each in merged(SERVED, stored).changes if each.run == "r10k"}
    assert kinds == {Kind.CANCELLED, Kind.MOVED, Kind.REINSTATED}
    later = structs.replace(stored, modified=SERVED.changes[0].noticed + CHANGES_KEPT_FOR)
    assert not has_gone_back(SERVED, later)
    assert not has_gone_back(SERVED, then(SERVED, TEN, FIVE, hours=3))


def test_a_database_went_back_if_it_lacks_a_run_that_was_served_and_has_not_left_the_feeds():
    # The 10K was added, and removed again before the next fetch: nobody has proved its removal.
    served = then(then(None, FIVE, hours=0), TEN, FIVE, hours=2)
    stored = then(then(None, FIVE, hours=0), FULL, hours=3)
    assert [run.id for run in merged(served, stored).event.runs] == ["r10k", "r5k"]
    left = structs.replace(TEN, unlisted=NOW - 400 * DAY, withdrawn=True, left=True)
    served = then(None, left, FIVE, hours=0)
    assert not has_gone_back(served, then(served, FIVE, hours=2))


def test_a_database_did_not_go_back_if_it_has_forgotten_the_oldest_of_too_many_delisted_runs():
    gone = [
        a_run(id=f"r{number}", unlisted=NOW - DAY, withdrawn=True)
        for number in range(MAX_UNLISTED + 1)
    ]
    served = structs.replace(an_edition(an_event(TEN, *gone)), modified=NOW)
    for kept, expected in ((MAX_UNLISTED, False), (MAX_UNLISTED - 1, True)):
        event = an_event(TEN, *gone[:kept])
        stored = structs.replace(served, event=event, modified=NOW + SECOND)
        assert has_gone_back(served, stored) is expected


def test_what_was_served_is_kept_over_an_older_edition_in_the_database():
    refetched = then(BACKUP, TEN, FIVE, hours=3)  # unchanged: it may be a doubtful answer
    deployed = then(BACKUP, TEN, FIVE, hours=3, deployment="second")
    for stored in (BACKUP, refetched, structs.replace(deployed, fetched=NOW)):
        assert merged(SERVED, stored).event == SERVED.event
        assert merged(SERVED, stored).changes == SERVED.changes


def test_a_change_that_was_served_and_lost_and_has_been_undone_is_followed_by_its_opposite():
    stored = then(BACKUP, TEN, FULL, hours=3)
    assert merged(SERVED, stored).event == stored.event  # it was fetched and changed later
    found = merged(SERVED, stored).changes
    assert [(each.run, each.kind) for each in found] == [
        ("r10k", Kind.CANCELLED),
        ("r5k", Kind.SOLD_OUT),
        ("r10k", Kind.REINSTATED),
    ]
    assert found[-1].noticed == NOW + 10 * HOUR


def test_a_change_that_both_have_noticed_is_told_once():
    served = then(SERVED, CANCELLED, FULL, hours=3)
    stored = then(then(BACKUP, TEN, FULL, hours=1), CANCELLED, FULL, hours=4)
    found = [(each.run, each.kind, each.nth) for each in merged(served, stored).changes]
    assert found == [("r10k", Kind.CANCELLED, 1), ("r5k", Kind.SOLD_OUT, 1)]


def test_a_change_that_the_database_has_told_since_is_not_told_again():
    served = then(then(SERVED, TEN, FIVE, hours=3), TEN, FULL, hours=4)
    stored = then(then(SERVED, TEN, FIVE, hours=3), CANCELLED, FIVE, hours=5)
    found = [each for each in merged(served, stored).changes if each.run == "r10k"]
    assert [(each.kind, each.nth) for each in found] == [
        (Kind.CANCELLED, 1),
        (Kind.REINSTATED, 1),
        (Kind.CANCELLED, 2),
    ]


def test_changes_stay_in_their_order_where_the_clock_was_put_back_between_them():
    first, then_first = (structs.replace(TEN, start_time=time(10, each)) for each in (15, 0))
    served = then(then(BACKUP, first, FIVE, hours=2), then_first, FIVE, hours=1.9)
    stored = then(BACKUP, TEN, FULL, hours=1)
    found = [(each.kind, each.now.start[11:16]) for each in merged(served, stored).changes]
    assert found[:3] == [(Kind.SOLD_OUT, ""), (Kind.MOVED, "10:15"), (Kind.MOVED, "10:00")]


@pytest.mark.parametrize(
    "stored",
    [
        then(BACKUP, structs.replace(TEN, date=SUN), FIVE, hours=1),
        then(BACKUP, TEN, FULL, hours=3),
    ],
    ids=["older", "newer"],
)
def test_the_next_save_has_stamps_above_both_histories_where_they_differ(stored):
    stored = structs.replace(stored, token="stored", etag="1")
    for served in (SERVED, restamped(SERVED, sequence=10**9, last_modified=NOW + 9 * DAY)):
        last = merged(served, stored)
        assert (last.token, last.etag, last.deployment) == ("stored", None, "")
        assert last.modified == max(served.modified, stored.modified)
        was, other, now = (each.revisions["r10k"] for each in (served, stored, last))
        assert now.last_modified == max(was.last_modified, other.last_modified)
        assert now.sequence == max(was.sequence, other.sequence)
        # The clock was set back as well.
        saved = then(last, *last.event.runs, hours=-5)
        assert saved.modified > max(served.modified, stored.modified)
        assert saved.revisions["r10k"].last_modified > now.last_modified
        assert saved.revisions["r10k"].sequence > now.sequence
        assert saved.revisions["r10k"].created == NOW
        assert saved.revisions["harbor"] == BACKUP.revisions["harbor"]


def test_the_numbers_of_both_histories_are_united():
    for one, other in (({"a": 2, "b": 1}, {"a": 3}), ({"a": 3}, {"a": 2, "b": 1})):
        served, stored = (
            structs.replace(e, numbers=n) for e, n in ((SERVED, one), (BACKUP, other))
        )
        assert merged(served, stored).numbers == {"a": 3, "b": 1}


def test_a_run_that_was_served_stays_although_the_later_edition_lacks_it():
    stored = then(None, CANCELLED, hours=3)  # saved into an empty database, from a partial document
    assert [run.id for run in merged(SERVED, stored).event.runs] == ["r10k", "r5k"]


def test_an_item_of_several_runs_stays_whole_where_both_histories_tell_the_same_of_one_of_them():
    park, pier = {"location": "Grant Park"}, {"location": "Navy Pier"}

    def moved(known, *runs, hours, **fields):
        edition = structs.replace(
            known, event=an_event(*runs, **fields), fetched=NOW + hours * HOUR, deployment="first"
        )
        return revise(
            timetable_of(known), edition, NOW + hours * HOUR, HOME, PUBLIC_URL, locale="en_US"
        ).edition

    backup = moved(BACKUP, TEN, FIVE, hours=1, **pier)
    served = moved(backup, TEN, FIVE, hours=2, **park)
    stored = moved(backup, structs.replace(TEN, date=SUN), FIVE, hours=3, **park)
    edition = merged(served, stored)
    groups = [group for group in group_changes(edition.changes) if group[0].noticed > NOW + HOUR]
    assert groups == [served.changes[-2:], stored.changes[-2:]]


def test_a_run_that_was_announced_over_the_backup_stays_although_the_served_edition_lacks_it():
    served = structs.replace(SERVED, modified=NOW + DAY)  # the clock was set back since
    stored = then(BACKUP, TEN, FIVE, a_run(id="new"), hours=3)
    assert [run.id for run in merged(served, stored).event.runs] == ["new", "r10k", "r5k"]
    saved = then(merged(served, stored), *merged(served, stored).event.runs, hours=4)
    assert not has_gone_back(served, saved)
    assert not has_gone_back(stored, saved)


def test_an_event_that_is_gone_is_not_gone_yet_for_a_run_that_was_served_and_lost():
    stored = then(None, FIVE, hours=0)
    for hours in (3, 4, 5):
        at = NOW + hours * HOUR
        stored = confirm_removals(apply_not_found(stored, at), (), (), CONFIRM_AFTER)
    stored = structs.replace(stored, modified=NOW + DAY)
    assert stored.gone
    last = merged(SERVED, stored)
    assert last.gone is None
    assert [(run.id, bool(run.unlisted)) for run in last.event.runs] == [
        ("r10k", False),
        ("r5k", True),
    ]
    at = NOW + 6 * HOUR
    last = confirm_removals(apply_not_found(last, at), (), (), CONFIRM_AFTER)
    assert (last.gone, last.event.runs[0].unlisted) == (at, at)


def test_a_removal_has_to_be_proved_again_where_the_later_edition_lacks_the_run():
    """Rules 4.12: the database may be a new one, which has lost what other events lacked."""
    missing = {"r5k": PendingRemoval(NOW, 2), "r10k": PendingRemoval(NOW, 2)}
    served = structs.replace(SERVED, pending=missing)
    stored = then(None, CANCELLED, hours=3)
    assert merged(served, stored).pending == {}


# What a partial document, or an emptied database, does not tell of runs that were served.


def moved(*runs, hours=3):
    """What is saved into an empty database from a document with another place and these runs."""
    return then(None, *runs, hours=hours, location="Navy Pier")


def test_a_run_that_the_later_edition_lacks_tells_what_has_changed_for_the_whole_event():
    changes = merged(SERVED, moved(CANCELLED)).changes
    assert [(each.run, each.kind) for each in changes if each.kind == Kind.MOVED] == [
        ("r10k", Kind.MOVED),
        ("r5k", Kind.MOVED),
    ]
    assert merged(SERVED, moved(CANCELLED, FIVE)).changes == changes


def test_a_change_of_a_run_that_the_later_edition_lacks_joins_no_item_of_the_same_second():
    served = then(BACKUP, TEN, FIVE, a_run(id="r21k"), hours=2)
    stored = then(BACKUP, TEN, FIVE, hours=10, location="Montrose Harbor")
    groups = group_changes(merged(served, stored, at=10).changes)
    assert [{each.run for each in group} for group in groups] == [{"r10k", "r5k"}, {"r21k"}]


def test_registration_that_opened_meanwhile_is_told_of_a_run_that_the_later_edition_lacks():
    opens = structs.replace(FIVE, registration_opens=NOW + 2.5 * HOUR)
    served = then(then(None, TEN, opens, hours=0), CANCELLED, opens, hours=2)
    changes = merged(served, then(None, CANCELLED, hours=3)).changes
    assert [(each.run, each.kind, each.noticed) for each in changes[1:]] == [
        ("r5k", Kind.REGISTRATION_OPENS, NOW + 2.5 * HOUR)
    ]
    early = structs.replace(served, fetched=NOW + 3 * HOUR)  # it has told so, or never will
    assert merged(early, then(None, CANCELLED, hours=4)).changes == served.changes


def test_what_was_proved_to_be_missing_stays_so_over_a_backup_that_still_misses_it():
    missing = {"r5k": PendingRemoval(NOW, 1)}
    backup = structs.replace(BACKUP, pending=missing)
    unlisted = structs.replace(FIVE, unlisted=NOW + 2 * HOUR, withdrawn=True)
    served = structs.replace(then(BACKUP, TEN, unlisted, hours=2), pending=missing)
    stored = structs.replace(then(backup, CANCELLED, FIVE, hours=3), pending=missing)
    last = merged(served, stored)
    assert [run.unlisted for run in last.event.runs] == [None, NOW + 2 * HOUR]
    assert Kind.REINSTATED not in {each.kind for each in last.changes}
    listed = merged(served, structs.replace(stored, pending={}))
    assert listed.event.runs[1] == FIVE
    assert listed.changes[-1].kind == Kind.REINSTATED


def test_an_event_that_was_proved_to_be_gone_stays_so_over_a_backup_that_still_misses_it():
    served = BACKUP
    for hours in (3, 4, 5):
        at = NOW + hours * HOUR
        served = confirm_removals(apply_not_found(served, at), (), (), CONFIRM_AFTER)
    served = revise(
        timetable_of(BACKUP), served, NOW + 5 * HOUR, HOME, PUBLIC_URL, locale="en_US"
    ).edition
    stored = then(BACKUP, TEN, FIVE, hours=6, deployment="second")
    stored = structs.replace(stored, pending={"harbor": PendingRemoval(NOW + 3 * HOUR, 2)})
    last = merged(served, stored)
    assert (last.gone, last.changes) == (served.gone, served.changes)
    assert last.event == served.event


def test_within_the_skew_of_clocks_an_edition_that_knows_of_no_other_change_is_not_the_later_one():
    before = then(BACKUP, TEN, FULL, hours=1)
    served = then(before, CANCELLED, FULL, hours=2)
    stored = structs.replace(before, fetched=served.fetched - SECOND, modified=NOW + 9 * HOUR)
    assert merged(served, stored).event == served.event
    assert merged(served, stored).changes == served.changes
    other = then(before, TEN, FIVE, hours=9)  # it knows of places that were not served
    other = structs.replace(other, fetched=served.fetched - SECOND)
    assert merged(served, other).event == other.event
