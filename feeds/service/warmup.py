"""Fills a database with events that nobody has polled yet, as far as the budget goes."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from threading import Event as Flag

import click
from msgspec import Struct

from feeds.domain.freshness import Priority
from feeds.errors import (
    EventNotFound,
    FeedsError,
    InvalidResponse,
    QuotaExhausted,
    RateLimited,
    Rejected,
    Unauthorized,
)
from feeds.service.refresh import CacheEntry, Refresh
from feeds.service.update import Updater
from feeds.store.database import Database
from feeds.store.leases import Lease, Leased
from feeds.upstream.client import IntervalsClient, ListedEvent

GLANCE = timedelta(seconds=0.2)
"""How often one looks whether somebody else has refreshed an event."""


class Tally(Struct):
    """What came of it: ids by outcome, and the calls that were made."""

    fetched: list[str]
    there: list[str]
    unknown: list[str]
    unreadable: list[str]
    calls: int = 1
    """One told at the start whose the key is."""


class Stopped(FeedsError):
    """Somebody wants it to end."""

    message = "Stopped."


def run(warmer: "Warmer", ids: Sequence[str]) -> None:
    """Fetch these events, or all, with a progress bar and an account of what came of it.

    Raises ``click.ClickException`` with one line if it did not come to its end.
    """
    failure = None
    try:
        ids = ids or warmer.listed()
        with click.progressbar(
            length=len(ids),
            label="Fetching events",
            show_pos=True,
            item_show_func=lambda text: text,
        ) as bar:
            warmer.waiting = lambda until: bar.update(0, f"no call before {until:%H:%M:%S} UTC")
            for id_ in ids:
                warmer.fetch(id_)
                bar.update(1, id_)
    except FeedsError as error:
        failure = error
    tally = warmer.tally
    click.echo(
        f"{len(tally.fetched)} fetched with {tally.calls} calls, {len(tally.there)} were there."
    )
    for outcome, these in (("unknown", tally.unknown), ("unreadable", tally.unreadable)):
        if these:
            click.echo(f"{len(these)} {outcome}: {', '.join(these)}")
    if failure:
        raise click.ClickException(f"{failure} The same command continues where this one stopped.")
    if tally.unknown or tally.unreadable:
        raise click.exceptions.Exit(1)


class Warmer:
    """``waiting`` is told until when no call can be made; ``ends`` ends the work.

    Methods raise ``Stopped`` then, and the error that would meet the next event as well.
    """

    def __init__(
        self,
        source: IntervalsClient,
        editor: Updater,
        reporter: Refresh,
        database: Database,
        *,
        clock: Callable[[], datetime],
        ends: Flag,
    ) -> None:
        self._source = source
        self._editor = editor
        self._reporter = reporter
        self._database = database
        self._clock = clock
        self._ends = ends
        self.waiting: Callable[[datetime], object] = lambda _: None
        self.tally = Tally([], [], [], [])

    def listed(self) -> Sequence[str]:
        """The ids of all events of the organization: those that come first, then the latest."""
        today = self._clock().date()

        def order(event: ListedEvent) -> tuple[bool, int]:
            days = ((event.day or date.min) - today).days
            return (days < 0, abs(days))

        return [event.id for event in sorted(self._pages(), key=order)]

    def _pages(self) -> Iterator[ListedEvent]:
        seen: set[str] = set()
        after = None
        while True:
            allowance = self._editor.rate.quota_for(Priority.REFRESHER)
            while refusal := self._database.spend_call(allowance, self._clock()):
                self._wait(refusal.retry_at or self._clock() + GLANCE)
            self._check()
            self.tally.calls += 1
            try:
                page = self._source.fetch_page(after)
            except (RateLimited, Unauthorized) as error:
                self._reporter.close(error, self._clock())
                raise
            new = [event for event in page.events if event.id not in seen]
            yield from new
            seen.update(event.id for event in new)
            if page.after is None or not new:  # a list that repeats itself has no end
                return
            after = page.after

    def fetch(self, event_id: str) -> None:
        """Have an event in the database, if the upstream has it."""
        self._check()
        if self._reporter.stored(event_id).edition:
            self.tally.there.append(event_id)
            return
        report = self._report(event_id)
        if report.edition:
            self.tally.fetched.append(event_id)
        elif isinstance(report.error, EventNotFound):
            self.tally.unknown.append(event_id)
        elif isinstance(report.error, InvalidResponse | Rejected):
            self.tally.unreadable.append(event_id)
        elif report.error:
            raise report.error

    def _report(self, event_id: str) -> CacheEntry:
        """What there is of an event that was not there, as soon as a call can be made."""
        while True:
            claimed = self._reporter.claim(event_id, None, polled=False)
            if isinstance(claimed, Lease):
                self.tally.calls += 1
                claimed = self._reporter.report(claimed, None, polled=False)
            if isinstance(claimed, Leased):
                self._wait(self._clock() + GLANCE)
            elif isinstance(claimed.error, QuotaExhausted | RateLimited):
                self._wait(claimed.until)
            else:
                return claimed

    def _wait(self, until: datetime) -> None:
        """Wait; shorter waits than a second are not worth a word."""
        seconds = (until - self._clock()).total_seconds()
        if seconds > 1:
            self.waiting(until)
        self._ends.wait(max(0, seconds))
        self._check()

    def _check(self) -> None:
        if self._ends.is_set():
            raise Stopped
