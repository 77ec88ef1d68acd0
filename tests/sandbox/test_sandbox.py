"""The sandbox against its reference: intervals.run's partner API, read from the outside."""

import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec
import pytest
from flask.testing import FlaskClient

from feeds.sandbox import ORGANIZATION_ID, SAMPLES, SANDBOX_KEY, SCOPES, Key, create_sandbox
from feeds.sandbox.date_tokens import resolve_date_tokens
from feeds.sandbox.keys import PLANS, RateLimiter
from feeds.sandbox.samples import load_samples

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
DOCUMENTED = {
    "event": {
        "_id": "e72tuv901wxy234",
        "name": "Lakefront 5K - June 14",
        "slug": "lakefront-5k-june-14",
        "type": "race",
        "date": "2025-06-14",
        "organizationId": "k57abc123def456",
        "startTime": "08:00",
        "description": "Weekly lakefront 5K race along the scenic shore path.",
        "websiteUrl": "https://northshorerace.com/lakefront-5k",
    },
    "runs": [
        {
            "_id": "r41abc567def890",
            "eventId": "e72tuv901wxy234",
            "distanceMeters": 5000,
            "distanceStandard": "5K",
            "distanceLabel": "5K",
            "date": "2025-06-14",
            "startTime": "08:00",
            "eventStatus": "scheduled",
        }
    ],
}
PARTNER_PATHS = {
    "/events": {"read:events"},
    "/events/e72tuv901wxy234": {"read:events"},
    "/organization": {"read:series"},
    "/groups": {"read:groups"},
    "/groups/lincoln-park-run-club": {"read:groups"},
    "/groups/lincoln-park-run-club/events": {"read:groups", "read:events"},
    "/recurrences": {"read:recurrences"},
}


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class Caller:
    """A client with a key. The plain test client, for the sandbox's own paths, is ``plain``."""

    def __init__(self, plain: FlaskClient, key: str = SANDBOX_KEY) -> None:
        self.plain = plain
        self._headers = {"Authorization": f"Bearer {key}"}

    def get(self, path: str, **query: Any) -> Any:
        return self.plain.get(path, query_string=query, headers=self._headers)

    def ids(self, path: str, **query: Any) -> list[str]:
        response = self.get(path, **query)
        assert response.status_code == 200, response.json
        return [item["_id"] for item in response.json["data"]]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def api(clock):
    return Caller(create_sandbox(clock=clock).test_client())


@pytest.fixture
def plain(api):
    return api.plain


def caller(folder=SAMPLES, *, clock=None, **key):
    """A caller whose key is as given, on a sandbox of its own."""
    keys = {"k": Key(**{"organization_id": ORGANIZATION_ID, **key})}
    return Caller(create_sandbox(folder, keys=keys, clock=clock or Clock()).test_client(), "k")


def event_file(id_, date_="2026-06-01", organization_id=ORGANIZATION_ID, **more):
    event = {"_id": id_, "name": id_, "slug": id_, "type": "race", "date": date_}
    return {"event": {**event, "organizationId": organization_id, **more}, "runs": []}


def run(id_="r", **more):
    required = {"_id": id_, "eventId": "e", "distanceMeters": 5000, "distanceStandard": "5K"}
    return {**required, "distanceLabel": "5K", "date": "2026-06-01", **more}


@pytest.fixture
def folder(tmp_path):
    """Seven events of three days, one of them another organization's."""
    days = {"d": 1, "b": 1, "a": 2, "f": 2, "c": 2, "e": 3}
    for id_, day in days.items():
        document = event_file(id_, f"2026-06-0{day}")
        (tmp_path / f"{id_}.json").write_text(json.dumps(document), encoding="utf-8")
    foreign = event_file("foreign", "2026-06-02", "other-org")
    (tmp_path / "foreign.json").write_text(json.dumps(foreign), encoding="utf-8")
    return tmp_path


def assert_error(response, status, code):
    assert response.status_code == status
    assert response.mimetype == "application/json"
    error = response.json["error"]
    assert response.json.keys() == {"error"}
    assert error["code"] == code
    assert error["message"]
    assert "\n" not in error["message"]


class TestAnEvent:
    def test_the_documented_example_is_served_as_documented(self, api):
        response = api.get("/events/e72tuv901wxy234")
        assert response.json == {"data": DOCUMENTED}
        assert response.mimetype == "application/json"

    def test_it_comes_with_its_runs_and_its_end(self, api):
        document = api.get("/events/glacial-ridge-100").json["data"]
        assert document["event"]["endTime"] == "12:00"
        assert [r["distanceStandard"] for r in document["runs"]] == ["100M", "100K", "5K"]

    def test_no_answer_can_be_validated_or_cached(self, api):
        headers = api.get("/events/e72tuv901wxy234").headers
        assert not {"ETag", "Last-Modified", "Cache-Control", "Retry-After"} & set(headers.keys())

    def test_an_unknown_event_is_404_not_found(self, api):
        assert_error(api.get("/events/nobody-runs-here"), 404, "NOT_FOUND")

    def test_another_organizations_event_is_404_not_found(self, folder):
        assert_error(caller(folder).get("/events/foreign"), 404, "NOT_FOUND")
        other = caller(folder, organization_id="other-org")
        assert other.get("/events/foreign").status_code == 200
        assert other.ids("/events") == ["foreign"]

    def test_text_is_utf_8_and_not_escaped(self, api):
        assert "隅田川".encode() in api.get("/events/sumida-river-10k").data

    def test_head_is_get_without_the_body(self, plain):
        headers = {"Authorization": f"Bearer {SANDBOX_KEY}"}
        response = plain.head("/events/e72tuv901wxy234", headers=headers)
        assert (response.status_code, response.data) == (200, b"")


class TestTheListOfEvents:
    def test_events_come_without_runs_and_without_their_end(self, api):
        page = api.get("/events", limit=100).json
        assert page.keys() == {"data", "hasMore"}
        names = {name for event in page["data"] for name in event}
        assert {"_id", "name", "slug", "type", "date", "organizationId"} <= names
        assert not names & {"runs", "endDate", "endTime"}

    def test_events_are_ordered_by_date_then_id(self, folder):
        assert caller(folder).ids("/events") == ["b", "d", "a", "c", "f", "e"]

    def test_a_page_holds_fifty_unless_told(self, api):
        for number in range(60):
            id_ = f"extra-{number:02}"
            assert api.plain.put(f"/sandbox/events/{id_}", json=event_file(id_)).status_code == 201
        page = api.get("/events").json
        assert (len(page["data"]), page["hasMore"]) == (50, True)
        assert len(api.ids("/events", limit=100)) > 60

    def test_dates_filter_inclusively(self, folder):
        api = caller(folder)
        assert api.ids("/events", dateFrom="2026-06-02") == ["a", "c", "f", "e"]
        assert api.ids("/events", dateTo="2026-06-02") == ["b", "d", "a", "c", "f"]
        assert api.ids("/events", dateFrom="2026-06-02", dateTo="2026-06-02") == ["a", "c", "f"]
        assert api.ids("/events", dateFrom="2026-06-04") == []

    def test_types_filter(self, api):
        assert api.ids("/events", type="runClub") == [
            "lincoln-park-tuesday-1",
            "lincoln-park-tuesday-2",
        ]
        assert api.ids("/events", type="timeTrial") == ["campus-twilight-mile"]

    def test_an_empty_parameter_is_an_absent_one(self, api):
        names = ("type", "dateFrom", "dateTo", "limit", "after", "before")
        assert api.ids("/events", **dict.fromkeys(names, "")) == api.ids("/events")

    def test_a_parameter_that_is_not_known_is_ignored(self, api):
        assert api.ids("/events", colour="red") == api.ids("/events")

    @pytest.mark.parametrize(
        "query",
        [
            {"type": "marathon"},
            {"type": "runclub"},
            {"limit": "0"},
            {"limit": "101"},
            {"limit": "-1"},
            {"limit": "ten"},
            {"limit": "1.5"},
            {"limit": "٣"},
            {"dateFrom": "2026-02-30"},
            {"dateFrom": "20260601"},
            {"dateTo": "2026-W23-1"},
            {"dateTo": "tomorrow"},
            {"after": "no-such-event"},
            {"before": "no-such-event"},
        ],
    )
    def test_a_parameter_with_a_wrong_value_is_422(self, api, query):
        assert_error(api.get("/events", **query), 422, "VALIDATION_ERROR")

    @pytest.mark.parametrize(
        "query",
        [
            {"after": "harbor-festival", "before": "night-owl-run"},
            {"dateFrom": "2026-06-02", "dateTo": "2026-06-01"},
        ],
    )
    def test_parameters_that_do_not_go_together_are_400(self, api, query):
        assert_error(api.get("/events", **query), 400, "BAD_REQUEST")


class TestPages:
    @pytest.mark.parametrize("limit", [1, 2, 3, 5, 6, 7])
    def test_following_after_gives_every_event_once(self, folder, limit):
        api = caller(folder)
        seen: list[str] = []
        more = True
        while more:
            page = api.get("/events", limit=limit, after="".join(seen[-1:])).json
            assert 1 <= len(page["data"]) <= limit
            seen += [event["_id"] for event in page["data"]]
            more = page["hasMore"]
        assert seen == ["b", "d", "a", "c", "f", "e"]

    @pytest.mark.parametrize("limit", [1, 2, 3, 5])
    def test_following_before_gives_the_same_backwards(self, folder, limit):
        api = caller(folder)
        seen, more = ["e"], True
        while more:
            page = api.get("/events", limit=limit, before=seen[0]).json
            seen, more = [event["_id"] for event in page["data"]] + seen, page["hasMore"]
        assert seen == ["b", "d", "a", "c", "f", "e"]

    def test_a_full_last_page_has_no_more(self, folder):
        api = caller(folder)
        assert api.get("/events", limit=6).json["hasMore"] is False
        assert api.get("/events", limit=3, after="a").json["hasMore"] is False
        assert api.get("/events", limit=2, after="a").json["hasMore"] is True
        assert api.get("/events", limit=2, before="a").json["hasMore"] is False

    def test_nothing_follows_the_last_and_nothing_precedes_the_first(self, folder):
        api = caller(folder)
        empty = {"data": [], "hasMore": False}
        assert api.get("/events", after="e").json == empty
        assert api.get("/events", before="b").json == empty

    def test_a_cursor_may_lie_outside_of_the_filter(self, folder):
        assert caller(folder).ids("/events", dateFrom="2026-06-03", after="d") == ["e"]

    def test_another_organizations_event_is_no_cursor(self, folder):
        response = caller(folder).get("/events", after="foreign")
        assert_error(response, 422, "VALIDATION_ERROR")

    def test_an_event_that_moves_takes_its_new_place(self, folder):
        api = caller(folder)
        api.plain.put("/sandbox/events/b", json=event_file("b", "2026-06-09"))
        assert api.ids("/events") == ["d", "a", "c", "f", "e", "b"]


class TestTheOrganization:
    def test_it_tells_who_the_key_belongs_to_and_its_plan(self, api):
        assert api.get("/organization").json == {
            "data": {
                "_id": ORGANIZATION_ID,
                "name": "North Shore Race Series",
                "slug": "north-shore-race-series",
                "roles": ["organizer", "sponsor"],
                "plan": "enterprise",
            }
        }

    def test_the_plan_is_the_keys(self):
        assert caller(plan="free").get("/organization").json["data"]["plan"] == "free"

    def test_one_without_a_file_is_known_by_its_id(self, folder):
        data = caller(folder, organization_id="other-org").get("/organization").json["data"]
        assert data["_id"] == data["name"] == "other-org"
        assert data["roles"] == ["organizer"]


class TestGroups:
    def test_groups_are_listed_by_id(self, api):
        assert api.ids("/groups") == [
            "g-clock-changers",
            "g-lincoln-park-run-club",
            "g-winter-marathon-training",
        ]

    def test_groups_are_paged(self, api):
        page = api.get("/groups", limit=1, after="g-clock-changers").json
        assert [group["slug"] for group in page["data"]] == ["lincoln-park-run-club"]
        assert page["hasMore"] is True

    def test_one_is_found_by_its_slug(self, api):
        group = api.get("/groups/winter-marathon-training").json["data"]
        assert group["status"] == "paused"
        assert group["organizationId"] == ORGANIZATION_ID
        assert "events" not in group

    def test_an_unknown_one_is_404(self, api):
        assert_error(api.get("/groups/nordic-walkers"), 404, "NOT_FOUND")
        assert_error(api.get("/groups/nordic-walkers/events"), 404, "NOT_FOUND")

    def test_another_organizations_groups_are_not_seen(self):
        other = caller(organization_id="other-org")
        assert other.ids("/groups") == []
        assert_error(other.get("/groups/lincoln-park-run-club"), 404, "NOT_FOUND")

    def test_the_events_of_one_are_a_page(self, api):
        path = "/groups/lincoln-park-run-club/events"
        page = api.get(path, limit=1).json
        assert page["hasMore"] is True
        assert page["data"][0]["type"] == "runClub"
        assert "endTime" not in page["data"][0]
        assert api.ids(path, after=page["data"][0]["_id"]) == ["lincoln-park-tuesday-2"]
        assert api.ids("/groups/winter-marathon-training/events") == []

    def test_a_deleted_event_leaves_its_group(self, api):
        api.plain.delete("/sandbox/events/lincoln-park-tuesday-1")
        assert api.ids("/groups/lincoln-park-run-club/events") == ["lincoln-park-tuesday-2"]


class TestRecurrences:
    def test_they_are_listed_with_their_schedule(self, api):
        page = api.get("/recurrences").json
        assert page["hasMore"] is False
        assert page["data"][1] == {
            "_id": "rec-lincoln-park-tuesdays",
            "eventId": "lincoln-park-tuesday-1",
            "label": "Tuesday Run",
            "schedule": {
                "frequency": "weekly",
                "daysOfWeek": ["tuesday"],
                "startTime": "18:30",
                "durationMinutes": 90,
            },
            "status": "active",
            "autoPublishHorizonWeeks": 4,
        }

    def test_the_status_filters(self, api):
        assert api.ids("/recurrences", status="active") == ["rec-lincoln-park-tuesdays"]
        assert api.ids("/recurrences", status="paused") == ["rec-clock-change-nights"]
        assert api.ids("/recurrences", status="archived") == []
        assert api.ids("/recurrences", limit=1) == ["rec-clock-change-nights"]

    def test_an_unknown_status_is_422(self, api):
        assert_error(api.get("/recurrences", status="on"), 422, "VALIDATION_ERROR")

    def test_another_organizations_are_not_seen(self):
        assert caller(organization_id="other-org").ids("/recurrences") == []


class TestKeys:
    @pytest.mark.parametrize("path", PARTNER_PATHS)
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer "},
            {"Authorization": "sandbox-key"},
            {"Authorization": "Basic c2FuZGJveC1rZXk6"},
            {"X-Api-Key": "sandbox-key"},
        ],
    )
    def test_without_a_known_key_it_is_401(self, plain, path, headers):
        assert_error(plain.get(path, headers=headers), 401, "UNAUTHORIZED")

    @pytest.mark.parametrize(("path", "scopes"), PARTNER_PATHS.items())
    def test_a_key_without_the_scope_gets_403(self, path, scopes):
        assert_error(caller(scopes=SCOPES - scopes).get(path), 403, "FORBIDDEN")

    @pytest.mark.parametrize(
        ("path", "scope"),
        [(path, scope) for path, scopes in PARTNER_PATHS.items() for scope in sorted(scopes)],
    )
    def test_any_one_of_the_scopes_is_enough(self, path, scope):
        assert caller(scopes=frozenset({scope})).get(path).status_code == 200

    def test_the_scheme_is_not_case_sensitive(self, plain):
        headers = {"Authorization": f"bearer {SANDBOX_KEY}"}
        assert plain.get("/events", headers=headers).status_code == 200

    def test_a_scope_is_asked_for_before_the_event_is_looked_up(self):
        api = caller(scopes=frozenset({"read:groups"}))
        assert_error(api.get("/events/nobody-runs-here"), 403, "FORBIDDEN")


class TestOtherErrors:
    @pytest.mark.parametrize(
        "path", ["/", "/event", "/events/", "/events/a/runs", "//events", "/sandbox", "/sandbox/x"]
    )
    def test_an_unknown_path_is_404(self, api, path):
        assert_error(api.get(path), 404, "NOT_FOUND")

    @pytest.mark.parametrize("path", PARTNER_PATHS)
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    def test_another_method_than_get_is_405(self, plain, path, method):
        response = plain.open(path, method=method)
        assert_error(response, 405, "METHOD_NOT_ALLOWED")
        assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD"}

    def test_a_failure_of_its_own_is_500_in_the_same_shape(self):
        app = create_sandbox()
        app.add_url_rule("/boom", view_func=lambda: str(1 // 0), endpoint="boom")
        app.logger.disabled = True
        assert_error(app.test_client().get("/boom"), 500, "INTERNAL_SERVER_ERROR")
        app.logger.disabled = False


@pytest.mark.parametrize("plan", PLANS)
class TestRateLimits:
    def test_the_burst_passes_and_the_next_is_429(self, plan, clock):
        api = caller(plan=plan, clock=clock)
        statuses = [api.get("/organization").status_code for _ in range(PLANS[plan].burst + 1)]
        assert statuses == [200] * PLANS[plan].burst + [429]

    def test_the_429_tells_in_milliseconds_when_to_retry_and_in_no_header(self, plan, clock):
        api = caller(plan=plan, clock=clock)
        for _ in range(PLANS[plan].burst):
            api.get("/organization")
        response = api.get("/organization")
        assert_error(response, 429, "RATE_LIMITED")
        assert "Retry-After" not in response.headers
        retry_after = response.json["error"]["retryAfter"]
        assert isinstance(retry_after, int)
        wait = PLANS[plan].window / PLANS[plan].limit
        assert retry_after == (clock.now + wait).timestamp() * 1_000

        clock.now += wait - timedelta(milliseconds=1)
        assert api.get("/organization").status_code == 429
        clock.now += timedelta(milliseconds=1)
        assert api.get("/organization").status_code == 200
        assert api.get("/organization").status_code == 429

    def test_who_obeys_retry_after_is_served_and_no_window_passes_the_limit(self, plan, clock):
        rate = PLANS[plan]
        api = caller(plan=plan, clock=clock)
        taken: list[datetime] = []
        refused = 0
        while len(taken) < rate.limit + 2 * rate.burst:
            response = api.get("/organization")
            if response.status_code == 200:
                taken.append(clock.now)
                refused = 0
                continue
            assert (refused := refused + 1) == 1
            milliseconds = response.json["error"]["retryAfter"]
            clock.now = datetime.fromtimestamp(milliseconds / 1_000, UTC)
        later = taken[rate.limit :]
        assert all(b - a >= rate.window for a, b in zip(taken, later, strict=False))
        assert taken[rate.limit] == taken[0] + rate.window

    def test_the_burst_comes_back_with_time(self, plan, clock):
        api = caller(plan=plan, clock=clock)
        for _ in range(3):
            statuses = Counter(api.get("/events").status_code for _ in range(PLANS[plan].burst + 5))
            assert statuses == {200: PLANS[plan].burst, 429: 5}
            clock.now += PLANS[plan].window

    def test_threads_together_get_no_more_than_the_burst(self, plan):
        limiter = RateLimiter(PLANS[plan])
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: limiter.acquire(NOW), range(200)))
        assert answers.count(None) == PLANS[plan].burst


class TestWhatCounts:
    def test_each_key_has_its_own_limit(self, clock):
        key = Key(ORGANIZATION_ID, plan="free")
        client = create_sandbox(keys={"one": key, "two": key}, clock=clock).test_client()
        one, two = Caller(client, "one"), Caller(client, "two")
        assert [one.get("/events").status_code for _ in range(21)][-1] == 429
        assert two.get("/events").status_code == 200

    def test_refusals_for_other_reasons_are_counted_too(self, clock):
        api = caller(plan="free", clock=clock)
        for _ in range(10):
            api.get("/events/nobody-runs-here")
            api.get("/events", limit=0)
        assert api.get("/events").status_code == 429

    def test_unknown_keys_and_own_paths_are_not(self, clock):
        api = caller(plan="free", clock=clock)
        for _ in range(30):
            assert api.plain.get("/events").status_code == 401
            assert api.get("/sandbox/events/harbor-festival").status_code == 200
        assert api.get("/events").status_code == 200


class TestEditing:
    def test_a_document_can_be_read_changed_and_put_back(self, api):
        path = "/sandbox/events/harbor-festival"
        document = api.plain.get(path).json
        assert document == api.get("/events/harbor-festival").json["data"]
        document["event"]["name"] = "Harbor Festival, now with a moat"
        assert api.plain.put(path, json=document).status_code == 200
        assert api.get("/events/harbor-festival").json["data"] == document

    def test_a_new_document_is_served_at_once(self, api):
        response = api.plain.put("/sandbox/events/brand-new", json=event_file("brand-new"))
        assert (response.status_code, response.json) == (201, event_file("brand-new"))
        assert "brand-new" in api.ids("/events")
        assert api.get("/events/brand-new").status_code == 200

    @pytest.mark.parametrize(
        "document",
        [
            {"event": None, "runs": None},
            {"event": [], "runs": {}},
            {"event": {}, "runs": []},
            {"event": "harbor-festival", "runs": [None, 1, "x"]},
            {"event": {"_id": 7, "date": 20260601, "organizationId": 3}, "runs": [{"_id": 1}]},
            {"event": {"_id": "bad", "date": None, "type": ["race"]}, "runs": [[]], "more": 1},
            {"event": {"name": "{+1 sat2} lone \ud800 surrogate"}, "runs": [float("inf")]},
        ],
    )
    def test_a_bad_document_is_served_as_it_is(self, api, document):
        response = api.plain.put("/sandbox/events/bad", data=json.dumps(document))
        assert response.status_code == 201
        assert api.get("/events/bad").json == {"data": document}
        assert api.plain.get("/sandbox/events/bad").json == document
        listed = api.get("/events", limit=100)
        assert document["event"] in listed.json["data"]
        for query in ({"type": "race"}, {"dateFrom": "2026-01-01"}, {"after": "bad"}):
            assert api.get("/events", **query).status_code == 200
        assert_error(
            api.plain.patch("/sandbox/events/bad/runs/nothing", data="{}"), 404, "NOT_FOUND"
        )

    @pytest.mark.parametrize(
        "body", ["", "{", "<html>", b"\xff\xfe", pytest.param("[" * 100_000, id="deep")]
    )
    def test_what_is_not_json_is_400(self, plain, body):
        document, run_ = "/sandbox/events/x", "/sandbox/events/harbor-festival/runs/x"
        assert_error(plain.put(document, data=body), 400, "BAD_REQUEST")
        assert_error(plain.patch(run_, data=body), 400, "BAD_REQUEST")

    @pytest.mark.parametrize("body", ["[]", "null", "3", "{}", '{"event": {}}', '{"runs": []}'])
    def test_what_is_not_a_document_is_422(self, plain, body):
        assert_error(plain.put("/sandbox/events/x", data=body), 422, "VALIDATION_ERROR")
        assert plain.get("/sandbox/events/x").status_code == 404

    def test_a_deleted_event_is_404_and_comes_back_with_a_put(self, api):
        path = "/sandbox/events/harbor-festival"
        document = api.plain.get(path).json
        response = api.plain.delete(path)
        assert (response.status_code, response.data) == (204, b"")
        assert_error(api.get("/events/harbor-festival"), 404, "NOT_FOUND")
        assert_error(api.plain.get(path), 404, "NOT_FOUND")
        assert_error(api.plain.delete(path), 404, "NOT_FOUND")
        assert "harbor-festival" not in api.ids("/events")
        assert api.plain.put(path, json=document).status_code == 201
        assert api.get("/events/harbor-festival").json["data"] == document

    @pytest.mark.parametrize(
        "content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain", ""]
    )
    def test_a_run_can_be_patched_whatever_the_content_type(self, api, content_type):
        response = api.plain.patch(
            "/sandbox/events/harbor-festival/runs/harbor-festival-10k",
            data='{"eventStatus": "cancelled", "soldOut": null}',
            content_type=content_type,
        )
        runs = api.get("/events/harbor-festival").json["data"]["runs"]
        assert response.json == runs[1]
        assert runs[1]["eventStatus"] == "cancelled"
        assert runs[1]["soldOut"] is None
        assert runs[1]["startTime"] == "07:45"
        assert {r["eventStatus"] for r in runs} == {"cancelled", "scheduled"}

    def test_a_patch_of_no_run_is_404_and_of_no_object_422(self, plain):
        path = "/sandbox/events/harbor-festival/runs/"
        assert_error(plain.patch(path + "marathon", data="{}"), 404, "NOT_FOUND")
        assert_error(plain.patch("/sandbox/events/none/runs/x", data="{}"), 404, "NOT_FOUND")
        response = plain.patch(path + "harbor-festival-10k", data="[]")
        assert_error(response, 422, "VALIDATION_ERROR")

    def test_no_patch_is_lost_among_threads(self):
        app = create_sandbox()
        path = "/sandbox/events/harbor-festival/runs/harbor-festival-10k"

        def patch(number):
            return app.test_client().patch(path, json={f"field{number}": number}).status_code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(patch, range(200))) == {200}
        runs = app.test_client().get("/sandbox/events/harbor-festival").get_json()["runs"]
        assert {f"field{number}" for number in range(200)} <= runs[1].keys()

    def test_an_edit_stays_with_its_sandbox(self, plain):
        plain.delete("/sandbox/events/harbor-festival")
        other = create_sandbox().test_client()
        assert other.get("/sandbox/events/harbor-festival").status_code == 200


class TestCalls:
    def test_partner_calls_are_told_in_order_with_their_status(self, api, clock):
        api.get("/events/harbor-festival")
        clock.now += timedelta(seconds=5)
        api.get("/events", limit=0)
        api.plain.get("/organization")
        api.get("/no/such/path")
        assert api.plain.get("/sandbox/calls").json == {
            "total": 4,
            "calls": [
                {
                    "path": "/events/harbor-festival",
                    "status": 200,
                    "at": "2026-05-20T12:00:00+00:00",
                },
                {"path": "/events?limit=0", "status": 422, "at": "2026-05-20T12:00:05+00:00"},
                {"path": "/organization", "status": 401, "at": "2026-05-20T12:00:05+00:00"},
                {"path": "/no/such/path", "status": 404, "at": "2026-05-20T12:00:05+00:00"},
            ],
        }

    def test_the_sandboxs_own_paths_are_not_counted(self, plain):
        plain.get("/sandbox/events/harbor-festival")
        plain.get("/sandbox/nothing")
        plain.get("/sandbox/calls")
        assert plain.get("/sandbox/calls").json == {"total": 0, "calls": []}

    def test_the_last_thousand_are_kept_and_all_are_counted(self, api):
        for number in range(1_005):
            api.plain.get(f"/events/{number}")
        report = api.plain.get("/sandbox/calls").json
        assert report["total"] == 1_005
        assert len(report["calls"]) == 1_000
        assert report["calls"][0]["path"] == "/events/5"

    def test_they_can_be_reset(self, api):
        api.get("/events")
        response = api.plain.delete("/sandbox/calls")
        assert (response.status_code, response.data) == (204, b"")
        assert api.plain.get("/sandbox/calls").json == {"total": 0, "calls": []}


class TestDateTokens:
    @pytest.mark.parametrize(
        ("today", "text", "resolved"),
        [
            ("2026-05-20", "{+1 sat2}", "2026-06-13"),
            ("2026-05-20", "{+1 sat2 +1}", "2026-06-14"),
            ("2026-05-20", "{+1 sat2 -1}", "2026-06-12"),
            ("2026-05-20", "{+0 1}", "2026-05-01"),
            ("2026-05-20", "{-1 15}", "2026-04-15"),
            ("2026-05-20", "{-1 15}T09:00:00-06:00", "2026-04-15T09:00:00-06:00"),
            ("2026-05-20", "from {+0 2} to {+0 3}", "from 2026-05-02 to 2026-05-03"),
            ("2026-05-20", "{-5 1}", "2025-12-01"),
            ("2026-05-20", "{+8 1}", "2027-01-01"),
            ("2026-05-20", "{+24 1}", "2028-05-01"),
            ("2026-05-20", "{+1 mon1}", "2026-06-01"),
            ("2026-05-20", "{+1 sun4}", "2026-06-28"),
            ("2026-05-20", "{next mar sun2}", "2027-03-14"),
            ("2026-05-20", "{next nov sun1}", "2026-11-01"),
            ("2026-05-20", "{next may 1}", "2026-05-01"),
            ("2026-03-31", "{next mar sun2}", "2026-03-08"),
            ("2026-04-01", "{next mar sun2}", "2027-03-14"),
            ("2026-01-31", "{+1 31}", "2026-02-28"),
            ("2026-01-31", "{+1 31 +1}", "2026-03-01"),
            ("2027-12-31", "{+2 30}", "2028-02-29"),
            ("2028-02-29", "{+12 29}", "2029-02-28"),
            ("2026-12-31", "{+1 sat2}", "2027-01-09"),
            ("2026-12-31", "{next jan 1}", "2027-01-01"),
            ("2026-12-31", "{-1 31}", "2026-11-30"),
        ],
    )
    def test_a_token_becomes_a_date(self, today, text, resolved):
        assert resolve_date_tokens(text, date.fromisoformat(today)) == resolved

    @pytest.mark.parametrize("text", ["{}", "{date}", "{1 15}", "{{x}}", "{next", "+1 sat2", "}{"])
    def test_other_braces_are_left_alone(self, text):
        assert resolve_date_tokens(text, NOW.date()) == text

    @pytest.mark.parametrize(
        "token",
        [
            "{+1}",
            "{+1 sat}",
            "{+1 sat5}",
            "{+1 sat0}",
            "{+1 0}",
            "{+1 32}",
            "{+1 Sat2}",
            "{+1  sat2}",
            "{+1 sat2 1}",
            "{+1 sat2 +1 +1}",
            "{next march sun2}",
            "{next 1 sun2}",
            "{+ 1}",
        ],
    )
    def test_a_misspelt_token_is_an_error(self, token):
        with pytest.raises(ValueError, match=re.escape(f"not a date token: {token}")):
            resolve_date_tokens([{"a": [token]}], NOW.date())

    @pytest.mark.parametrize(
        ("first", "last"),
        [
            ("2026-01-01", "2026-01-31"),
            ("2026-02-01", "2026-02-28"),
            ("2028-02-01", "2028-02-29"),
            ("2026-03-01", "2026-03-31"),
            ("2026-12-01", "2026-12-31"),
        ],
    )
    def test_the_samples_stay_put_within_a_month_and_move_with_the_next(self, first, last):
        start, end = date.fromisoformat(first), date.fromisoformat(last)
        documents = load_samples(SAMPLES, start).documents
        day = start
        while day <= end:
            assert load_samples(SAMPLES, day).documents == documents
            day += timedelta(days=5)
        assert load_samples(SAMPLES, end).documents == documents
        moved = load_samples(SAMPLES, end + timedelta(days=1)).documents
        assert moved["harbor-festival"] != documents["harbor-festival"]
        assert moved["e72tuv901wxy234"] == documents["e72tuv901wxy234"]

    def test_every_month_has_samples_that_fit(self):
        for month in range(24):
            today = date(2027 + month // 12, month % 12 + 1, 28)
            for document in load_samples(SAMPLES, today).documents.values():
                assert_sample(document)

    def test_the_month_is_the_one_of_utc(self):
        texas = datetime.fromisoformat("2026-05-31T20:00:00-06:00")
        client = create_sandbox(clock=Clock(texas)).test_client()
        event = client.get("/sandbox/events/harbor-festival").get_json()["event"]
        assert event["date"] == "2026-07-11"

    def test_dates_are_resolved_only_at_the_start(self, api, clock):
        before = api.get("/events", limit=100).json
        clock.now += timedelta(days=100)
        assert api.get("/events", limit=100).json == before


class TestTheFolder:
    @pytest.mark.parametrize(
        ("content", "fault"),
        [
            ("", "truncated"),
            ("{", "truncated"),
            ("{'event': 1}", "malformed"),
            (b"\xff", "malformed"),
            pytest.param("[" * 100_000, "recursion", id="deep"),
            ("[]", "Expected `object`, got `array`"),
            ("{}", "missing required field `event`"),
            ({"event": {}}, "missing required field `_id`"),
            ({**event_file("x"), "runs": {}}, "Expected `array`, got `object` - at `$.runs`"),
            ({"event": event_file("x")["event"]}, "missing required field `runs`"),
            (event_file("with space"), "at `$.event._id`"),
            (event_file("x" * 65), "at `$.event._id`"),
            (event_file("x", "next week"), "at `$.event.date`"),
            (event_file("x", "{+1 sat9}"), "not a date token: {+1 sat9}"),
            (event_file("x", name=None), "at `$.event.name`"),
            ({**event_file("x"), "runs": [run(), {}]}, "at `$.runs[1]`"),
            ({**event_file("x"), "runs": [run(distanceMeters="5K")]}, "distanceMeters"),
            (event_file("a-first"), "another file has the event a-first"),
            ({"organization": {"_id": "x"}}, "missing required field `name`"),
            (
                {"organization": {"_id": "x", "name": "x", "slug": "x", "roles": []}, "groups": 1},
                "at `$.groups`",
            ),
        ],
    )
    def test_a_wrong_file_is_named_with_its_fault_in_one_line(self, tmp_path, content, fault):
        good = json.dumps(event_file("a-first"))
        (tmp_path / "a-first.json").write_text(good, encoding="utf-8")
        if isinstance(content, dict):
            content = json.dumps(content)
        path = tmp_path / "wrong.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(ValueError) as caught:
            create_sandbox(tmp_path)
        message = str(caught.value)
        assert message.startswith("wrong.json: ")
        assert fault in message
        assert "\n" not in message

    def test_a_folder_that_is_missing_is_an_error(self, tmp_path):
        with pytest.raises(ValueError, match="not a folder"):
            create_sandbox(tmp_path / "none")

    def test_an_empty_folder_is_an_organization_without_events(self, tmp_path):
        api = caller(tmp_path)
        assert api.get("/events").json == {"data": [], "hasMore": False}
        assert api.get("/groups").json == {"data": [], "hasMore": False}

    def test_other_files_are_not_read(self, tmp_path):
        (tmp_path / "README.md").write_text("not JSON", encoding="utf-8")
        assert caller(tmp_path).ids("/events") == []


# What the reference says of each field.
Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Time = Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$")]
Day = date
Offset = Annotated[datetime, msgspec.Meta(tz=True)]
Distance = Literal[
    "5K",
    "10K",
    "15K",
    "Half Marathon",
    "Marathon",
    "50K",
    "50M",
    "100K",
    "100M",
    "Ultra",
    "Other",
]


class Event(msgspec.Struct, rename="camel"):
    id: Id = msgspec.field(name="_id")
    name: str
    slug: str
    type: Literal["race", "runClub", "timeTrial", "other"]
    date: Day
    organization_id: Literal["k57abc123def456"]
    start_time: Time | None = None
    end_date: Day | None = None
    end_time: Time | None = None
    address: dict[str, Any] | str | None = None
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    lng: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None
    description: str | None = None
    website_url: str | None = None
    registration_url: str | None = None


class Run(msgspec.Struct, rename="camel"):
    id: Id = msgspec.field(name="_id")
    event_id: Id
    distance_meters: Annotated[float, msgspec.Meta(gt=0)]
    distance_standard: Distance
    distance_label: str
    date: Day
    start_time: Time | None = None
    event_status: (
        Literal["scheduled", "cancelled", "postponed", "rescheduled", "weatherHold"] | None
    ) = None
    registration_url: str | None = None
    registration_opens_at: Offset | None = None
    registration_closes_at: Offset | None = None
    sold_out: bool | None = None
    registration_override: Literal["paused", "closed"] | None = None
    max_participants: int | None = None
    is_virtual: bool | None = None
    is_relay: bool | None = None
    is_walking: bool | None = None


class Group(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    id: str = msgspec.field(name="_id")
    organization_id: str
    name: str
    slug: str
    status: Literal["active", "paused", "archived"]
    description: str | None = None
    card_image_id: str | None = None
    cover_image_id: str | None = None


class Schedule(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    frequency: str
    days_of_week: list[str]
    start_time: Time
    duration_minutes: int


class Recurrence(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    id: str = msgspec.field(name="_id")
    event_id: Id
    schedule: Schedule
    status: Literal["active", "paused", "archived"]
    label: str | None = None
    auto_publish_horizon_weeks: int | None = None


EVENT_FIELDS = {field.encode_name for field in msgspec.structs.fields(Event)}
RUN_FIELDS = {field.encode_name for field in msgspec.structs.fields(Run)}
LIBRARY = load_samples(SAMPLES, NOW.date())


def sample(id_):
    return LIBRARY.documents[id_]["event"], LIBRARY.documents[id_]["runs"]


def assert_sample(document):
    """The document has the documented fields with their types; its dates are in order."""
    event = msgspec.convert(document["event"], Event)
    runs = msgspec.convert(document["runs"], list[Run])
    last = event.end_date or event.date + timedelta(days=1)
    for run_ in runs:
        assert run_.event_id == event.id
        assert event.date <= run_.date <= last
        if run_.registration_opens_at and run_.registration_closes_at:
            assert run_.registration_opens_at < run_.registration_closes_at


class TestTheSamples:
    @pytest.mark.parametrize("id_", LIBRARY.documents)
    def test_each_is_shaped_as_the_reference_says(self, id_):
        document = LIBRARY.documents[id_]
        assert_sample(document)
        assert document["event"]["_id"] == id_
        if id_ != "orchard-loop-5k":
            assert document["event"].keys() <= EVENT_FIELDS
            for run_ in document["runs"]:
                assert run_.keys() <= RUN_FIELDS

    @pytest.mark.parametrize("id_", LIBRARY.documents)
    def test_each_links_to_nobodys_site(self, id_):
        text = json.dumps(LIBRARY.documents[id_])
        hosts = set(re.findall(r"https?://([^/\"?]+)", text))
        assert all(
            host == "northshorerace.com" or re.search(r"(^|\.)example\.(com|org)$", host)
            for host in hosts
        )

    @pytest.mark.parametrize("id_", LIBRARY.documents)
    def test_each_lies_in_a_file_of_its_name(self, id_):
        assert (SAMPLES / f"{id_}.json").is_file()

    def test_ids_are_unique(self):
        runs = [r["_id"] for d in LIBRARY.documents.values() for r in d["runs"]]
        assert len(runs) == len(set(runs))
        assert len(LIBRARY.documents) >= 20

    def test_groups_and_recurrences_are_shaped_and_point_to_events(self):
        assert msgspec.convert(LIBRARY.groups, list[Group])
        assert msgspec.convert(LIBRARY.recurrences, list[Recurrence])
        for ids in LIBRARY.group_events.values():
            assert set(ids) <= LIBRARY.documents.keys()
        for recurrence in LIBRARY.recurrences:
            assert recurrence["eventId"] in LIBRARY.documents

    def test_the_documented_example_is_unchanged(self):
        assert LIBRARY.documents["e72tuv901wxy234"] == DOCUMENTED

    def test_a_festival_has_five_distances(self):
        _, runs = sample("harbor-festival")
        assert len(runs) == 5
        assert any("startTime" not in r for r in runs)
        assert any(r.get("isWalking") for r in runs)
        assert any(r.get("isRelay") for r in runs)

    def test_one_lasts_three_days_with_runs_on_each(self):
        event, runs = sample("blue-ridge-weekend")
        days = sorted({date.fromisoformat(r["date"]) for r in runs})
        assert [day.strftime("%a") for day in days] == ["Fri", "Sat", "Sun"]
        assert all(b - a == timedelta(days=1) for a, b in pairwise(days))
        assert event["endDate"] == days[-1].isoformat()

    def test_one_ends_the_day_after_and_one_after_midnight(self):
        event, _ = sample("glacial-ridge-100")
        assert date.fromisoformat(event["date"]).strftime("%a") == "Sat"
        assert date.fromisoformat(event["endDate"]).strftime("%a") == "Sun"
        event, _ = sample("night-owl-run")
        assert event["endTime"] < event["startTime"]
        assert "endDate" not in event

    def test_one_starts_in_the_skipped_hour_and_one_in_the_repeated_one(self):
        event, runs = sample("spring-forward-5k")
        assert (event["date"], runs[0]["startTime"]) == ("2027-03-14", "02:30")
        event, runs = sample("fall-back-10k")
        assert (event["date"], runs[0]["startTime"]) == ("2026-11-01", "01:30")

    def test_each_status_occurs(self):
        words = {
            id_: [r.get("eventStatus") for r in document["runs"]]
            for id_, document in LIBRARY.documents.items()
        }
        assert set(words["river-city-10-miler"]) == {"cancelled"}
        assert set(words["foothills-marathon"]) == {"postponed"}
        assert set(words["bayfront-5k"]) == {"rescheduled"}
        assert Counter(words["chain-of-lakes-festival"]) == {"cancelled": 1, "scheduled": 3}
        assert "weatherHold" in words["marsh-trail-run"]

    def test_each_state_of_registration_occurs(self):
        _, (sold_out, _) = sample("desert-dawn-10-miler")
        assert sold_out["soldOut"] is True
        assert sample("covered-bridge-half")[1][0]["registrationOverride"] == "paused"
        assert sample("campus-twilight-mile")[1][0]["registrationOverride"] == "closed"
        for today in (date(2026, 1, 1), date(2026, 1, 31), date(2028, 2, 29), date(2026, 12, 31)):
            documents = load_samples(SAMPLES, today).documents
            open_now = documents["diamond-head-15k"]["runs"][0]
            assert open_now["registrationOpensAt"] < today.isoformat()
            assert open_now["registrationClosesAt"] > (today + timedelta(days=32)).isoformat()
            opens_later = documents["snowline-ultra"]["runs"][0]
            assert opens_later["registrationOpensAt"] > today.isoformat()

    def test_each_shape_of_place_occurs(self):
        assert sample("harbor-festival")[0]["address"].keys() >= {"street", "city", "postalCode"}
        assert "formatted" in sample("spree-ufer-lauf")[0]["address"]
        assert "city" not in sample("phoenix-park-mob-match")[0]["address"]
        assert isinstance(sample("arthurs-seat-dash")[0]["address"], str)
        event, _ = sample("maungakiekie-summit-8k")
        assert "lat" in event
        assert "address" not in event
        event, _ = sample("zero-point-relay")
        assert (event["lat"], event["lng"]) == (0, 0)
        assert event["address"]
        event, runs = sample("virtual-miles-challenge")
        assert not event.keys() & {"address", "lat", "lng"}
        assert all(r["isVirtual"] for r in runs)
        assert event["endDate"] == "2026-06-30"

    @pytest.mark.parametrize(
        "part",
        [
            "城",
            "سباق",
            "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
            "u\u0308",
            "\u0000",
            "\u0007",
            "\u2028",
            "\u202e",
            "\ufffe",
            "<script>",
            "]]>",
            "\\",
            ";",
            ",",
            "\r\n",
            "\n",
            pytest.param("跑" * 200, id="unbroken"),
        ],
    )
    def test_text_holds_what_text_can_hold(self, part):
        assert part in all_text(sample("run-for-all"))

    def test_there_are_many_runs_none_and_some_without_a_time(self):
        assert len(sample("county-cross-country-day")[1]) == 60
        assert sample("new-year-run")[1] == []
        event, runs = sample("community-fun-run")
        assert all("startTime" not in item for item in (event, *runs))

    def test_nulls_and_unknown_fields_occur(self):
        event, runs = sample("orchard-loop-5k")
        assert event["description"] is None
        assert runs[0]["soldOut"] is None
        assert event.keys() - EVENT_FIELDS
        assert runs[0].keys() - RUN_FIELDS


def all_text(value):
    """All strings in the value, joined."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        value = value.values()
    return " ".join(map(all_text, value)) if hasattr(value, "__iter__") else ""
