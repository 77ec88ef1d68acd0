"""Places as text."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from feeds.domain.entries import Entry
from feeds.domain.model import State
from feeds.domain.places import format_point

VIRTUAL = "Virtual: take part from anywhere."


class Place(Struct, frozen=True):
    """Where runs take place, as a page states it (rules 3.15).

    ``name`` stands beside dates: an address, or ``Virtual``. ``text`` stands on a line of its own.
    ``query`` finds the place on a map. Each is empty if nothing is to be stated.
    """

    name: str = ""
    text: str = ""
    query: str = ""


def describe_place(entries: Sequence[Entry]) -> Place:
    """The place of the in-person entries of one event, or ``Virtual`` if all entries are virtual.

    The place is empty if no entry is in person and an entry may be virtual.
    """
    if all(entry.run.virtual for entry in entries):
        return Place("Virtual", VIRTUAL)
    entry = find_in_person(entries)
    if entry is None:
        return Place()
    event = entry.event
    address = event.location or ""
    query = f"{event.point[0]},{event.point[1]}" if event.point else address
    if query:
        return Place(address, address or "The place on a map", query)
    is_unread = not {"location", "point"}.isdisjoint(event.unread)
    return Place(text="" if is_unread else "The organizer has given no place.")


def find_in_person(entries: Iterable[Entry]) -> Entry | None:
    """The first entry that is in person; None if each is virtual, or may be."""
    return next((entry for entry in entries if entry.run.in_person), None)


def format_place(state: State, other: State) -> str:
    """The place of a state, with its coordinates if ``other`` has the same address elsewhere."""
    place = state.place or ""
    if place != other.place or state.spot or state.point is None:
        return place
    return f"{place} ({format_point(state.point)})"
