"""The editing API: paths under /sandbox/ to edit events and to read the log of calls.

==========================================  ======================================================
GET /sandbox/events/<id>                    the document, ``{"event": {...}, "runs": [...]}``
PUT /sandbox/events/<id>                    serve this document from now on, valid or not
DELETE /sandbox/events/<id>                 204; the event is deleted
PATCH /sandbox/events/<id>/runs/<run_id>    set fields of a run; the response is the run
GET /sandbox/calls                          ``{"total": n, "calls": [{"path", "status", "at"}]}``
DELETE /sandbox/calls                       204; count from zero
==========================================  ======================================================

These paths need no key and are not logged. Bodies are JSON, whatever the Content-Type: curl sends
the Content-Type of a form. Date tokens in a body are not resolved, only those in sample files.
"""

import json
from typing import Any

from flask import Flask, Response, abort, request

from feeds.sandbox.calls import CallLog
from feeds.sandbox.documents import DocumentStore
from feeds.sandbox.responses import render_json

EDITING_PREFIX = "/sandbox/"


class EditingApi:
    """The views that edit the documents and read the log of calls."""

    def __init__(self, documents: DocumentStore, calls: CallLog) -> None:
        self._documents = documents
        self._calls = calls

    def register(self, app: Flask) -> None:
        document = EDITING_PREFIX + "events/<event_id>"
        app.get(document)(self.read_document)
        app.put(document)(self.put_document)
        app.delete(document)(self.delete_document)
        app.patch(document + "/runs/<run_id>")(self.patch_run)
        app.get(EDITING_PREFIX + "calls")(self.read_calls)
        app.delete(EDITING_PREFIX + "calls")(self.clear_calls)

    def read_document(self, event_id: str) -> Response:
        document = self._documents.get(event_id)
        if document is None:
            abort(404, "No such event.")
        return render_json(document)

    def put_document(self, event_id: str) -> Response:
        document = _read_body()
        if not {"event", "runs"} <= document.keys():
            abort(422, "The body must be an object with event and runs.")
        new = self._documents.put(event_id, document)
        return render_json(document, 201 if new else 200)

    def delete_document(self, event_id: str) -> Response:
        if not self._documents.delete(event_id):
            abort(404, "No such event.")
        return Response(status=204)

    def patch_run(self, event_id: str, run_id: str) -> Response:
        run = self._documents.merge_run(event_id, run_id, _read_body())
        if run is None:
            abort(404, "No such run.")
        return render_json(run)

    def read_calls(self) -> Response:
        return render_json(self._calls.report())

    def clear_calls(self) -> Response:
        self._calls.clear()
        return Response(status=204)


def _read_body() -> dict[str, Any]:
    """The body of the request as an object; 400 if it is not JSON, 422 if it is not an object."""
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError):
        abort(400, "The body is not JSON.")
    if not isinstance(body, dict):
        abort(422, "The body must be a JSON object.")
    return body
