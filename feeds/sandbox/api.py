"""The partner API over the sample events: its paths, scopes, errors, pages and rate limits.

Where the API's reference is silent, the sandbox answers 422 for a parameter with a wrong value, 400
for parameters that do not go together, and 404 for what belongs to another organization. An empty
parameter counts as absent. Each request with a known key to a known path counts for the rate limit.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, request
from werkzeug.exceptions import HTTPException, NotFound

from feeds.clock import utc_now
from feeds.sandbox.calls import CallLog
from feeds.sandbox.documents import DocumentStore
from feeds.sandbox.editing import EDITING_PREFIX, EditingApi
from feeds.sandbox.keys import ORGANIZATION_ID, PLAN_NAMES, PLANS, SANDBOX_KEY, Key, RateLimiter
from feeds.sandbox.pagination import paginate, read_choice, read_date_range
from feeds.sandbox.responses import TooManyCalls, render_error, render_json
from feeds.sandbox.samples import SAMPLES, Samples, load_samples

# The reference names "Events in a group", but not its path and scope.
GROUP_EVENTS = "/groups/<slug>/events"
GROUP_EVENTS_SCOPES = ("read:groups", "read:events")

TYPES = ("race", "runClub", "timeTrial", "other")
STATUSES = ("active", "paused", "archived")


def create_sandbox(
    folder: Path = SAMPLES,
    *,
    keys: Mapping[str, Key] | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Flask:
    """Make the sandbox, a Flask application.

    ``folder`` has the samples, which are read once (``feeds.sandbox.samples``). ``keys`` are by
    their secret; the default is ``sandbox-key``, with all scopes of the samples' organization, on
    the enterprise plan. ``clock`` returns the current time, aware.

    Raises ValueError if a sample is wrong.
    """
    samples = load_samples(folder, clock().astimezone(UTC).date())
    documents, calls = DocumentStore(samples.documents), CallLog()
    if keys is None:
        keys = {SANDBOX_KEY: Key(ORGANIZATION_ID)}

    app = Flask(__name__, static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False
    app.register_error_handler(HTTPException, render_error)
    PartnerApi(samples, documents, KeyCheck(keys, clock)).register(app)
    EditingApi(documents, calls).register(app)

    @app.after_request
    def log_call(response: Response) -> Response:
        if not request.path.startswith(EDITING_PREFIX):
            path = request.full_path.removesuffix("?")
            at = clock().astimezone(UTC).isoformat()
            calls.add({"path": path, "status": response.status_code, "at": at})
        return response

    return app


class KeyCheck:
    """Authorize requests: a known key, within its rate limit, with a scope."""

    def __init__(self, keys: Mapping[str, Key], clock: Callable[[], datetime]) -> None:
        self._keys = keys
        self._limiters = {secret: RateLimiter(PLANS[key.plan]) for secret, key in keys.items()}
        self._clock = clock

    def authorize(self, *scopes: str) -> Key:
        """The key of the current request, which has one of the scopes.

        401 without a known key, 429 beyond its rate limit, 403 without a scope.
        """
        credentials = request.authorization
        secret = (credentials.token or "") if credentials and credentials.type == "bearer" else ""
        key = self._keys.get(secret)
        if key is None:
            abort(401, "The API key is missing or unknown.")
        retry_at = self._limiters[secret].acquire(self._clock())
        if retry_at is not None:
            raise TooManyCalls(retry_at)
        if key.scopes.isdisjoint(scopes):
            abort(403, f"The API key lacks the scope {' or '.join(scopes)}.")
        return key


class PartnerApi:
    """The documented views. Each view first authorizes its request."""

    def __init__(self, samples: Samples, documents: DocumentStore, keys: KeyCheck) -> None:
        self._samples = samples
        self._documents = documents
        self._keys = keys

    def register(self, app: Flask) -> None:
        app.get("/events/<event_id>")(self.read_event)
        app.get("/events")(self.list_events)
        app.get("/organization")(self.read_organization)
        app.get("/groups")(self.list_groups)
        app.get("/groups/<slug>")(self.read_group)
        app.get(GROUP_EVENTS)(self.list_group_events)
        app.get("/recurrences")(self.list_recurrences)

    def read_event(self, event_id: str) -> Response:
        key = self._keys.authorize("read:events")
        document = self._documents.get(event_id)
        if document is None or not _is_visible(document["event"], key):
            abort(404, "No such event.")
        return render_json({"data": document})

    def list_events(self) -> Response:
        key = self._keys.authorize("read:events")
        type_ = read_choice(request.args, "type", TYPES)
        first, last = read_date_range(request.args)

        def matches(event: object) -> bool:
            if type_ is None and first is None and last is None:
                return True
            if not isinstance(event, dict):
                return False
            date = str(event.get("date"))
            right_type = type_ is None or event.get("type") == type_
            return right_type and (first or date) <= date <= (last or date)

        return render_json(paginate(self._list_visible_events(key), request.args, matches))

    def read_organization(self) -> Response:
        key = self._keys.authorize("read:series")
        id_ = key.organization_id
        organization = self._samples.organizations.get(id_) or {
            "_id": id_,
            "name": id_,
            "slug": id_,
            "roles": ["organizer"],
        }
        return render_json({"data": {**organization, "plan": PLAN_NAMES[key.plan]}})

    def list_groups(self) -> Response:
        key = self._keys.authorize("read:groups")
        groups = {group["_id"]: group for group in self._samples.groups if _is_visible(group, key)}
        return render_json(paginate(groups, request.args, lambda _: True))

    def read_group(self, slug: str) -> Response:
        key = self._keys.authorize("read:groups")
        return render_json({"data": self._find_group(slug, key)})

    def list_group_events(self, slug: str) -> Response:
        key = self._keys.authorize(*GROUP_EVENTS_SCOPES)
        ids = self._samples.group_events[self._find_group(slug, key)["_id"]]
        events = {id_: event for id_, event in self._list_visible_events(key).items() if id_ in ids}
        return render_json(paginate(events, request.args, lambda _: True))

    def list_recurrences(self) -> Response:
        key = self._keys.authorize("read:recurrences")
        status = read_choice(request.args, "status", STATUSES)
        # A recurrence belongs to the organization of its event.
        events = self._list_visible_events(key)
        recurrences = {r["_id"]: r for r in self._samples.recurrences if r["eventId"] in events}
        return render_json(
            paginate(recurrences, request.args, lambda r: status is None or r["status"] == status)
        )

    def _list_visible_events(self, key: Key) -> dict[str, Any]:
        """The key's events by id, as in a list: without runs, endDate and endTime."""
        return {
            id_: _summarize(document["event"])
            for id_, document in self._documents.get_all().items()
            if _is_visible(document["event"], key)
        }

    def _find_group(self, slug: str, key: Key) -> dict[str, Any]:
        for group in self._samples.groups:
            if group["slug"] == slug and _is_visible(group, key):
                return group
        raise NotFound("No such group.")


def _is_visible(item: object, key: Key) -> bool:
    """Whether the key can read the item. Every key can read an item without an organization."""
    organization = item.get("organizationId") if isinstance(item, dict) else None
    return not isinstance(organization, str) or organization == key.organization_id


def _summarize(event: object) -> object:
    if not isinstance(event, dict):
        return event
    return {name: value for name, value in event.items() if name not in {"endDate", "endTime"}}
