"""The recurrences of the organization: one row, and one process at a time that asks for them."""

from datetime import UTC, datetime, time, timedelta

from feeds.domain.model import Recurrence
from tests.support.databases import connect, open_database

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FOUND = {"club": (Recurrence(days=(2, 4), start_time=time(18, 30), minutes=60), Recurrence())}


def test_nothing_is_known_at_first_and_it_is_time_to_ask(database):
    assert database.read_recurrences() == (None, datetime(1970, 1, 1, tzinfo=UTC))


def test_only_one_of_two_processes_asks(url, database):
    _, due = database.read_recurrences()
    other = connect(url)
    assert database.postpone_recurrences(due, NOW + DAY)
    assert not other.postpone_recurrences(due, NOW + DAY)
    assert other.read_recurrences() == (None, NOW + DAY)


def test_what_was_found_is_known_to_all_processes_also_after_another_start(url, database):
    database.save_recurrences(FOUND)
    other = open_database(url)
    assert other.read_recurrences()[0] == FOUND
    other.save_recurrences({})
    assert database.read_recurrences()[0] == {}
