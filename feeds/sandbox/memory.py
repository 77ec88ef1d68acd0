"""What the sandbox keeps in memory, for all of its threads: documents, and the calls it had."""

from collections import deque
from collections.abc import Mapping
from threading import Lock
from typing import Any

Document = dict[str, Any]
"""``{"event": ..., "runs": ...}``; once edited, whatever those two hold."""


class Documents:
    """The documents by event id. One is replaced, never changed: a reader may keep it."""

    def __init__(self, documents: Mapping[str, Document]) -> None:
        self._documents = dict(documents)
        self._lock = Lock()

    def all(self) -> dict[str, Document]:
        with self._lock:
            return dict(self._documents)

    def get(self, event_id: str) -> Document | None:
        return self._documents.get(event_id)

    def put(self, event_id: str, document: Document) -> bool:
        """Store the document; whether there was none before."""
        with self._lock:
            new = event_id not in self._documents
            self._documents[event_id] = document
            return new

    def delete(self, event_id: str) -> bool:
        """Drop the document; whether there was one."""
        with self._lock:
            return self._documents.pop(event_id, None) is not None

    def merge_run(self, event_id: str, run_id: str, fields: Mapping[str, Any]) -> Any | None:  # noqa: ANN401 - any JSON
        """Set fields of a run, and answer the run as it is then; None if there is no such run."""
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


class Calls:
    """How many calls there were, and the last thousand of them."""

    def __init__(self) -> None:
        self._total = 0
        self._calls: deque[dict[str, Any]] = deque(maxlen=1_000)
        self._lock = Lock()

    def add(self, call: dict[str, Any]) -> None:
        with self._lock:
            self._total += 1
            self._calls.append(call)

    def report(self) -> dict[str, Any]:
        """``{"total": n, "calls": [...]}``, oldest first."""
        with self._lock:
            return {"total": self._total, "calls": list(self._calls)}

    def reset(self) -> None:
        with self._lock:
            self._total = 0
            self._calls.clear()
