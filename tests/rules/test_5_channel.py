"""Section 5 of docs/rules.md: the channel, which is the RSS feed and the JSON Feed."""

import re
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.support.clock import START
from tests.support.service import EVENT, PAGE, a_5k, a_run

OPENS, CLOSES = "2026-06-01T15:00:00Z", "2026-08-01T15:00:00Z"
WINDOW = {"registrationOpensAt": OPENS, "registrationClosesAt": CLOSES}
DAY = timedelta(days=1)


def edit_and_poll(service, *runs, **fields):
    """Change these fields of these runs and poll two hours later."""
    service.edit(*runs, **fields)
    service.advance(hours=2)
    service.poll()


def delist_ten(service):
    """Publish the event without the 10K and poll it until that is believed."""
    service.delist("ten")
    service.advance(hours=2)
    service.believe_removal()


def published(item):
    return datetime.fromisoformat(item["date_published"])


def titles(service):
    """The titles of the items that are not those of runs, newest first."""
    return [each["title"] for guid, each in service.items().items() if "/" in guid]


@pytest.mark.parametrize(("query", "count"), [("", 5), ("?run=ten", 3), ("?distance=5K", 2)])
def test_rss_and_json_feed_have_the_same_items(service, query, count):
    """Rules 5.1."""
    service.announce(a_run(**WINDOW), a_5k(), a_run("walk", distanceLabel="Walk"))
    edit_and_poll(service, "ten", "five", startTime="09:00")
    edit_and_poll(service, "five", eventStatus="cancelled")
    service.delist("walk")
    service.advance(days=13)
    service.believe_removal()
    channel = [
        (each.id, each.title, parsedate_to_datetime(each.published))
        for each in service.channel(query).entries
    ]
    items = service.json_feed(query)["items"]
    assert channel == [(each["id"], each["title"], published(each)) for each in items]
    assert len(items) == count


def test_the_title_of_a_runs_item_is_its_summary_and_its_start(service):
    """Rules 5.2."""
    service.announce(
        a_run(),
        a_5k(startTime=None),
        a_run("walk", distanceLabel="Walk", isVirtual=True),
        endDate="2026-08-17",
    )
    assert {guid: each["title"] for guid, each in service.items().items()} == {
        "ten": "Harbor Run – 10K, Sat, Aug 15, 2026, 8:00 AM",
        "five": "Harbor Run – 5K, Sat, Aug 15, 2026",
        "walk": "Harbor Run – Walk, Sat, Aug 15 – Mon, Aug 17, 2026",
    }


def test_a_runs_item_shows_its_state_now_with_the_date_on_which_it_was_first_seen(service):
    """Rules 5.2."""
    service.announce(a_run())
    service.edit(name="Pier Run")
    edit_and_poll(service, "ten", startTime="09:00", eventStatus="postponed")
    item = service.items()["ten"]
    assert item["title"] == "Postponed: Pier Run – 10K, Sat, Aug 15, 2026, 9:00 AM"
    assert published(item) == START


def test_a_run_that_is_off_has_the_item_that_told_so_and_no_other(service):
    """Rules 5.2; its own item returns when the run does."""
    service.announce(a_run(), a_5k(), a_run("mile", eventStatus="cancelled"))
    assert list(service.items()) == ["five", "mile", "ten"]
    edit_and_poll(service, "ten", **CANCELLED)
    assert list(service.items()) == ["ten/cancelled", "five", "mile"]
    assert list(service.items("?run=ten")) == ["ten/cancelled"]
    edit_and_poll(service, "ten", **SCHEDULED)
    assert list(service.items()) == ["ten/reinstated", "ten/cancelled", "five", "mile", "ten"]
    edit_and_poll(service, "ten", **CANCELLED)
    assert set(service.items()) == {
        *("ten/cancelled/2", "ten/reinstated", "ten/cancelled", "five", "mile")
    }
    delist_ten(service)
    assert next(iter(service.items())) == "ten/no-longer-listed"
    assert "ten" not in service.items()


def test_the_item_that_tells_that_a_run_is_off_has_the_reason_while_the_run_is_off(service):
    """Rules 5.10."""
    service.announce(a_run(), a_5k(), description="The pier is flooded.\n\nBring a torch.")
    for status, told in (("cancelled", True), ("scheduled", False), ("postponed", True)):
        edit_and_poll(service, "ten", "five", eventStatus=status)
        newest = next(iter(service.items().values()))
        assert ("<p>The pier is flooded.</p>" in newest["content_html"]) == told
        assert "torch" not in newest["content_html"]


def test_the_item_of_several_runs_has_the_reason_while_one_of_them_is_off(service):
    """Rules 5.10."""
    service.announce(a_run(), a_5k(), description="The pier is closed.\n\nMore.")
    edit_and_poll(service, "ten", "five", **CANCELLED)
    edit_and_poll(service, "five", **SCHEDULED)
    html = service.items()[f"{EVENT}/cancelled"]["content_html"]
    assert html.endswith("<p>The pier is closed.</p>")
    edit_and_poll(service, "ten", **SCHEDULED)
    assert "pier is closed" not in service.items()[f"{EVENT}/cancelled"]["content_html"]


def test_the_estimated_finish_is_for_calendars_alone(service):
    """Rules 2.9."""
    service.announce(a_run())
    assert "Estimated finish 10:00 AM." in service.entry()["DESCRIPTION"]
    for form in (".rss", ".json", ""):
        assert b"stimate" not in service.poll(form).replace(b"end_estimated", b"")


def test_items_of_the_same_time_are_in_the_order_of_their_starts(service):
    """Rules 5.9."""
    starts = {"d": "07:00", "a": "09:00", "c": "06:30", "b": "07:00"}
    service.announce(*[a_run(id_, startTime=start) for id_, start in starts.items()])
    assert list(service.items()) == ["c", "b", "d", "a"]
    assert [each.id[0] for each in service.channel().entries] == ["c", "b", "d", "a"]
    service.edit("d", soldOut=True)
    service.edit("a", registrationOverride="paused")
    service.edit("c", eventStatus="postponed")
    service.advance(hours=2)
    newest = [guid[0] for guid in list(service.items())[:3]]
    assert newest == ["c", "d", "a"]


def test_a_new_run_makes_no_item_but_its_own(service):
    """Rules 5.2 and 5.6."""
    service.announce(a_run())
    service.add(a_5k())
    service.advance(hours=2)
    items = service.items()
    assert list(items) == ["five", "ten"]
    assert published(items["five"]) == START + timedelta(hours=2)


EVENT_FIELDS = ("address", "lat", "lng", "endTime")


def announce(service, **fields):
    """Announce the event with the 10K, with these fields of either."""
    of_event = {name: value for name, value in fields.items() if name in EVENT_FIELDS}
    of_run = {name: value for name, value in fields.items() if name not in EVENT_FIELDS}
    service.announce(a_run(**of_run), **of_event)


def change(service, **fields):
    """The items, by guid with their titles, that a change of the event or its run adds."""
    before = service.items()
    for name, value in fields.items():
        service.edit(*([] if name in EVENT_FIELDS else ["ten"]), **{name: value})
    service.advance(hours=2)
    after = service.items()
    return {guid: each["title"] for guid, each in after.items() if guid not in before}


SOLD_OUT, PLACES = {"soldOut": True}, {"soldOut": False}
PAUSED, CLOSED = {"registrationOverride": "paused"}, {"registrationOverride": "closed"}
REOPENED = {"registrationOverride": None}
CANCELLED, POSTPONED = {"eventStatus": "cancelled"}, {"eventStatus": "postponed"}
SCHEDULED, RESCHEDULED = {"eventStatus": "scheduled"}, {"eventStatus": "rescheduled"}
NO_START = {"startTime": None}
GRANT_PARK = {"address": "Grant Park, Chicago"}
NEW_YORK = {"lat": 40.7033, "lng": -74.0170}
NOWHERE = {"address": None, "lat": None, "lng": None}
EIGHT, NINE = "Sat, Aug 15, 2026, 8:00 AM", "Sat, Aug 15, 2026, 9:00 AM"

CHANGES = [
    # Before; what changes; the kind of the new item; its title before and after the name.
    ({}, {"startTime": "09:00"}, "moved", "Moved", f"now {NINE}"),
    ({}, {"date": "2026-08-16"}, "moved", "Moved", "now Sun, Aug 16, 2026, 8:00 AM"),
    ({}, NO_START, "moved", "Moved", "now Sat, Aug 15, 2026"),
    ({}, NEW_YORK, "moved", "Moved", f"now {EIGHT}"),
    ({}, GRANT_PARK, "moved", "Moved", "now Grant Park, Chicago"),
    ({}, GRANT_PARK | {"startTime": "09:00"}, "moved", "Moved", f"now {NINE}"),
    (NO_START, {"startTime": "09:00"}, "moved", "Start time", f"now {NINE}"),
    (NOWHERE, GRANT_PARK, "moved", "Place", "now Grant Park, Chicago"),
    ({}, CANCELLED, "cancelled", "Cancelled", EIGHT),
    (POSTPONED, CANCELLED, "cancelled", "Cancelled", EIGHT),
    ({}, POSTPONED, "postponed", "Postponed", EIGHT),
    ({}, RESCHEDULED | {"startTime": "09:00"}, "rescheduled", "Rescheduled", f"now {NINE}"),
    (POSTPONED, RESCHEDULED | GRANT_PARK, "rescheduled", "Rescheduled", f"now {EIGHT}"),
    (CANCELLED, SCHEDULED, "reinstated", "Reinstated", EIGHT),
    (POSTPONED, SCHEDULED, "reinstated", "Reinstated", EIGHT),
    ({}, SOLD_OUT, "sold-out", "Sold out", EIGHT),
    (SOLD_OUT, PLACES, "places-again", "Places available again", EIGHT),
    ({}, PAUSED, "registration-paused", "Registration paused", EIGHT),
    ({}, CLOSED, "registration-closed", "Registration closed", EIGHT),
    (PAUSED, CLOSED, "registration-closed", "Registration closed", EIGHT),
    (PAUSED, REOPENED, "registration-reopened", "Registration reopened", EIGHT),
]


@pytest.mark.parametrize(
    ("before", "fields", "kind", "word", "what"),
    CHANGES,
    ids=[f"{before} {fields}" for before, fields, *_ in CHANGES],
)
def test_each_change_is_one_item_of_its_own(service, before, fields, kind, word, what):
    """Rules 5.4."""
    announce(service, **before)
    (guid, title), *others = change(service, **fields).items()
    assert others == []
    assert guid.split("/")[:2] == ["ten", kind]
    assert title == f"{word}: Harbor Run – 10K, {what}"


def test_a_cancelled_run_with_an_own_word_of_the_organizer_is_not_called_reinstated(service):
    """Rules 5.4: the word may say once more that the run does not take place."""
    service.announce(a_run(**CANCELLED))
    edit_and_poll(service, "ten", eventStatus="called off by the city")
    item, _ = service.items().values()
    assert item["title"] == f"New status: Harbor Run – 10K, {EIGHT}"
    assert "<br>Status given by the organizer: called off by the city</p>" in item["content_html"]


def test_a_run_that_is_no_longer_listed_makes_an_item_and_is_reinstated_when_it_returns(service):
    """Rules 5.4 and 5.13."""
    service.announce(a_run(), a_5k())
    delist_ten(service)
    assert titles(service) == [f"No longer listed: Harbor Run – 10K, {EIGHT}"]
    assert service.run("ten")["status"] == "unlisted"
    service.publish()
    service.advance(hours=2)
    assert titles(service)[0] == f"Reinstated: Harbor Run – 10K, {EIGHT}"


def test_the_item_of_a_change_is_dated_when_the_change_was_noticed(service):
    """Rules 5.4."""
    service.announce(a_run())
    service.edit("ten", **SOLD_OUT)
    service.advance(minutes=59)
    assert list(service.items()) == ["ten"]
    service.advance(minutes=1)
    assert published(service.items()["ten/sold-out"]) == START + timedelta(hours=1)
    service.advance(days=20)
    assert published(service.items()["ten/sold-out"]) == START + timedelta(hours=1)


NOT_YET = {"registrationOpensAt": "2026-06-30T15:00:00Z"}
OVER = {"registrationClosesAt": "2026-05-01T15:00:00Z"}


@pytest.mark.parametrize(
    ("before", "after", "obstacles"),
    [
        (SOLD_OUT, PLACES, [NOT_YET, OVER, PAUSED, CLOSED, CANCELLED]),
        (PAUSED, REOPENED, [NOT_YET, OVER, SOLD_OUT, CANCELLED]),
    ],
)
def test_places_again_and_registration_reopened_are_news_only_if_one_can_register_now(
    service, before, after, obstacles
):
    """Rules 5.4."""
    runs = [a_run(f"r{n}", **before | obstacle) for n, obstacle in enumerate(obstacles)]
    service.announce(*runs)
    guids = list(service.items())
    edit_and_poll(service, *[run["_id"] for run in runs], **after)
    assert list(service.items()) == guids


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (SOLD_OUT, {"soldOut": False}),
        ({"registrationOverride": "closed"}, {"registrationOverride": None}),
        ({"registrationClosesAt": CLOSES}, {"registrationClosesAt": "2026-12-01T15:00:00Z"}),
        ({}, {"registrationOpensAt": "2026-09-01T15:00:00Z"}),
        ({"registrationOpensAt": "2026-12-01T15:00:00Z"}, {"registrationOpensAt": OPENS}),
    ],
)
def test_nobody_is_invited_to_a_run_that_has_ended(service, before, after):
    """Rules 5.4 and 5.7: an organizer prepares the form for the next year."""
    service.announce(a_run(**before))
    service.advance(days=88)
    service.poll()
    items = list(service.items())
    service.edit("ten", **after)
    service.advance(days=60)
    assert list(service.items()) == items


TOGETHER: list[tuple[dict[str, Any], dict[str, dict[str, Any]], list[str]]] = [
    # Before; what changes of runs or of the event; the titles.
    ({}, {"ten five": CANCELLED}, [f"Cancelled: Harbor Run – 5K, 10K, {EIGHT}"]),
    ({}, {"ten five": {"startTime": "09:00"}}, [f"Moved: Harbor Run – 5K, 10K, now {NINE}"]),
    ({}, {"ten again": {"startTime": "09:00"}}, [f"Moved: Harbor Run – 10K, now {NINE}"]),
    ({}, {"ten": {"startTime": "09:00"}, "five": NO_START}, ["Moved: Harbor Run – 5K, 10K"]),
    (NO_START, {"ten": {"startTime": "09:00"}, "five": NO_START}, ["Moved: Harbor Run – 5K, 10K"]),
    (NOWHERE, {"": GRANT_PARK}, ["Place: Harbor Run – 5K, 10K, now Grant Park, Chicago"]),
    ({}, {"": GRANT_PARK}, ["Moved: Harbor Run – 5K, 10K, now Grant Park, Chicago"]),
    (
        {},
        {"ten": CANCELLED, "five": SOLD_OUT},
        [f"Cancelled: Harbor Run – 10K, {EIGHT}", f"Sold out: Harbor Run – 5K, {EIGHT}"],
    ),
]


@pytest.mark.parametrize(
    ("before", "edits", "expected"), TOGETHER, ids=[str(edits) for _, edits, _ in TOGETHER]
)
def test_changes_of_one_kind_that_are_noticed_together_are_one_item_that_names_the_runs(
    service, before, edits, expected
):
    """Rules 5.5: each label once, and the new start or place if the runs share it."""
    of_run, of_event = ({}, before) if before is NOWHERE else (before, {})
    service.announce(a_run(**of_run), a_5k(), a_run("again"), **of_event)
    for runs, fields in edits.items():
        service.edit(*runs.split(), **fields)
    service.advance(hours=2)
    assert sorted(titles(service)) == expected


NO_NEWS = {
    "an end that is announced": ({}, {"endTime": "11:00"}),
    "an end that moves": ({"endTime": "11:00"}, {"endTime": "11:30"}),
    "another standard distance": ({}, {"distanceStandard": "Other"}),
    "a place that is removed": ({}, NOWHERE),
    "coordinates instead of an address": ({}, {"address": None}),
    "an address instead of coordinates": ({"address": None}, GRANT_PARK),
    "a status that is removed": (RESCHEDULED, SCHEDULED),
}


@pytest.mark.parametrize(("before", "fields"), NO_NEWS.values(), ids=NO_NEWS)
def test_what_changes_nothing_for_a_runner_is_no_news(service, before, fields):
    """Rules 5.6."""
    announce(service, **before)
    assert change(service, **fields) == {}


def test_a_run_that_is_removed_after_its_end_is_no_news(service):
    """Rules 5.6."""
    service.announce(a_run(date="2026-05-21"), a_5k())
    service.advance(days=3)
    service.poll()
    service.delist("ten")
    service.advance(days=1)
    assert list(service.items()) == ["ten", "five"]


def test_what_happens_to_a_run_while_it_is_not_listed_is_no_news(service):
    """Rules 5.6."""
    service.announce(a_run(), a_5k())
    delist_ten(service)
    service.edit(**GRANT_PARK)
    delist_ten(service)
    assert titles(service) == [
        "Moved: Harbor Run – 5K, now Grant Park, Chicago",
        f"No longer listed: Harbor Run – 10K, {EIGHT}",
    ]


def test_registration_that_opens_or_closes_becomes_an_item_with_the_first_save_past_it(service):
    """Rules 5.7."""
    service.announce(a_run(**WINDOW))
    for instant, title in ((OPENS, "Registration is open"), (CLOSES, "Registration has closed")):
        service.clock.now = datetime.fromisoformat(instant) - timedelta(seconds=1)
        assert f"{title}: Harbor Run – 10K" not in titles(service)
        service.advance(hours=1)
        newest = next(iter(service.items().values()))
        assert newest["title"] == f"{title}: Harbor Run – 10K"
        assert published(newest) == datetime.fromisoformat(instant)


def test_the_item_of_registration_that_has_closed_has_no_link_to_it(service):
    """Rules 6.5."""
    url = "https://harbor.example/enter"
    service.announce(a_run(**WINDOW, registrationUrl=url))
    for instant, kind in ((OPENS, "opens"), (CLOSES, "closes")):
        service.clock.now = datetime.fromisoformat(instant) + timedelta(minutes=1)
        guid, item = next(iter(service.items().items()))
        assert f"registration-{kind}" in guid
        assert (url in item["content_html"]) == (kind == "opens")


def opened_in(service):
    """The titles of the items of registration that has opened, by the id of their run."""
    items = service.items().items()
    return {guid.split("/")[0]: each["title"] for guid, each in items if "/registration-o" in guid}


def test_registration_makes_no_item_if_the_run_was_off_sold_out_or_overridden_at_its_instant(
    service,
):
    """Rules 5.7."""
    states: dict[str, dict[str, Any]] = {
        "a": CANCELLED,
        "b": SOLD_OUT,
        "c": PAUSED,
        "d": CLOSED,
        "e": POSTPONED,
        "f": {},
    }
    runs = [a_run(id_, distanceLabel=id_, **state, **WINDOW) for id_, state in states.items()]
    service.announce(*runs, a_run(**WINDOW))
    delist_ten(service)
    service.advance(days=13)
    expected = {id_: f"Registration is open: Harbor Run – {id_}" for id_ in ("e", "f")}
    assert opened_in(service) == expected
    edit_and_poll(service, *states, **SCHEDULED, **PLACES, **REOPENED)
    assert opened_in(service) == expected


def test_an_item_of_registration_stays_when_the_run_changes_after_its_instant(service):
    """Rules 5.7."""
    service.announce(a_run(**WINDOW))
    service.advance(days=13)
    service.poll()
    edit_and_poll(service, "ten", **CANCELLED, **SOLD_OUT, **PAUSED)
    assert "ten/registration-opens/20260601T150000Z" in service.items()


def test_an_item_is_shown_where_the_clock_is_behind(service):
    """Rules 5.8."""
    service.announce(a_run())
    edit_and_poll(service, "ten", **SOLD_OUT)
    for hours in (1, 24):
        service.set_back(hours=hours)
        assert list(service.items()) == ["ten/sold-out", "ten"]


def test_registration_that_closes_later_than_before_is_extended(service):
    """Rules 5.4: also where it had closed; the 5K, which was not extended, is not told again."""
    service.announce(a_run(**WINDOW), a_5k(**WINDOW))
    service.clock.now = datetime.fromisoformat(CLOSES) + timedelta(hours=1)
    closed = set(service.items())
    later = datetime.fromisoformat(CLOSES) + timedelta(days=7)
    service.edit("ten", registrationClosesAt=later.isoformat())
    service.advance(hours=1)
    (guid,) = set(service.items()) - closed
    assert guid == f"ten/registration-extended/{later:%Y%m%dT%H%M%SZ}"
    assert closed < set(service.items())
    title = service.items()[guid]["title"]
    assert title.startswith("Registration extended: Harbor Run – 10K, until ")


def change_often(service, *, polls, apart):
    """Notice three changes of a run far ahead with each poll; the items of changes by guid."""
    service.announce(a_run(date="2027-08-14"), date="2027-08-14")
    for number in range(polls):
        start = f"08:{number % 60:02}"
        override = "closed" if number % 2 else "paused"
        service.edit("ten", startTime=start, registrationOverride=override, soldOut=number % 2 > 0)
        service.advance(seconds=apart.total_seconds())
        service.poll()
    return {guid: each for guid, each in service.items().items() if "/" in guid}


def test_a_channel_has_at_most_50_items_of_changes(service):
    """Rules 5.9."""
    items = change_often(service, polls=30, apart=3 * DAY)
    assert len(items) == 50
    assert max(map(published, items.values())) == START + 90 * DAY


def test_the_newest_item_is_first_and_none_is_dropped_of_the_30_days_before_the_newest(service):
    """Rules 5.9."""
    dates = [published(each) for each in change_often(service, polls=40, apart=DAY).values()]
    assert len(dates) > 50
    assert dates == sorted(dates, reverse=True)
    assert dates[-1] == START + 11 * DAY


MARKUP = "Harbor &amp; <b>Pier</b> Run <3"


def test_a_title_is_plain_text_without_tags_and_entities(service):
    """Rules 5.10."""
    service.announce(a_run(distanceLabel="10<i>K</i>"), name=MARKUP)
    edit_and_poll(service, "ten", **SOLD_OUT)
    expected = [
        f"Sold out: Harbor & Pier Run <3 – 10K, {EIGHT}",
        f"Harbor & Pier Run <3 – 10K, {EIGHT}",
    ]
    assert [each["title"] for each in service.json_feed()["items"]] == expected
    channel = ET.fromstring(service.poll(".rss"))
    assert [each.text for each in channel.findall("channel/item/title")] == expected


def test_a_description_is_html_in_which_all_text_of_the_upstream_is_escaped(service):
    """Rules 5.10."""
    text = "Bring <script3>alert('water')</script3> & shoes.\n\nPark at <3 piers."
    service.announce(a_run(distanceLabel="10<i>K</i>"), description=text, address="Pier <1>")
    edit_and_poll(service, "ten", startTime="09:00")
    moved, run = service.json_feed()["items"]
    assert (
        "<p>Bring &lt;script3&gt;alert(&#x27;water&#x27;)&lt;/script3&gt; &amp; shoes.</p>"
        in (run["content_html"])
    )
    assert "Pier &lt;1&gt;" in run["content_html"]
    assert "10&lt;i&gt;K&lt;/i&gt;: Sat, Aug 15, 2026, 9:00 AM" in moved["content_html"]
    channel = ET.fromstring(service.poll(".rss"))
    descriptions = [each.text for each in channel.findall("channel/item/description")]
    assert descriptions == [moved["content_html"], run["content_html"]]


def test_a_description_holds_the_registration_link(service):
    """Rules 5.10."""
    url = "https://harbor.example.org/enter?race=1&lang=en"
    service.announce(a_run(), a_5k(registrationUrl=f"{url}&run=5K"), registrationUrl=url)
    link = '<a href="https://harbor.example.org/enter?race=1&amp;lang=en{}">Register</a>'
    items = service.items()
    assert link.format("") in items["ten"]["content_html"]
    assert link.format("&amp;run=5K") in items["five"]["content_html"]


def test_the_categories_of_an_item_are_its_standard_distance_unless_other_and_the_type_of_event(
    service,
):
    """Rules 5.11."""
    run = a_run(date="2026-05-23")
    service.announce(run, a_5k(distanceStandard="Other", date="2026-05-23"))
    types = {
        "race": "Race",
        "runClub": "Run club",
        "timeTrial": "Time trial",
        "parade": "Time trial",
    }
    for type_, category in types.items():
        service.edit(type=type_)
        service.advance(hours=2)
        items = service.items()
        assert items["ten"]["tags"] == ["10K", category]
        assert items["five"]["tags"] == [category]
        tags = {entry.id: [each.term for each in entry.tags] for entry in service.channel().entries}
        assert tags == {each["id"]: each["tags"] for each in items.values()}


def test_every_item_links_to_its_own_place_on_the_page_of_the_event(service):
    """Rules 5.11: also in filtered channels, and repeated changes."""
    service.announce(a_run(), a_5k(), a_run("mile", distanceLabel="Mile"))
    for start in ("09:00", "10:00", "11:00"):
        edit_and_poll(service, "ten", "five", startTime=start)
    edit_and_poll(service, "ten", **SOLD_OUT)
    edit_and_poll(service, "ten", "five", "mile", **CANCELLED)
    links = {each["id"]: each["url"] for each in service.items().values()}
    moved = [link for guid, link in links.items() if "/moved" in guid]
    assert moved == [f"{PAGE}#{EVENT}-moved{number}" for number in ("-3", "-2", "")]
    assert links["ten@intervals.run/sold-out"] == f"{PAGE}#ten-sold-out"
    assert links[f"{EVENT}@intervals.run/cancelled"] == f"{PAGE}#{EVENT}-cancelled"
    anchors = set(re.findall(r'\bid="([^"]+)"', service.poll("").decode()))
    for query in ("", "?run=ten", "?run=five", "?run=mile&run=five", "?distance=10K"):
        items = service.json_feed(query)["items"]
        found = [each["url"] for each in items]
        assert len(set(found)) == len(found)
        assert [each.link for each in service.channel(query).entries] == found
        assert {link.removeprefix(f"{PAGE}#") for link in found} <= anchors
    assert f"{PAGE}#five-moved-2" in [e["url"] for e in service.json_feed("?run=five")["items"]]


def test_the_anchors_of_later_changes_stay_when_old_changes_are_dropped(service):
    """Rules 5.11 and 4.11."""
    service.announce(a_run(date="2028-08-12"), date="2028-08-12")
    edit_and_poll(service, "ten", startTime="09:00")
    service.advance(days=200)
    edit_and_poll(service, "ten", startTime="10:00")
    link = service.items()["ten/moved/2028-08-12T10:00:00"]["url"]
    assert link == f"{PAGE}#ten-moved-2"
    service.advance(days=200)
    edit_and_poll(service, "ten", **SOLD_OUT)
    items = service.items()
    assert list(items) == ["ten/sold-out", "ten/moved/2028-08-12T10:00:00", "ten"]
    assert items["ten/moved/2028-08-12T10:00:00"]["url"] == link


@pytest.mark.parametrize(
    ("fields", "point"),
    [({}, "41.891700 -87.604300"), ({"isVirtual": True}, None), (NOWHERE, None)],
)
def test_the_georss_point_of_an_item_is_its_place_unless_the_run_is_virtual(service, fields, point):
    """Rules 5.11."""
    announce(service, **fields)
    channel = ET.fromstring(service.poll(".rss"))
    assert channel.findtext("channel/item/{http://www.georss.org/georss}point") == point


def test_a_channel_has_the_title_the_page_a_description_a_language_and_a_ttl_of_60_minutes(service):
    """Rules 5.12."""
    service.announce(a_run())
    channel = service.channel().feed
    assert (channel.title, channel.link, channel.language) == ("Harbor Run", PAGE, "en")
    assert channel.subtitle == "Schedule, changes and cancellations for Harbor Run."
    assert channel.ttl == "60"
    feed = service.json_feed()
    assert (feed["title"], feed["home_page_url"], feed["language"]) == ("Harbor Run", PAGE, "en")
    assert feed["description"] == channel.subtitle


def test_last_build_date_is_that_of_the_newest_item_or_of_the_last_change_of_a_run(service):
    """Rules 5.12: of the runs that the channel shows."""
    service.announce(a_run(), a_5k())
    dates = []
    for run in ("ten", "five", "ten"):
        built = ET.fromstring(service.poll(f".rss?run={run}")).findtext("channel/lastBuildDate", "")
        dates.append(parsedate_to_datetime(built))
        service.edit("five", distanceLabel="Five")
        service.advance(days=1)
    assert dates == [START, START + timedelta(days=1), START]
