"""Revisions: what moves LAST-MODIFIED, what moves SEQUENCE too, and that neither ever falls."""

import re
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain.feed import Feed
from feeds.domain.history.changes import is_turn
from feeds.domain.model import Edition, Event, Kind, Recurrence, Run
from feeds.domain.options import Options
from feeds.formats import ical
from feeds.service.revisions import revise
from tests.support.factories import (
    HOME,
    NOW,
    PAGE,
    PUBLIC_URL,
    a_run,
    an_event,
    delist,
    entries_of,
    timetable_of,
)

SAT, SUN = date(2025, 6, 14), date(2025, 6, 15)
EIGHT, NINE = time(8), time(9)
CHICAGO, NEW_YORK, WINNIPEG = (41.88, -87.63), (40.71, -74.01), (49.9, -97.1)
JOIN = "https://club.example/join"
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
LATER = NOW + HOUR
TEN = a_run(start_time=EIGHT)
FIVE = structs.replace(
    TEN, id="r5k", distance_standard="5K", distance_label="5K", distance_meters=5_000
)


def first(event, now=NOW, home=HOME, public_url=PUBLIC_URL, **fields):
    """The first edition of an event."""
    edition = Edition(event=event, fetched=now, revisions={}, **fields)
    return revise(None, edition, now, home, public_url, locale="en_US").edition


def then(known, event, now=LATER, home=HOME, public_url=PUBLIC_URL, **fields):
    """The next edition, as the service makes it of the one before."""
    edition = structs.replace(known, event=event, fetched=now, **fields)
    return revise(timetable_of(known, home), edition, now, home, public_url, locale="en_US").edition


def edit_ten(**fields):
    """The event with the 10K alone, with these fields changed."""
    return an_event(structs.replace(TEN, **fields))


def to_sequence(now):
    return int((now - datetime(2020, 1, 1, tzinfo=UTC)).total_seconds())


# Fields that the feeds show, but neither start, end, place nor status. Each is (event, run) fields.


@pytest.mark.parametrize(
    ("start", "point"), [(NINE, CHICAGO), (EIGHT, WINNIPEG)], ids=["start", "zone"]
)
def test_a_start_alone_or_a_zone_of_the_same_offset_moves_sequence(start, point):
    whole = {"location": "Navy Pier", "end_time": time(12)}
    known = first(an_event(TEN, point=CHICAGO, **whole))
    run = structs.replace(TEN, start_time=start)
    edition = then(known, an_event(run, point=point, **whole))
    was, now = (entries_of(each, HOME)[0].period.end for each in (known, edition))
    assert was.isoformat() == now.isoformat()
    assert edition.revisions["r10k"].sequence == to_sequence(LATER)


def test_an_end_that_goes_over_to_another_run_moves_sequence_and_is_no_change():
    known = first(an_event(FIVE, start_time=EIGHT, end_time=time(15)))
    edition = then(known, structs.replace(known.event, runs=(TEN, FIVE)))
    assert edition.revisions["r5k"].sequence == to_sequence(LATER)
    assert edition.changes == ()


def test_no_end_goes_over_to_another_run_when_a_run_is_no_longer_listed():
    known = first(an_event(TEN, FIVE, start_time=EIGHT, end_time=time(15)))
    edition = then(known, delist(known, known.event, (), LATER))
    assert edition.revisions == known.revisions
    without_ten = structs.replace(known.event, runs=(FIVE,))
    edition = then(known, delist(known, without_ten, (), LATER))
    assert edition.revisions["r5k"] == known.revisions["r5k"]
    assert [change.run for change in edition.changes] == ["r10k"]


def test_another_zone_moves_last_modified_alone_while_only_the_day_is_known():
    known = first(an_event(structs.replace(TEN, start_time=None)))
    deploy = {"home": "America/New_York", "deployment": "2"}
    moved = then(known, known.event, **deploy).revisions["r10k"]
    assert (moved.last_modified, moved.sequence) == (LATER, to_sequence(NOW))
    edited = then(known, structs.replace(known.event, description="News"), **deploy)
    assert edited.revisions["r10k"].sequence == to_sequence(NOW)


def test_a_change_is_noticed_now_and_is_part_of_the_content_of_its_run():
    known = first(an_event(TEN))
    moved = then(known, edit_ten(start_time=NINE))
    assert [change.noticed for change in moved.changes] == [LATER]
    back = then(moved, an_event(TEN), LATER + HOUR)
    assert "Moved from" in vevents(back)["r10k@intervals.run"]
    was, now = known.revisions["r10k"], back.revisions["r10k"]
    assert now.content != was.content
    assert now.schedule == was.schedule


def test_changes_that_are_noticed_in_the_same_second_get_a_second_each():
    edition = first(an_event(TEN))
    for status in ("cancelled", "scheduled", "cancelled"):
        edition = then(edition, edit_ten(status=status))
    noticed = [change.noticed for change in edition.changes]
    assert noticed == [LATER, LATER + SECOND, LATER + 2 * SECOND]
    assert [change.nth for change in edition.changes] == [1, 1, 2]


def test_the_revision_of_the_event_is_kept_while_the_event_has_runs():
    known = first(an_event())
    with_runs = then(known, an_event(TEN))
    assert with_runs.revisions["harbor"] == known.revisions["harbor"]
    assert then(with_runs, an_event()).revisions == known.revisions


def test_a_deploy_with_another_home_zone_is_no_change_of_a_run():
    known = first(an_event(TEN), deployment="one")
    deploy = {"deployment": "two", "home": "America/New_York"}
    assert then(known, known.event, **deploy).changes == ()
    (change,) = then(known, edit_ten(status="cancelled"), **deploy).changes
    assert change.kind == Kind.CANCELLED


STEPS = st.tuples(st.integers(-5, 5), st.sampled_from([EIGHT, NINE]), st.booleans())


@given(st.lists(STEPS, min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_last_modified_and_sequence_rise_with_each_change_whatever_the_clock_does(steps):
    now, edition = NOW, first(an_event(TEN))
    for seconds, start, sold_out in steps:
        now += seconds * SECOND
        before, was = edition, edition.revisions["r10k"]
        edition = then(edition, edit_ten(start_time=start, sold_out=sold_out), now)
        revision = edition.revisions["r10k"]
        assert revision.created == NOW
        assert (revision.last_modified > was.last_modified) == (revision.content != was.content)
        assert (revision.sequence > was.sequence) == (revision.schedule != was.schedule)
        assert revision.last_modified >= was.last_modified
        assert revision.sequence >= was.sequence
        assert (edition.modified > before.modified) == (edition.event != before.event)


STAMPED = re.compile(r"(CREATED|DTSTAMP|LAST-MODIFIED|SEQUENCE):[^\r]*\r\n")
RENDERINGS = [
    Options(cancelled=cancelled, busy=busy, registration=registration)
    for cancelled in ("mark", "keep", "drop")
    for busy, registration in ((False, False), (True, True))
]


def vevents(edition, options=RENDERINGS[0]):
    """The VEVENTs of an edition without their revisions, by UID."""
    feed = Feed(
        title=edition.event.name,
        page=PAGE,
        source=f"{PAGE}.ics",
        public_url=PUBLIC_URL,
        timezone=HOME,
        locale="en_US",
        timetables=(timetable_of(edition),),
        options=options,
    )
    text = STAMPED.sub("", ical.render(feed).decode()).replace("\r\n ", "")
    found = re.findall(r"BEGIN:VEVENT\r\n.*?END:VEVENT", text, re.DOTALL)
    return {re.findall(r"\r\nUID:([^\r]*)|$", each)[0]: each for each in found}


def list_content(edition):
    """All that counts as the content of each run, by id.

    That is its VEVENT with any options, and the fields that other formats show more exactly.
    """
    found = [vevents(edition, options) for options in RENDERINGS]
    return {
        run.id: (
            [each.get(entry.uid) for each in found],
            (run.distance_label, run.distance_standard, run.distance_meters),
            (run.registration_opens, run.registration_closes, run.registration_override),
            (entry.registration_url, run.sold_out, entry.period.estimated, entry.zone),
            run.unread,
        )
        for entry in timetable_of(edition).entries
        for run in (entry.run,)
    }


texts = st.sampled_from([None, "Navy Pier", 'The "Pier"', "The ”Pier”", "a;b,c\\", "Ünï\ncode"])
urls = st.sampled_from([None, JOIN, "https://club.example"])
instants = st.sampled_from([None, NOW, NOW + SECOND, NOW + 5 * DAY])
RUN_FIELDS = {
    "distance_meters": st.sampled_from([5_000.0, 10_000.0, 42_195.0]),
    "distance_standard": st.sampled_from(["5K", "10K", ""]),
    "distance_label": st.sampled_from(["5K", "10K", "10k", "Ünï"]),
    "date": st.sampled_from([SAT, SUN]),
    "start_time": st.sampled_from([None, EIGHT, time(8, 0, 1)]),
    "status": st.sampled_from(["scheduled", "cancelled", "postponed", "rescheduled", "on hold"]),
    "registration_url": urls,
    "registration_opens": instants,
    "registration_closes": instants,
    "registration_override": st.sampled_from([None, "paused", "closed", "members only"]),
    "sold_out": st.booleans(),
    "virtual": st.booleans(),
    "relay": st.booleans(),
    "walking": st.booleans(),
    "unlisted": st.sampled_from([None, NOW]),
    "withdrawn": st.booleans(),
    "unread": st.sampled_from([(), ("status",), ("start_time", "virtual")]),
}
EVENT_FIELDS = {
    "name": st.sampled_from(["Harbor Run", "Harbor 10K", "Ünï; Run, 5K"]),
    "type": st.sampled_from(["race", "runClub", "other"]),
    "start_time": st.sampled_from([None, EIGHT]),
    "end_date": st.sampled_from([None, SAT, SUN]),
    "end_time": st.sampled_from([None, time(8, 30), time(15)]),
    "location": texts,
    "point": st.sampled_from([None, CHICAGO, (41.880001, -87.63), NEW_YORK]),
    "description": texts,
    "website_url": urls,
    "registration_url": urls,
    "slug": st.sampled_from(["harbor", "harbor-run"]),
    "recurrences": st.sampled_from([(), (Recurrence(days=(2,)),)]),
    "unread": st.sampled_from([(), ("point",), ("end_date", "start_time")]),
}


@st.composite
def pairs(draw):
    """Two versions of an event that differ in a few fields of one run or of the event."""
    runs = [a_run(id=each, **draw(st.fixed_dictionaries(RUN_FIELDS))) for each in ("a", "b")]
    event = an_event(*runs, **draw(st.fixed_dictionaries(EVENT_FIELDS)))
    return event, draw(edits(event))


@st.composite
def edits(draw, event):
    kind = draw(st.sampled_from([RUN_FIELDS, EVENT_FIELDS]))
    names = draw(st.lists(st.sampled_from(sorted(kind)), min_size=1, max_size=2, unique=True))
    fields = {name: draw(kind[name]) for name in names}
    if kind is EVENT_FIELDS:
        return structs.replace(event, **fields)
    return structs.replace(event, runs=(structs.replace(event.runs[0], **fields), event.runs[1]))


def test_the_pairs_of_versions_differ_in_any_field_of_the_model():
    """A new field of the model has to be covered by the digests as well."""
    fixed = {"id", "runs", "date", "organization_id", "left"}
    assert set(Run.__struct_fields__) - fixed == RUN_FIELDS.keys() - {"date"}
    assert set(Event.__struct_fields__) - fixed == EVENT_FIELDS.keys()


@given(pairs())
@settings(max_examples=80, deadline=None)
def test_last_modified_of_a_run_moves_with_its_vevent_and_exact_fields_and_with_nothing_else(pair):
    known = first(pair[0])
    edition = then(known, pair[1])
    was, now = list_content(known), list_content(edition)
    for id_ in ("a", "b"):
        moved = edition.revisions[id_].last_modified == LATER
        assert moved == (was[id_] != now[id_])
        assert moved or id_ not in {each.run for each in edition.changes if not is_turn(each)}
