"""Section 3 of docs/rules.md: status, and what counts as cancelled."""

import json
from datetime import timedelta
from typing import Any

import pytest
from werkzeug import Response

from feeds.app import check
from feeds.errors import SettingsError
from tests.support.processes import settings_for
from tests.support.service import EVENT, a_5k, a_run, an_event

CANCELLED = {"eventStatus": "cancelled"}
LISTED = "CONFIRMED Harbor Run – 10K"
UNLISTED = "CANCELLED No longer listed: Harbor Run – 10K"


def shown(service, query=""):
    """STATUS and SUMMARY of the entries, by UID."""
    entries = service.entries(query).items()
    return {id_: f"{entry['STATUS']} {entry['SUMMARY']}" for id_, entry in entries}


def delist_ten(service):
    """Publish the event without the 10K and poll it until that is believed."""
    service.delist("ten")
    service.advance(hours=2)
    service.believe_removal()


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("scheduled", "CONFIRMED Harbor Run – 10K"),
        (None, "CONFIRMED Harbor Run – 10K"),
        ("cancelled", "CANCELLED Cancelled: Harbor Run – 10K"),
        ("canceled", "CANCELLED Cancelled: Harbor Run – 10K"),
        ("CANCELLED", "CANCELLED Cancelled: Harbor Run – 10K"),
        ("postponed", "TENTATIVE Postponed: Harbor Run – 10K"),
        ("rescheduled", "CONFIRMED Rescheduled: Harbor Run – 10K"),
        ("ReScheduled", "CONFIRMED Rescheduled: Harbor Run – 10K"),
        ("weather hold", "CONFIRMED Harbor Run – 10K"),
        ("unlisted", "CONFIRMED Harbor Run – 10K"),
    ],
)
def test_the_event_status_decides_status_and_the_prefix_of_the_summary(service, word, expected):
    """Rules 3.1."""
    service.announce(a_run(eventStatus=word))
    assert shown(service) == {"ten": expected}


BUSY: list[tuple[dict[str, Any], str]] = [
    ({}, "OPAQUE"),
    ({"startTime": None}, "OPAQUE"),
    ({"eventStatus": "rescheduled"}, "OPAQUE"),
    ({"eventStatus": "postponed"}, "TRANSPARENT"),
    ({"eventStatus": "cancelled"}, "TRANSPARENT"),
    ({"eventStatus": "weather hold"}, "TRANSPARENT"),
    ({"isVirtual": True}, "TRANSPARENT"),
]


def test_a_race_blocks_time_only_with_busy_and_only_if_it_takes_place_in_person(service):
    """Rules 3.2."""
    service.announce(a_run(), *[a_run(f"r{n}", **run) for n, (run, _) in enumerate(BUSY)])
    delist_ten(service)
    assert {str(entry["TRANSP"]) for entry in service.entries().values()} == {"TRANSPARENT"}
    entries = service.entries("?busy=1")
    transparencies = [str(entries[f"r{n}"]["TRANSP"]) for n in range(len(BUSY))]
    assert transparencies == [row[1] for row in BUSY]
    assert entries["ten"]["TRANSP"] == "TRANSPARENT"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", "CANCELLED"),
        ("?cancelled=mark", "CANCELLED"),
        ("?cancelled=keep", "CONFIRMED"),
        ("?cancelled=drop", None),
    ],
)
def test_the_option_cancelled_marks_keeps_or_drops_runs_that_are_off(service, query, status):
    """Rules 3.3."""
    service.announce(a_run(), a_5k(), a_run("off", **CANCELLED))
    delist_ten(service)
    off = {
        "off": f"{status} Cancelled: Harbor Run – 10K",
        "ten": f"{status} No longer listed: Harbor Run – 10K",
    }
    assert shown(service, query) == {"five": "CONFIRMED Harbor Run – 5K"} | (off if status else {})


def test_the_google_button_and_the_address_to_copy_keep_cancelled_runs(service):
    """Rules 3.3."""
    service.announce(a_run())
    page = service.get("").text
    calendar = f"feeds.example.org/events/{EVENT}.ics"
    encoded = calendar.replace("/", "%2F")
    assert f"calendar.google.com/calendar/r?cid=webcal%3A%2F%2F{encoded}%3Fcancelled%3Dkeep" in page
    assert f"https://{calendar}?cancelled=keep" in page


def an_error(status, code):
    return an_answer(status, {"error": {"code": code, "message": "Refused."}})


def an_answer(status, document):
    return Response(json.dumps(document), status, mimetype="application/json")


def a_page(status):
    return Response("<html>NOT_FOUND</html>", status, mimetype="text/html")


# tests/rules/test_8_outages.py has more failures (rules 8.10).
FAILURES = {
    "500": an_error(500, "INTERNAL"),
    "502 with a page": a_page(502),
    "410": an_error(410, "NOT_FOUND"),
    "a redirect": Response("", 302, headers={"Location": "https://elsewhere.example.org/"}),
    "an empty body": Response("", 200, mimetype="application/json"),
    "no list of runs": an_answer(200, {"data": {"event": an_event(), "runs": None}}),
    "another event": an_answer(200, {"data": {"event": an_event(_id="other"), "runs": []}}),
}


def test_no_failure_of_the_upstream_cancels_a_run(service):
    """Rules 3.4."""
    service.announce(a_run())
    before = service.poll()
    for name, failure in FAILURES.items():
        service.upstream.instead = failure
        for _ in range(2):
            service.advance(hours=2)
            assert service.poll() == before, name
    assert service.upstream.asked == [EVENT] * (1 + 2 * len(FAILURES))


def remove(service, what):
    """Have the upstream lack a run, all runs, or the event."""
    if what == "the event":
        service.delete()
    else:
        service.delist(*["ten", "five"][: 1 + (what == "all runs")])


REMOVALS = pytest.mark.parametrize("what", ["a run", "all runs", "the event"])


def test_a_run_that_was_cancelled_by_its_status_is_shown_so_at_once(service):
    """Rules 3.5."""
    service.announce(a_run(), a_5k())
    service.edit("ten", **CANCELLED)
    service.advance(hours=1)
    assert shown(service)["ten"] == "CANCELLED Cancelled: Harbor Run – 10K"


@REMOVALS
@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        ([0, 1, 29], UNLISTED),
        ([0, 1, 29 - 1 / 60, 1 / 60], LISTED),  # the last one comes before the edition has ended
        ([0, 1, 5, 15], LISTED),
        ([0, 1, 5, 15, 15], UNLISTED),
        ([0, 45], LISTED),
        ([0, 45, 5], UNLISTED),
    ],
    ids=str,
)
def test_no_longer_listed_takes_three_answers_over_at_least_30_minutes(
    service, what, minutes, expected
):
    """Rules 3.5."""
    service.announce(a_run(), a_5k())
    remove(service, what)
    service.advance(hours=2)
    for each in minutes:
        assert shown(service)["ten"] == LISTED
        service.advance(minutes=each)
        service.poll()
    assert shown(service)["ten"] == expected


@REMOVALS
def test_until_then_no_byte_and_no_header_of_a_feed_changes_but_its_max_age(service, what):
    """Rules 3.5 and 8.4."""
    service.announce(a_run(), a_5k())
    names = ("ETag", "Last-Modified", "Content-Type", "Content-Disposition")
    forms = (".ics", ".rss", ".json")

    def ask():
        answers = [service.get(form) for form in forms]
        return [(each.data, *(each.headers[name] for name in names)) for each in answers]

    before = ask()
    remove(service, what)
    service.advance(hours=2)
    for minutes, max_age in ((0, 60), (1, 300), (5, 900), (15, 900)):
        service.advance(minutes=minutes)
        assert ask() == before
        assert service.get().headers["Cache-Control"].startswith(f"max-age={max_age},")
    assert service.upstream.asked == [EVENT] * 5


@REMOVALS
def test_a_listing_in_between_clears_a_pending_removal(service, what):
    """Rules 3.5."""
    service.announce(a_run(), a_5k())
    for _ in range(3):
        remove(service, what)
        service.advance(hours=2)
        for minutes in (0, 1, 28):
            service.advance(minutes=minutes)
            assert shown(service)["ten"] == LISTED
        service.publish()
        service.advance(hours=2)
        assert shown(service)["ten"] == LISTED


@REMOVALS
def test_the_time_to_confirm_is_a_parameter_that_only_the_demo_sets(service, what):
    """Rules 3.5."""
    service.restart(confirm_after=timedelta(seconds=20), max_age=timedelta(seconds=5))
    service.announce(a_run(), a_5k())
    remove(service, what)
    for _ in range(4):
        service.advance(seconds=5)
        assert shown(service)["ten"] == LISTED
    service.advance(seconds=5)
    assert shown(service)["ten"] == UNLISTED


def publish_bridge(service, **fields):
    """Publish another event on the same day and poll it."""
    service.upstream.publish("bridge", "2026-08-15", **fields)
    poll_bridge(service)


def poll_bridge(service):
    assert service.client.get("/events/bridge.ics").status_code == 200


@REMOVALS
@pytest.mark.parametrize(
    ("minutes", "expected"), [(-61, UNLISTED), (-59, LISTED), (0, LISTED), (20, LISTED)]
)
def test_what_other_events_began_to_miss_in_the_same_hour_holds_a_removal_back_for_a_day(
    service, what, minutes, expected
):
    """Rules 3.8."""
    service.announce(a_run(), a_5k())
    publish_bridge(service)
    service.advance(hours=2)
    service.poll()
    poll_bridge(service)
    service.advance(hours=2)
    service.upstream.delete("bridge")
    if minutes <= 0:
        poll_bridge(service)
        service.advance(minutes=-minutes)
    remove(service, what)
    for each in (0, 1, 19):
        service.advance(minutes=each)
        service.poll()
    if minutes > 0:
        poll_bridge(service)
    service.advance(minutes=20)
    # No 404 is believed before a day has passed: the other event is not listed either.
    assert shown(service)["ten"] == (LISTED if what == "the event" else expected)
    service.advance(days=1, minutes=-41)
    assert shown(service)["ten"] == expected
    service.advance(minutes=15)
    assert shown(service)["ten"] == UNLISTED


def test_what_another_event_misses_later_on_hides_no_earlier_instant(service):
    """Rules 3.8."""
    service.announce(a_run(), a_5k())
    publish_bridge(service)
    document = service.upstream.document("bridge")
    first = document["runs"][0]
    document["runs"] += [first | {"_id": "second"}, first | {"_id": "third"}]

    def list_in_bridge(count):
        service.upstream.put("bridge", document | {"runs": document["runs"][:count]})

    list_in_bridge(3)
    service.advance(hours=2)
    poll_bridge(service)
    list_in_bridge(2)
    service.delist("ten")
    service.advance(hours=2)
    for count, minutes in ((2, 65), (1, 15), (1, 15), (1, 15)):
        list_in_bridge(count)
        poll_bridge(service)
        assert shown(service)["ten"] == LISTED
        service.advance(minutes=minutes)


def test_what_another_event_missed_in_the_same_hour_counts_also_when_it_is_listed_again(service):
    """Rules 3.8: one of two replicas is stale, and answers by chance."""
    service.announce(a_run(), a_5k())
    publish_bridge(service)
    document = service.upstream.document("bridge")
    service.delist("ten")
    service.advance(hours=2)
    service.upstream.delete("bridge")
    for _ in range(4 * 23):
        poll_bridge(service)
        service.upstream.put("bridge", document)
        assert shown(service)["ten"] == LISTED
        service.advance(minutes=15)


def test_what_an_event_misses_that_has_ended_holds_nothing_back(service):
    """Rules 3.8."""
    service.announce(a_run(), a_5k())
    service.upstream.publish("bridge", "2026-05-20")
    poll_bridge(service)
    service.advance(days=3)
    service.poll()
    poll_bridge(service)
    service.upstream.delete("bridge")
    service.delist("ten")
    service.advance(days=1)
    poll_bridge(service)
    service.believe_removal()
    assert shown(service)["ten"] == UNLISTED


def test_a_faulty_upstream_that_answers_404_to_all_events_cancels_none_for_a_day(service, caplog):
    """Rules 3.8."""
    service.announce(a_run(), a_5k())
    publish_bridge(service)
    service.advance(hours=2)
    service.delete()
    document = service.upstream.document("bridge")
    service.upstream.delete("bridge")
    before = service.poll()
    for _ in range(60):
        service.advance(minutes=15)
        poll_bridge(service)
        assert service.poll() == before
    held = [each for each in caplog.messages if "something of other events (1): " in each]
    since = "2026-05-20T14:00:00Z"
    assert held[0].startswith(f"event {EVENT}, or some of its runs, has been missing since {since}")
    assert len(held) <= 60, "a line a minute at most, although two events are held back"
    page = service.get("").text
    since = "Wed, May 20, 2026, 9:00 AM CDT"
    assert f"The organizer&#39;s list has lacked this event since {since}." in page
    assert "This could not be confirmed yet." in page
    service.publish()
    service.upstream.put("bridge", document)
    service.advance(hours=1)
    assert service.poll() == before
    assert "has lacked" not in service.get("").text


def test_a_faulty_upstream_cancels_nothing_although_the_database_is_emptied_meanwhile(service):
    """Rules 3.8 and 4.12: what other events lacked is lost with their rows."""
    service.announce(a_run(), a_5k())
    publish_bridge(service)
    service.advance(hours=2)
    service.delete()
    service.upstream.delete("bridge")
    for _ in range(12):
        service.advance(minutes=15)
        poll_bridge(service)
        assert shown(service)["ten"] != UNLISTED
    service.empty_database()
    for _ in range(12):
        service.advance(minutes=15)
        assert shown(service)["ten"] != UNLISTED
        poll_bridge(service)


def announce_beside_bridge(service, date="2026-08-15"):
    """Announce the event, and another one that is polled once, an hour before this event is gone.

    Returns what the upstream has been asked after two answers without the event, 15 min apart.
    """
    service.announce(a_run(), a_5k())
    service.upstream.publish("bridge", date)
    poll_bridge(service)
    service.advance(hours=1)
    service.delete()
    for minutes in (15, 15):
        service.poll()
        service.advance(minutes=minutes)
    return service.upstream.asked


def test_no_404_is_believed_before_another_event_was_fetched_well(service):
    """Rules 3.8: nobody polls the other event while the upstream answers 404 to all."""
    asked = announce_beside_bridge(service)
    document = service.upstream.document("bridge")
    service.upstream.delete("bridge")
    assert asked == [EVENT, "bridge", EVENT, EVENT]
    assert shown(service)["ten"] == LISTED
    assert service.upstream.asked[4:] == [EVENT, "bridge"]
    for _ in range(4 * 22):
        service.advance(minutes=15)
        assert shown(service)["ten"] == LISTED
    service.publish()
    service.upstream.put("bridge", document)
    service.advance(minutes=15)
    assert shown(service)["ten"] == LISTED


def test_the_answer_of_another_event_is_stored_like_that_of_each_refresh(service):
    """Rules 3.8."""
    asked = announce_beside_bridge(service)
    (run,) = service.upstream.document("bridge")["runs"]
    service.upstream.publish("bridge", "2026-08-16")
    assert shown(service)["ten"] == UNLISTED, "that one takes place"
    before = service.upstream.asked
    assert before[len(asked) :] == [EVENT, "bridge"]
    moved = service.client.get("/events/bridge.ics").text
    assert f"DTSTART;VALUE=DATE:{run['date'].replace('-', '')}" not in moved
    assert service.upstream.asked == before


def test_another_event_is_asked_only_if_it_was_not_fetched_since(service):
    """Rules 3.8."""
    asked = announce_beside_bridge(service)
    poll_bridge(service)  # it has been fetched an hour and a half ago
    assert shown(service)["ten"] == UNLISTED
    assert service.upstream.asked == [*asked, "bridge", EVENT]


def test_a_404_is_not_believed_while_another_event_cannot_be_fetched(service):
    """Rules 3.8."""
    asked = announce_beside_bridge(service)
    service.upstream.refuse_path("/events/bridge", 500, "INTERNAL_SERVER_ERROR")
    assert shown(service)["ten"] == LISTED
    service.upstream.failing.clear()
    service.advance(minutes=15)
    assert shown(service)["ten"] == UNLISTED
    assert service.upstream.asked[len(asked) :] == [EVENT, "bridge", EVENT, "bridge"]


def test_the_answers_alone_decide_where_no_other_event_is_ahead(service):
    """Rules 3.8."""
    asked = announce_beside_bridge(service, date="2026-05-19")
    assert shown(service)["ten"] == UNLISTED
    assert service.upstream.asked == [*asked, EVENT]


def test_a_document_with_an_unreadable_run_makes_no_run_no_longer_listed(service):
    """Rules 3.5 and 3.6."""
    service.announce(a_run(), a_5k(), a_run("walk", distanceLabel="Walk"))
    service.edit("five", date="soon")
    service.edit("walk", startTime="09:30")
    delist_ten(service)
    assert shown(service) == {
        "five": "CONFIRMED Harbor Run – 5K",
        "ten": LISTED,
        "walk": "CONFIRMED Harbor Run – Walk",
    }
    assert service.entries()["walk"]["DTSTART"].dt.hour == 9


def test_a_document_with_an_unreadable_run_does_not_count_as_one_of_the_three_answers(service):
    """Rules 3.5 and 3.6."""
    service.announce(a_run(), a_5k())
    service.delist("ten")
    service.advance(hours=2)
    for minutes in (0, 1, 5):
        service.advance(minutes=minutes)
        assert shown(service)["ten"] == LISTED
    service.edit("five", date="soon")
    service.delist("ten")
    for _ in range(3):
        service.advance(minutes=15)
        assert shown(service)["ten"] == LISTED
    service.edit("five", date="2026-08-15")
    service.delist("ten")
    service.advance(minutes=15)
    assert shown(service)["ten"] == UNLISTED


UNREADABLE: dict[str, dict[str, Any]] = {
    "another-event": {"eventId": "another-event"},
    "no-event": {"eventId": None},
    "unreadable-date": {"date": "2026-13-01"},
    "no-date": {"date": None},
    "unreadable-distance": {"distanceMeters": "10 km"},
    "no-distance": {"distanceMeters": None},
    "no-standard-distance": {"distanceStandard": None},
    "no-label": {"distanceLabel": None},
}


def test_a_run_that_does_not_decode_keeps_its_last_good_version(service):
    """Rules 3.6 and 3.7."""
    service.announce(*map(a_run, UNREADABLE))
    before = service.poll()
    for id_, fields in UNREADABLE.items():
        service.edit(id_, startTime="09:00", **fields)
    for _ in range(3):
        service.advance(hours=2)
        assert service.poll() == before


@pytest.mark.parametrize("what", ["a run", "the event"])
def test_a_run_that_is_listed_again_but_does_not_decode_is_itself_again(service, what):
    """Rules 3.6."""
    service.announce(a_run(), a_5k())
    remove(service, what)
    service.advance(hours=2)
    service.believe_removal()
    assert shown(service)["ten"] == UNLISTED
    service.edit("ten", distanceMeters="ten")
    service.delist("five")
    service.advance(hours=2)
    assert shown(service)["ten"] == LISTED
    assert shown(service)["five"].startswith("CANCELLED" if what == "the event" else "CONFIRMED")


def test_a_run_that_never_decoded_is_left_out(service):
    """Rules 3.6 and 3.7."""
    service.announce(a_5k(), *[a_run(id_, **fields) for id_, fields in UNREADABLE.items()])
    assert list(service.entries()) == ["five"]


def test_an_unreadable_run_is_logged_once(service, caplog):
    """Rules 3.6."""
    service.announce(a_run("logged-run", date="soon"))
    service.advance(hours=2)
    service.poll()
    (message,) = [each for each in caplog.messages if "logged-run" in each]
    assert "does not decode" in message


def test_null_means_absent_and_unknown_fields_are_ignored(service):
    """Rules 3.7."""
    required = {"_id", "name", "slug", "type", "date", "organizationId", "eventId"}
    required |= {"distanceMeters", "distanceStandard", "distanceLabel"}
    bare = [{k: v for k, v in each.items() if k in required} for each in (an_event(), a_run())]
    service.upstream.put(EVENT, {"event": bare[0], "runs": bare[1:]})
    before = service.poll()
    optional = "startTime endDate endTime address lat lng description websiteUrl registrationUrl"
    of_run = "startTime eventStatus registrationUrl registrationOpensAt registrationClosesAt"
    flags = "registrationOverride soldOut isVirtual isRelay isWalking"
    run = a_run(wave={"number": 3}) | dict.fromkeys(f"{of_run} {flags}".split())
    service.advance(hours=2)
    service.announce(run, **dict.fromkeys(optional.split()), colour="red")
    assert service.poll() == before


def test_an_event_without_a_required_field_is_refused(service):
    """Rules 3.7."""
    for field in ("_id", "name", "slug", "type", "date", "organizationId"):
        service.upstream.put(EVENT, {"event": an_event(**{field: None}), "runs": [a_run()]})
        assert service.get().status_code == 502, field
        service.advance(minutes=2)


def test_a_404_counts_only_with_the_code_not_found(service):
    """Rules 3.9."""
    service.announce(a_run())
    answers = (an_error(404, "ROUTE_NOT_FOUND"), an_answer(404, {"code": "NOT_FOUND"}), a_page(404))
    for answer in answers:
        service.upstream.instead = answer
        service.advance(hours=2)
        assert shown(service) == {"ten": LISTED}
    service.upstream.instead = None
    service.delete()
    service.advance(hours=2)
    assert shown(service) == {"ten": LISTED}
    service.believe_removal()
    assert shown(service) == {"ten": UNLISTED}


def test_a_404_does_not_count_when_the_key_belongs_to_another_organization(service):
    """Rules 3.10."""
    service.announce(a_run())
    service.bind()
    service.upstream.give_key_to("another-organization")
    for _ in range(4):
        service.advance(hours=2)
        assert shown(service) == {"ten": LISTED}
    assert service.upstream.asked == [EVENT] * 5


def test_a_404_counts_for_an_event_of_another_organization_that_the_key_could_read(service):
    """Rules 3.10: the key of a federation reads the events of its members."""
    member = {"event": an_event(organizationId="a-member"), "runs": [a_run()]}
    service.upstream.failing[f"/events/{EVENT}"] = an_answer(200, {"data": member})
    assert shown(service) == {"ten": LISTED}
    service.bind()
    service.upstream.refuse_path(f"/events/{EVENT}", 404, "NOT_FOUND")
    service.advance(hours=2)
    service.believe_removal()
    assert shown(service) == {"ten": UNLISTED}


@pytest.mark.parametrize("bound", [False, True], ids=["not bound", "not in the scope of the key"])
def test_the_answers_alone_decide_where_nothing_is_known_of_an_organization(service, bound):
    """Rules 3.10."""
    service.announce(a_run())
    if bound:
        service.bind()
        service.upstream.scopes.remove("read:series")
        service.delete()
    else:
        service.upstream.give_key_to("another-organization")
        service.upstream.refuse_path(f"/events/{EVENT}", 404, "NOT_FOUND")
    service.advance(hours=2)
    assert shown(service) == {"ten": LISTED}
    service.believe_removal()
    assert shown(service) == {"ten": UNLISTED}
    assert ("/organization" in service.upstream.calls) == bound


@pytest.mark.parametrize(("seconds", "calls"), [(60, 1), (599, 1), (600, 2)])
def test_the_organization_of_the_key_is_remembered_for_10_minutes(service, seconds, calls):
    """Rules 3.10."""
    service.announce(a_run())
    service.bind()
    service.delete()
    service.advance(hours=2)
    service.poll()
    service.advance(seconds=seconds)
    service.poll()
    assert service.upstream.asked == [EVENT] * 3
    assert service.upstream.calls.count("/organization") == calls


def test_the_service_refuses_to_start_on_a_database_of_another_upstream(service):
    """Rules 3.11."""
    service.announce(a_run())
    with pytest.raises(SettingsError, match="http://localhost:9"):
        service.restart(api_url="http://localhost:9")


def test_the_service_refuses_to_start_on_a_database_of_another_organization(service, tmp_path):
    """Rules 3.11."""
    settings = settings_for(service.upstream.url, tmp_path)
    check(settings)
    check(settings)
    service.upstream.give_key_to("another-organization")
    with pytest.raises(SettingsError, match="another-organization"):
        check(settings)


def test_a_run_that_leaves_the_list_before_its_end_is_no_longer_listed_for_30_days(service):
    """Rules 3.12."""
    service.announce(a_run(), a_5k())
    delist_ten(service)
    service.advance(days=30, seconds=-1)
    assert shown(service, "?run=ten") == {"ten": UNLISTED}
    service.advance(hours=1)
    assert list(service.entries()) == ["five"]
    assert "ten" not in service.items()
    forms = (".ics", ".rss", ".json")
    assert [service.get(f"{form}?run=ten").status_code for form in forms] == [404] * 3


def test_a_run_that_leaves_the_list_after_its_end_stays_as_it_was_for_30_days(service):
    """Rules 3.12."""
    service.announce(a_run(date="2026-05-21"), a_5k())
    service.advance(days=3)
    before = service.poll(), service.items()
    service.delist("ten")
    service.advance(hours=2)
    assert (service.poll(), service.items()) == before
    service.advance(days=30, seconds=-1)
    assert (service.poll(), service.items()) == before
    service.advance(hours=1)
    assert list(service.entries()) == list(service.items()) == ["five"]
    assert service.get(".ics?run=ten").status_code == 404


@pytest.mark.parametrize(("date", "shown_as"), [("2026-05-21", LISTED), ("2026-08-15", UNLISTED)])
def test_an_event_that_has_been_gone_for_30_days_answers_410(service, date, shown_as):
    """Rules 3.12, 7.12 and 7.13."""
    service.announce(a_run(date=date), date=date)
    service.advance(days=4)
    service.poll()
    service.delete()
    service.advance(days=1)
    service.believe_removal()
    assert shown(service) == {"ten": shown_as}
    service.advance(days=30, seconds=-1)
    assert shown(service) == {"ten": shown_as}
    service.advance(hours=1)
    for form in (".ics", ".rss", ".json", ""):
        response = service.get(form)
        assert (response.status_code, response.headers["Cache-Control"]) == (410, "max-age=3600")


@pytest.mark.parametrize("days", [1, 31, 360])
def test_a_run_that_returns_within_a_year_keeps_its_history_and_is_reinstated(service, days):
    """Rules 3.13."""
    service.announce(a_run(date="2028-08-12"), a_5k(date="2028-08-12"), date="2028-08-12")
    created = service.entries()["ten"]["CREATED"].dt
    service.edit("ten", startTime="09:00")
    service.advance(hours=2)
    service.poll()
    delist_ten(service)
    service.advance(days=days)
    assert ("ten" in service.entries()) == (days < 30)
    service.publish()
    service.advance(hours=2)
    assert shown(service)["ten"] == LISTED
    assert service.entries()["ten"]["CREATED"].dt == created
    assert [each for each in service.items() if each.startswith("ten/")] == [
        "ten/reinstated",
        "ten/no-longer-listed",
        "ten/moved/2028-08-12T09:00:00",
    ]


def test_a_run_that_had_ended_when_it_left_the_list_is_not_reinstated(service):
    """Rules 3.13."""
    service.announce(a_run(date="2026-05-21"), a_5k())
    service.advance(days=3)
    before = service.poll(), service.items()
    delist_ten(service)
    service.publish()
    service.advance(hours=2)
    assert (service.poll(), service.items()) == before
