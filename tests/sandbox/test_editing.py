"""The editing API of the sandbox: events that change, and the log of calls."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from feeds.sandbox import create_sandbox
from tests.support.sandbox import api_client, assert_error, event_document

FESTIVAL = "/sandbox/events/harbor-festival"
FESTIVAL_10K = f"{FESTIVAL}/runs/harbor-festival-10k"


@pytest.fixture
def api(clock):
    return api_client(clock=clock)


@pytest.fixture
def plain(api):
    return api.plain


def test_a_new_or_changed_document_is_served_at_once(api, plain):
    for name, status in (("Moat Run", 201), ("Moat Run, with a bridge", 200)):
        document = event_document("moat-run", name=name)
        response = plain.put("/sandbox/events/moat-run", json=document)
        assert (response.status_code, response.json) == (status, document)
        assert plain.get("/sandbox/events/moat-run").json == document
        assert api.get("/events/moat-run").json["data"] == document
    assert "moat-run" in api.list_ids("/events")


@pytest.mark.parametrize(
    "document",
    [
        {"event": None, "runs": None},
        {"event": {}, "runs": {}},
        {"event": "harbor-festival", "runs": [None, 1, "x"]},
        {"event": {"_id": 7, "date": 20260601, "organizationId": 3}, "runs": [{"_id": 1}]},
        {"event": {"_id": "bad", "date": None, "type": ["race"]}, "runs": [[]], "more": 1},
        {"event": {"name": "{+1 sat2} lone \ud800 surrogate"}, "runs": [float("inf")]},
    ],
)
def test_an_invalid_document_is_served_as_it_is(api, plain, document):
    assert plain.put("/sandbox/events/bad", data=json.dumps(document)).status_code == 201
    assert api.get("/events/bad").json == {"data": document}
    assert plain.get("/sandbox/events/bad").json == document
    assert document["event"] in api.get("/events", limit=100).json["data"]
    for query in ({"type": "race"}, {"dateFrom": "2026-01-01"}, {"after": "bad"}):
        assert api.get("/events", **query).status_code == 200
    response = plain.patch("/sandbox/events/bad/runs/no-such-run", data="{}")
    assert_error(response, 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        *((body, 400, "BAD_REQUEST") for body in ("", "{", "<html>", b"\xff\xfe")),
        pytest.param("[" * 100_000, 400, "BAD_REQUEST", id="deep"),
        *((body, 422, "VALIDATION_ERROR") for body in ("[]", "null", "{}", '{"event": {}}')),
    ],
)
def test_a_body_that_is_not_json_is_400_and_that_is_not_a_document_422(plain, body, status, code):
    assert_error(plain.put("/sandbox/events/x", data=body), status, code)
    assert plain.get("/sandbox/events/x").status_code == 404


def test_a_deleted_event_is_404_until_it_is_put_again(api, plain):
    document = plain.get(FESTIVAL).json
    response = plain.delete(FESTIVAL)

    assert (response.status_code, response.data) == (204, b"")
    assert_error(api.get("/events/harbor-festival"), 404, "NOT_FOUND")
    assert_error(plain.get(FESTIVAL), 404, "NOT_FOUND")
    assert_error(plain.delete(FESTIVAL), 404, "NOT_FOUND")
    assert "harbor-festival" not in api.list_ids("/events")
    assert plain.put(FESTIVAL, json=document).status_code == 201
    assert api.get("/events/harbor-festival").json["data"] == document


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
def test_fields_of_a_run_are_set_whatever_the_content_type(api, plain, content_type):
    fields = '{"eventStatus": "cancelled", "soldOut": null}'
    response = plain.patch(FESTIVAL_10K, data=fields, content_type=content_type)
    runs = api.get("/events/harbor-festival").json["data"]["runs"]

    assert response.json == runs[1]
    assert runs[1]["eventStatus"] == "cancelled"
    assert runs[1]["soldOut"] is None
    assert runs[1]["startTime"] == "07:45"
    assert [run["eventStatus"] for run in runs].count("cancelled") == 1


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (f"{FESTIVAL}/runs/no-such-run", "{}", 404, "NOT_FOUND"),
        ("/sandbox/events/no-such-event/runs/x", "{}", 404, "NOT_FOUND"),
        (FESTIVAL_10K, "{", 400, "BAD_REQUEST"),
        (FESTIVAL_10K, "[]", 422, "VALIDATION_ERROR"),
    ],
)
def test_a_patch_needs_a_known_run_and_an_object(plain, path, body, status, code):
    assert_error(plain.patch(path, data=body), status, code)


def test_patches_from_many_threads_are_all_kept():
    app = create_sandbox()

    def patch(number):
        return app.test_client().patch(FESTIVAL_10K, json={f"field{number}": number}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(patch, range(200))) == {200}
    runs = app.test_client().get(FESTIVAL).get_json()["runs"]
    assert {f"field{number}" for number in range(200)} <= runs[1].keys()


def test_the_log_has_calls_of_the_partner_api_in_order_with_status_and_time(api, plain, clock):
    api.get("/events/harbor-festival")
    clock.advance(seconds=5)
    for editing_path in (FESTIVAL, "/sandbox/no-such-path", "/sandbox/calls"):
        plain.get(editing_path)
    api.get("/events", limit=0)
    plain.get("/organization")

    report = plain.get("/sandbox/calls").json
    assert report["total"] == 3
    assert [(call["path"], call["status"], call["at"]) for call in report["calls"]] == [
        ("/events/harbor-festival", 200, "2026-05-20T12:00:00+00:00"),
        ("/events?limit=0", 422, "2026-05-20T12:00:05+00:00"),
        ("/organization", 401, "2026-05-20T12:00:05+00:00"),
    ]


def test_the_log_has_the_last_1000_calls_and_counts_all_until_it_is_cleared(plain):
    for number in range(1_005):
        plain.get(f"/events/{number}")
    report = plain.get("/sandbox/calls").json

    assert (report["total"], len(report["calls"])) == (1_005, 1_000)
    assert report["calls"][0]["path"] == "/events/5"
    assert plain.delete("/sandbox/calls").status_code == 204
    assert plain.get("/sandbox/calls").json == {"total": 0, "calls": []}
