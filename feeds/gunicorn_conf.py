"""How gunicorn runs the service; bench/README.md has the measurements behind it.

``feeds serve`` checks the settings, then becomes
``gunicorn -c python:feeds.gunicorn_conf 'feeds.app:create_app(must_exist=True)'``.
"""

import ctypes
import gc
import sys
from contextlib import suppress
from pathlib import Path

worker_class = "feeds.gunicorn_worker.Worker"
workers = 2
threads = (
    64  # cheap; of no more than bulkhead.MAX_WAITING all can be held by who waits for the upstream
)
preload_app = True  # processes share the memory of what is loaded before they part
timeout = 30
graceful_timeout = 20
keepalive = 75
control_socket_disable = True  # it would be made in the home directory
# The heartbeat: a disk may block it. Not every system has memory for files.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108

SWITCH_INTERVAL = 0.0005
"""Seconds after which a thread that renders lets one go on that answers; Python's own is 0.005."""

_M_ARENA_MAX = -8  # glibc's malloc.h
with suppress(AttributeError, OSError):  # another libc, or none to load
    # Else each of some threads has a heap of its own, and none gives back what others could use.
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def pre_fork(_server: object, _worker: object) -> None:
    """Have the collector leave alone what is shared: a look at an object copies its page."""
    gc.freeze()


def post_fork(_server: object, _worker: object) -> None:
    """In the new process."""
    sys.setswitchinterval(SWITCH_INTERVAL)
