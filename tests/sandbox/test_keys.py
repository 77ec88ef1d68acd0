"""API keys in the sandbox: authorization, and the rate limits of the plans."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from feeds.sandbox import ORGANIZATION_ID, SANDBOX_KEY, SCOPES, Key, create_sandbox
from feeds.sandbox.keys import PLANS, RateLimiter
from tests.support.clock import START
from tests.support.sandbox import ApiClient, api_client, assert_error

SCOPES_BY_PATH = {
    "/events": {"read:events"},
    "/events/e72tuv901wxy234": {"read:events"},
    "/organization": {"read:series"},
    "/groups": {"read:groups"},
    "/groups/lincoln-park-run-club": {"read:groups"},
    "/groups/lincoln-park-run-club/events": {"read:groups", "read:events"},
    "/recurrences": {"read:recurrences"},
}


@pytest.mark.parametrize("path", SCOPES_BY_PATH)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "sandbox-key"},
        {"Authorization": "Basic c2FuZGJveC1rZXk6"},
        {"X-Api-Key": "sandbox-key"},
    ],
)
def test_a_request_without_a_known_key_is_401(path, headers):
    assert_error(api_client().plain.get(path, headers=headers), 401, "UNAUTHORIZED")


@pytest.mark.parametrize(("path", "scopes"), SCOPES_BY_PATH.items())
def test_one_of_the_scopes_of_a_path_is_required_and_enough(path, scopes):
    assert_error(api_client(scopes=SCOPES - scopes).get(path), 403, "FORBIDDEN")
    headers = {"Authorization": f"bearer {SANDBOX_KEY}"}  # in any case
    for scope in scopes:
        api = api_client(scopes=frozenset({scope}))
        assert api.plain.get(path, headers=headers).status_code == 200


@pytest.mark.parametrize("plan", PLANS)
def test_the_burst_of_a_plan_is_accepted_and_comes_back_with_time(plan, clock):
    api = api_client(plan=plan, clock=clock)
    for _ in range(3):
        statuses = [api.get("/events").status_code for _ in range(PLANS[plan].burst + 5)]
        assert statuses == [200] * PLANS[plan].burst + [429] * 5
        clock.now += PLANS[plan].window


@pytest.mark.parametrize("plan", PLANS)
def test_a_429_has_the_time_to_retry_in_the_body_and_in_no_header(plan, clock):
    api = api_client(plan=plan, clock=clock)
    for _ in range(PLANS[plan].burst):
        api.get("/organization")
    response = api.get("/organization")
    retry_after = response.json["error"]["retryAfter"]  # milliseconds since 1970
    wait = PLANS[plan].window / PLANS[plan].limit

    assert_error(response, 429, "RATE_LIMITED")
    assert "Retry-After" not in response.headers
    assert isinstance(retry_after, int)
    assert retry_after == (clock.now + wait).timestamp() * 1_000
    clock.now += wait - timedelta(milliseconds=1)
    assert api.get("/organization").status_code == 429
    clock.now += timedelta(milliseconds=1)
    assert api.get("/organization").status_code == 200
    assert api.get("/organization").status_code == 429


@pytest.mark.parametrize("plan", PLANS)
def test_no_window_has_more_requests_than_the_limit_of_the_plan(plan, clock):
    rate = PLANS[plan]
    api = api_client(plan=plan, clock=clock)
    accepted: list[datetime] = []
    while len(accepted) < rate.limit + 2 * rate.burst:
        response = api.get("/organization")
        if response.status_code == 429:
            milliseconds = response.json["error"]["retryAfter"]
            clock.now = datetime.fromtimestamp(milliseconds / 1_000, UTC)
            assert api.get("/organization").status_code == 200
        accepted.append(clock.now)

    later = accepted[rate.limit :]
    assert all(b - a >= rate.window for a, b in zip(accepted, later, strict=False))
    assert accepted[rate.limit] == accepted[0] + rate.window


def test_threads_together_get_no_more_than_the_burst():
    limiter = RateLimiter(PLANS["enterprise"])
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: limiter.acquire(START), range(200)))

    assert results.count(None) == PLANS["enterprise"].burst


def test_each_key_has_a_rate_limit_of_its_own_for_requests_to_the_partner_api(clock):
    key = Key(ORGANIZATION_ID, plan="free")
    client = create_sandbox(keys={"one": key, "two": key}, clock=clock).test_client()
    one, two = ApiClient(client, "one"), ApiClient(client, "two")
    for _ in range(10):
        assert client.get("/events").status_code == 401
        assert one.get("/sandbox/events/harbor-festival").status_code == 200
        assert one.get("/events/no-such-event").status_code == 404
        assert one.get("/events", limit=0).status_code == 422

    assert one.get("/events").status_code == 429
    assert two.get("/events").status_code == 200
