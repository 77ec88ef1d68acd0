"""The month view of the embed kit: FullCalendar draws our feed on a club's page."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.support.browser import MIXED, MIXED_NAME

PACKAGES = Path(__file__).parents[2] / ".venv/npm/node_modules"
"""Where ``make test`` puts FullCalendar, its iCalendar plugin and ical.js."""

SCRIPT = re.compile(r"https://cdn\.jsdelivr\.net/npm/((?:@[\w-]+/)?[\w.-]+)@([\d.]+)/([\w./-]+)")

FIND_ENTRIES = """all => all.map(each => [
    each.closest('[data-date]').dataset.date,
    each.querySelector('.fc-event-time')?.textContent ?? '',
    each.querySelector('.fc-event-title').textContent,
    each.href,
])"""


def answer_from_packages(route: Route) -> None:
    """Answer a script of the snippet with the file of the installed package."""
    found = SCRIPT.fullmatch(route.request.url)
    assert found, route.request.url
    name, version, path = found.groups()
    assert json.loads((PACKAGES / name / "package.json").read_text("utf-8"))["version"] == version
    route.fulfill(path=PACKAGES / name / path, content_type="text/javascript")


@pytest.fixture
def show_month(open_visitor, site, club):
    """A function: show a club's page with the month view of an event, to a visitor in a zone."""
    if not PACKAGES.is_dir():
        pytest.skip("FullCalendar is not installed: make fullcalendar")
    visitors = []

    def show(event, now, zone):
        visitor = open_visitor(timezone_id=zone)
        visitors.append(visitor)
        visitor.page.route("https://cdn.jsdelivr.net/**", answer_from_packages)
        visitor.page.clock.set_fixed_time(now)
        visitor.page.goto(f"{site.url}/events/{event}/embed-kit")
        code = visitor.page.locator("section[aria-labelledby=month] pre").text_content()
        visitor.page.goto(club.show(str(code)))
        return visitor

    yield show
    for each in visitors:
        each.page.unroute_all()


@pytest.mark.parametrize("zone", ["America/Chicago", "Asia/Tokyo"])
def test_the_month_view_draws_each_run_on_its_day_at_the_time_of_the_place(show_month, zone):
    visitor = show_month(MIXED, "2026-06-10T12:00:00Z", zone)
    entries = visitor.page.locator("#races .fc-event")
    expect(entries).to_have_count(5)
    name, website = MIXED_NAME, "https://club.example/l%C3%B8b"
    titles = [
        f"Cancelled: {name} – Marathon",
        f"Postponed: {name} – Half",
        f"Rescheduled: {name} – 10K",
        f"{name} – 5K & walk",
        f"{name} – Mile",
    ]
    found = sorted(entries.evaluate_all(FIND_ENTRIES), key=lambda entry: entry[2])
    assert found == [["2026-06-20", "9a", title, website] for title in titles]
    assert visitor.problems == []


def test_the_month_view_draws_the_runs_of_an_event_on_their_days(show_month, site):
    runs = [
        {"distanceLabel": "5K", "date": "2026-06-19", "startTime": "18:30"},
        {"distanceLabel": "Any", "date": "2026-06-21", "isVirtual": True},
    ]
    site.publish("weekend", runs, endDate="2026-06-22")
    visitor = show_month("weekend", "2026-06-10T12:00:00Z", "America/Chicago")
    entries = visitor.page.locator("#races .fc-event")
    expect(entries).to_have_count(2)
    found = [(day, time) for day, time, *_ in entries.evaluate_all(FIND_ENTRIES)]
    assert found == [("2026-06-19", "6:30p"), ("2026-06-21", "")]
