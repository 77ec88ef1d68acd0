"""Places as text."""

from feeds.domain.model import State
from feeds.domain.places import format_point


def format_place(state: State, other: State) -> str:
    """The place of a state, with its coordinates if ``other`` has the same address elsewhere."""
    place = state.place or ""
    if place != other.place or state.spot or state.point is None:
        return place
    return f"{place} ({format_point(state.point)})"
