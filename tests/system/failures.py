"""Failures of the upstream, and the answers of the service with nothing stored.

tests/upstream has more: every status, every unreadable body, every Retry-After.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

from tests.support import behaviours
from tests.support.behaviours import UPSTREAM_TEXT, Behaviour, refuse, respond, respond_html
from tests.support.hostile_upstream import HostileUpstream


class Failure(NamedTuple):
    """A failure of the upstream, and how the service answers with nothing stored.

    ``behaviour`` is that of the upstream for one event; ``network`` makes all connections fail.
    ``status`` is that of the service; its body and its log match ``words``; Retry-After is between
    the two seconds of ``retry``. A failure that ``closes`` stops the calls for all events
    (rules 8.17 and 8.18).
    """

    status: int
    words: str
    behaviour: Behaviour | None = None
    network: Callable[[HostileUpstream], AbstractContextManager[object]] | None = None
    slow: bool = False
    closes: bool = False
    retry: tuple[int, int] = (1, 60)


UNREADABLE = "sent (an answer that cannot be read|more than a document can hold|another event)"
UNREACHABLE = "(cannot be reached|is out of order)"
LATE = "did not answer in time"
LIMITED = "takes no more requests for now"
REJECTED = "did not take the request"


def unreadable(behaviour: Behaviour) -> Failure:
    return Failure(502, UNREADABLE, behaviour)


def limited(lower: int, upper: int, **fields: object) -> Failure:
    behaviour = refuse("429 Too Many Requests", "RATE_LIMITED", **fields)
    return Failure(503, LIMITED, behaviour, closes=True, retry=(lower, upper))


def limit_for_half_a_minute(call: behaviours.Call) -> None:
    at = int((time.time() + 30) * 1000)
    refuse("429 Too Many Requests", "RATE_LIMITED", retryAfter=at)(call)


JSON = "Content-Type: application/json"
MOVED = "Location: https://elsewhere.test/"

FAILURES = {
    "refused": Failure(503, UNREACHABLE, network=HostileUpstream.refuse_connections),
    "no such host": Failure(503, UNREACHABLE, network=HostileUpstream.remove_name),
    "TLS failure": Failure(503, UNREACHABLE, network=HostileUpstream.present_unknown_certificate),
    "time-out at connect": Failure(
        504, LATE, network=HostileUpstream.accept_no_connection, slow=True
    ),
    "reset": Failure(503, UNREACHABLE, behaviours.Call.reset),
    "time-out in headers": Failure(504, LATE, behaviours.Call.stay_silent, slow=True),
    "time-out in mid-body": Failure(504, LATE, behaviours.stop_in_body, slow=True),
    "slow drip": Failure(504, LATE, behaviours.drip, slow=True),
    "HTML": unreadable(respond_html("200 OK")),
    "half a JSON": unreadable(behaviours.send_half_a_document),
    "no runs": unreadable(respond("200 OK", b'{"data": {"event": {"_id": "x"}}}', JSON)),
    "50 MB": unreadable(behaviours.send_50_megabytes),
    "gzip bomb": unreadable(behaviours.send_gzip_bomb),
    "another event": unreadable(behaviours.send_another_event),
    "302 with a body": unreadable(respond("302 Found", UPSTREAM_TEXT.encode(), MOVED)),
    "304 without a validator": unreadable(respond("304 Not Modified", b"")),
    "401 HTML": unreadable(respond_html("401 Unauthorized")),
    "404 HTML": unreadable(respond_html("404 Not Found")),
    "422": Failure(502, REJECTED, refuse("422 Unprocessable Content", "VALIDATION_ERROR")),
    "500": Failure(503, UNREACHABLE, refuse("500 Internal Server Error", "INTERNAL")),
    "502 HTML": Failure(503, UNREACHABLE, respond_html("502 Bad Gateway")),
    "401": Failure(
        503, "does not accept the key", refuse("401 Unauthorized", "UNAUTHORIZED"), closes=True
    ),
    # An id that the key may not read is an unknown id (rules 8.20).
    "403": Failure(404, "does not let the key read", refuse("403 Forbidden", "FORBIDDEN")),
    "429": limited(50, 60),
    "429 for half a minute": Failure(
        503, LIMITED, limit_for_half_a_minute, closes=True, retry=(20, 30)
    ),
    "429 in the year 3000": limited(50, 60, retryAfter=32_503_680_000_000),
}
