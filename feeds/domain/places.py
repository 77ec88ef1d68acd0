"""Whether two places are the same: a corrected pin or spelling is no move (rules 5.14)."""

import math
import unicodedata
from functools import lru_cache

Point = tuple[float, float]
"""Latitude and longitude in degrees."""

SAME_WITHIN = 200
"""Metres by which a pin may be corrected."""

UNMOVED_WITHIN = 1
"""Metres within which a pin was left where it was: its last digits may come from a computation."""

_EARTH = 6_371_000
"""The mean radius of the Earth in metres."""


def format_point(point: Point) -> str:
    """``41.89170, -87.60430``."""
    return f"{point[0]:z.5f}, {point[1]:z.5f}"


def measure_distance(one: Point, other: Point) -> float:
    """The distance of two points in metres, on a sphere (haversine formula)."""
    (lat1, lng1), (lat2, lng2) = (tuple(map(math.radians, point)) for point in (one, other))
    across = math.cos(lat1) * math.cos(lat2) * math.sin((lng2 - lng1) / 2) ** 2
    return 2 * _EARTH * math.asin(min(1, math.sqrt(math.sin((lat2 - lat1) / 2) ** 2 + across)))


def is_far(was: Point | None, now: Point | None) -> bool:
    """Whether both points are known and too far apart to be the same place."""
    return was is not None and now is not None and measure_distance(was, now) > SAME_WITHIN


def is_same(was: tuple[str | None, Point | None], now: tuple[str | None, Point | None]) -> bool:
    """Whether two places, each a text and a point as far as known, are the same.

    Two points decide if the pin was moved. Else the texts decide: an organizer who edits the
    address may forget the pin.
    """
    if was == now:  # most are; to compare their words takes long
        return True
    (was_text, was_point), (now_text, now_point) = was, now
    if was_text is None or now_text is None:
        return was_text is now_text
    if was_point and now_point and measure_distance(was_point, now_point) > UNMOVED_WITHIN:
        return not is_far(was_point, now_point)
    return is_same_text(was_text, now_text)


@lru_cache(maxsize=256)  # the runs of an event have one place
def is_same_text(was: str, now: str) -> bool:
    """Whether two addresses are equal but for case and punctuation, or one holds the other."""
    shorter, longer = sorted((_fold(was), _fold(now)), key=lambda words: len("".join(words)))
    return "".join(shorter) == "".join(longer) or (shorter != [] and _holds(longer, shorter))


def _holds(longer: list[str], shorter: list[str]) -> bool:
    """Whether words occur in others, in their order: a street or a country was added."""
    left = iter(longer)
    return all(any(_abbreviates(word, each) for each in left) for word in shorter)


def _abbreviates(word: str, other: str) -> bool:
    """Whether two words are equal, or one of letters begins the other: ``St``, ``Street``."""
    if word == other:
        return True
    short, long = sorted((word, other), key=len)
    return len(short) > 1 and short.isalpha() and long.isalpha() and long.startswith(short)


def _fold(text: str) -> list[str]:
    """The words of a text: letters, digits, marks and symbols, alike in all spellings."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = (each if unicodedata.category(each)[0] not in "PZC" else " " for each in folded)
    return "".join(kept).split()
