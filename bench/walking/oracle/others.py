"""What other events say about one that is missing (rules 3.8)."""

from collections.abc import Collection, Iterable
from datetime import date

from bench.walking.oracle.proof import Moment, Others
from bench.walking.oracle.story import Story
from bench.walking.upstream import Call


def find_others(
    stories: Iterable[tuple[Collection[Story], bool]], calls: Iterable[Call], today: date
) -> Others:
    """What other events are missing, and when they were listed.

    ``stories`` are the ones that agree with the feeds of each other event, and whether it is
    stored: a restored backup may know less of it than one of them. ``calls`` are the answers for
    other events that no story has followed yet: a witness may have been asked.
    """
    missing: list[Moment] = []
    listed: list[Moment] = []
    for known, is_stored in stories:
        instants = {each.missing_since for each in known}
        if len(instants) == 1:
            missing += filter(None, instants)
        if is_stored and all(each.is_ahead(today) for each in known):
            listed += filter(None, (each.listed for each in known))
    if listed:
        answers = [each for each in calls if each.reading and each.reading.fields]
        listed += [Moment(each.at, each.elapsed) for each in answers]
    return Others(tuple(missing), tuple(listed))
