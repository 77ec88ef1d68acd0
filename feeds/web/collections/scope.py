"""The club or one of its groups: its name and its addresses."""

from typing import NamedTuple

from feeds.domain.catalog import EVENTS, Group, build_group_part
from feeds.domain.feed import Feed
from feeds.domain.options import Options
from feeds.service.collections.entry import Content
from feeds.text import collections as texts
from feeds.text.summaries import strip_markup
from feeds.web.site import get_site


class Scope(NamedTuple):
    """The club, or the ``group``, as pages and feeds address it.

    ``path`` is that of its page, relative to the root of the service; ``owner`` is the name of the
    organization, empty if it is unknown.
    """

    group: Group | None
    name: str
    owner: str

    @property
    def part(self) -> str:
        """The part of the catalog with its members, by which caches know it."""
        return build_group_part(self.group.slug) if self.group else EVENTS

    @property
    def path(self) -> str:
        return f"groups/{self.group.slug}" if self.group else ""

    @property
    def page(self) -> str:
        """The URL of its page."""
        return f"{get_site().public_url}/{self.path}"

    @property
    def feeds(self) -> str:
        """The URL of its feeds, without their extension."""
        return self.page if self.group else f"{self.page}events"

    @property
    def base(self) -> str:
        """What the paths of its widget, kit and QR code begin with."""
        return f"{self.path}/" if self.group else ""

    @property
    def title(self) -> str:
        """The name without markup."""
        return strip_markup(self.name)

    def build_url(self, query: str) -> str:
        """The URL of the page with a query, which may be empty."""
        return f"{self.page}{'?' if query else ''}{query}"

    def build_feed(self, content: Content, options: Options) -> Feed:
        """The feed that a page or a widget shows."""
        return get_site().build_collection_feed(
            content, self.name, self.page, f"{self.feeds}.json", options
        )


def find_scope(content: Content) -> Scope:
    """The scope of a collection."""
    owner = get_site().find_owner()
    name = content.group.name if content.group else owner or texts.NO_NAME
    return Scope(content.group, name, owner)
