"""A race weekend of 100 runs, its editions, and its feeds."""

from datetime import UTC, date, datetime, time, timedelta

from feeds.domain.entries import build_timetable
from feeds.domain.feed import Feed
from feeds.domain.history.recovery import carry_over
from feeds.domain.model import Edition, Event, Run
from feeds.service.revisions import revise

RUNS = 100
HOME = "America/Chicago"
PUBLIC_URL = "https://feeds.example.org"
PAGE = f"{PUBLIC_URL}/events/festival"
FIRST_FETCHED = datetime(2026, 11, 1, 12, tzinfo=UTC)


def publish_event(known: Edition | None, event: Event, now: datetime) -> Edition:
    """The edition of an event fetched at ``now``, with the history that ``known`` gives it."""
    edition = Edition(event=event, fetched=now, revisions={})
    edition = carry_over(known, edition) if known else edition
    before = build_timetable(known, HOME) if known else None
    return revise(before, edition, now, HOME, PUBLIC_URL, locale="en_US").edition


def build_feed(edition: Edition, extension: str) -> Feed:
    return Feed(
        title=edition.event.name,
        page=PAGE,
        public_url=PUBLIC_URL,
        source=f"{PAGE}.{extension}",
        timezone=HOME,
        locale="en_US",
        timetables=(build_timetable(edition, HOME),),
    )


def build_event(changed: int | None = None) -> Event:
    """A new copy of the event; the run with the number ``changed`` starts later than before."""
    return Event(
        id="festival",
        organization_id="club",
        name="Harbor Festival of Running",
        slug="harbor-festival",
        type="race",
        date=date(2027, 6, 11),
        end_date=date(2027, 6, 13),
        end_time=time(20),
        location="Veterans Park, 1010 N Lincoln Memorial Dr, Milwaukee, WI, 53202, US",
        point=(43.0466, -87.8871),
        description=(
            "Three days along the lake, one party on the lawn.\n"
            "Packet pick-up from 05:30 at the pavilion; the shuttle runs every ten minutes."
        ),
        website_url="https://harbor-festival.example.org",
        runs=tuple(_build_run(number, late=number == changed) for number in range(RUNS)),
    )


def _build_run(number: int, *, late: bool) -> Run:
    meters, distance = ((5_000.0, "5K"), (10_000.0, "10K"), (42_195.0, "Marathon"))[number % 3]
    return Run(
        id=f"festival-{number}",
        distance_meters=meters,
        distance_standard=distance,
        distance_label=f"{distance}, wave {number // 3 + 1}",
        date=date(2027, 6, 11) + timedelta(days=number % 3),
        start_time=time(6 + number // 10, 45 if late else number % 10 * 4),
        registration_url=f"https://harbor-festival.example.org/register/{number}",
        registration_opens=datetime(2027, 1, 1, 15, tzinfo=UTC),
        registration_closes=datetime(2027, 6, 1, 4, 59, tzinfo=UTC),
    )
