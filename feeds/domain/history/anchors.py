"""Anchors on the page of an event, to which the items of its channel link (rules 5.11)."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping

from feeds.domain.history.changes import group_changes
from feeds.domain.model import Edition, Kind

Anchors = Mapping[tuple[str, Kind, dt.datetime], str]
"""The anchors of changes by the id in a guid, the kind, and the time of noticing."""


def name_anchors(edition: Edition) -> Anchors:
    """The anchors of all changes of an edition: ``ten-moved``, ``ten-moved-2``.

    A change has an anchor under the id of its run. A group of several runs also has one under the
    event's id, as its guid has. Readers may know an item by its link, so repeated changes are
    numbered, and the numbers count changes that were dropped (rules 4.11).
    """
    counts: Counter[tuple[str, str]] = Counter()
    for key, dropped in edition.numbers.items():
        named, kind, *_ = key.split("/")
        counts[named, kind] += dropped
    anchors: dict[tuple[str, Kind, dt.datetime], str] = {}
    for group in group_changes(edition.changes):
        kind, noticed = group[0].kind, group[0].noticed
        names = [change.run for change in group]
        for named in dict.fromkeys(names if len(names) == 1 else [*names, edition.event.id]):
            counts[named, kind] += 1
            number = counts[named, kind]
            anchors[named, kind, noticed] = f"{named}-{kind}" + (f"-{number}" if number > 1 else "")
    return anchors
