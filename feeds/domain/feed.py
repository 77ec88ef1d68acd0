"""A feed: the timetables that a representation is rendered from, and the entries that it shows."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct, structs

from feeds.domain.entries import CUT, Entry, Timetable, order_by_start
from feeds.domain.options import Options, shows

MAX_RUNS = 1000
"""Runs in one feed: Google is reported to take some 1,100."""

MAX_BYTES = 1_000_000
"""Bytes of one feed: Google is reported to stop there, without a message."""


class Feed(Struct, frozen=True, kw_only=True):
    """What a representation is rendered from: nothing else reaches its bytes.

    ``page`` is the address where people read about it, ``source`` that of this feed, both absolute;
    ``public_url`` is the service's own address. ``timezone`` is the name of the home zone, for
    events without a known place, and ``locale`` that of the locale of all texts, such as ``en_US``.

    The feed of a collection has the timetables of its members. ``listed`` is when its list of
    events changed last; None for the feed of one event. ``about`` are sentences about the
    collection.
    """

    title: str
    page: str
    source: str
    public_url: str
    timezone: str
    locale: str
    timetables: tuple[Timetable, ...]
    options: Options = Options()
    listed: datetime | None = None
    about: str = ""

    @property
    def as_of(self) -> datetime:
        """When what the feed shows changed last: a member, or the list of members."""
        changed = [timetable.edition.modified for timetable in self.timetables]
        return max([*changed, *([self.listed] if self.listed else [])])

    def build_page_url(self, event_id: str) -> str:
        return build_page_url(self.public_url, event_id)


def build_page_url(public_url: str, event_id: str) -> str:
    """The address of an event's page; with an extension added, of its feeds."""
    return f"{public_url}/events/{event_id}"


def select_entries(feed: Feed) -> tuple[Entry, ...]:
    """The entries that the options select, in the order of time; ``MAX_RUNS`` at most."""
    return _keep(feed, list_selected(feed), lambda _: 1, MAX_RUNS)


def list_selected(feed: Feed) -> list[Entry]:
    """All entries that the options select, in the order of time."""
    shown = [
        entry
        for timetable in feed.timetables
        for entry in timetable.list_current(by_start=True)
        if shows(feed.options, entry)
    ]
    if len(feed.timetables) > 1:
        shown = sorted(index_by_uid(shown).values(), key=order_by_start)
    if feed.options.limit or feed.options.days:
        shown = _select_next(feed, shown)
    return shown


def index_by_uid(entries: Iterable[Entry]) -> dict[str, Entry]:
    """The entries by UID; of a run that two events have, the one that is still listed.

    A run that moves from one event to another is no longer listed in the first one.
    """
    ordered = sorted(entries, key=lambda entry: (entry.run.unlisted is None, order_by_start(entry)))
    return {entry.uid: entry for entry in ordered}


def _select_next(feed: Feed, entries: Iterable[Entry]) -> list[Entry]:
    """The next ``limit`` entries, or those of the next ``days`` days, as of the newest edition."""
    at = max((timetable.edition.fetched for timetable in feed.timetables), default=feed.as_of)
    options, ahead = feed.options, [entry for entry in entries if entry.ends > at]
    if options.days:
        end = at + timedelta(days=options.days)
        ahead = [each for each in ahead if each.starts < end]
    return ahead[: options.limit or len(ahead)]


def fit_entries(
    feed: Feed,
    entries: Sequence[Entry],
    measure: Callable[[Entry], int],
    room: int,
    needed: Collection[str] = (),
) -> tuple[Entry, ...]:
    """The entries, as far as they fit into ``room``; ``measure`` gives their bytes.

    If they do not, the event's own text is left out of all of them. Only then runs are left out,
    those whose uids are ``needed`` after the others.
    """
    if sum(map(measure, entries)) <= room:
        return tuple(entries)
    return _keep(feed, [_leave_out_text(entry) for entry in entries], measure, room, needed)


def _keep(
    feed: Feed,
    entries: Sequence[Entry],
    measure: Callable[[Entry], int],
    room: int,
    needed: Collection[str] = (),
) -> tuple[Entry, ...]:
    """The entries that fit into ``room``, in their order (rules 6.13)."""
    sizes = [measure(entry) for entry in entries]
    if sum(sizes) <= room:
        return tuple(entries)
    size_by_uid = {entry.uid: size for entry, size in zip(entries, sizes, strict=True)}
    kept: set[str] = set()
    for entry in rank_entries(feed, entries, needed):
        room -= size_by_uid[entry.uid]
        if room < 0:
            break
        kept.add(entry.uid)
    return tuple(entry for entry in entries if entry.uid in kept)


def rank_entries(feed: Feed, entries: Iterable[Entry], needed: Collection[str] = ()) -> list[Entry]:
    """The entries in the order of their importance: the last one is left out first."""
    as_of = feed.as_of
    return sorted(entries, key=lambda entry: (entry.uid not in needed, _rank(entry, as_of)))


def _rank(entry: Entry, as_of: datetime) -> tuple[int, float]:
    """The place of an entry among those of a feed: the last one is left out first."""
    if entry.run.unlisted:
        return 2, -entry.run.unlisted.timestamp()
    if entry.ends <= as_of:
        return 1, -entry.ends.timestamp()
    return 0, entry.starts.timestamp()


def _leave_out_text(entry: Entry) -> Entry:
    """The entry with a reference to the page in place of the event's own text."""
    if not entry.event.description:
        return entry
    return structs.replace(entry, event=structs.replace(entry.event, description=CUT))
