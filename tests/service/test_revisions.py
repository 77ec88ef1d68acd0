"""Stamps: what moves LAST-MODIFIED, what moves SEQUENCE too, and that neither ever falls."""

import re
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain.delisting import mark_all_unlisted, mark_unlisted
from feeds.domain.feed import Feed
from feeds.domain.model import Edition, Event, Options, Run
from feeds.formats import ical
from feeds.service.revisions import SEQUENCE_EPOCH, revise
from tests.support.factories import HOME, NOW, PAGE, a_run, an_event, entries_of, timetable_of

SAT, SUN = date(2025, 6, 14), date(2025, 6, 15)
EIGHT, NINE = time(8), time(9)
CHICAGO, NEW_YORK, WINNIPEG = (41.88, -87.63), (40.71, -74.01), (49.9, -97.1)
JOIN = "https://club.example/join"
LATER = NOW + timedelta(hours=1)
SECOND = timedelta(seconds=1)
TEN = a_run(start_time=EIGHT)
FIVE = structs.replace(
    TEN, id="r5k", distance_standard="5K", distance_label="5K", distance_meters=5_000
)


def first(event, now=NOW, home=HOME, page=PAGE, **fields):
    """The first edition of an event."""
    edition = Edition(event=event, fetched=now, revisions={}, **fields)
    return revise(None, edition, now, home, page).edition


def then(known, event, now=LATER, home=HOME, page=PAGE, **fields):
    """The next edition, as the service makes it of the one before."""
    edition = structs.replace(known, event=event, fetched=now, **fields)
    return revise(timetable_of(known, home), edition, now, home, page).edition


def seconds(now):
    return int((now - datetime(2020, 1, 1, tzinfo=UTC)).total_seconds())


class TestFirst:
    def test_everything_is_stamped_with_when_it_was_first_seen(self):
        edition = first(an_event(TEN, FIVE))
        assert edition.revisions.keys() == {"harbor", "r10k", "r5k"}
        for revision in edition.revisions.values():
            assert (revision.created, revision.last_modified) == (NOW, NOW)
            assert revision.sequence == seconds(NOW)

    def test_an_event_without_runs_has_a_stamp_of_its_own(self):
        assert first(an_event()).revisions.keys() == {"harbor"}

    def test_it_tells_no_changes(self):
        assert first(an_event(TEN, FIVE)).changes == ()

    def test_all_else_of_an_edition_stays(self):
        edition = first(an_event(TEN), deployment="one", version=3)
        assert edition == Edition(
            event=an_event(TEN),
            fetched=NOW,
            revisions=edition.revisions,
            deployment="one",
            version=3,
        )

    def test_digests_are_the_same_on_any_day_and_of_any_history(self):
        one, two = first(an_event(TEN)), first(an_event(TEN), LATER)
        for id_, revision in one.revisions.items():
            assert revision.content == two.revisions[id_].content
            assert revision.schedule == two.revisions[id_].schedule


class TestNothingChanged:
    def test_the_same_document_a_thousand_times_moves_nothing(self):
        known = edition = first(an_event(TEN, FIVE))
        for hour in range(1, 1001):
            edition = then(edition, an_event(TEN, FIVE), NOW + timedelta(hours=hour))
        assert edition.revisions == known.revisions
        assert edition.changes == ()
        assert edition.fetched == NOW + timedelta(hours=1000)

    def test_runs_in_another_order_move_nothing(self):
        known = first(an_event(TEN, FIVE))
        edition = then(known, an_event(FIVE, TEN))
        assert (edition.revisions, edition.changes) == (known.revisions, ())

    @pytest.mark.parametrize(
        "fields",
        [{"slug": "harbor"}, {"organization_id": "another"}, {"type": "a word not known"}],
        ids=str,
    )
    def test_what_shows_in_no_feed_moves_nothing(self, fields):
        known = first(an_event(TEN, type="other"))
        edition = then(known, an_event(TEN, **{"type": "other"} | fields))
        assert (edition.revisions, edition.changes) == (known.revisions, ())

    def test_a_doubt_moves_nothing(self):
        known = first(an_event(TEN))
        edition = then(known, known.event, pending=None)
        assert edition.revisions == known.revisions

    def test_a_past_run_that_is_tidied_away_moves_nothing(self):
        known = first(an_event(TEN, FIVE))
        edition = then(known, mark_unlisted(an_event(TEN), known.event, {"r5k"}, LATER))
        assert (edition.revisions, edition.changes) == (known.revisions, ())


# What is told of a run, but neither start, end, place nor status. Each is (event, run) fields.
CONTENT = [
    ({"description": "Bring a friend."}, {}),
    ({"website_url": "https://club.example"}, {}),
    ({"registration_url": JOIN}, {}),
    ({"name": "River Run"}, {}),
    ({"type": "runClub"}, {}),
    ({}, {"distance_label": "Ten"}),
    ({}, {"distance_standard": "Other"}),
    ({}, {"registration_url": JOIN}),
    ({}, {"registration_opens": NOW}),
    ({}, {"registration_closes": NOW}),
    ({}, {"registration_override": "paused"}),
    ({}, {"registration_override": "members only"}),
    ({}, {"sold_out": True}),
    ({}, {"relay": True}),
]
SCHEDULE = [
    ({}, {"start_time": NINE}),
    ({}, {"start_time": None}),
    ({}, {"date": SUN}),
    ({"end_time": time(15)}, {}),
    ({}, {"distance_meters": 20_000}),
    ({}, {"walking": True}),
    ({"location": "Navy Pier"}, {}),
    ({"point": CHICAGO}, {}),
    ({"point": NEW_YORK}, {}),
    ({}, {"virtual": True}),
    ({}, {"status": "cancelled"}),
    ({}, {"status": "postponed"}),
    ({}, {"status": "rescheduled"}),
    ({}, {"status": "on hold"}),
    ({}, {"unlisted": LATER, "withdrawn": True}),
]


class TestChanged:
    @pytest.mark.parametrize(("event", "run"), CONTENT, ids=str)
    def test_content_moves_last_modified_alone(self, event, run):
        known = first(an_event(TEN))
        edition = then(known, an_event(structs.replace(TEN, **run), **event))
        was, now = known.revisions["r10k"], edition.revisions["r10k"]
        assert now.last_modified == LATER
        assert now.content != was.content
        assert (now.created, now.sequence, now.schedule) == (NOW, seconds(NOW), was.schedule)

    @pytest.mark.parametrize(("event", "run"), SCHEDULE, ids=str)
    def test_start_end_place_and_status_move_sequence_too(self, event, run):
        known = first(an_event(TEN))
        edition = then(known, an_event(structs.replace(TEN, **run), **event))
        was, now = known.revisions["r10k"], edition.revisions["r10k"]
        assert now.last_modified == LATER
        assert now.content != was.content
        assert now.schedule != was.schedule
        assert (now.created, now.sequence) == (NOW, seconds(LATER))

    @pytest.mark.parametrize(
        ("start", "point"), [(NINE, CHICAGO), (EIGHT, WINNIPEG)], ids=["start", "zone"]
    )
    def test_so_does_a_start_alone_or_a_zone_of_the_same_offset(self, start, point):
        whole = {"location": "Navy Pier", "end_time": time(12)}
        known = first(an_event(TEN, point=CHICAGO, **whole))
        edition = then(
            known, an_event(structs.replace(TEN, start_time=start), point=point, **whole)
        )
        was, now = (entries_of(each, HOME)[0].period.end for each in (known, edition))
        assert was.isoformat() == now.isoformat()
        assert edition.revisions["r10k"].sequence == seconds(LATER)

    @pytest.mark.parametrize("run", [run for event, run in CONTENT + SCHEDULE if run], ids=str)
    def test_what_happens_to_a_run_does_not_touch_another(self, run):
        known = first(an_event(TEN, FIVE))
        edition = then(known, an_event(TEN, structs.replace(FIVE, **run)))
        assert edition.revisions["r10k"] == known.revisions["r10k"]
        assert edition.revisions["harbor"] == known.revisions["harbor"]
        assert edition.revisions["r5k"] != known.revisions["r5k"]

    def test_a_new_run_is_stamped_now_and_touches_no_other(self):
        known = first(an_event(TEN, FIVE))
        new = a_run(id="new", distance_label="15K")
        edition = then(known, an_event(TEN, FIVE, new))
        assert edition.revisions["new"].created == edition.revisions["new"].last_modified == LATER
        assert {id_: edition.revisions[id_] for id_ in known.revisions} == known.revisions
        assert edition.changes == ()

    def test_a_run_whose_name_another_run_changes_is_changed(self):
        known = first(an_event(TEN, name="Harbor 10K"))  # whose summary needs no label
        edition = then(known, an_event(TEN, FIVE, name="Harbor 10K"))
        assert edition.revisions["r10k"].last_modified == LATER
        assert edition.revisions["r10k"].sequence == seconds(NOW)

    def test_the_end_of_an_event_goes_over_to_another_run_when_the_main_one_is_withdrawn(self):
        known = first(an_event(TEN, FIVE, start_time=EIGHT, end_time=time(15)))
        edition = then(known, mark_unlisted(known.event, known.event, (), LATER))
        assert edition.revisions == known.revisions
        gone = structs.replace(known.event, runs=(FIVE,))
        edition = then(known, mark_unlisted(gone, known.event, (), LATER))
        assert edition.revisions["r5k"].sequence == seconds(LATER)
        assert edition.changes[0].run == "r10k"
        assert len(edition.changes) == 1, "an end that moves is no news"

    def test_an_event_whose_zone_changes_while_only_the_day_is_known_keeps_its_sequence(self):
        day = structs.replace(TEN, start_time=None)
        known = first(an_event(day))
        moved = then(known, known.event, home="America/New_York", deployment="2").revisions["r10k"]
        assert moved.last_modified > known.revisions["r10k"].last_modified, "the calendar names it"
        assert moved.sequence == known.revisions["r10k"].sequence
        told = then(
            known,
            structs.replace(known.event, description="News"),
            home="America/New_York",
            deployment="2",
        )
        assert told.revisions["r10k"].sequence == seconds(NOW)

    def test_a_label_that_no_summary_tells_is_content_as_well(self):
        known = first(an_event(TEN, name="Harbor 10K"))
        lower = structs.replace(TEN, distance_label="10k")
        assert vevents(known) == vevents(then(known, an_event(lower, name="Harbor 10K")))
        edition = then(known, an_event(lower, name="Harbor 10K"))
        assert edition.revisions["r10k"].last_modified == LATER

    def test_registration_that_moves_by_the_repeated_hour_is_content_as_well(self):
        hour = datetime(2025, 11, 2, 6, 30, tzinfo=UTC)
        runs = [
            structs.replace(TEN, registration_closes=hour + timedelta(hours=each))
            for each in range(2)
        ]
        known = first(an_event(runs[0]))
        edition = then(known, an_event(runs[1]))
        assert edition.revisions["r10k"].last_modified == LATER

    def test_the_time_of_a_change_is_when_it_was_noticed(self):
        edition = then(first(an_event(TEN)), an_event(structs.replace(TEN, start_time=NINE)))
        assert [each.noticed for each in edition.changes] == [LATER]

    def test_a_change_is_told_in_the_content_of_its_run(self):
        known = first(an_event(TEN))
        moved = then(known, an_event(structs.replace(TEN, start_time=NINE)))
        back = then(moved, an_event(TEN), LATER + timedelta(hours=1))
        assert "Moved from" in vevents(back)["r10k@intervals.run"]
        assert back.revisions["r10k"].content != known.revisions["r10k"].content
        assert back.revisions["r10k"].schedule == known.revisions["r10k"].schedule

    def test_changes_noticed_in_one_second_are_told_one_after_the_other(self):
        edition = first(an_event(TEN))
        for status in ("cancelled", "scheduled", "cancelled"):
            edition = then(edition, an_event(structs.replace(TEN, status=status)), LATER)
        assert [each.noticed for each in edition.changes] == [
            LATER,
            LATER + SECOND,
            LATER + 2 * SECOND,
        ]
        assert [each.nth for each in edition.changes] == [1, 1, 2]


class TestTheEventItself:
    """The revision of what stands for an event while it has no runs."""

    def test_it_is_kept_for_when_all_runs_have_left(self):
        known = first(an_event())
        with_runs = then(known, an_event(TEN))
        assert with_runs.revisions["harbor"] == known.revisions["harbor"]
        assert then(with_runs, an_event(), LATER).revisions == known.revisions

    @pytest.mark.parametrize("runs", [(), (TEN,), (TEN, FIVE)], ids=len)
    @pytest.mark.parametrize(
        ("fields", "sequence"),
        [
            ({"description": "Bring a friend."}, seconds(NOW)),
            ({"date": SUN}, seconds(LATER)),
            ({"location": "Navy Pier"}, seconds(LATER)),
        ],
        ids=str,
    )
    def test_it_moves_with_what_the_event_says(self, runs, fields, sequence):
        edition = then(first(an_event(*runs)), an_event(*runs, **fields))
        revision = edition.revisions["harbor"]
        assert (revision.created, revision.last_modified, revision.sequence) == (
            NOW,
            LATER,
            sequence,
        )

    def test_it_moves_when_the_event_is_gone_and_when_it_is_back(self):
        known = first(an_event())
        gone = then(known, mark_all_unlisted(known.event, (), LATER), gone=LATER)
        assert gone.revisions["harbor"].sequence == seconds(LATER)
        assert [each.kind for each in gone.changes] == ["no-longer-listed"]
        back = then(gone, known.event, LATER + timedelta(days=1), gone=None)
        assert [each.kind for each in back.changes] == ["no-longer-listed", "reinstated"]
        assert back.revisions["harbor"].sequence == seconds(LATER + timedelta(days=1))
        assert back.revisions["harbor"].content == known.revisions["harbor"].content


class TestDeployment:
    """A deploy, a corrected zone and another address reach calendars, and are no news."""

    def test_a_deploy_that_changes_no_output_moves_nothing(self):
        known = first(an_event(TEN), deployment="one")
        edition = then(known, known.event, deployment="two")
        assert (edition.revisions, edition.changes) == (known.revisions, ())
        assert edition.deployment == "two"

    def test_without_a_deploy_nothing_is_compared_again(self):
        known = first(an_event(TEN), deployment="one")
        assert then(known, known.event, page="https://else.example").revisions == known.revisions

    def test_another_address_of_the_page_moves_last_modified_alone(self):
        known = first(an_event(TEN), deployment="one")
        edition = then(known, known.event, deployment="two", page="https://else.example")
        for id_, revision in edition.revisions.items():
            assert revision.last_modified == LATER
            assert revision.sequence == known.revisions[id_].sequence
        assert edition.changes == ()

    def test_another_home_zone_moves_start_and_end_without_any_news(self):
        known = first(an_event(TEN), deployment="one")
        edition = then(known, known.event, deployment="two", home="America/New_York")
        revision = edition.revisions["r10k"]
        assert (revision.last_modified, revision.sequence) == (LATER, seconds(LATER))
        assert edition.changes == ()

    def test_another_home_zone_is_nothing_to_an_event_whose_place_is_known(self):
        known = first(an_event(TEN, point=CHICAGO), deployment="one")
        edition = then(known, known.event, deployment="two", home="America/New_York")
        assert (edition.revisions, edition.changes) == (known.revisions, ())

    def test_what_changes_together_with_a_home_zone_is_told_without_it(self):
        known = first(an_event(TEN), deployment="one")
        cancelled = an_event(structs.replace(TEN, status="cancelled"))
        edition = then(known, cancelled, deployment="two", home="America/New_York")
        assert [each.kind for each in edition.changes] == ["cancelled"]


class TestStampsNeverFall:
    @pytest.mark.parametrize(
        "now", [NOW, NOW - SECOND, NOW - timedelta(days=3), NOW - timedelta(days=800)], ids=str
    )
    def test_a_clock_that_stands_still_or_was_put_back_lets_both_rise_by_one(self, now):
        known = first(an_event(TEN))
        edition = then(known, an_event(structs.replace(TEN, start_time=NINE)), now)
        revision = edition.revisions["r10k"]
        assert (revision.last_modified, revision.sequence) == (NOW + SECOND, seconds(NOW) + 1)
        assert revision.created == NOW

    def test_a_sequence_is_the_seconds_since_2020_unless_it_has_to_be_more(self):
        assert datetime(2020, 1, 1, tzinfo=UTC) == SEQUENCE_EPOCH
        edition = first(an_event(TEN))
        found = []
        for step, start in enumerate((NINE, EIGHT, NINE, EIGHT)):
            now = NOW + timedelta(seconds=(0, 0, 1, 9)[step])
            edition = then(edition, an_event(structs.replace(TEN, start_time=start)), now)
            found.append(edition.revisions["r10k"].sequence - seconds(NOW))
        assert found == [1, 2, 3, 9]

    @given(
        st.lists(
            st.tuples(st.integers(-5, 5), st.sampled_from([EIGHT, NINE]), st.booleans()),
            min_size=1,
            max_size=8,
        )
    )
    @settings(max_examples=40, deadline=None)
    def test_whatever_the_clock_does_every_change_lets_them_rise(self, steps):
        now, edition = NOW, first(an_event(TEN))
        for step, start, sold_out in steps:
            now += timedelta(seconds=step)
            run = structs.replace(TEN, start_time=start, sold_out=sold_out)
            was = edition.revisions["r10k"]
            edition = then(edition, an_event(run), now)
            revision = edition.revisions["r10k"]
            assert revision.created == NOW
            assert (revision.last_modified > was.last_modified) == (revision.content != was.content)
            assert (revision.sequence > was.sequence) == (revision.schedule != was.schedule)
            assert revision.last_modified >= was.last_modified
            assert revision.sequence >= was.sequence

    def test_a_lost_database_gives_none_that_is_lower(self):
        edition = first(an_event(TEN, FIVE))
        for hour, start in enumerate((NINE, EIGHT, NINE), 1):
            runs = structs.replace(TEN, start_time=start), FIVE
            edition = then(edition, an_event(*runs), NOW + timedelta(hours=hour))
        lost = first(edition.event, NOW + timedelta(hours=3, seconds=1))
        for id_, revision in edition.revisions.items():
            assert lost.revisions[id_].last_modified > revision.last_modified
            assert lost.revisions[id_].sequence > revision.sequence

    def test_what_left_and_comes_back_goes_on_with_its_revision(self):
        known = first(an_event(TEN, FIVE))
        left = then(known, mark_unlisted(an_event(TEN), known.event, (), LATER))
        assert left.revisions["r5k"].sequence == seconds(LATER)
        back = LATER + timedelta(days=90)
        edition = then(left, mark_unlisted(an_event(TEN, FIVE), left.event, (), back), back)
        revision = edition.revisions["r5k"]
        assert (revision.created, revision.last_modified) == (NOW, back)
        assert revision.sequence == seconds(back)
        assert revision.content == known.revisions["r5k"].content

    @pytest.mark.parametrize(
        ("days", "again"), [(29, False), (30, True), (31, True)], ids=["29", "30", "31"]
    )
    def test_a_past_run_that_comes_back_to_the_feeds_has_changed_by_that(self, days, again):
        known = first(an_event(TEN, FIVE))
        left = then(known, mark_unlisted(an_event(TEN), known.event, {"r5k"}, LATER))
        back = LATER + timedelta(days=days)
        edition = then(left, mark_unlisted(an_event(TEN, FIVE), left.event, (), back), back)
        was, revision = known.revisions["r5k"], edition.revisions["r5k"]
        assert revision == (structs.replace(was, last_modified=back) if again else was)
        assert edition.revisions["r10k"] == known.revisions["r10k"]
        assert edition.changes == ()


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
        timezone=HOME,
        timetables=(timetable_of(edition),),
        options=options,
    )
    text = STAMPED.sub("", ical.render(feed).decode()).replace("\r\n ", "")
    found = re.findall(r"BEGIN:VEVENT\r\n.*?END:VEVENT", text, re.DOTALL)
    return {re.findall(r"\r\nUID:([^\r]*)|$", each)[0]: each for each in found}


def digests(edition):
    return {
        id_: (revision.content, revision.schedule) for id_, revision in edition.revisions.items()
    }


texts = st.sampled_from([None, "Navy Pier", 'The "Pier"', "The ”Pier”", "a;b,c\\", "Ünï\ncode"])
urls = st.sampled_from([None, JOIN, "https://club.example"])
instants = st.sampled_from([None, NOW, NOW + SECOND, NOW + timedelta(days=5)])
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


class TestDigests:
    def test_every_field_of_the_model_is_tried(self):
        """A field that is added is to be covered by the digests as well."""
        untried = {"id", "runs", "date", "organization_id"}
        assert set(Run.__struct_fields__) - untried == RUN_FIELDS.keys() - {"date"}
        assert set(Event.__struct_fields__) - untried == EVENT_FIELDS.keys()

    @given(pairs())
    @settings(max_examples=80, deadline=None)
    def test_of_equal_digests_are_equal_bytes_with_any_options(self, pair):
        one, two = map(first, pair)
        told = digests(one) == digests(two)
        options = RENDERINGS if told else RENDERINGS[:1]
        same = all(vevents(one, each) == vevents(two, each) for each in options)
        assert same or not told

    @given(pairs())
    @settings(max_examples=80, deadline=None)
    def test_every_byte_that_an_edit_changes_moves_the_stamp_of_its_vevent(self, pair):
        before, after = pair
        known = first(before)
        edition = then(known, after)
        was, now = vevents(known), vevents(edition)
        for id_ in known.revisions.keys() - {"harbor"}:
            uid = f"{id_}@intervals.run"
            moved = edition.revisions[id_].last_modified == LATER
            besides = next(
                run_before.distance_label != run_after.distance_label
                or run_before.distance_meters != run_after.distance_meters
                for run_before, run_after in zip(before.runs, after.runs, strict=True)
                if run_before.id == id_
            )
            assert moved == (was[uid] != now[uid]) or (moved and besides)

    @given(pairs())
    @settings(max_examples=50, deadline=None)
    def test_a_change_that_is_told_moves_the_stamp_of_its_run(self, pair):
        edition = then(first(pair[0]), pair[1])
        for change in edition.changes:
            assert edition.revisions[change.run].last_modified == LATER
