"""Fields that were not understood keep the value last understood (rules 3.7)."""

from typing import TypeVar

from msgspec import structs

from feeds.domain.model import Event, Run

T = TypeVar("T", Event, Run)


def keep_last_read(decoded: T, last: T | None) -> T:
    """The event or the run with the last values of its unread fields.

    ``last`` is its last version. A field that ``last`` has not read either stays unread. The runs
    of an event are left alone.
    """
    if last is None or not decoded.unread:
        return decoded
    kept = {name: getattr(last, name) for name in decoded.unread if name not in last.unread}
    still = tuple(name for name in decoded.unread if name not in kept)
    return structs.replace(decoded, **kept, unread=still)
