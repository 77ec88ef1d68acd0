"""A herd: 500 polls at once for what is in no process's memory, over 4 workers.

Counted are the calls of an upstream that takes 200 ms for each, in five rounds: for one id that was
never seen, for 40 of them, and for one that was edited and whose edition has just ended (at the
instant when registration opens; answers with the bytes from before do not count). The other side
asks the upstream for each poll. The time is that of the last answer.
"""

import time
from datetime import UTC, datetime, timedelta

from bench import load, upstream
from bench.load import Answer
from bench.services import NAIVE, SERVICE, serving
from bench.tables import ROUNDS, show, spread
from bench.upstream import Upstream

POLLS = 500
WORKERS = 4
DELAY = 0.2
IDS = 40
AHEAD = timedelta(seconds=8)
"""How long an edition is served before it ends and the herd comes."""


def main() -> None:
    with (
        upstream.running() as api,
        serving(SERVICE, api, WORKERS) as service,
        serving(NAIVE, api, WORKERS) as naive,
    ):
        api.behave(delay=DELAY)
        rows: dict[str, list[tuple[list[Answer], int]]] = {}
        for number in range(ROUNDS):
            one, many = [f"one{number}"], [f"many{number}-{each}" for each in range(IDS)]
            edited = f"edited{number}"
            rows.setdefault("one id, never seen", []).append(_herd(api, service, one))
            rows.setdefault("one id, naive", []).append(_herd(api, naive, one))
            rows.setdefault("40 ids, never seen", []).append(_herd(api, service, many))
            rows.setdefault("40 ids, naive", []).append(_herd(api, naive, many))
            before = _published(api, service, edited)
            answers, calls = _herd(api, service, [edited])
            new = [answer for answer in answers if answer.body not in before]
            rows.setdefault("one id, edited, its edition ended", []).append((new, calls))
    show(
        f"herd: {POLLS} polls at once, {WORKERS} workers, {ROUNDS} rounds",
        ("polls for", "calls in each round", "answers 200", "ETags of an id", "seconds"),
        [
            (
                name,
                ", ".join(str(calls) for _, calls in rounds),
                sum(each.status == 200 for answers, _ in rounds for each in answers),
                max(_etags(answers) for answers, _ in rounds),
                spread([max(each.seconds for each in answers) for answers, _ in rounds]),
            )
            for name, rounds in rows.items()
        ],
    )


def _herd(api: Upstream, address: str, ids: list[str]) -> tuple[list[Answer], int]:
    """The answers, and how many calls they took."""
    api.calls()
    paths = [f"/events/{ids[number % len(ids)]}.ics" for number in range(POLLS)]
    return load.herd(address, paths), sum(api.calls().values())


def _published(api: Upstream, address: str, event_id: str) -> set[bytes]:
    """The bytes of an event that has then been moved, and whose edition has ended."""
    opens = datetime.now(UTC) + AHEAD
    fields = {"registrationOpensAt": opens.isoformat()}
    api.behave(runs={event_id: fields})
    before = {answer.body for answer in load.herd(address, [f"/events/{event_id}.ics"] * 50)}
    api.behave(runs={event_id: fields | {"startTime": "09:30"}})
    time.sleep(max(0.0, (opens - datetime.now(UTC)).total_seconds()) + 0.1)
    return before


def _etags(answers: list[Answer]) -> int:
    """The most ETags that one event's polls were answered with."""
    found: dict[bytes, set[str]] = {}
    for answer in answers:
        uid = next((line for line in answer.body.splitlines() if line.startswith(b"UID:")), b"")
        found.setdefault(uid, set()).add(answer.etag)
    return max(map(len, found.values()))
