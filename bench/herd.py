"""A thundering herd: 500 polls at once, over 4 workers, for events that no process has cached.

The table has the number of calls of an upstream that takes 200 ms for each call, in five rounds:
for one id that was never seen, for 40 such ids, and for one event that was changed and whose
edition has just expired (responses with the bytes from before the change do not count). The
baseline is the naive application. The time is that of the last response.
"""

import time

from bench.support.load import Response, poll_at_once
from bench.support.services import NAIVE, SERVICE, start_service
from bench.support.tables import ROUNDS, format_spread, print_table
from bench.support.upstream import Upstream, start_upstream

POLLS = 500
WORKERS = 4
DELAY = 0.2
IDS = 40
MAX_AGE = 20
"""Seconds for which an edition is fresh, longer than a herd takes; then the herd polls."""


def main() -> None:
    with (
        start_upstream() as upstream,
        start_service(SERVICE, upstream, WORKERS, FEEDS_MAX_AGE=str(MAX_AGE)) as service,
        start_service(NAIVE, upstream, WORKERS) as naive,
    ):
        upstream.configure(delay=DELAY)
        rows: dict[str, list[tuple[list[Response], int]]] = {}
        for number in range(ROUNDS):
            one, many = [f"one{number}"], [f"many{number}-{each}" for each in range(IDS)]
            changed = f"changed{number}"
            rows.setdefault("one new id", []).append(_poll(upstream, service, one))
            rows.setdefault("one new id, naive", []).append(_poll(upstream, naive, one))
            rows.setdefault("40 new ids", []).append(_poll(upstream, service, many))
            rows.setdefault("40 new ids, naive", []).append(_poll(upstream, naive, many))
            before = _publish_and_change(upstream, service, changed)
            responses, calls = _poll(upstream, service, [changed])
            new = [response for response in responses if response.body not in before]
            rows.setdefault("one changed event, just expired", []).append((new, calls))
    print_table(
        f"herd: {POLLS} polls at once, {WORKERS} workers, {ROUNDS} rounds",
        ("polled", "upstream calls per round", "200 responses", "ETags per event", "seconds"),
        [
            (
                name,
                ", ".join(str(calls) for _, calls in rounds),
                sum(each.status == 200 for responses, _ in rounds for each in responses),
                max(_count_etags(responses) for responses, _ in rounds),
                format_spread([max(each.seconds for each in responses) for responses, _ in rounds]),
            )
            for name, rounds in rows.items()
        ],
    )


def _poll(upstream: Upstream, address: str, ids: list[str]) -> tuple[list[Response], int]:
    """The responses, and the number of upstream calls."""
    upstream.take_calls()
    paths = [f"/events/{ids[number % len(ids)]}.ics" for number in range(POLLS)]
    return poll_at_once(address, paths), sum(upstream.take_calls().values())


def _publish_and_change(upstream: Upstream, address: str, event_id: str) -> set[bytes]:
    """Poll an event, change its start time, wait until its edition expires; the bytes before."""
    before = {each.body for each in poll_at_once(address, [f"/events/{event_id}.ics"] * 50)}
    upstream.configure(runs={event_id: {"startTime": "09:30"}})
    time.sleep(MAX_AGE + 0.5)
    return before


def _count_etags(responses: list[Response]) -> int:
    """The largest number of different ETags of one event."""
    etags: dict[bytes, set[str]] = {}
    for response in responses:
        uid = next((line for line in response.body.splitlines() if line.startswith(b"UID:")), b"")
        etags.setdefault(uid, set()).add(response.etag)
    return max(map(len, etags.values()))
