"""How many ids that do not exist a client may ask for."""

from datetime import timedelta

import pytest

from feeds.service.admission import MAX_CLIENTS, Misses
from tests.support.clock import START

STRANGER, SUBSCRIBER = "192.0.2.1", "192.0.2.2"
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


def spend_all(misses, client=STRANGER, now=START):
    """How many misses the client has left, which are spent."""
    number = 0
    while not misses.are_spent(client, now):
        misses.count(client, now)
        number += 1
    return number


@pytest.mark.parametrize(
    ("window", "interval"), [(MINUTE, 10 * MINUTE), (DAY, DAY)], ids=["minute", "day"]
)
def test_a_client_has_five_misses_and_one_more_after_each_window(window, interval):
    misses = Misses(window)
    assert spend_all(misses) == 5
    assert spend_all(misses, now=START + interval - SECOND) == 0
    assert spend_all(misses, now=START + interval) == 1
    assert spend_all(misses, now=START + 100 * interval) == 5


def test_each_client_has_misses_of_its_own():
    misses = Misses(MINUTE)
    assert [spend_all(misses, client) for client in (STRANGER, SUBSCRIBER)] == [5, 5]


def test_further_misses_of_a_client_without_any_left_cost_nothing():
    misses = Misses(MINUTE)
    for _ in range(20):
        misses.count(STRANGER, START)
    assert spend_all(misses, now=START + 10 * MINUTE) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"),
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("", "unix:"),
    ],
)
def test_a_client_is_an_ipv4_address_or_a_network_of_ipv6(one, other):
    misses = Misses(MINUTE)
    assert [spend_all(misses, one), spend_all(misses, other)] == [5, 0]
    assert spend_all(misses, "2001:db8:1:3::1") == 5


def test_a_miss_from_before_the_clock_was_set_back_counts_for_no_longer_than_others():
    misses = Misses(MINUTE)
    spend_all(misses, now=START + 365 * DAY)
    misses.count(STRANGER, START)
    assert spend_all(misses, now=START + 50 * MINUTE) == 5


def test_the_clients_that_asked_last_are_remembered():
    misses = Misses(MINUTE)
    spend_all(misses)
    for number in range(MAX_CLIENTS):
        misses.count(f"10.0.{number // 256}.{number % 256}", START)
    assert spend_all(misses) == 5
    assert spend_all(misses, "10.0.0.200") == 4
