"""Rules 11.1, 11.2, 11.7 to 11.14: the feeds of a club, and which events they show."""

import re

import feedparser
import pytest

from tests.support.club import Club, parse
from tests.support.processes import rate
from tests.support.service import a_5k, a_run
from tests.support.upstream import SAMPLE_IDS
from tests.support.waiting import wait_until

VEVENT = re.compile(rb"BEGIN:VEVENT.*?END:VEVENT\r\n", re.DOTALL)
ITEM = re.compile(rb"<item>.*?</item>", re.DOTALL)
FORMATS = (".ics", ".rss", ".json")
REGISTRATION = {
    "registrationOpensAt": "2026-06-01T15:00:00Z",
    "registrationClosesAt": "2026-06-10T04:59:00Z",
}


@pytest.fixture(scope="module")
def samples(shared_service):
    """The samples' organization after its feed was full; no test changes it."""
    every = {id_ for id_ in SAMPLE_IDS if is_listed(shared_service.upstream, id_)}

    shared_service.restart(rate=rate("1000/minute;burst=500"))

    def is_full():
        response = shared_service.client.get("/events.json")
        if response.status_code != 200:
            return False
        return every == {each["id"] for each in response.json["_intervals"]["events"]}

    wait_until(is_full, "all samples")
    return shared_service.client, every


def is_listed(upstream, id_):
    """Whether a sample is a member: not over for more than 60 days before the clock's start."""
    document = upstream.document(id_)
    days = [document["event"]["date"], *(run["date"] for run in document["runs"])]
    return max(days) >= "2026-03-21" or document["event"]["type"] == "runClub"


@pytest.mark.parametrize(
    "query", ["", "?busy=1", "?registration=1", "?cancelled=keep", "?cancelled=drop&busy=1"]
)
def test_the_bytes_of_each_vevent_are_those_of_the_feed_of_its_event(samples, query):
    """Rules 11.1 and 11.2."""
    client, ids = samples
    whole = VEVENT.findall(client.get(f"/events.ics{query}").data)
    own = [
        each for id_ in ids for each in VEVENT.findall(client.get(f"/events/{id_}.ics{query}").data)
    ]
    assert len(ids) > 20
    assert sorted(whole) == sorted(own)


def test_the_bytes_of_each_item_are_those_of_the_feed_of_its_event(samples):
    """Rules 11.2 and 11.13."""
    client, ids = samples
    whole = ITEM.findall(client.get("/events.rss").data)
    own = {each for id_ in ids for each in ITEM.findall(client.get(f"/events/{id_}.rss").data)}
    assert len(whole) > 40
    assert set(whole) <= own
    items = {item["id"]: item for item in client.get("/events.json").json["items"]}
    own_items = {
        item["id"]: item for id_ in ids for item in client.get(f"/events/{id_}.json").json["items"]
    }
    assert items.items() <= own_items.items()
    left_out = {own_items[id_]["date_published"] for id_ in own_items.keys() - items.keys()}
    assert max(left_out) < "2026-04-20" < min(each["date_published"] for each in items.values())


def test_the_data_for_scripts_names_the_event_of_each_run(samples):
    """Rules 11.1: in JSON Feed, ``events`` and the ``event`` of each run."""
    client, ids = samples
    data = client.get("/events.json").json["_intervals"]
    own = {id_: client.get(f"/events/{id_}.json").json["_intervals"] for id_ in ids}
    assert {each["id"]: each for each in data["events"]} == {
        id_: each["event"] for id_, each in own.items()
    }
    for run in data["runs"]:
        assert {**run, "event": None} in [
            {**each, "event": None} for each in own[run["event"]]["runs"]
        ]


def test_the_club_is_named_by_its_organization(samples):
    """Rules 11.1."""
    client, _ = samples
    calendar = parse(client.get("/events.ics").data)
    assert calendar["X-WR-CALNAME"] == "North Shore Race Series"
    assert calendar["URL"] == "https://feeds.example.org/"
    assert calendar["SOURCE"] == "https://feeds.example.org/events.ics"
    assert client.get("/events.rss").headers["Content-Disposition"] == (
        'inline; filename="north-shore-race-series.rss"'
    )


def test_a_club_is_served_once_all_events_of_four_weeks_are_read(club, upstream):
    """Rules 11.7: before that, 503 with Retry-After and how many of how many."""
    club.hold("soon", "2026-06-16")
    upstream.refuse_path("/events/soon", 500, "INTERNAL")
    text = "3 of 4 events are read so far. Try again in a minute.\n"
    wait_until(lambda: club.fetch("/events.ics").text == text, "three of four events")
    response = club.fetch("/events.ics")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "10"
    assert response.headers["Cache-Control"] == "no-store"
    upstream.failing.clear()
    club.fill(seconds=61)
    assert set(club.shown()) == {"near-10k", "soon-10k", "next-10k", "far-10k"}


def test_the_first_poll_of_a_cold_club_waits_until_its_events_are_read(club):
    """Rules 11.7: it costs a call for each page and each event."""
    response = club.fetch("/events.ics")
    assert response.status_code == 200
    assert set(club.shown()) == {"near-10k", "next-10k", "far-10k"}
    events = [f"/events/{id_}" for id_ in ("far", "near", "next")]
    assert sorted(club.upstream.calls) == ["/events", *events, "/organization", "/recurrences"]


def test_a_club_that_was_never_served_has_calls_for_what_it_lacks_alone(club, upstream):
    """Rules 11.8: members that have expired are refreshed once the club is served."""
    upstream.refuse_path("/events/near", 500, "INTERNAL")
    wait_until(lambda: "2 of 3" in club.fetch("/events.ics").text, "two of three events")
    club.advance(hours=2)
    club.fetch("/events.ics")
    wait_until(lambda: club.count_calls("/events/near") > 1, "another call for the event")
    assert [club.count_calls(f"/events/{id_}") for id_ in ("next", "far")] == [1, 1]


def test_a_club_waits_for_no_event_that_starts_later(club, upstream):
    """Rules 11.7: later events join as they come."""
    upstream.refuse_path("/events/far", 500, "INTERNAL")
    wait_until(lambda: club.fetch("/events.ics").status_code == 200, "the events of four weeks")
    wait_until(lambda: "/events/far" in upstream.calls, "the call for the last event")
    wait_until(lambda: set(club.shown()) == {"near-10k", "next-10k"}, "the other events")
    upstream.failing.clear()
    club.fill(seconds=61)
    assert set(club.shown()) == {"near-10k", "next-10k", "far-10k"}


def test_a_club_that_was_served_is_served_from_what_is_stored(full, upstream):
    """Rules 11.7: also while a new event cannot be read, and after a restart."""
    full.hold("new", "2026-06-02")
    upstream.refuse_path("/events/new", 500, "INTERNAL")
    full.advance(minutes=16)
    wait_until(lambda: full.fetch("/events.ics") and "/events/new" in upstream.calls, "the event")
    assert set(full.shown()) == {"near-10k", "next-10k", "far-10k"}
    full.restart()
    assert set(full.shown()) == {"near-10k", "next-10k", "far-10k"}


def test_an_event_that_cannot_be_understood_keeps_no_club_waiting(club, upstream):
    """Rules 11.7: nothing is known of it that a feed could lack."""
    upstream.put("near", {"event": {"_id": "near"}, "runs": []})
    club.documents["near"] = None
    wait_until(lambda: club.fetch("/events.ics").status_code == 200, "the others")
    wait_until(lambda: set(club.shown()) == {"next-10k", "far-10k"}, "the others")


def fail_after_lists(club, times, *ids):
    """Let so many newer lists be fetched, and the calls for these events fail after each.

    Stop once the club is served.
    """
    for _ in range(times):
        for seconds, paths in ((901, ["/events"]), (61, [f"/events/{id_}" for id_ in ids])):
            before = [club.count_calls(path) for path in paths]
            club.advance(seconds=seconds)

            def is_asked(paths: list[str] = paths, before: list[int] = before) -> bool:
                club.advance(seconds=1)
                is_served = club.fetch("/events.ics").status_code == 200
                counts = [club.count_calls(path) for path in paths]
                return is_served or all(map(int.__lt__, before, counts))

            wait_until(is_asked, f"calls for {paths}")


def test_an_event_whose_calls_fail_again_and_again_keeps_no_club_waiting(club, upstream, caplog):
    """Rules 11.7: three lists over 30 minutes; the page and the log say so."""
    upstream.refuse_path("/events/near", 500, "INTERNAL")
    wait_until(lambda: "2 of 3" in club.fetch("/events.ics").text, "two of three events")
    fail_after_lists(club, 1, "near")
    assert club.fetch("/events.ics").status_code == 503
    fail_after_lists(club, 1, "near")
    wait_until(lambda: club.fetch("/events.ics").status_code == 200, "the club without the event")
    assert set(club.shown()) == {"next-10k", "far-10k"}
    assert "1 race on the organizer’s list could not be read yet" in club.fetch("/").text
    told = "/events is served without events whose calls fail: ['near']"
    assert caplog.text.count(told) == 1
    assert club.fetch("/events.ics?event=near&event=far").status_code == 503
    assert set(club.shown("/events.ics?run=next-10k&run=gone")) == {"next-10k"}
    upstream.failing.clear()
    club.fill(seconds=61)
    assert set(club.shown()) == {"near-10k", "next-10k", "far-10k"}
    assert "could not be read yet" not in club.fetch("/").text
    names = [each.partition(",")[0] for each in club.titles()]
    assert sorted(names) == ["Far Run – 10K", "Near Run – 10K", "Next Run – 10K"]


def test_several_events_whose_calls_fail_keep_a_club_waiting_for_a_day(club, upstream):
    """Rules 11.7: the upstream may be at fault."""
    club.hold("soon", "2026-06-10")
    for id_ in ("near", "soon"):
        upstream.refuse_path(f"/events/{id_}", 500, "INTERNAL")
    wait_until(lambda: "2 of 4" in club.fetch("/events.ics").text, "two of four events")
    fail_after_lists(club, 4, "near", "soon")
    assert club.fetch("/events.ics").status_code == 503
    club.advance(days=1)
    fail_after_lists(club, 1, "near", "soon")
    wait_until(lambda: club.fetch("/events.ics").status_code == 200, "the club without the events")
    assert set(club.shown()) == {"next-10k", "far-10k"}


def test_the_soonest_events_keep_later_ones_from_nothing_if_their_calls_fail(club, upstream):
    """Rules 11.7: the next one first, those whose calls failed last."""
    for number in range(5):
        club.hold(f"bad-{number}", f"2026-05-2{number + 1}")
        upstream.refuse_path(f"/events/bad-{number}", 500, "INTERNAL")
    wait_until(lambda: "3 of 8" in club.fetch("/events.ics").text, "the events that can be read")


def test_a_poll_past_max_age_starts_three_refreshes_at_most(full, upstream):
    """Rules 11.8: of events within 48 hours first, then of those that waited for longest."""
    for number in range(5):
        full.hold(f"more-{number}", f"2026-07-{10 + number}")
    full.advance(hours=1)
    full.fill()
    asked = len(upstream.asked)
    full.advance(hours=25)
    for polls in (1, 2, 3):
        full.read()
        assert len(upstream.asked) - asked == min(3 * polls, 8)
        full.advance(minutes=1)
    assert set(upstream.asked[asked:]) == set(full.documents)


def test_few_polls_refresh_all_events_in_turn(full, upstream):
    """Rules 11.8: no event waits for ever behind those that start sooner."""
    for number in range(5):
        full.hold(f"more-{number}", f"2026-07-{10 + number}")
    full.advance(hours=1)
    full.fill()
    full.cancel("far")
    for _ in range(3):
        full.advance(hours=25)
        full.read()
    assert "Cancelled: Far Run – 10K" in full.summaries()


@pytest.mark.parametrize("day", ["2026-05-22", "2026-07-10"])
def test_events_whose_calls_always_fail_keep_no_other_event_old(full, upstream, day):
    """Rules 11.8: nor do those within 48 hours."""
    for number in range(3):
        full.hold(f"bad-{number}", day)
    full.advance(hours=1)
    full.fill()
    for number in range(3):
        upstream.refuse_path(f"/events/bad-{number}", 500, "INTERNAL")
    full.cancel("far")
    for _ in range(4):
        full.advance(hours=6)
        served = full.read()
    assert "SUMMARY:Cancelled: Far Run – 10K" in served.decode()


@pytest.mark.parametrize("status", [500, 429])
def test_an_event_within_48_hours_is_still_refreshed_first_after_one_failed_call(
    full, upstream, status
):
    """Rules 11.8: also if no call could be made."""
    full.hold("tomorrow", "2026-05-21")
    for number in range(9):
        full.hold(f"more-{number}", f"2026-07-{10 + number}")
    full.advance(hours=1)
    full.fill()
    full.advance(minutes=61)
    upstream.refuse(status, "INTERNAL" if status == 500 else "RATE_LIMITED")
    full.read()
    upstream.instead = None
    full.cancel("tomorrow")
    full.advance(minutes=61)
    assert "SUMMARY:Cancelled: Tomorrow Run – 10K" in full.read().decode()


def test_an_event_within_48_hours_is_refreshed_first(full, upstream):
    """Rules 11.8."""
    for number in range(5):
        full.hold(f"more-{number}", f"2026-07-{10 + number}")
    full.advance(days=6)
    full.fill()
    for _ in range(3):
        full.advance(minutes=61)
        asked = len(upstream.asked)
        full.read()
        assert "near" in upstream.asked[asked:]


def test_max_age_is_the_least_of_the_members_and_a_minute_at_least(full):
    """Rules 11.8."""
    assert full.fetch("/events.ics").headers["Cache-Control"].startswith("max-age=900,")
    full.advance(minutes=14, seconds=30)
    assert full.fetch("/events.ics").headers["Cache-Control"].startswith("max-age=60,")
    assert full.fetch("/events.ics").headers["Cache-Control"].startswith("max-age=60,")
    full.hold("new", "2026-06-02")
    full.upstream.refuse_path("/events/new", 500, "INTERNAL")
    full.advance(minutes=2)
    for _ in range(10):
        control = full.fetch("/events.ics").headers["Cache-Control"]
        assert int(re.findall(r"max-age=(\d+)", control)[0]) >= 60


def test_an_outage_leaves_the_feed_as_it_was(full, upstream):
    """Rules 11.8: neither the list nor an event vanishes for a failure."""
    before = {form: full.read(f"/events{form}") for form in FORMATS}
    upstream.refuse(500, "INTERNAL")
    for hours in (1, 100):
        full.advance(hours=hours)
        assert {form: full.read(f"/events{form}") for form in FORMATS} == before


FILTERS = {
    "type=race": {"race-ten", "race-five", "late-ten"},
    "type=timeTrial": {"trial-ten"},
    "distance=5K": {"race-five"},
    "distance=5K&distance=10K": {"race-ten", "race-five", "trial-ten", "late-ten"},
    "virtual=yes": {"trial-ten"},
    "virtual=no": {"race-ten", "race-five", "late-ten"},
    "from=2026-06-02": {"late-ten", "trial-ten"},
    "to=2026-06-01": {"race-ten", "race-five"},
    "from=2026-06-01&to=2026-06-01": {"race-ten", "race-five"},
    "event=race": {"race-ten", "race-five"},
    "event=race&event=late": {"race-ten", "race-five", "late-ten"},
    "run=race-five": {"race-five"},
    "event=late&run=race-five": {"race-five", "late-ten"},
    "event=race&distance=5K": {"race-five"},
    "event=race&event=another": {"race-ten", "race-five"},
    "type=other": set(),
    "run=race-ten&from=2026-07-01": set(),
}
"""The queries, and the runs that they show."""


@pytest.fixture(scope="module")
def filtered(tmp_path_factory, shared_service):
    """A club with three events; no test changes it."""
    club = Club(shared_service.upstream, shared_service.clock, tmp_path_factory.mktemp("club"))
    club.hold(
        "race",
        "2026-06-01",
        a_run("race-ten", date="2026-06-01"),
        a_5k("race-five", date="2026-06-01"),
    )
    club.hold(
        "trial",
        "2026-06-20",
        a_run("trial-ten", date="2026-06-20", isVirtual=True),
        type="timeTrial",
    )
    club.hold("late", "2026-09-01", a_run("late-ten", date="2026-09-01"))
    club.fill()
    yield club
    club.upstream.give_key_to("k57abc123def456")


@pytest.mark.parametrize("query", FILTERS)
def test_filters_choose_the_runs_in_all_formats(filtered, query):
    """Rules 11.9."""
    assert set(filtered.shown(f"/events.ics?{query}")) == FILTERS[query]
    data = filtered.feed(query=f"?{query}")
    assert {run["id"] for run in data["_intervals"]["runs"]} == FILTERS[query]
    assert {item["id"] for item in data["items"]} == {
        f"{id_}@intervals.run" for id_ in FILTERS[query]
    }
    assert len(filtered.titles(f"/events.rss?{query}")) == len(FILTERS[query])


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("type=fun", "type takes one of race, runClub, timeTrial, other."),
        (
            "type=race&type=other",
            "type can be given once; it takes one of race, runClub, timeTrial, other.",
        ),
        ("virtual=maybe", "virtual takes yes or no."),
        ("from=June", "from takes a date such as 2026-06-14."),
        ("to=2026-02-30", "to takes a date such as 2026-06-14."),
        ("from=2026-06-02&to=2026-06-01", "from must not be after to."),
        ("event=a/b", "event takes the id of an event."),
        ("run=", "run takes the id of a run."),
    ],
)
@pytest.mark.parametrize("form", FORMATS)
def test_a_wrong_filter_is_400_in_one_line(filtered, query, answer, form):
    """Rules 11.9."""
    response = filtered.fetch(f"/events{form}?{query}")
    assert (response.status_code, response.text) == (400, f"{answer}\n")


def test_at_most_100_ids_can_be_named(filtered):
    """Rules 11.9."""
    query = "&".join(f"event=e{number}" for number in range(101))
    response = filtered.fetch(f"/events.ics?{query}")
    assert (response.status_code, response.text) == (400, "event can be given 100 times at most.\n")


def test_filters_are_put_in_one_order(filtered):
    """Rules 11.9."""
    body = filtered.read("/events.ics?to=2026-12-31&TYPE=race&amp;distance=10K&event=race&utm=x")
    query = "distance=10K&event=race&to=2026-12-31&type=race"
    assert parse(body)["SOURCE"] == f"https://feeds.example.org/events.ics?{query}"


@pytest.mark.parametrize("query", ["limit=1", "days=15", "days=15&limit=3"])
def test_limit_and_days_are_options_of_the_json_feed(filtered, query):
    """Rules 11.9: the next runs, as of when the events were fetched."""
    runs = filtered.feed(query=f"?{query}")["_intervals"]["runs"]
    assert [run["id"] for run in runs] == ["race-five", "race-ten"][
        : 1 if query == "limit=1" else 2
    ]
    assert len(filtered.shown(f"/events.ics?{query}")) == 4


def test_an_empty_result_is_an_empty_feed_with_a_name(filtered):
    """Rules 11.10."""
    calendar = parse(body := filtered.read("/events.ics?distance=Marathon"))
    assert not calendar.events
    assert calendar["X-WR-CALNAME"] == "club – Marathon"
    assert [each["TZID"] for each in calendar.walk("VTIMEZONE")] == ["America/Chicago"]
    channel = feedparser.parse(rss := filtered.read("/events.rss?distance=Marathon"))
    assert channel.feed.title == "club – Marathon"
    assert not channel.entries
    data = filtered.feed(query="?distance=Marathon")
    assert (data["items"], data["_intervals"]) == ([], {"events": [], "runs": []})
    filtered.restart()
    assert filtered.read("/events.ics?distance=Marathon") == body
    assert filtered.read("/events.rss?distance=Marathon") == rss


def test_an_empty_channel_stays_as_it_is_while_races_change_that_it_does_not_show(full):
    """Rules 11.10."""
    address = "/events.rss?distance=Marathon"
    before = full.read(address)
    full.cancel("near")
    full.advance(hours=2)
    assert full.summaries()[0] == "Cancelled: Near Run – 10K"
    assert full.read(address) == before


def test_a_calendar_has_the_zones_of_the_events_that_it_shows(full):
    """Rules 2.3 and 11.2: the home zone is always there."""
    full.hold("abroad", "2026-06-10", a_5k("london", date="2026-06-10"), lat=51.4494, lng=-0.3132)
    full.refresh_lists()
    full.fill()

    def list_zones(query):
        calendar = parse(full.read(f"/events.ics?{query}"))
        return [str(each["TZID"]) for each in calendar.walk("VTIMEZONE")]

    assert list_zones("") == ["America/Chicago", "Europe/London"]
    assert list_zones("distance=10K") == ["America/Chicago"]
    assert list_zones("distance=5K") == ["America/Chicago", "Europe/London"]
    own = VEVENT.findall(full.fetch("/events/abroad.ics").data)
    assert VEVENT.findall(full.read("/events.ics?distance=5K")) == own


def test_an_organization_without_events_has_an_empty_calendar(upstream, clock, tmp_path):
    """Rules 11.10."""
    club = Club(upstream, clock, tmp_path)
    assert not parse(club.read()).events
    assert club.titles() == []


def wait_for_call(club, id_, path, **duration):
    """Let so much time pass, and poll until the upstream has been asked for an event again."""
    asked = club.upstream.asked.count(id_)
    club.advance(**duration)

    def is_asked_again():
        club.advance(seconds=1)
        return club.fetch(path) and club.upstream.asked.count(id_) > asked

    wait_until(is_asked_again, "a call after a newer list")
    club.rest()


@pytest.mark.parametrize("other", ["event=far", "run=far-10k"])
@pytest.mark.parametrize(
    ("status", "code"), [(404, "NOT_FOUND"), (422, "VALIDATION_ERROR"), (500, "INTERNAL")]
)
def test_a_choice_waits_a_day_for_a_named_event_that_cannot_be_read(club, other, status, code):
    """Rules 11.11: the other races of the choice must not stay as they are for ever."""
    club.upstream.refuse_path("/events/near", status, code)
    choice = f"/events.ics?event=near&{other}"
    for hours in (0, 12, 11):
        wait_for_call(club, "near", choice, hours=hours)
        assert club.fetch(choice).status_code == 503
    club.advance(hours=2)
    wait_until(lambda: club.advance(seconds=1) or club.fetch(choice).status_code == 200, "far")
    assert club.shown(choice).keys() == {"far-10k"}
    page = club.fetch(f"/?event=near&{other}")
    assert "Part of what you asked for is not here. You see the rest." in page.text
    assert club.fetch("/events.ics?event=near").status_code == 503
    club.upstream.failing.clear()
    club.advance(minutes=17)
    wait_until(lambda: "near-10k" in club.shown(choice), "the event")


def test_a_choice_does_not_wait_for_ever_beside_a_known_event_that_is_not_listed(full, upstream):
    """Rules 11.11: stored events that the list lacks are known."""
    full.hold("bad", "2026-06-10")
    upstream.refuse_path("/events/bad", 404, "NOT_FOUND")
    full.group("north", "bad", "far")
    choice = "/groups/north.ics?event=bad&event=near"
    wait_until(lambda: full.fetch("/groups/north.ics").status_code == 200, "the group")
    for _ in range(2):
        assert full.fetch(choice).status_code == 503
        wait_for_call(full, "bad", choice, hours=13)
    wait_until(lambda: full.advance(seconds=1) or full.fetch(choice).status_code == 200, "near")
    assert full.shown(choice).keys() == {"near-10k"}


def test_ids_that_have_left_are_skipped_as_long_as_one_is_known(filtered):
    """Rules 11.11."""
    for query in ("event=another", "run=another", "event=another&run=other"):
        for form in FORMATS:
            response = filtered.fetch(f"/events{form}?{query}")
            assert response.status_code == 404
            assert response.text == "None of these events and runs is known.\n"
    assert set(filtered.shown("/events.ics?event=another&run=late-ten")) == {"late-ten"}
    assert parse(filtered.read("/events.ics?run=late-ten"))["X-WR-CALNAME"] == "My races – club"


@pytest.mark.parametrize(
    "query", ["event=near&event=far", "run=near-10k&run=far-10k", "event=near&run=far-10k"]
)
def test_an_address_of_my_races_survives_a_lost_database(full, upstream, query):
    """Rules 11.11: it is complete or absent, however far ahead its races are."""
    address = f"/events.ics?{query}"
    before = full.shown(address).keys()
    assert before == {"near-10k", "far-10k"}
    upstream.refuse_path("/events/far", 500, "INTERNAL")
    full.lose_database()

    def is_read():
        response = full.fetch("/events.ics")
        return response.status_code == 200 and "/events/far" in upstream.calls[calls:]

    calls = len(upstream.calls)
    wait_until(is_read, "the club without one event")
    response = full.fetch(address)
    assert response.status_code == 503
    assert re.fullmatch(r"\d of \d events are read so far. Try again in a minute.\n", response.text)
    assert full.fetch("/events.ics?event=far").status_code == 503
    assert set(full.shown("/events.ics?event=near")) == {"near-10k"}
    upstream.failing.clear()
    full.fill(seconds=61)
    assert full.shown(address).keys() == before


def test_a_named_event_that_has_left_the_list_is_still_refreshed(full, upstream):
    """Rules 11.11: a race that ended long ago, or that another group has, may be named."""
    full.group("north", "near")
    full.fill("/groups/north.ics")
    address = "/groups/north.ics?event=near&event=far"
    assert full.summaries(address) == ["Near Run – 10K", "Far Run – 10K"]
    full.cancel("far")
    full.advance(hours=2)
    assert full.summaries(address) == ["Near Run – 10K", "Cancelled: Far Run – 10K"]


def test_named_events_whose_calls_always_fail_keep_no_other_one_old(full, upstream):
    """Rules 11.8 and 11.11."""
    bad = [f"bad-{number}" for number in range(3)]
    for id_ in bad:
        full.hold(id_, "2026-07-10")
    full.advance(hours=1)
    full.fill()
    full.group("north", "near")
    full.advance(hours=1)
    full.fill("/groups/north.ics")
    for id_ in bad:
        upstream.refuse_path(f"/events/{id_}", 500, "INTERNAL")
    full.cancel("far")
    address = "/groups/north.ics?event=" + "&event=".join([*bad, "far"])
    for _ in range(3):
        full.advance(hours=6)
        served = full.read(address)
    assert "SUMMARY:Cancelled: Far Run – 10K" in served.decode()


def test_a_feed_has_at_most_1000_runs(upstream, clock, tmp_path):
    """Rules 11.12: those that ended are left out first, then the furthest; the page says so."""
    club = Club(upstream, clock, tmp_path)
    for number in range(6):
        day = f"2026-{number + 4:02}-10"
        runs = [a_run(f"r{number}-{each}", date=day) for each in range(200)]
        club.hold(f"e{number}", day, *runs)
    wait_until(lambda: club.fetch("/events.ics").status_code == 200, "the first event")
    wait_until(lambda: len(VEVENT.findall(club.read())) == 1000, "the other events")
    body = club.read()
    kept = {str(each["UID"]).partition("-")[0] for each in parse(body).events}
    assert len(VEVENT.findall(body)) == 1000
    assert kept == {"r1", "r2", "r3", "r4", "r5"}
    assert len(body) < 1_000_000
    assert len(club.read("/events.json")) < 1_000_000
    assert "The calendar leaves out 200 of these runs: it holds 1,000" in club.fetch("/").text
    assert "leaves out" not in club.fetch("/?event=e4&event=e5").text


def test_the_channel_has_the_changes_of_thirty_days_and_200_items(full):
    """Rules 11.13."""
    full.cancel("near")
    full.advance(hours=2)
    full.read()
    assert full.titles()[0].startswith("Cancelled: Near Run – 10K")
    full.advance(days=20)
    full.change("far", startTime="09:00")
    full.advance(hours=2)
    full.fill()
    assert [each.partition(":")[0] for each in full.titles()[:2]] == ["Moved", "Cancelled"]
    full.advance(days=29)
    full.change("far", startTime="09:30")
    full.advance(hours=2)
    wait_until(lambda: len(full.titles()) and full.titles()[0].startswith("Moved"), "the move")
    assert not [each for each in full.titles() if "Near Run" in each and "Cancelled" in each][1:]


def test_a_channel_has_200_items_the_newest(upstream, clock, tmp_path):
    """Rules 11.13."""
    club = Club(upstream, clock, tmp_path)
    for number in range(3):
        day = f"2026-{number + 6:02}-10"
        club.hold(f"e{number}", day, *[a_run(f"r{number}-{each}", date=day) for each in range(90)])
    club.fill()
    assert len(club.titles()) == len(club.feed()["items"]) == 200


def test_a_feed_of_many_events_has_an_etag_and_no_last_modified(full):
    """Rules 11.14."""
    for form in FORMATS:
        response = full.fetch(f"/events{form}")
        assert "Last-Modified" not in response.headers
        again = full.fetch(f"/events{form}", if_none_match=response.headers["ETag"])
        assert again.status_code == 304
        since = full.fetch(f"/events{form}", if_modified_since="Wed, 20 May 2026 12:00:00 GMT")
        assert since.status_code == 200
        assert full.client.head(f"/events{form}").status_code == 200


def test_the_same_editions_have_the_same_bytes_in_any_order_of_the_list(full):
    """Rules 11.2: neither the day nor the process decides about the bytes."""
    before = {form: full.read(f"/events{form}") for form in FORMATS}
    full.upstream.instead = None
    full.advance(days=8)  # "near" is over: it is the last one of the list now
    for _ in range(4):
        full.read()
        full.advance(minutes=2)
    full.restart()
    assert {form: full.read(f"/events{form}") for form in FORMATS} == before


def test_a_run_that_moves_to_another_event_is_one_entry(full):
    """Rules 11.2: that of the event that still lists it."""
    full.hold("other", "2026-06-20", a_run("next-10k", date="2026-06-20"))
    full.documents["next"]["runs"] = [a_run("next-5k", date="2026-06-20") | {"eventId": "next"}]
    full.change("next")
    full.advance(minutes=61)
    wait_until(lambda: full.read() and "/events/other" in full.upstream.calls, "the event")
    for minutes in (61, 61, 61, 61, 1500):
        full.advance(minutes=minutes)
        full.read()
        full.fetch("/events/next.ics")
    own = full.fetch("/events/next.ics").text
    assert "No longer listed" in own
    shown = full.shown()
    assert shown["next-10k"]["SUMMARY"] == "Other Run – 10K"


def test_the_page_lists_a_run_that_is_in_another_event_now_where_the_feed_shows_it(full):
    """Rules 11.2: that the first event no longer lists the run is no news of the club."""
    ten, five = (make(f"summer-{n}", date="2026-08-22") for n, make in ((10, a_run), (5, a_5k)))
    full.hold("first", "2026-08-22", ten, five)
    full.hold("second", "2026-08-22", ten)
    full.refresh_lists()
    full.fill()
    full.hold("first", "2026-08-22", five)
    for minutes in (61, 2, 30):
        full.advance(minutes=minutes)
        full.read("/events/near.ics")
        full.read("/events/first.ics")
    first = "No longer listed: First Run – 10K"
    assert first in full.summaries("/events/first.ics")
    assert set(full.summaries()) >= {"First Run – 5K", "Second Run – 10K"}
    assert first in full.summaries("/events.ics?event=first")
    assert "No longer listed" not in full.fetch("/").text
    assert "No longer listed" in full.fetch("/?event=first").text
    ticks = re.findall(r'name="run" value="(summer-\d+)"', full.fetch("/").text)
    assert ticks == []


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "NOT_FOUND"), (404, "ROUTE_NOT_FOUND"), (403, "FORBIDDEN"), (422, "VALIDATION_ERROR")],
)
def test_a_club_is_not_empty_because_no_event_of_its_list_can_be_read(club, status, code):
    """Rules 7.13, 11.7 and 11.10: after a lost database, a calendar would drop all races."""
    for id_ in club.documents:
        club.upstream.refuse_path(f"/events/{id_}", status, code)
    for path in ("/events.ics", "/events.rss", "/events.json", "/", "/embed"):
        response = club.fetch(path)
        assert response.status_code == 503, path
        assert response.headers["Retry-After"] == "10"
    assert club.fetch("/events.ics").text.startswith("0 of 3 events are read so far.")
    club.upstream.failing.pop("/events/far")
    club.advance(minutes=16)  # a newer list
    wait_until(lambda: club.fetch("/events.ics").status_code == 200, "the event")
    assert club.shown().keys() == {"far-10k"}


@pytest.mark.parametrize(
    ("status", "code"), [(404, "NOT_FOUND"), (404, "ROUTE_NOT_FOUND"), (422, "VALIDATION_ERROR")]
)
def test_a_choice_waits_for_a_named_event_that_cannot_be_read(club, status, code):
    """Rules 11.7 and 11.11: whoever made the address had seen the event."""
    club.upstream.refuse_path("/events/near", status, code)
    wait_until(lambda: club.fetch("/events.ics").status_code == 200, "the others")
    assert club.shown("/events.ics?event=far").keys() == {"far-10k"}
    choice = "/events.ics?event=near&event=far"
    assert club.fetch(choice).text.startswith("1 of 2 events are read so far.")
    club.upstream.failing.clear()
    club.advance(minutes=16)  # a newer list
    wait_until(lambda: club.fetch(choice).status_code == 200, "the event")
    assert club.shown(choice).keys() == {"near-10k", "far-10k"}
