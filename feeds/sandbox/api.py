"""The partner API over the sample events: its paths, scopes, errors, pages and limits.

Where its reference is silent the sandbox answers: 422 for a parameter with a wrong value and 400
for parameters that do not go together; an empty parameter is an absent one; 404 for what belongs to
another organization; a key's limit is spent by every request that carries it to a known path.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, request
from werkzeug.exceptions import HTTPException, NotFound

from feeds.sandbox.editing import OWN, Desk
from feeds.sandbox.keys import ORGANIZATION_ID, PLANS, SANDBOX_KEY, Allowance, Key
from feeds.sandbox.memory import Calls, Documents
from feeds.sandbox.pagination import date_range, one_of, page
from feeds.sandbox.responses import RateLimited, answer, refusal
from feeds.sandbox.samples import SAMPLES, Library, load

# The name "Events in a group" is published, its path and scope are not.
GROUP_EVENTS = "/groups/<slug>/events"
GROUP_EVENTS_SCOPES = ("read:groups", "read:events")

TYPES = ("race", "runClub", "timeTrial", "other")
STATUSES = ("active", "paused", "archived")


def utc_now() -> datetime:
    return datetime.now(UTC)


def create_sandbox(
    folder: Path = SAMPLES,
    *,
    keys: Mapping[str, Key] | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Flask:
    """The sandbox as a Flask application.

    ``folder`` holds the samples, read once, see ``feeds.sandbox.samples``; ValueError if one is
    wrong. ``keys`` are by their secret; without them ``sandbox-key`` reads everything of the
    samples' organization on the enterprise plan. ``clock`` gives the time, aware.
    """
    library = load(folder, clock().astimezone(UTC).date())
    documents, calls = Documents(library.documents), Calls()
    if keys is None:
        keys = {SANDBOX_KEY: Key(ORGANIZATION_ID)}

    app = Flask(__name__, static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False
    app.register_error_handler(HTTPException, refusal)
    PartnerApi(library, documents, Gate(keys, clock)).route(app)
    Desk(documents, calls).route(app)

    @app.after_request
    def record(response: Response) -> Response:
        if not request.path.startswith(OWN):
            path = request.full_path.removesuffix("?")
            at = clock().astimezone(UTC).isoformat()
            calls.add({"path": path, "status": response.status_code, "at": at})
        return response

    return app


class Gate:
    """Who may pass: a known key with a scope, within its plan."""

    def __init__(self, keys: Mapping[str, Key], clock: Callable[[], datetime]) -> None:
        self._keys = keys
        self._allowances = {secret: Allowance(PLANS[key.plan]) for secret, key in keys.items()}
        self._clock = clock

    def admit(self, *scopes: str) -> Key:
        """The request's key; 401 without one, 429 past its limit, 403 with none of the scopes."""
        credentials = request.authorization
        secret = (credentials.token or "") if credentials and credentials.type == "bearer" else ""
        key = self._keys.get(secret)
        if key is None:
            abort(401, "The API key is missing or unknown.")
        retry_at = self._allowances[secret].take(self._clock())
        if retry_at is not None:
            raise RateLimited(retry_at)
        if key.scopes.isdisjoint(scopes):
            abort(403, f"The API key lacks the scope {' or '.join(scopes)}.")
        return key


class PartnerApi:
    """The documented views; each admits its request first."""

    def __init__(self, library: Library, documents: Documents, gate: Gate) -> None:
        self._library = library
        self._documents = documents
        self._gate = gate

    def route(self, app: Flask) -> None:
        app.get("/events/<event_id>")(self.event)
        app.get("/events")(self.events)
        app.get("/organization")(self.organization)
        app.get("/groups")(self.groups)
        app.get("/groups/<slug>")(self.group)
        app.get(GROUP_EVENTS)(self.group_events)
        app.get("/recurrences")(self.recurrences)

    def event(self, event_id: str) -> Response:
        key = self._gate.admit("read:events")
        document = self._documents.get(event_id)
        if document is None or not _belongs(document["event"], key):
            abort(404, "No such event.")
        return answer({"data": document})

    def events(self) -> Response:
        key = self._gate.admit("read:events")
        type_ = one_of(request.args, "type", TYPES)
        first, last = date_range(request.args)

        def keep(event: object) -> bool:
            if type_ is None and first is None and last is None:
                return True
            if not isinstance(event, dict):
                return False
            date = str(event.get("date"))
            right_type = type_ is None or event.get("type") == type_
            return right_type and (first or date) <= date <= (last or date)

        return answer(page(self._listed(key), request.args, keep))

    def organization(self) -> Response:
        key = self._gate.admit("read:series")
        id_ = key.organization_id
        known = self._library.organizations.get(id_) or {
            "_id": id_,
            "name": id_,
            "slug": id_,
            "roles": ["organizer"],
        }
        return answer({"data": {**known, "plan": key.plan}})

    def groups(self) -> Response:
        key = self._gate.admit("read:groups")
        groups = {group["_id"]: group for group in self._library.groups if _belongs(group, key)}
        return answer(page(groups, request.args, lambda _: True))

    def group(self, slug: str) -> Response:
        key = self._gate.admit("read:groups")
        return answer({"data": self._group(slug, key)})

    def group_events(self, slug: str) -> Response:
        key = self._gate.admit(*GROUP_EVENTS_SCOPES)
        ids = self._library.group_events[self._group(slug, key)["_id"]]
        events = {id_: event for id_, event in self._listed(key).items() if id_ in ids}
        return answer(page(events, request.args, lambda _: True))

    def recurrences(self) -> Response:
        key = self._gate.admit("read:recurrences")
        status = one_of(request.args, "status", STATUSES)
        # A recurrence is its event's organization's.
        mine = self._listed(key)
        recurrences = {r["_id"]: r for r in self._library.recurrences if r["eventId"] in mine}
        return answer(
            page(recurrences, request.args, lambda r: status is None or r["status"] == status)
        )

    def _listed(self, key: Key) -> dict[str, Any]:
        """The key's events as lists give them: without runs, endDate and endTime."""
        return {
            id_: _summary(document["event"])
            for id_, document in self._documents.all().items()
            if _belongs(document["event"], key)
        }

    def _group(self, slug: str, key: Key) -> dict[str, Any]:
        for group in self._library.groups:
            if group["slug"] == slug and _belongs(group, key):
                return group
        raise NotFound("No such group.")


def _belongs(item: object, key: Key) -> bool:
    """Whether the key may see it; an edited event that names no organization is everybody's."""
    owner = item.get("organizationId") if isinstance(item, dict) else None
    return not isinstance(owner, str) or owner == key.organization_id


def _summary(event: object) -> object:
    if not isinstance(event, dict):
        return event
    return {name: value for name, value in event.items() if name not in {"endDate", "endTime"}}
