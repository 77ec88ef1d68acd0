"""What a process counts for Prometheus, if FEEDS_METRICS_BIND is set.

``get`` is None where nothing is counted. Names and meanings are in docs/operations.md.
"""

import os
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from feeds.metrics.recorder import Recorder

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable of prometheus-client that names the folder which processes share."""

FLUSH_INTERVAL = 1.0
"""Seconds after which the hits of a worker are counted."""

_recorder: "Recorder | None" = None


def get() -> "Recorder | None":
    """The metrics of this process; None if nothing is counted."""
    return _recorder


def start(folder: Path) -> None:
    """Count from now on, together with the processes that are forked from this one.

    ``folder`` is empty, and of this service alone.
    """
    os.environ[FOLDER] = str(folder)
    from feeds.metrics.recorder import Recorder  # noqa: PLC0415 - see there

    use(Recorder())


def use(recorder: "Recorder | None") -> None:
    """Count with this recorder, or not at all."""
    global _recorder  # noqa: PLW0603 - like a logger: every layer counts
    _recorder = recorder


def start_flushing() -> None:
    """Count the hits of this process from time to time, in a thread."""
    if recorder := _recorder:
        recorder.hits.clear()  # those of the process that was forked
        Thread(target=_flush_forever, args=(recorder,), name="metrics", daemon=True).start()


def flush() -> None:
    """Count the hits of this process now."""
    if recorder := _recorder:
        recorder.flush()


def forget_process(pid: int) -> None:
    """Drop what only a living process counts, such as gauges."""
    if _recorder:
        from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - see above

        mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _flush_forever(recorder: "Recorder") -> None:
    never = Event()
    while not never.wait(FLUSH_INTERVAL):
        recorder.flush()
