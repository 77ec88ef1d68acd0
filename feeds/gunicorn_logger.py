"""gunicorn's messages as lines of the service's log."""

import os
from typing import Any

from gunicorn.glogging import Logger as GunicornLogger

from feeds import logformat
from feeds.config import read_log_level


class Logger(GunicornLogger):  # type: ignore[misc] # gunicorn has no types
    """Passes gunicorn's messages on to the root logger; the access log is the service's own."""

    def setup(self, cfg: Any) -> None:  # noqa: ANN401 - gunicorn has no types
        super().setup(cfg)
        logformat.configure(read_log_level(os.environ))
        for handler in list(self.error_log.handlers):
            self.error_log.removeHandler(handler)
        self.error_log.propagate = True
