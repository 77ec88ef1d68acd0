r"""The neutral model between the upstream and the formats.

Words, used alike in code, tests and texts:

event     what an organizer publishes: a name, a place, a day, and its runs
run       one distance of an event, with its own date, start and status
entry     a VEVENT and an item: a run, or an event that has no runs yet
edition   an event as fetched at one time, with its history: revisions, changes, delisted runs
feed      the input of a format: a title, links, options, and timetables (editions with entries)

Caches have entries, too: in ``service`` and in ``web.cache``, an entry is what a process knows.

Every text in the model is clean: no control characters but tab and ``\n``; names, labels and places
are on one line. Every address is a URI with the scheme http or https. ``upstream.schema`` cleans.

No object here can be part of a reference cycle (``gc=False``, which msgspec does not offer for
classes with weak references): the garbage collector does not walk ten thousand editions.
"""

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum
from zoneinfo import ZoneInfo

from msgspec import Struct

from feeds.domain.places import is_far, is_same
from feeds.domain.timezones import localize

ID_PATTERN = "[A-Za-z0-9_-]{1,64}"
"""The ids of events and runs, as a regular expression."""

SLUG_PATTERN = "[A-Za-z0-9._~-]{1,100}"
"""The slugs of groups, as a regular expression."""

DISTANCES = (
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
)
"""The standard distances of the partner API, as ``?distance=`` takes them."""


class Run(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A distance of an event.

    ``status`` and ``registration_override`` keep unknown words as the upstream sent them.
    ``unlisted`` is since when the organizer's list lacks the run, ``withdrawn`` whether the run
    left the list before it had ended, ``left`` whether it has left the feeds since (rules 3.12).
    ``unread`` names the fields that were not understood and have no earlier value (rules 3.7).
    """

    id: str
    distance_meters: float
    distance_standard: str
    distance_label: str
    date: dt.date
    start_time: dt.time | None = None
    status: str = "scheduled"
    registration_url: str | None = None
    registration_opens: dt.datetime | None = None
    registration_closes: dt.datetime | None = None
    registration_override: str | None = None
    sold_out: bool = False
    virtual: bool = False
    relay: bool = False
    walking: bool = False
    unlisted: dt.datetime | None = None
    withdrawn: bool = False
    left: bool = False
    unread: tuple[str, ...] = ()

    @property
    def in_person(self) -> bool:
        """Whether the run takes place at the event's place; not if that could not be read."""
        return not self.virtual and "virtual" not in self.unread

    @property
    def registration_read(self) -> bool:
        """Whether all was read that decides whether one can register."""
        return _REGISTRATION.isdisjoint(self.unread)


_REGISTRATION = frozenset(
    ("registration_opens", "registration_closes", "registration_override", "sold_out")
)


class Recurrence(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """How a series repeats: on which days (1 is Monday), when it starts, about how many minutes.

    Without days if it is paused or archived, or if nothing can be said of it.
    """

    days: tuple[int, ...] = ()
    start_time: dt.time | None = None
    minutes: int | None = None


class Event(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """An event with its runs. ``location`` is one line, ``point`` is (latitude, longitude).

    ``recurrences`` come from a list of their own (rules 9.8). ``unread`` is as in ``Run``; a
    ``location`` that is unread may be a part of the address.
    """

    id: str
    organization_id: str
    name: str
    slug: str
    type: str
    date: dt.date
    start_time: dt.time | None = None
    end_date: dt.date | None = None
    end_time: dt.time | None = None
    location: str | None = None
    point: tuple[float, float] | None = None
    description: str | None = None
    website_url: str | None = None
    registration_url: str | None = None
    runs: tuple[Run, ...] = ()
    recurrences: tuple[Recurrence, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def is_series(self) -> bool:
        """Whether its runs are sessions, published weekly for years (rules 9)."""
        return self.type == "runClub" or bool(self.recurrences)

    @property
    def as_run(self) -> Run:
        """The run that stands for an event without runs: it has the event's id and day."""
        return Run(
            id=self.id, distance_meters=0, distance_standard="", distance_label="", date=self.date
        )


NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)
"""Before anything happened."""


class Revision(Struct, frozen=True, gc=False):
    """The revision of a VEVENT, by which calendars and readers notice its changes.

    ``created`` is when it was first seen, ``last_modified`` when its content last changed (UTC,
    whole seconds). ``sequence`` rises when start, end, place or status change; ``content`` and
    ``schedule`` are the digests of the VEVENT and of these four.
    """

    created: dt.datetime
    last_modified: dt.datetime
    sequence: int
    content: str
    schedule: str


NO_REVISION = Revision(NEVER, NEVER, 0, "", "")
"""The revision of a VEVENT that has not been saved yet."""


class State(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What was published about a run at one time, as far as its changes are news.

    ``start`` is ISO 8601, a local time of ``zone`` or a day; ``spot`` says that ``place`` is
    coordinates, ``point`` are the coordinates of any place; ``status`` is ``Status.stored``;
    ``opens`` and ``closes`` are the registration window, ``registration_unread`` says that not all
    of registration could be read.
    """

    start: str
    zone: str
    place: str | None = None
    spot: bool = False
    status: str = "scheduled"
    sold_out: bool = False
    override: str | None = None
    distance: str = ""
    opens: dt.datetime | None = None
    closes: dt.datetime | None = None
    registration_unread: bool = False
    point: tuple[float, float] | None = None


class Kind(StrEnum):
    """Kinds of change. Guids and the database contain the values: never change one."""

    MOVED = "moved"
    CANCELLED = "cancelled"
    POSTPONED = "postponed"
    RESCHEDULED = "rescheduled"
    REINSTATED = "reinstated"
    SOLD_OUT = "sold-out"
    PLACES_AGAIN = "places-again"
    REGISTRATION_PAUSED = "registration-paused"
    REGISTRATION_CLOSED = "registration-closed"
    REGISTRATION_REOPENED = "registration-reopened"
    REGISTRATION_OPENS = "registration-opens"
    REGISTRATION_CLOSES = "registration-closes"
    REGISTRATION_EXTENDED = "registration-extended"
    NO_LONGER_LISTED = "no-longer-listed"


class Change(Struct, frozen=True, kw_only=True, gc=False):
    """A run went from one state to another; ``noticed`` is when the service saw the new state.

    Where the clock alone brought the change, ``noticed`` is the instant itself. The change is the
    run's ``nth`` of this kind to the same value, and belongs to the event's ``group_nth`` group of
    such changes that were noticed together (rules 1.5).
    """

    run: str
    kind: Kind
    was: State
    now: State
    noticed: dt.datetime
    nth: int = 1
    group_nth: int = 1

    @property
    def new_start(self) -> bool:
        """Whether the start is another wall time or another instant.

        Another name of the zone for the same instant is no news.
        """
        was, now = self.was, self.now
        return was.start != now.start or (
            "T" in now.start and was.zone != now.zone and _find_instant(was) != _find_instant(now)
        )

    @property
    def new_place(self) -> bool:
        """Whether the place is another one (``places.is_same``).

        A place that is removed is no news, nor are coordinates instead of an address or the other
        way round: they may name the same place.
        """
        was, now = self.was, self.now
        if now.place is None or is_same_place(was, now):
            return False
        if was.place is None or is_far(was.point, now.point):
            return True
        return was.spot == now.spot and not (was.spot and was.point == now.point)


def is_same_place(was: State, now: State) -> bool:
    """Whether two states name the same place, maybe in other words."""
    return is_same((was.place, was.point), (now.place, now.point))


def _find_instant(state: State) -> dt.datetime:
    return localize(dt.datetime.fromisoformat(state.start), ZoneInfo(state.zone))


class PendingRemoval(Struct, frozen=True, gc=False):
    """A run or an event that is missing: since the first answer, and how many answers lack it."""

    since: dt.datetime
    answers: int


class History(Struct, frozen=True, kw_only=True, weakref=True):
    """What each edition of an event takes over from the one before.

    ``revisions`` are by the UID of a VEVENT without its domain. ``changes`` are in the order in
    which they were noticed. ``numbers`` are the highest numbers of the changes that were dropped,
    by the guid without its number. ``modified`` is Last-Modified of all feeds of the event.
    ``token`` names the save: two rows of the database with one token are equal.
    """

    revisions: Mapping[str, Revision]
    changes: tuple[Change, ...] = ()
    numbers: Mapping[str, int] = {}
    modified: dt.datetime = NEVER
    token: str = ""


class Edition(History, frozen=True, kw_only=True, weakref=True):
    """An event as fetched at one time (UTC, whole seconds), and its history.

    ``gone`` is since when the upstream does not know the event. ``deployment`` is the fingerprint
    under which the revisions were made. ``etag`` is the upstream's validator of the document.

    ``pending`` has what the upstream's answers lack, by the id of a run or of the event; confirmed
    removals stay in it until the run or the event is listed again. No feed depends on it.
    """

    event: Event
    fetched: dt.datetime
    gone: dt.datetime | None = None
    pending: Mapping[str, PendingRemoval] = {}
    deployment: str = ""
    etag: str | None = None
