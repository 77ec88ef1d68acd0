"""How lines of the log look: JSON for machines, coloured text on a terminal.

Modules log with the standard library; structlog formats. Fields of a line besides its message are
given as ``extra``; the field ``event`` is given as ``_event``.
"""

import logging
import os
import sys
from typing import Any, TextIO

from feeds.logs import REQUEST_ID

# structlog loads rich, where rich is installed, for a formatter of tracebacks that has no use here:
# a fifth of the time of a start. A module that is None counts as not installed:
# https://docs.python.org/3/reference/import.html#the-module-cache
_HIDDEN = "rich" not in sys.modules
if _HIDDEN:
    sys.modules["rich"] = None  # type: ignore[assignment]
try:
    import structlog
    from structlog.types import EventDict, Processor, WrappedLogger
finally:
    if _HIDDEN:
        del sys.modules["rich"]

LEVELS = ("debug", "info", "warning", "error")
ACCESS = "feeds.access"
"""The logger of requests, which logs whatever the level is."""

_FIRST = ("time", "level", "logger", "message", "request_id")
"""The fields with which each line begins."""


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to the standard error output that there is at the time of a line."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override] # an attribute of the base
        return sys.stderr


def configure(level: str) -> None:
    """Have the process log to standard error, from this level up; may be called again."""
    handler = StderrHandler()
    handler.setFormatter(build_formatter(terminal=sys.stderr.isatty()))
    remove_handlers()
    root = logging.getLogger()
    root.addHandler(handler)
    for name in ("feeds", "gunicorn.error"):  # libraries log warnings only
        logging.getLogger(name).setLevel(level.upper())
    logging.getLogger(ACCESS).setLevel(logging.INFO)


def remove_handlers() -> None:
    """Remove the handler that ``configure`` has added; the levels stay."""
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, StderrHandler)]:
        root.removeHandler(handler)


def build_formatter(*, terminal: bool) -> logging.Formatter:
    """The formatter for a terminal, or for machines."""
    shared: list[Processor] = [
        _add_request_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.EventRenamer("message", "_event"),
        _sort,
    ]
    last: list[Processor] = [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ]
    if terminal:
        last = [
            structlog.dev.ConsoleRenderer(
                colors="NO_COLOR" not in os.environ,
                # The formatter that is the default would show the values of variables.
                exception_formatter=structlog.dev.plain_traceback,
                event_key="message",
                timestamp_key="time",
                sort_keys=False,
                repr_native_str=True,  # no control character reaches the terminal
            )
        ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        use_get_message=True,
    )


def _add_request_id(_logger: WrappedLogger, _name: str, fields: EventDict) -> EventDict:
    if request_id := REQUEST_ID.get():
        fields["request_id"] = request_id
    return fields


def _sort(_logger: WrappedLogger, _name: str, fields: EventDict) -> EventDict:
    found: dict[str, Any] = {name: fields[name] for name in _FIRST if name in fields}
    return {**found, **fields}
