r"""What the service knows, in one neutral shape between the upstream and the formats.

Words, used alike in code, tests and texts:

event     what an organizer publishes: a name, a place, a day, and its runs
run       one distance of an event, with its own date, start and status
entry     what becomes a VEVENT and an item: a run, or an event that has (as yet) no runs
edition   an event as known at one time, with what is remembered about it
feed      what a representation is rendered from: a title, links, options and editions

Every text here is clean: no control characters but tab and ``\n``; names, labels and places are on
one line. Every address is a URI with the scheme http or https. The source of the event sees to it.
"""

import datetime as dt

from msgspec import Struct

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


class Run(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A distance of an event.

    ``status``, ``distance_standard`` and ``registration_override`` keep a word that is not known,
    as it came: what to make of it is for the wording.
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

    @property
    def cancelled(self) -> bool:
        return self.status == "cancelled"


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event with its runs. ``location`` is one line, ``point`` is (latitude, longitude)."""

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

    @property
    def entries(self) -> tuple[Run, ...]:
        """The runs; of an event without any, one that stands for the event and has its id."""
        if self.runs:
            return self.runs
        itself = Run(
            id=self.id, distance_meters=0, distance_standard="", distance_label="", date=self.date
        )
        return (itself,)


class Stamp(Struct, frozen=True):
    """When an entry was first seen and last changed (UTC, whole seconds), and how often."""

    created: dt.datetime
    last_modified: dt.datetime
    sequence: int


class Edition(Struct, frozen=True):
    """An event as fetched at one time (UTC, whole seconds), and what is remembered about it.

    ``version`` counts how often it was saved; 0 is an edition that never was.
    """

    event: Event
    fetched: dt.datetime
    first_seen: dt.datetime
    last_modified: dt.datetime
    version: int = 0

    @property
    def stamp(self) -> Stamp:
        """The stamp of each of its entries."""
        return Stamp(created=self.first_seen, last_modified=self.last_modified, sequence=0)


class Options(Struct, frozen=True):
    """What a subscriber chose: which runs, and how they are shown."""

    run: tuple[str, ...] = ()
    distance: tuple[str, ...] = ()
    cancelled: str = "mark"
    busy: bool = False
    registration: bool = False
    download: bool = False


class Feed(Struct, frozen=True):
    """What a representation is rendered from.

    ``page`` is where people read about it, ``source`` where this feed comes from, both absolute;
    ``timezone`` is the name of the home zone, for events without a known place.
    """

    title: str
    page: str
    source: str
    timezone: str
    editions: tuple[Edition, ...]
    options: Options = Options()

    @property
    def last_modified(self) -> dt.datetime:
        """When what the feed shows last changed."""
        return max(edition.last_modified for edition in self.editions)
