"""The place of an entry."""

import pytest

from tests.support.factories import a_run, the_entry


@pytest.mark.parametrize(
    ("event", "place"),
    [
        ({"location": "1 Pier Rd, Evanston"}, "1 Pier Rd, Evanston"),
        ({"location": "1 Pier Rd", "point": (42.05, -87.67)}, "1 Pier Rd"),
        ({"point": (42.05, -87.67)}, "42.05000, -87.67000"),
        ({"point": (42.0512345, -87.6712355)}, "42.05123, -87.67124"),
        ({"point": (51.477, -1e-7)}, "51.47700, 0.00000"),
        ({"point": (-1e-7, 36.8)}, "0.00000, 36.80000"),
        ({}, None),
    ],
    ids=str,
)
def test_the_place_is_the_address_or_else_the_coordinates(event, place):
    assert the_entry(a_run(), **event).place == place


def test_a_virtual_run_has_no_place():
    entry = the_entry(a_run(virtual=True), location="1 Pier Rd", point=(42.05, -87.67))
    assert entry.place is None
