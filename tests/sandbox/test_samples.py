"""The samples of the sandbox: date tokens, the files of a folder, and what each sample shows."""

import json
import re
from datetime import date, datetime, timedelta

import pytest

from feeds.sandbox import SAMPLES, create_sandbox
from feeds.sandbox.date_tokens import resolve_date_tokens
from feeds.sandbox.samples import load_samples
from tests.support.clock import START, Clock
from tests.support.sandbox import api_client, event_document

TODAY = START.date()
OTHER_BRACES = ("{}", "{date}", "{1 15}", "{{x}}", "+1 sat2", "}{ {next")
LOADED = load_samples(SAMPLES, TODAY)
EVENT_FIELDS = {
    *("_id", "name", "slug", "type", "date", "startTime", "endDate", "endTime", "description"),
    *("organizationId", "address", "lat", "lng", "websiteUrl", "registrationUrl"),
}
RUN_FIELDS = {
    *("_id", "eventId", "distanceMeters", "distanceStandard", "distanceLabel", "date", "startTime"),
    *("eventStatus", "soldOut", "maxParticipants", "isVirtual", "isRelay", "isWalking"),
    *("registrationUrl", "registrationOpensAt", "registrationClosesAt", "registrationOverride"),
}


@pytest.mark.parametrize(
    ("today", "text", "resolved"),
    [
        ("2026-05-20", "{+1 sat2}", "2026-06-13"),
        ("2026-05-20", "{+1 sat2 +1}", "2026-06-14"),
        ("2026-05-20", "{+0 1}", "2026-05-01"),
        ("2026-05-20", "{-1 15}T09:00:00-06:00", "2026-04-15T09:00:00-06:00"),
        ("2026-05-20", "from {+0 2} to {+0 3}", "from 2026-05-02 to 2026-05-03"),
        ("2026-05-20", "{-5 1}", "2025-12-01"),
        ("2026-05-20", "{+8 1}", "2027-01-01"),
        ("2026-05-20", "{+1 mon1}", "2026-06-01"),
        ("2026-05-20", "{next nov sun1}", "2026-11-01"),
        ("2026-03-31", "{next mar sun2}", "2026-03-08"),
        ("2026-04-01", "{next mar sun2}", "2027-03-14"),
        ("2026-01-31", "{+1 31}", "2026-02-28"),
        ("2027-12-31", "{+2 30}", "2028-02-29"),
        ("2026-12-31", "{-1 31}", "2026-11-30"),
        ("2026-05-20", "{this tue}", "2026-05-26"),
        ("2026-05-26", "{this tue}", "2026-05-26"),
        ("2026-05-20", "{this tue -364}", "2025-05-27"),
        *((START.date().isoformat(), other, other) for other in OTHER_BRACES),
    ],
)
def test_a_date_token_becomes_a_date(today, text, resolved):
    assert resolve_date_tokens(text, date.fromisoformat(today)) == resolved


MISSPELT = "{+1}, {+1 sat}, {+1 sat5}, {+1 sat0}, {+1 0}, {+1 32}, {+1 Sat2}, {+1  sat2}"
MISSPELT += ", {+1 sat2 1}, {+1 sat2 +1 +1}, {next march sun2}, {next 1 sun2}, {+ 1}"
MISSPELT += ", {this tue1}, {this week}, {this tue 7}, {this tue +7000}"


@pytest.mark.parametrize("token", MISSPELT.split(", "))
def test_a_misspelt_date_token_is_an_error(token):
    with pytest.raises(ValueError, match=re.escape(f"not a date token: {token}")):
        resolve_date_tokens(f"from {token}", TODAY)


@pytest.mark.parametrize("first", ["2026-02-01", "2028-02-01", "2026-03-01", "2026-12-01"])
def test_the_dates_of_races_change_with_the_month_only(first):
    start = date.fromisoformat(first)
    documents = load_samples(SAMPLES, start).documents
    end = (start + timedelta(days=31)).replace(day=1)  # the first day of the next month

    last = load_samples(SAMPLES, end - timedelta(days=1)).documents
    assert last.pop("lincoln-park-tuesdays") != documents.pop("lincoln-park-tuesdays")
    assert last == documents
    later = load_samples(SAMPLES, end).documents
    assert later["harbor-festival"] != documents["harbor-festival"]
    assert later["e72tuv901wxy234"] == documents["e72tuv901wxy234"]


def test_the_month_of_samples_is_the_month_in_utc_when_the_sandbox_starts():
    clock = Clock(datetime.fromisoformat("2026-05-31T20:00:00-06:00"))  # June in UTC
    client = create_sandbox(clock=clock).test_client()
    clock.advance(days=100)

    event = client.get("/sandbox/events/harbor-festival").get_json()["event"]
    assert event["date"] == "2026-07-11"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "truncated"),
        ("{'event': 1}", "malformed"),
        (b"\xff", "can't decode byte 0xff"),
        pytest.param("[" * 100_000, "recursion", id="deep"),
        ("{}", "missing required field `event`"),
        ({"event": event_document("x")["event"]}, "missing required field `runs`"),
        (event_document("x" * 65), "at `$.event._id`"),
        (event_document("x", "next week"), "at `$.event.date`"),
        (event_document("x", "{+1 sat9}"), "not a date token: {+1 sat9}"),
        (event_document("x", "{+1 sat2"), "at `$.event.date`"),
        ("garbage {next \n week\n} [", "malformed"),
        (event_document("x", name=None), "at `$.event.name`"),
        ({**event_document("x"), "runs": [{}]}, "at `$.runs[0]`"),
        (event_document("a-first"), "another file has the event a-first"),
        ({"organization": {"_id": "x"}}, "missing required field `name`"),
        (
            {"organization": {"_id": "x", "name": "x", "slug": "x", "roles": []}, "groups": 1},
            "at `$.groups`",
        ),
    ],
)
def test_an_invalid_file_is_reported_with_its_name_in_one_line(tmp_path, content, error):
    (tmp_path / "a-first.json").write_text(json.dumps(event_document("a-first")), "utf-8")
    if isinstance(content, dict):
        content = json.dumps(content)
    (tmp_path / "wrong.json").write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )
    with pytest.raises(ValueError, match=r"\Awrong\.json: [^\n]+\Z") as caught:
        create_sandbox(tmp_path)
    assert error in str(caught.value)


def test_a_folder_must_exist_and_may_be_empty(tmp_path):
    with pytest.raises(ValueError, match="not a folder"):
        create_sandbox(tmp_path / "none")
    (tmp_path / "README.md").write_text("not JSON", encoding="utf-8")
    api = api_client(tmp_path)
    for path in ("/events", "/groups"):
        assert api.get(path).json == {"data": [], "hasMore": False}


def test_the_run_club_has_a_year_of_past_sessions_and_eight_weeks_of_coming_ones():
    runs = LOADED.documents["lincoln-park-tuesdays"]["runs"]
    dates = [date.fromisoformat(run["date"]) for run in runs]

    assert len(runs) == 60
    assert sum(day < TODAY for day in dates) == 52
    assert (dates[0], dates[-1]) == (date(2025, 5, 27), date(2026, 7, 14))
    assert [run["eventStatus"] for run in runs[52:]] == [
        *("scheduled", "scheduled", "cancelled", "scheduled", "rescheduled"),
        *("scheduled", "scheduled", "scheduled"),
    ]


def test_samples_have_unique_ids_documented_fields_and_links_to_no_real_website():
    """What each sample shows is in the golden files of tests/formats."""
    documents = LOADED.documents
    runs = [run for document in documents.values() for run in document["runs"]]

    assert len(documents) >= 20
    assert {path.stem for path in SAMPLES.glob("*.json")} - {"organization"} == set(documents)
    assert len({run["_id"] for run in runs}) == len(runs)
    for id_, document in documents.items():
        event, runs = document["event"], document["runs"]
        times = [item["startTime"] for item in (event, *runs) if "startTime" in item]
        if id_ != "orchard-loop-5k":  # a document with faults
            assert event.keys() <= EVENT_FIELDS
            assert all(run.keys() <= RUN_FIELDS for run in runs)
            assert all(re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?", t) for t in times)
    assert {id_ for ids in LOADED.group_events.values() for id_ in ids} <= documents.keys()
    assert {recurrence["eventId"] for recurrence in LOADED.recurrences} <= documents.keys()
    hosts = set(re.findall(r"https?://([^/\"?]+)", json.dumps(documents))) - {"northshorerace.com"}
    assert not [host for host in hosts if not re.search(r"(^|\.)example\.(com|org)$", host)]


@pytest.mark.parametrize("months", range(24))
def test_dates_within_each_sample_are_in_order_in_every_month(months):
    today = date(2027 + months // 12, months % 12 + 1, 28)
    for document in load_samples(SAMPLES, today).documents.values():
        event = document["event"]
        start = date.fromisoformat(event["date"])
        tomorrow = start + timedelta(days=1)
        end = date.fromisoformat(event.get("endDate") or tomorrow.isoformat())
        for run in document["runs"]:
            assert run["eventId"] == event["_id"]
            assert start <= date.fromisoformat(run["date"])
            assert date.fromisoformat(run["date"]) <= end or event["type"] == "runClub"
            opens, closes = run.get("registrationOpensAt"), run.get("registrationClosesAt")
            if opens and closes:
                assert datetime.fromisoformat(opens) < datetime.fromisoformat(closes)
