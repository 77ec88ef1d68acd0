"""The events that the sandbox serves, in memory."""

from collections.abc import Mapping
from threading import Lock
from typing import Any

Document = dict[str, Any]
"""``{"event": ..., "runs": ...}``; after an edit, both can be any JSON."""


class DocumentStore:
    """Documents by event id. Threads can share the store.

    A stored document is replaced and never changed, so a reader can keep a document.
    """

    def __init__(self, documents: Mapping[str, Document]) -> None:
        self._documents = dict(documents)
        self._lock = Lock()

    def get_all(self) -> dict[str, Document]:
        with self._lock:
            return dict(self._documents)

    def get(self, event_id: str) -> Document | None:
        return self._documents.get(event_id)

    def put(self, event_id: str, document: Document) -> bool:
        """Store the document. Return whether the event is new."""
        with self._lock:
            new = event_id not in self._documents
            self._documents[event_id] = document
            return new

    def delete(self, event_id: str) -> bool:
        """Delete the document. Return whether there was one."""
        with self._lock:
            return self._documents.pop(event_id, None) is not None

    def merge_run(self, event_id: str, run_id: str, fields: Mapping[str, Any]) -> Any | None:  # noqa: ANN401 - any JSON
        """Set fields of a run and return the run; None if there is no such run."""
        with self._lock:
            document = self._documents.get(event_id, {})
            runs = document.get("runs")
            if not isinstance(runs, list):
                return None
            for index, run in enumerate(runs):
                if isinstance(run, dict) and run.get("_id") == run_id:
                    merged = {**run, **fields}
                    runs = [*runs[:index], merged, *runs[index + 1 :]]
                    self._documents[event_id] = {**document, "runs": runs}
                    return merged
            return None
