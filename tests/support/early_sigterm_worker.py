"""The worker of the service; the first one gets SIGTERM before gunicorn sets its handlers."""

import os
from signal import Signals
from typing import Any

from feeds.gunicorn_worker import Worker


def _terminate_first(worker: Worker | None) -> None:
    if worker and worker.age == 1:
        os.kill(os.getpid(), Signals.SIGTERM)


class AtFork(Worker):
    """Gets SIGTERM as soon as it is forked."""

    newest: Worker | None = None

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        AtFork.newest = self


os.register_at_fork(after_in_child=lambda: _terminate_first(AtFork.newest))


class BeforeInit(Worker):
    """Gets SIGTERM after the hook ``post_fork``."""

    def init_process(self) -> None:
        _terminate_first(self)
        super().init_process()
