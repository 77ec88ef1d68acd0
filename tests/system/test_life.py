"""The life of a race, as subscribers with a memory see it."""

from tests.support.service import EVENT, Service, a_5k, a_run
from tests.support.subscribers import CalendarClient, ReaderClient

TEN, FIVE = "ten@intervals.run", "five@intervals.run"
SAT, NEXT_SAT = "Sat, Aug 15, 2026", "Sat, Aug 22, 2026"
NEW_FIVE = a_5k(startTime="09:00", registrationOpensAt="2026-06-10T12:00:00Z")
RESCHEDULED = {"eventStatus": "rescheduled", "date": "2026-08-22", "startTime": "08:15"}

AT_0730 = ("Harbor Run – 10K", "15 07:30", "CONFIRMED")
CANCELLED = ("Cancelled: Harbor Run – 10K", "22 08:15", "CANCELLED")

LIFE = [
    # what the organizer does; the new item; the 10K in the calendar: summary, start, STATUS
    (
        lambda race: race.add(NEW_FIVE),
        f"Harbor Run – 5K, {SAT}, 9:00 AM",
        ("Harbor Run – 10K", "15 08:00", "CONFIRMED"),
    ),
    (
        lambda race: race.edit("ten", startTime="07:30"),
        f"Moved: Harbor Run – 10K, now {SAT}, 7:30 AM",
        AT_0730,
    ),
    (lambda race: race.advance(days=20), "Registration is open: Harbor Run – 5K", AT_0730),
    (
        lambda race: race.edit("five", soldOut=True),
        f"Sold out: Harbor Run – 5K, {SAT}, 9:00 AM",
        AT_0730,
    ),
    (
        lambda race: race.edit("ten", eventStatus="postponed"),
        f"Postponed: Harbor Run – 10K, {SAT}, 7:30 AM",
        ("Postponed: Harbor Run – 10K", "15 07:30", "TENTATIVE"),
    ),
    (
        lambda race: race.edit("ten", **RESCHEDULED),
        f"Rescheduled: Harbor Run – 10K, now {NEXT_SAT}, 8:15 AM",
        ("Rescheduled: Harbor Run – 10K", "22 08:15", "CONFIRMED"),
    ),
    *(
        (
            lambda race, status=status: race.edit("ten", eventStatus=status),
            f"{word}: Harbor Run – 10K, {NEXT_SAT}, 8:15 AM",
            shown,
        )
        for status, word, shown in (
            ("cancelled", "Cancelled", CANCELLED),
            ("scheduled", "Reinstated", ("Harbor Run – 10K", "22 08:15", "CONFIRMED")),
            ("cancelled", "Cancelled", CANCELLED),
        )
    ),
    # Three answers prove that something is gone (rules 3.5).
    (lambda race: race.delist("five"), None, CANCELLED),
    (lambda _: None, None, CANCELLED),
    (lambda _: None, f"No longer listed: Harbor Run – 5K, {SAT}, 9:00 AM", CANCELLED),
    (lambda race: race.delete(), None, CANCELLED),
    (lambda _: None, None, CANCELLED),
    (
        lambda _: None,
        f"No longer listed: Harbor Run – 10K, {NEXT_SAT}, 8:15 AM",
        ("No longer listed: Harbor Run – 10K", "22 08:15", "CANCELLED"),
    ),
]


def test_subscribers_see_each_change_in_the_life_of_a_race_once(upstream, clock, tmp_path):
    """A calendar and a reader poll after each change; others poll at the beginning and the end."""
    race = Service(upstream, clock, tmp_path)
    race.announce(a_run())
    calendar, seldom_calendar = (CalendarClient(f"/events/{EVENT}.ics") for _ in range(2))
    reader, seldom_reader = (ReaderClient(f"/events/{EVENT}.rss") for _ in range(2))
    calendar.poll(race.client)
    seldom_calendar.poll(race.client)
    for each in (reader, seldom_reader):
        assert each.poll(race.client, clock()) == [f"Harbor Run – 10K, {SAT}, 8:00 AM"]

    for act, title, shown in LIFE:
        act(race)
        clock.advance(hours=25)
        calendar.poll(race.client)
        assert reader.poll(race.client, clock()) == ([title] if title else [])
        assert (calendar.shown[TEN], calendar.start(TEN), calendar.status(TEN)) == shown
        calendar.poll(race.client)
        assert calendar.poller.statuses[-1] == 304

    assert calendar.shown[FIVE] == "No longer listed: Harbor Run – 5K"
    seldom_calendar.poll(race.client)
    assert seldom_calendar.shown == calendar.shown
    seldom_reader.poll(race.client, clock())
    # A run that is off has no item of its own (rules 5.2).
    assert seldom_reader.seen == reader.seen - {FIVE}
    clock.advance(days=31)
    for form in (".ics", ".rss", ""):
        assert race.get(form).status_code == 410
