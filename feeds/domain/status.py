"""The statuses of a run, and what each one means in feeds and on pages (rules 3.1)."""

from msgspec import Struct, structs

from feeds.domain.model import Kind, Run


class Status(Struct, frozen=True, kw_only=True):
    """A row of the table.

    name              in JSON Feed (rules 5.13)
    spellings         the upstream's words for the status, in lower case
    stored            in ``State.status``, which the database keeps
    word              on pages
    summary_prefix    what a SUMMARY and the title of an item start with
    sentence          in descriptions; empty if the run takes place as planned
    vevent            STATUS of a VEVENT (RFC 5545 3.8.1.11)
    schema_org        schema.org's eventStatus; empty if it is unknown
    off               whether the run does not take place
    busy              whether ``?busy=1`` blocks the time of the run (rules 3.2)
    css_class         on pages; the style sheet has colours for it
    change_kind       the kind of a change to this status, None if that is no news by itself
    """

    name: str
    spellings: tuple[str, ...] = ()
    stored: str
    word: str
    summary_prefix: str = ""
    sentence: str = ""
    vevent: str = "CONFIRMED"
    schema_org: str = "EventScheduled"
    off: bool = False
    busy: bool = False
    css_class: str = "scheduled"
    change_kind: Kind | None = None

    @property
    def confirmed(self) -> bool:
        """Whether the run takes place when the feed says: it is neither off nor postponed."""
        return self.vevent == "CONFIRMED"


CANCELLED = Status(
    name="cancelled",
    spellings=("cancelled", "canceled"),
    stored="cancelled",
    word="Cancelled",
    summary_prefix="Cancelled: ",
    sentence="Cancelled by the organizer.",
    vevent="CANCELLED",
    schema_org="EventCancelled",
    off=True,
    css_class="cancelled",
    change_kind=Kind.CANCELLED,
)
NO_LONGER_LISTED = Status(
    name="unlisted",
    # The space keeps it apart from an organizer's own word "unlisted": the upstream's words have
    # no space around them, and an organizer's word never means that a run is gone.
    stored=" unlisted",
    word="No longer listed",
    summary_prefix="No longer listed: ",
    sentence="No longer listed by the organizer.",
    vevent="CANCELLED",
    schema_org="EventCancelled",
    off=True,
    css_class="unlisted",
    change_kind=Kind.NO_LONGER_LISTED,
)
POSTPONED = Status(
    name="postponed",
    spellings=("postponed",),
    stored="postponed",
    word="Postponed",
    summary_prefix="Postponed: ",
    sentence="Postponed by the organizer.",
    vevent="TENTATIVE",
    schema_org="EventPostponed",
    css_class="postponed",
    change_kind=Kind.POSTPONED,
)
RESCHEDULED = Status(
    name="rescheduled",
    spellings=("rescheduled",),
    stored="rescheduled",
    word="Rescheduled",
    summary_prefix="Rescheduled: ",
    sentence="Rescheduled by the organizer.",
    schema_org="EventRescheduled",
    busy=True,
    css_class="rescheduled",
    change_kind=Kind.RESCHEDULED,
)
UNREAD = Status(
    name="unknown",
    stored=" unread",
    word="Status unknown",
    sentence="The organizer's status could not be read.",
    vevent="TENTATIVE",
    schema_org="",
    css_class="doubtful",
)
SCHEDULED = Status(
    name="scheduled", spellings=("scheduled",), stored="scheduled", word="Scheduled", busy=True
)

STATUSES = (CANCELLED, NO_LONGER_LISTED, POSTPONED, UNREAD, RESCHEDULED, SCHEDULED)
"""All statuses but an organizer's own words. The worst is first: pages list them in this order."""

STORED_BY_SPELLING = {
    spelling: status.stored for status in STATUSES for spelling in status.spellings
}
"""``Run.status`` by the upstream's word in lower case."""

_BY_STORED = {status.stored: status for status in STATUSES}


def get_status(run: Run) -> Status:
    """The status of a run; no longer listed outweighs what the last document said."""
    if run.withdrawn:
        return NO_LONGER_LISTED
    return UNREAD if "status" in run.unread else find_status(run.status)


def find_status(stored: str) -> Status:
    """The row of a ``State.status``; any other word is the organizer's own, and shown as it is."""
    return _BY_STORED.get(stored) or structs.replace(
        SCHEDULED,
        name=stored,
        spellings=(),
        stored=stored,
        word=stored,
        sentence=f"Status given by the organizer: {stored}",
        busy=False,
        css_class="doubtful",
    )
