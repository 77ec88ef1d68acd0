"""Clients of a sandbox, and documents for it."""

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from feeds.sandbox import ORGANIZATION_ID, SAMPLES, SANDBOX_KEY, Key, create_sandbox
from tests.support.clock import Clock


class ApiClient:
    """A client of the partner API with a key. ``plain`` is the client without the key."""

    def __init__(self, plain: FlaskClient, key: str = SANDBOX_KEY) -> None:
        self.plain = plain
        self._headers = {"Authorization": f"Bearer {key}"}

    def get(self, path: str, **query: Any) -> Any:
        return self.plain.get(path, query_string=query, headers=self._headers)

    def list_ids(self, path: str, **query: Any) -> list[str]:
        response = self.get(path, **query)
        assert response.status_code == 200, response.json
        return [item["_id"] for item in response.json["data"]]


def api_client(folder=SAMPLES, *, clock=None, **key: Any) -> ApiClient:
    """A client of a new sandbox. The fields of the key are as given, or the defaults."""
    keys = {SANDBOX_KEY: Key(**{"organization_id": ORGANIZATION_ID, **key})}
    return ApiClient(create_sandbox(folder, keys=keys, clock=clock or Clock()).test_client())


def event_document(
    event_id: str, date: str = "2026-06-01", organization_id: str = ORGANIZATION_ID, **fields: Any
) -> dict[str, Any]:
    event = {"_id": event_id, "name": event_id, "slug": event_id, "type": "race", "date": date}
    return {"event": {**event, "organizationId": organization_id, **fields}, "runs": []}


def assert_error(response: TestResponse, status: int, code: str) -> None:
    """The response is an error in the shape of the partner API, with a message of one line."""
    assert response.status_code == status
    assert response.mimetype == "application/json"
    assert response.json is not None
    assert response.json.keys() == {"error"}
    error = response.json["error"]
    assert error["code"] == code
    assert error["message"]
    assert "\n" not in error["message"]
