"""Whether this process and what it needs are in order, for monitors and scripts."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from msgspec import Struct

from feeds.domain.freshness import FAILURE_CACHED_FOR, INVALIDATION_INTERVAL
from feeds.domain.model import NEVER
from feeds.domain.quota import Priority, Rate
from feeds.errors import StorageUnavailable, Unauthorized
from feeds.service.collections.entry import is_outage, starts_soon
from feeds.service.refresh import ADVICE
from feeds.service.singleflight import BoundedWaitTask
from feeds.store.operations.overview import Overview, Vitals

MAX_WAIT = 3.0
"""Seconds that a request waits for the database."""

DOWN_AFTER = timedelta(minutes=5)
"""How long the upstream may fail while the service is ready: most failures end by themselves."""


LOST_AFTER, FORGOTTEN_AFTER = timedelta(minutes=3), timedelta(days=1)
"""A refresher that did not end in order counts as lost after the first time, and is forgotten after
the second."""


class Report(Struct, frozen=True):
    """Whether the service is ready; ``reasons`` say why not, in one line each.

    ``last_answer_age`` is in seconds; None if there was no answer yet. ``calls_left`` is what the
    rate limit grants now. ``events_missing`` is how many events that are listed and start soon were
    never fetched; None if no list is known. ``refresher_age`` is how long ago the refresher ran;
    None if there is none. All are None while the database is unavailable.
    """

    ready: bool
    reasons: tuple[str, ...]
    database: bool
    key_accepted: bool | None = None
    last_answer_age: int | None = None
    calls_left: int | None = None
    events_missing: int | None = None
    refresher_age: int | None = None


class Health:
    """The health of one process; threads may share it.

    ``clock`` is the time, ``rate`` what the upstream grants.
    """

    def __init__(self, overview: Overview, clock: Callable[[], datetime], rate: Rate) -> None:
        self._overview = overview
        self._clock = clock
        self._quota = rate.quota_for(Priority.URGENT)
        self._vitals: Vitals | None = None
        self._read_at = NEVER
        self._task = BoundedWaitTask(self._read, MAX_WAIT)

    def check(self) -> Report:
        """The report as of now; the database is read every two seconds at most."""
        if not self._is_current():
            self._task.run()
        if not self._is_current():
            return _REPORT_HANGING
        return build_report(self._vitals, self._clock()) if self._vitals else _REPORT_AWAY

    def _is_current(self) -> bool:
        return self._read_at <= self._clock() < self._read_at + INVALIDATION_INTERVAL

    def _read(self) -> None:
        self._vitals = None
        with suppress(StorageUnavailable):
            self._vitals = self._overview.read_vitals(self._quota, self._clock())
        self._read_at = self._clock()


_REPORT_AWAY = Report(
    ready=False,
    reasons=("The database is unavailable. Check FEEDS_DATABASE_URL, and the database's own log.",),
    database=False,
)
_REPORT_HANGING = Report(
    ready=False,
    reasons=("The database does not answer. Check whether another program has locked it.",),
    database=False,
)


def build_report(vitals: Vitals, now: datetime) -> Report:
    """The report about a database that can be read."""
    accepted = not _is_refused(vitals)
    age = _compute_age(vitals.answered, now)
    missing = _count_missing(vitals, now)
    reasons = tuple(_list_reasons(vitals, age, missing, now, accepted=accepted))
    return Report(
        ready=not reasons,
        reasons=reasons,
        database=vitals.writable,
        key_accepted=accepted,
        last_answer_age=_count_seconds(age),
        calls_left=0 if vitals.closed > now else vitals.calls,
        events_missing=missing,
        refresher_age=_count_seconds(_compute_age(vitals.refresher, now)),
    )


def _list_reasons(
    vitals: Vitals, age: timedelta | None, missing: int | None, now: datetime, *, accepted: bool
) -> Iterator[str]:
    if not vitals.writable:
        yield "The database cannot be written, so nothing is refreshed. Check its disk."
    if not accepted:
        yield f"{Unauthorized()}{ADVICE[Unauthorized]}"
    elif vitals.closed > now:
        yield f"The Intervals API takes no calls before {vitals.closed:%H:%M:%S} UTC."
    elif vitals.calls == 0:
        yield "The rate limit of the Intervals API is used up. FEEDS_UPSTREAM_RATE sets it."
    if vitals.failed and (age is None or age >= DOWN_AFTER):
        since = "yet" if age is None else f"for {int(age.total_seconds())} s"
        yield f"{vitals.failed} There was no answer {since}. Stored editions are served."
    if missing:
        verb = "event is" if missing == 1 else "events are"
        yield f'{missing} listed {verb} not stored. "feeds warm --all" fetches all.'
    lost = _compute_age(vitals.refresher, now)
    if lost and LOST_AFTER <= lost < FORGOTTEN_AFTER:
        yield f'The refresher has not run for {_count_seconds(lost)} s. "feeds refresh" starts it.'


def _compute_age(at: datetime | None, now: datetime) -> timedelta | None:
    return None if at is None else max(now - at, timedelta(0))


def _count_seconds(age: timedelta | None) -> int | None:
    return None if age is None else int(age.total_seconds())


def _is_refused(vitals: Vitals) -> bool:
    """Whether the last word about the key is that it is not accepted.

    The upstream is closed for a minute then; until the next call, the key is no better.
    """
    refused = vitals.closed - FAILURE_CACHED_FOR
    answered = vitals.answered or NEVER
    return vitals.cause == Unauthorized.__name__ and vitals.closed > NEVER and answered < refused


def _count_missing(vitals: Vitals, now: datetime) -> int | None:
    if vitals.lacking is None:
        return None
    return sum(starts_soon(listed, now) and is_outage(error) for listed, error in vitals.lacking)
