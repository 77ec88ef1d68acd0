"""The worker of the service; the first one is told to stop as soon as it is forked."""

import os
from signal import Signals

from feeds.gunicorn_worker import Worker as Worker  # noqa: PLC0414 - for --worker-class

_forks: list[None] = []


def _send_signal() -> None:
    if not _forks:
        os.kill(os.getpid(), Signals.SIGTERM)


os.register_at_fork(after_in_child=_send_signal, after_in_parent=lambda: _forks.append(None))
