"""Names and titles of collections."""

from feeds.domain.catalog import Group, Organization
from feeds.domain.options import Options

NO_NAME = "Races"
"""The name of an organization whose name is unknown."""


def build_name(organization: Organization | None, group: Group | None) -> str:
    """The name of a group, or of the organization."""
    if group:
        return group.name
    return (organization.name if organization else "") or NO_NAME


MAX_ABOUT = 500
"""Characters of a group's own text in its feeds."""

_STATUS = {"paused": "This group is paused.", "archived": "This group is archived."}


def build_about(group: Group | None) -> str:
    """The status of a group that is not active, and its own text."""
    if group is None:
        return ""
    text = " ".join(group.description.split())
    if len(text) > MAX_ABOUT:
        text = f"{text[:MAX_ABOUT].rstrip()}…"
    return " ".join(part for part in (_STATUS.get(group.status.casefold(), ""), text) if part)


def build_title(name: str, options: Options) -> str:
    """``North Shore Race Series – 10K, 5K``; ``My races – ...`` for chosen events and runs."""
    title = f"My races – {name}" if options.event or options.run else name
    return f"{title} – {', '.join(options.distance)}" if options.distance else title
