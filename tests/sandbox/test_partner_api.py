"""The sandbox answers as the reference of the partner API says."""

import json

import pytest

from feeds.sandbox import SAMPLES, create_sandbox
from tests.support.sandbox import api_client, assert_error, event_document

IN_ORDER = ["b", "d", "a", "c", "f", "e"]


@pytest.fixture
def api():
    return api_client()


@pytest.fixture
def folder(tmp_path):
    """Six events on three days, and an event of another organization."""
    days = {"d": 1, "b": 1, "a": 2, "f": 2, "c": 2, "e": 3}
    documents = {id_: event_document(id_, f"2026-06-0{day}") for id_, day in days.items()}
    documents["c"]["event"]["type"] = "runClub"
    documents["foreign"] = event_document("foreign", "2026-06-02", "other-org")
    for id_, document in documents.items():
        (tmp_path / f"{id_}.json").write_text(json.dumps(document), encoding="utf-8")
    return tmp_path


def test_an_event_is_served_with_its_runs_as_in_its_file(api):
    response = api.get("/events/e72tuv901wxy234")
    document = json.loads((SAMPLES / "e72tuv901wxy234.json").read_text("utf-8"))

    assert response.json == {"data": document}
    assert response.mimetype == "application/json"
    assert not {"ETag", "Last-Modified", "Cache-Control", "Retry-After"} & {
        *response.headers.keys()
    }
    assert "隅田川".encode() in api.get("/events/sumida-river-10k").data  # no escapes


def test_an_event_of_another_organization_is_404(folder):
    other = api_client(folder, organization_id="other-org")

    assert_error(api_client(folder).get("/events/foreign"), 404, "NOT_FOUND")
    assert other.get("/events/foreign").status_code == 200
    assert other.list_ids("/events") == ["foreign"]


def test_a_page_has_50_events_without_their_runs_and_ends_unless_a_limit_is_given(api):
    for number in range(60):
        id_ = f"extra-{number:02}"
        assert api.plain.put(f"/sandbox/events/{id_}", json=event_document(id_)).status_code == 201
    page = api.get("/events").json

    assert page.keys() == {"data", "hasMore"}
    assert (len(page["data"]), page["hasMore"]) == (50, True)
    listed = api.get("/events", limit=100).json["data"]
    assert len(listed) > 60
    names = {name for event in listed for name in event}
    assert {"_id", "name", "slug", "type", "date", "organizationId"} <= names
    assert not names & {"runs", "endDate", "endTime"}


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({}, IN_ORDER),
        ({"dateFrom": "2026-06-02"}, ["a", "c", "f", "e"]),
        ({"dateTo": "2026-06-02"}, ["b", "d", "a", "c", "f"]),
        ({"dateFrom": "2026-06-02", "dateTo": "2026-06-02"}, ["a", "c", "f"]),
        ({"dateFrom": "2026-06-04"}, []),
        ({"dateFrom": "2026-06-03", "after": "d"}, ["e"]),
        ({"after": "e"}, []),
        ({"before": "b"}, []),
        (dict.fromkeys(("type", "dateFrom", "dateTo", "limit", "after", "before"), ""), IN_ORDER),
        ({"unknown": "parameter"}, IN_ORDER),
        ({"type": "runClub"}, ["c"]),
    ],
)
def test_events_are_ordered_by_date_and_id_and_filtered(folder, query, ids):
    assert api_client(folder).list_ids("/events", **query) == ids


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("type", "runclub"),
        *(("limit", limit) for limit in ("0", "101", "-1", "ten", "1.5", "٣")),
        *(("dateFrom", date) for date in ("2026-02-30", "20260601", "2026-W23-1", "tomorrow")),
        ("dateTo", "tomorrow"),
        ("after", "no-such-event"),
        ("before", "no-such-event"),
        ("after", "foreign"),
    ],
)
def test_a_parameter_with_a_wrong_value_is_422(folder, name, value):
    assert_error(api_client(folder).get("/events", **{name: value}), 422, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "query",
    [{"after": "a", "before": "b"}, {"dateFrom": "2026-06-02", "dateTo": "2026-06-01"}],
)
def test_parameters_that_do_not_go_together_are_400(folder, query):
    assert_error(api_client(folder).get("/events", **query), 400, "BAD_REQUEST")


@pytest.mark.parametrize("limit", range(1, 7))
@pytest.mark.parametrize(("cursor", "first"), [("after", "b"), ("before", "e")])
def test_following_a_cursor_lists_every_event_once(folder, limit, cursor, first):
    api = api_client(folder)
    seen, more = [first], True
    while more:
        edge = seen[-1] if cursor == "after" else seen[0]
        page = api.get("/events", limit=limit, **{cursor: edge}).json
        ids = [event["_id"] for event in page["data"]]
        assert 1 <= len(ids) <= limit
        seen = seen + ids if cursor == "after" else ids + seen
        more = page["hasMore"]

    assert seen == IN_ORDER


def test_the_organization_is_that_of_the_key_with_the_plan_of_the_key(folder):
    assert api_client(plan="free").get("/organization").json["data"] == {
        "_id": "k57abc123def456",
        "name": "North Shore Race Series",
        "slug": "north-shore-race-series",
        "roles": ["organizer", "sponsor"],
        "plan": "free",
    }
    without_file = api_client(folder, organization_id="other-org").get("/organization")
    assert without_file.json["data"]["_id"] == without_file.json["data"]["name"] == "other-org"


def test_groups_are_listed_by_id_in_pages_and_found_by_their_slug(api):
    page = api.get("/groups", limit=1, after="g-clock-changers").json

    assert [group["slug"] for group in page["data"]] == ["lincoln-park-run-club"]
    assert page["hasMore"] is True
    assert api.list_ids("/groups") == [
        *("g-clock-changers", "g-lincoln-park-run-club", "g-north-shore-grand-prix"),
        "g-winter-marathon-training",
    ]
    group = api.get("/groups/winter-marathon-training").json["data"]
    assert group["status"] == "paused"
    assert "events" not in group


def test_the_events_of_a_group_are_pages_of_the_list_of_events(api):
    path = "/groups/clock-changers/events"
    page = api.get(path, limit=1).json

    assert page["hasMore"] is True
    assert page["data"][0]["type"] == "race"
    assert "endTime" not in page["data"][0]
    (other,) = api.list_ids(path, after=page["data"][0]["_id"])
    assert api.list_ids("/groups/lincoln-park-run-club/events") == ["lincoln-park-tuesdays"]
    assert api.list_ids("/groups/winter-marathon-training/events") == [
        *("lagoons-half", "north-shore-marathon")
    ]
    api.plain.delete(f"/sandbox/events/{page['data'][0]['_id']}")
    assert api.list_ids(path) == [other]


def test_groups_and_recurrences_of_another_organization_are_hidden():
    other = api_client(organization_id="other-org")

    assert other.list_ids("/groups") == []
    assert other.list_ids("/recurrences") == []
    assert_error(other.get("/groups/lincoln-park-run-club"), 404, "NOT_FOUND")


def test_recurrences_have_a_schedule_and_are_filtered_by_status(api):
    (recurrence,) = api.get("/recurrences", status="active").json["data"]

    assert recurrence["eventId"] == "lincoln-park-tuesdays"
    assert recurrence["schedule"]["daysOfWeek"] == [2]
    assert api.list_ids("/recurrences", status="paused") == ["rec-clock-change-nights"]
    assert api.list_ids("/recurrences", status="archived") == []
    assert len(api.list_ids("/recurrences")) == 2
    assert_error(api.get("/recurrences", status="on"), 422, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/event", "/events/", "/events/a/runs", "//events", "/sandbox", "/sandbox/x"),
        *("/events/no-such-event", "/groups/no-such-group", "/groups/no-such-group/events"),
    ],
)
def test_an_unknown_path_event_or_group_is_404(api, path):
    assert_error(api.get(path), 404, "NOT_FOUND")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_method_other_than_get_and_head_is_405(api, method):
    response = api.plain.open("/events/e72tuv901wxy234", method=method)

    assert_error(response, 405, "METHOD_NOT_ALLOWED")
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD"}


def test_a_failure_of_the_sandbox_is_500_in_the_shape_of_an_error():
    app = create_sandbox()
    app.add_url_rule("/boom", view_func=lambda: str(1 // 0), endpoint="boom")
    app.logger.disabled = True

    assert_error(app.test_client().get("/boom"), 500, "INTERNAL_SERVER_ERROR")
    app.logger.disabled = False
