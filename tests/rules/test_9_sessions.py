"""Rules 9: an event that goes on for years, and whose sessions are published week by week."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from werkzeug import Response

from tests.support.processes import rate
from tests.support.service import EVENT, PAGE, a_5k, a_run

FIRST = datetime(2026, 5, 26, 23, 30, tzinfo=UTC)
"""The start of session 0, on a Tuesday at 18:30 in Chicago, six days after the clock's start."""

WEEK = timedelta(weeks=1)
CLUB = {"type": "runClub", "name": "Lakeside Run Club", "date": "2025-05-27"}


def a_session(number, **fields):
    """The session so many weeks after the first one that is ahead: 5 km, so an hour at most."""
    date = (FIRST + number * WEEK).date().isoformat()
    return a_5k(f"s{number}", **{"date": date, "startTime": "18:30"} | fields)


def sessions(first, last):
    return [a_session(number) for number in range(first, last + 1)]


@pytest.fixture
def club(service):
    """A club with 52 past sessions and eight to come, which was polled once."""
    service.announce(*sessions(-52, 7), **CLUB)
    return service


def at(service, instant):
    service.clock.now = instant


def ends(service):
    return {id_: entry["DTEND"].dt.strftime("%a %H:%M") for id_, entry in service.entries().items()}


@pytest.mark.parametrize("type_", ["runClub", "race"])
def test_an_event_of_the_type_run_club_is_a_series(service, type_):
    """Rules 9.1."""
    service.announce(*sessions(3, 4), **CLUB | {"type": type_})
    assert sorted(service.items()) == ["s3"] + ([] if type_ == "runClub" else ["s4"])


def test_the_longest_run_of_each_day_ends_with_the_session(service):
    """Rules 9.2."""
    long = a_run("long", date="2026-05-26", startTime="18:30")
    service.announce(*sessions(0, 2), long, **CLUB, endTime="21:00", endDate="2027-12-31")
    before = {"long": "Tue 21:00", "s0": "Tue 19:30", "s1": "Tue 21:00", "s2": "Tue 21:00"}
    assert ends(service) == before


@pytest.mark.parametrize("end", ["2027-12-31", "2027-12-31T22:00:00.000Z"])
@pytest.mark.parametrize(
    ("fields", "times"),
    [
        ({}, ["2026-05-26 18:30", "2026-05-26 19:15"]),
        ({"isVirtual": True}, ["2026-05-26 18:30", "2026-05-26 19:15"]),
        ({"startTime": None}, ["2026-05-26", "2026-05-27"]),
    ],
    ids=["timed", "virtual", "all day"],
)
def test_the_end_date_of_a_series_is_ignored_whether_it_can_be_read_or_not(
    service, fields, times, end
):
    """Rules 9.2."""
    service.announce(a_session(0) | fields, **CLUB, endTime="19:15", endDate=end)
    entry = service.entry()
    assert [str(entry[name].dt)[: len(times[0])] for name in ("DTSTART", "DTEND")] == times
    assert "Estimated finish" not in entry["DESCRIPTION"]
    assert "could not be read" not in entry["DESCRIPTION"]


def test_a_series_without_sessions_is_on_its_first_day_alone(service):
    """Rules 9.2: it would fill a calendar for years."""
    service.announce(**CLUB, startTime="18:30", endTime="19:30", endDate="2027-12-31")
    (entry,) = service.entries().values()
    assert f"{entry['DTSTART'].dt:%F %H:%M}" == "2025-05-27 18:30"
    assert f"{entry['DTEND'].dt:%F %H:%M}" == "2025-05-27 19:30"
    assert "2027" not in service.get("").text


def test_a_new_session_moves_the_end_of_no_other(service):
    """Rules 9.2."""
    service.announce(*sessions(0, 2), **CLUB, endTime="20:00")
    before = service.entries()
    service.add(a_session(3))
    service.advance(hours=1)
    after = service.entries()
    assert len(after) == 4
    assert {id_: after[id_].to_ical() for id_ in before} == {
        id_: each.to_ical() for id_, each in before.items()
    }


def test_the_calendar_has_all_sessions_and_the_channel_those_of_the_next_seven_days(club):
    """Rules 9.4."""
    assert len(club.entries()) == 60
    items = club.items()
    assert list(items) == ["s0"]
    assert items["s0"]["date_published"] == "2026-05-20T12:00:00Z"
    assert [each.id for each in club.channel().entries] == ["s0@intervals.run"]


def test_a_session_is_published_seven_days_before_its_start_by_the_first_save_past_that(club):
    """Rules 9.4."""
    at(club, FIRST - timedelta(seconds=1))
    before = club.poll(".rss"), club.get(".ics").headers["Last-Modified"]
    at(club, FIRST)
    assert club.poll(".rss") == before[0]
    at(club, FIRST + timedelta(minutes=15))
    assert club.items()["s1"]["date_published"] == "2026-05-26T23:30:00Z"
    assert list(club.items()) == ["s1", "s0"]
    assert club.get(".ics").headers["Last-Modified"] != before[1]


def test_the_calendar_and_its_revisions_do_not_change_when_a_session_is_published(club):
    """Rules 9.4."""
    before = club.poll(".ics")
    at(club, FIRST + timedelta(minutes=15))
    assert list(club.items()) == ["s1", "s0"]
    assert club.poll(".ics") == before


def test_the_item_of_a_session_was_never_modified_before_it_was_published(club):
    """Rules 9.4; JSON Feed 1.1, items."""
    at(club, FIRST)
    items = club.items()
    assert datetime.fromisoformat(items["s1"]["date_published"]) == FIRST
    assert all(each["date_modified"] >= each["date_published"] for each in items.values())
    club.edit("s1", distanceLabel="Five")
    club.advance(hours=1)
    assert datetime.fromisoformat(club.items()["s1"]["date_modified"]) == FIRST + timedelta(hours=1)


def test_a_session_that_is_seen_later_is_published_then(club):
    """Rules 9.4."""
    club.add(a_session(0, _id="extra", startTime="06:30"))
    club.advance(minutes=15)
    assert club.items()["extra"]["date_published"] == "2026-05-20T12:15:00Z"


def test_a_session_that_is_moved_nearer_is_published_then(club):
    """Rules 9.4."""
    club.edit("s5", date="2026-05-23")
    club.advance(minutes=15)
    items = club.items()
    assert items["s5"]["date_published"] == "2026-05-20T12:15:00Z"
    assert sorted(items) == ["s0", "s5", "s5/moved/2026-05-23T18:30:00"]


def test_a_session_that_was_published_stays_so_when_it_is_moved_away(club):
    """Rules 9.4."""
    club.edit("s0", date="2026-07-30")
    club.advance(minutes=15)
    assert club.items()["s0"]["date_published"] == "2026-05-20T12:00:00Z"


def test_a_change_of_a_session_is_told_at_once_however_far_ahead_it_is(club):
    """Rules 9.4."""
    club.edit("s3", eventStatus="cancelled")
    club.advance(minutes=15)
    items = club.items()
    assert list(items) == ["s3/cancelled", "s0"]
    assert items["s3/cancelled"]["title"].startswith("Cancelled: Lakeside Run Club")


def test_a_session_whose_cancellation_was_told_is_not_published_as_it_nears(club):
    """Rules 9.4."""
    club.edit("s3", eventStatus="cancelled")
    club.advance(minutes=15)
    club.poll()
    at(club, FIRST + 2 * WEEK + timedelta(days=3))
    assert "s3" not in club.items()
    club.edit("s3", eventStatus="scheduled")
    club.advance(minutes=15)
    assert {"s3", "s3/cancelled", "s3/reinstated"} <= club.items().keys()


def test_a_session_that_was_cancelled_when_it_was_first_seen_is_published_as_it_nears(service):
    """Rules 9.4."""
    service.announce(a_session(0), a_session(3, eventStatus="cancelled"), **CLUB)
    at(service, FIRST + 2 * WEEK + timedelta(days=3))
    assert service.items()["s3"]["title"].startswith("Cancelled: ")


def test_a_session_that_ended_before_anybody_polled_is_not_published(club):
    """Rules 9.4."""
    at(club, FIRST + 3 * WEEK + timedelta(days=3))
    assert list(club.items()) == ["s4", "s0"]


def test_the_clock_that_was_set_back_publishes_nothing_twice(club):
    """Rules 9.4."""
    at(club, FIRST + timedelta(minutes=15))
    items = club.items()
    club.set_back(days=1)
    assert club.items() == items


def test_after_a_lost_database_the_channel_has_the_same_guids_and_no_burst(club):
    """Rules 9.4."""
    club.lose_database()
    assert list(club.items()) == ["s0"]


def test_an_event_that_becomes_a_series_has_no_burst(service):
    """Rules 9.4: as after an upgrade of the service, all runs are known, and none is announced."""
    service.announce(*sessions(-52, 7), **CLUB | {"type": "race"})
    assert len(service.items()) == 60
    service.edit(type="runClub")
    service.advance(minutes=15)
    assert list(service.items()) == ["s0"]


def test_a_channel_has_the_items_of_the_last_fifty_sessions(service):
    """Rules 9.5: the club is polled once a week for more than a year."""
    service.announce(*sessions(0, 60), **CLUB)
    for number in range(56):
        at(service, FIRST + number * WEEK + timedelta(hours=2))
        service.poll()
    assert list(service.items()) == [f"s{number}" for number in range(56, 6, -1)]


def test_what_changes_about_sessions_that_have_ended_is_no_news(club):
    """Rules 9.6."""
    club.edit(address="Montrose Harbor, Chicago")
    club.advance(minutes=15)
    moved, _ = club.items().values()
    assert moved["title"].startswith("Moved: Lakeside Run Club")
    assert moved["content_html"].count("Montrose Harbor") == 8
    entries = club.entries()
    assert "Moved from" in entries["s0"]["DESCRIPTION"]
    assert "Moved from" not in entries["s-1"]["DESCRIPTION"]


def test_registration_that_opened_before_a_session_was_first_seen_is_no_news(service):
    """Rules 9.6."""
    window = {"registrationOpensAt": "2026-05-01T12:00:00Z"}
    runs = [a_session(number, **window) for number in range(-52, 8)]
    service.announce(*runs, **CLUB)
    assert list(service.items()) == ["s0"]


def text_of(service, form=""):
    """A page without its markup, in one line."""
    page = re.sub(r"<(script|style).*?</\1>", "", service.get(form).text, flags=re.DOTALL)
    return " ".join(re.sub("<[^>]+>", " ", re.sub("</?bdi>", "", page)).split())


def json_ld(service):
    return json.loads(re.findall(r"ld\+json\">(.*?)</script>", service.get("").text)[0])


@pytest.mark.usefixtures("unlisted")
def test_pages_name_the_next_session(club):
    """Rules 9.3."""
    page, home = text_of(club), " ".join(re.sub("<[^>]+>", " ", club.client.get("/").text).split())
    assert "Lakeside Run Club Tuesday, May 26, 2026 · 6:30 PM CDT" in page
    assert "Lakeside Run Club Tue, May 26, 2026 · Navy Pier" in home
    assert "Lakeside Run Club Tue, May 26, 2026 · Navy Pier" in text_of(club, "/embed")
    assert 'content="Tue, May 26, 2026, Navy Pier, Chicago"' in club.get("").text
    document = json_ld(club)
    assert document["startDate"] == "2026-05-26T18:30:00-05:00"
    assert [each["@id"].partition("=")[2] for each in document["subEvent"]] == [
        f"s{number}" for number in range(8)
    ]


def test_the_sessions_that_have_ended_are_folded_away_the_latest_first(club):
    """Rules 9.3."""
    page = club.get("").text
    ahead, _, past = page.partition("<summary>Past runs (52)</summary>")
    past = past.partition("</details>")[0]
    days = re.compile(r'class="day">([^<]+)<')
    assert days.findall(past)[:2] == ["Tue, May 19, 2026", "Tue, May 12, 2026"]
    assert len(days.findall(past)) == past.count("6:30 PM") == 52
    assert days.findall(ahead)[:2] == ["Tue, May 26, 2026", "Tue, Jun 2, 2026"]
    assert len(days.findall(ahead)) == 8
    assert "Register" not in past
    widget = text_of(club, "/embed")
    assert widget.count("6:30 PM") == 6
    assert "and 2 more" in widget


def test_pages_go_on_to_the_next_session_as_soon_as_one_has_ended(club):
    """Rules 9.3."""
    at(club, FIRST + timedelta(hours=1))
    assert "Lakeside Run Club Tuesday, June 2, 2026 · 6:30 PM CDT" in text_of(club)
    assert "Lakeside Run Club Tue, Jun 2, 2026 ·" in text_of(club, "/embed")


def test_a_session_cancelled_tonight_is_told_everywhere_at_the_next_poll(club):
    """Rules 9.3."""
    at(club, FIRST - timedelta(hours=3))
    club.poll()
    club.edit("s0", eventStatus="cancelled")
    club.advance(minutes=5)
    assert club.entries()["s0"]["STATUS"] == "CANCELLED"
    assert "s0/cancelled" in club.items()
    for form in ("", "/embed"):
        assert "Cancelled: Tue, May 26, 2026, 6:30 PM." in text_of(club, form)
        day = "Tue, Jun 2, 2026" if form else "Tuesday, June 2, 2026"
        assert f"Lakeside Run Club {day}" in text_of(club, form)


@pytest.mark.usefixtures("unlisted")
def test_the_home_page_goes_on_to_the_next_session_without_any_edit(club):
    """Rules 9.3."""
    assert "May 26, 2026" in club.client.get("/").text
    club.advance(days=8)
    assert "Jun 2, 2026" in club.client.get("/").text


def test_the_title_of_several_sessions_names_their_days(club):
    """Rules 5.5: a pause of two weeks is not the end of the club."""
    club.edit("s1", "s2", eventStatus="cancelled")
    club.advance(hours=2)
    titles = [item["title"] for item in club.items().values()]
    assert titles[0].endswith("– 5K (Tue, Jun 2, 2026, Tue, Jun 9, 2026)")


def test_a_weekend_is_one_occasion_and_a_later_one_is_another(service):
    """Rules 9.3."""
    friday, sunday, later = "2026-08-14", "2026-08-16", "2026-09-20"
    service.announce(a_run("a", date=friday), a_run("b", date=sunday), a_run("c", date=later))
    assert "Harbor Run Fri, Aug 14 – Sun, Aug 16, 2026 " in text_of(service)
    service.clock.now = datetime(2026, 8, 17, 12, tzinfo=UTC)
    assert "Harbor Run Sunday, September 20, 2026 · 8:00 AM CDT" in text_of(service)
    assert len(json_ld(service)["subEvent"]) == 1


@pytest.mark.parametrize("form", ["", "/embed"])
def test_an_event_is_over_when_its_last_run_has_ended(service, form):
    """Rules 9.7."""
    service.announce(a_run(), a_5k())
    assert "over" not in text_of(service, form)
    service.clock.now = datetime(2026, 8, 15, 15, tzinfo=UTC)
    text, page = text_of(service, form), service.get(form).text
    assert (
        "Harbor Run Sat, Aug 15, 2026" if form else "Harbor Run Saturday, August 15, 2026"
    ) in text
    assert "This event is over." in text
    assert "webcal:" not in page
    assert "calendar.google.com" not in page
    if form:
        assert "Subscribe" not in text
    else:
        assert ".ics?download=1" in page
        assert text.count("8:00 AM") >= 2
    assert len(json_ld(service)["subEvent"]) == 2


def test_a_series_is_over_sixty_days_after_its_last_session(club):
    """Rules 9.7: until then, the club may be on holiday."""
    last_end = FIRST + 7 * WEEK + timedelta(hours=1)
    at(club, last_end + timedelta(days=59))
    assert "Tuesday, July 14, 2026 · 6:30 PM CDT" in text_of(club)
    assert "No next date is listed." in text_of(club)
    assert "webcal:" in club.get("").text
    at(club, last_end + timedelta(days=61))
    assert "This event is over." in text_of(club)
    assert "webcal:" not in club.get("").text


CALLS = "/recurrences"


def recur(service, *recurrences):
    """Have the upstream list these recurrences."""
    answer = Response(
        json.dumps({"data": list(recurrences), "hasMore": False}), mimetype="application/json"
    )
    service.upstream.failing[CALLS] = answer


def a_recurrence(event_id=EVENT, status="active", **schedule):
    weekly = {"frequency": "weekly", "daysOfWeek": [2], "startTime": "18:30"}
    return {
        "_id": "rec",
        "eventId": event_id,
        "schedule": weekly | {"durationMinutes": 60} | schedule,
        "status": status,
    }


def description_of(service):
    return str(service.calendar()["X-WR-CALDESC"]).replace("\\,", ",")


def refresh(service, **duration):
    service.advance(**duration or {"minutes": 15})
    return description_of(service)


def test_the_page_and_the_calendar_say_how_often_a_run_club_meets(service):
    """Rules 9.8."""
    recur(service, a_recurrence())
    service.announce(*sessions(-1, 7), **CLUB)
    assert "Tuesdays at 6:30 PM, about 60 minutes. https://" in description_of(service)
    assert "Tuesdays at 6:30 PM, about 60 minutes" in text_of(service)
    assert "RRULE:FREQ=WEEKLY" not in service.poll().decode()


def test_recurrences_cost_one_call_a_day_for_all_events_and_processes(service):
    """Rules 9.8."""
    recur(service, a_recurrence(), a_recurrence("lincoln-park-tuesdays", daysOfWeek=[4]))
    service.announce(*sessions(-1, 7), **CLUB)
    for _ in range(2):
        for _ in range(3):
            service.advance(hours=2)
            for event_id in (EVENT, "lincoln-park-tuesdays"):
                assert service.client.get(f"/events/{event_id}.ics").status_code == 200
        service.restart()
    assert service.upstream.calls.count(CALLS) == 1
    club = service.client.get("/events/lincoln-park-tuesdays.ics").text
    assert "Thursdays at 6:30 PM" in club.replace("\r\n ", "")  # a folded line
    recur(service, a_recurrence(status="paused"), a_recurrence("lincoln-park-tuesdays"))
    assert "Tuesdays at 6:30 PM" not in refresh(service, days=1)
    assert service.upstream.calls.count(CALLS) == 2


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ({"daysOfWeek": [0]}, "Sundays at 6:30 PM, about 60 minutes"),
        ({"daysOfWeek": [7, 1]}, "Mondays and Sundays at 6:30 PM, about 60 minutes"),
        ({"daysOfWeek": ["tuesday", "Thu", "5"]}, "Tuesdays, Thursdays and Fridays at 6:30 PM"),
        ({"daysOfWeek": list(range(1, 8))}, "Every day at 6:30 PM"),
        ({"startTime": None, "durationMinutes": None}, "Tuesdays. http"),
        ({"frequency": "monthly"}, None),
        ({"daysOfWeek": [8]}, None),
        ({"daysOfWeek": 2}, None),
        ({"startTime": "soon"}, None),
        ({"durationMinutes": "long"}, None),
        ({"status": "paused"}, None),
    ],
    ids=str,
)
def test_a_weekly_recurrence_that_can_be_read_is_told_in_words(service, schedule, words):
    """Rules 9.8."""
    recur(service, a_recurrence(**{"status": schedule.pop("status", "active")} | schedule), 1, {})
    service.announce(*sessions(-1, 7), **CLUB)
    told = refresh(service)
    assert words in told if words else told == f"Lakeside Run Club: {PAGE}"


def test_twenty_of_many_different_recurrences_of_an_event_are_told(service):
    """Rules 9.8."""
    times = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in (0, 30)]
    recur(service, a_recurrence(), *(a_recurrence(startTime=each) for each in times))
    service.announce(*sessions(-1, 7), **CLUB)
    told = description_of(service)
    assert told.count("Tuesdays at") == 20
    assert ": Tuesdays at 6:30 PM, about 60 minutes" in told
    assert text_of(service).count("Tuesdays at") == 20


def test_a_key_without_the_scope_for_recurrences_reads_everything_else(service, caplog):
    """Rules 9.8."""
    service.upstream.scopes.discard("read:recurrences")
    service.announce(*sessions(-1, 7), **CLUB)
    for days in range(2):
        assert refresh(service, days=days) == f"Lakeside Run Club: {PAGE}"
    assert len(service.entries()) == 9
    missing = [each for each in caplog.messages if "read:recurrences" in each]
    assert len(missing) == 1
    assert service.upstream.calls.count(CALLS) == 2


@pytest.mark.parametrize("failure", [500, "nothing"])
def test_recurrences_that_cannot_be_fetched_stay_and_are_asked_for_after_an_hour(service, failure):
    """Rules 9.8."""
    recur(service, a_recurrence())
    service.announce(*sessions(-1, 7), **CLUB)
    refresh(service)
    service.upstream.failing[CALLS] = Response("{}", 500 if failure == 500 else 200)
    assert "Tuesdays" in refresh(service, days=1)
    assert "Tuesdays" in refresh(service, minutes=15)
    assert service.upstream.calls.count(CALLS) == 2
    recur(service, a_recurrence(daysOfWeek=[3]))
    assert "Wednesdays" in refresh(service, minutes=46)


def test_an_event_of_another_type_with_a_recurrence_is_a_series(service):
    """Rules 9.1, 9.4 and 9.8: from its first edition on, although no run club is known."""
    recur(service, a_recurrence(status="archived"))
    service.announce(a_session(0), a_session(3), **CLUB | {"type": "other"})
    assert list(service.items()) == ["s0"]
    assert service.upstream.calls.count(CALLS) == 1


@pytest.mark.parametrize("failure", ["refused", "over budget"])
def test_an_event_is_saved_without_recurrences_that_cannot_be_fetched_and_gets_them_later(
    service, failure
):
    """Rules 9.8: after an hour, or as soon as the rate limit leaves a call."""
    recur(service, a_recurrence())
    if failure == "refused":
        service.upstream.failing[CALLS] = Response("{}", 500)
    else:  # a burst of 1 leaves no call
        service.restart(rate=rate("1000/day;burst=1"))
    service.announce(a_session(0), a_session(3), **CLUB | {"type": "other"})
    assert list(service.items()) == ["s0", "s3"]
    recur(service, a_recurrence())
    service.restart()
    if failure == "refused":
        assert "Tuesdays" not in refresh(service, minutes=59)
    assert "Tuesdays" in refresh(service, minutes=16)
    assert service.upstream.calls.count(CALLS) == (2 if failure == "refused" else 1)


def test_ids_that_do_not_exist_cost_no_call_for_recurrences(service):
    """Rules 9.8."""
    for number in range(3):
        assert service.client.get(f"/events/guess-{number}.ics").status_code == 404
    assert service.upstream.calls.count(CALLS) == 0


@pytest.mark.parametrize("id_", ["\ud800", "a/b", "", "e" * 65, None, 7])
def test_a_recurrence_of_an_event_that_no_address_can_hold_is_left_out(service, id_):
    """Rules 9.8: JSON may hold half a character, which no database can store."""
    recur(service, a_recurrence(id_), a_recurrence())
    service.announce(*sessions(-1, 7), **CLUB)
    for _ in range(3):
        assert "Tuesdays at 6:30 PM" in refresh(service, minutes=20)
    assert service.upstream.calls.count(CALLS) == 1


@pytest.fixture
def series(service):
    """An event that is a series since it has a recurrence, with eight sessions to come."""
    recur(service, a_recurrence())
    festival = {"type": "other", "endTime": "20:30", "endDate": "2027-12-31"}
    service.announce(*sessions(0, 7), **CLUB | festival)
    return service


def test_an_answer_that_lacks_a_recurrence_once_changes_nothing(series):
    """Rules 9.8: it would move the end of each session, and announce all of them."""
    feeds = series.poll(), series.poll(".rss")
    recur(series)
    series.advance(days=1)
    assert (series.poll(), series.poll(".rss")) == feeds
    recur(series, a_recurrence())
    for _ in range(3):
        series.advance(hours=1)
        assert (series.poll(), series.poll(".rss")) == feeds
    assert series.upstream.calls.count(CALLS) == 3  # the last one was complete


def test_a_recurrence_ends_after_three_answers_over_thirty_minutes_that_lack_it(series):
    """Rules 9.8: it is asked for once an hour until then, and once a day again afterwards."""
    recur(series)
    told = ["Tuesdays" in refresh(series, days=1)]
    told += ["Tuesdays" in refresh(series, minutes=20) for _ in range(9)]
    assert told == [True] * 6 + [False] * 4
    assert series.upstream.calls.count(CALLS) == 4
    assert len(series.items()) == 8  # an event that is no series announces all runs


def test_recurrences_are_asked_for_once_a_day_once_the_key_loses_their_scope(series):
    """Rules 9.8: also while one is missing."""
    recur(series)
    assert "Tuesdays" in refresh(series, days=1)
    series.upstream.refuse_path(CALLS, 403, "FORBIDDEN")
    asked = series.upstream.calls.count(CALLS)
    for _ in range(24):
        assert "Tuesdays" in refresh(series, hours=2)
    assert series.upstream.calls.count(CALLS) - asked in (2, 3)


def test_a_recurrence_that_an_answer_has_is_missing_no_more(series):
    """Rules 9.8."""
    for listed in ((), (), (a_recurrence(),), (), ()):
        recur(series, *listed)
        series.advance(days=1)
        assert "Tuesdays" in refresh(series)


@pytest.mark.parametrize(
    ("changed", "words"), [({"daysOfWeek": [3]}, "Wednesdays"), ({"status": "paused"}, "")]
)
def test_a_recurrence_that_has_changed_counts_at_once(series, changed, words):
    """Rules 9.8."""
    recur(series, a_recurrence(**changed))
    told = refresh(series, days=1)
    assert words in told
    assert "Tuesdays" not in told
    assert len(series.items()) == 1


def test_an_answer_without_recurrences_keeps_them_for_all_processes(series):
    """Rules 9.8: how often answers lacked them is stored."""
    recur(series)
    for told in (True, True, False):
        series.restart()
        assert ("Tuesdays" in refresh(series, days=1)) is told
