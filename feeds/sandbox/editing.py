"""Paths of the sandbox's own, under /sandbox/, which need no key and count as no call.

==========================================  ======================================================
GET /sandbox/events/<id>                    the document, ``{"event": {...}, "runs": [...]}``
PUT /sandbox/events/<id>                    serve this document from now on, right or wrong
DELETE /sandbox/events/<id>                 204; the event is gone
PATCH /sandbox/events/<id>/runs/<run_id>    set fields of a run, answered with the run
GET /sandbox/calls                          ``{"total": n, "calls": [{"path", "status", "at"}]}``
DELETE /sandbox/calls                       204; count from zero
==========================================  ======================================================

Bodies are JSON, whatever Content-Type says: curl sends that of a form. Date tokens are for the
files of the folder; a body is taken as it is.
"""

import json
from typing import Any

from flask import Flask, Response, abort, request

from feeds.sandbox.memory import Calls, Documents
from feeds.sandbox.responses import answer

OWN = "/sandbox/"


class Desk:
    """The views that edit the documents and read the calls."""

    def __init__(self, documents: Documents, calls: Calls) -> None:
        self._documents = documents
        self._calls = calls

    def route(self, app: Flask) -> None:
        document = OWN + "events/<event_id>"
        app.get(document)(self.read_document)
        app.put(document)(self.put_document)
        app.delete(document)(self.delete_document)
        app.patch(document + "/runs/<run_id>")(self.patch_run)
        app.get(OWN + "calls")(self.read_calls)
        app.delete(OWN + "calls")(self.reset_calls)

    def read_document(self, event_id: str) -> Response:
        document = self._documents.get(event_id)
        if document is None:
            abort(404, "No such event.")
        return answer(document)

    def put_document(self, event_id: str) -> Response:
        document = _body()
        if not {"event", "runs"} <= document.keys():
            abort(422, "The body must be an object with event and runs.")
        new = self._documents.put(event_id, document)
        return answer(document, 201 if new else 200)

    def delete_document(self, event_id: str) -> Response:
        if not self._documents.delete(event_id):
            abort(404, "No such event.")
        return Response(status=204)

    def patch_run(self, event_id: str, run_id: str) -> Response:
        run = self._documents.merge_run(event_id, run_id, _body())
        if run is None:
            abort(404, "No such run.")
        return answer(run)

    def read_calls(self) -> Response:
        return answer(self._calls.report())

    def reset_calls(self) -> Response:
        self._calls.reset()
        return Response(status=204)


def _body() -> dict[str, Any]:
    """The body as an object; 400 if it is not JSON, 422 if it is something else."""
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError):
        abort(400, "The body is not JSON.")
    if not isinstance(body, dict):
        abort(422, "The body must be a JSON object.")
    return body
