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


def build_title(name: str, options: Options) -> str:
    """``North Shore Race Series – 10K, 5K``; ``My races – ...`` for chosen events and runs."""
    title = f"My races – {name}" if options.event or options.run else name
    return f"{title} – {', '.join(options.distance)}" if options.distance else title
