"""The worker of the service; the first one is told to stop before it handles signals itself."""

import os
from signal import Signals
from typing import Any

from feeds.gunicorn_worker import Worker


def _tell(worker: Worker | None) -> None:
    if worker and worker.age == 1:
        os.kill(os.getpid(), Signals.SIGTERM)


class AtFork(Worker):
    """Is told as soon as it is forked."""

    newest: Worker | None = None

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        AtFork.newest = self


os.register_at_fork(after_in_child=lambda: _tell(AtFork.newest))


class BeforeInit(Worker):
    """Is told after the hooks of the configuration, and before gunicorn sets its handlers."""

    def init_process(self) -> None:
        _tell(self)
        super().init_process()
