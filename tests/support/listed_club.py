"""An organization whose list, groups and events the upstream serves, and its pages."""

import json
from typing import Any

from werkzeug import Response
from werkzeug.test import Client, TestResponse

from tests.support.clock import Clock
from tests.support.upstream import Upstream
from tests.support.waiting import wait_until

ORGANIZATION = "club"
NAME = "Lakeside Runners"


class ListedClub:
    """The organization; ``client`` sends requests to the service.

    ``clock`` moves by a second for each event that is read first, within the upstream's rate limit.
    """

    def __init__(self, upstream: Upstream, client: Client, clock: Clock) -> None:
        self.upstream = upstream
        self.client = client
        self._clock = clock
        upstream.give_key_to(ORGANIZATION)
        self.rename(NAME)
        self._groups: list[dict[str, Any]] = []
        self._unread: list[str] = []

    def rename(self, name: str) -> None:
        """Have the upstream serve the organization with this name."""
        self._serve("/organization", {"_id": ORGANIZATION, "name": name, "slug": "club"})

    def publish(self, event_id: str, *dates: str, **fields: Any) -> None:
        """Publish an event as ``Upstream.publish`` does."""
        self.upstream.publish(event_id, *dates, organizationId=ORGANIZATION, **fields)
        self._unread.append(event_id)

    def edit(self, event_id: str, number: int = 0, **fields: Any) -> None:
        """Change fields of a run."""
        document = self.upstream.document(event_id)
        document["runs"][number] |= fields
        self.upstream.put(event_id, document)

    def add_group(self, slug: str, *event_ids: str, **fields: Any) -> None:
        """List a group with these events."""
        group = {"_id": slug, "organizationId": ORGANIZATION, "slug": slug, "name": slug}
        self._groups.append(group | {"status": "active"} | fields)
        self._serve("/groups", self._groups)
        events = [self.upstream.document(id_)["event"] for id_ in event_ids]
        self._serve(f"/groups/{slug}/events", events)

    def open(self, path: str = "/", status: int = 200) -> TestResponse:
        """The answer, once all events were read, and the list."""
        while self._unread:
            event = self.client.get(f"/events/{self._unread.pop()}.ics")
            assert event.status_code == 200, event.text
            self._clock.advance(seconds=1)

        def ask() -> list[TestResponse]:
            response = self.client.get(path)
            return [] if response.status_code == 503 else [response]

        (response,) = wait_until(ask, f"{path} to be complete")
        assert response.status_code == status, response.text
        return response

    def _serve(self, path: str, data: object) -> None:
        body = {"data": data} | ({"hasMore": False} if isinstance(data, list) else {})
        self.upstream.failing[path] = Response(json.dumps(body), mimetype="application/json")
