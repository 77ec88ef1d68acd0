"""gunicorn's configuration; bench/README.md has the measurements behind it.

``feeds serve`` checks the settings, then becomes
``gunicorn -c python:feeds.gunicorn_conf 'feeds.app:create_app(must_exist=True)'``.
"""

import ctypes
import gc
import logging
import os
import resource
import signal
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from feeds import exporter, metrics
from feeds.logs import bound_bad_requests

logger_class = "feeds.gunicorn_logger.Logger"
worker_class = "feeds.gunicorn_worker.Worker"
workers = 2
threads = 64  # threads are cheap; at most admission.MAX_WAITING of them wait for a stalled upstream
preload_app = True  # workers share the memory of the code, which is loaded before the fork
timeout = 30
graceful_timeout = 20
keepalive = 75
# No header of a client changes the address of the application or the scheme.
forwarder_headers = ""
forwarded_allow_ips = ""
# A longer URL, a longer header field, or more fields are refused (414, 431): no feed, page or
# search needs them. No request needs a body: gunicorn_worker.MAX_BODY.
limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190
control_socket_disable = True  # its default place is the home directory
# A slow disk would block the heartbeat file. Not every system has /dev/shm.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn makes a file of its own there

_SOFT, _HARD = resource.getrlimit(resource.RLIMIT_NOFILE)
MAX_FILES = max(_SOFT, 65_536 if _HARD == resource.RLIM_INFINITY else min(_HARD, 65_536))
"""Descriptors of a worker: as many as it may have, for systems whose default is 1,024."""

# The oldest idle connection is closed when there are more. The other half is for the database, the
# upstream, and connections that are not counted yet.
worker_connections = min(4_000, MAX_FILES // 2)

SWITCH_INTERVAL = 0.0005
"""Seconds after which a thread that renders lets a thread that answers run; Python's is 0.005."""

_STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
"""The signals that end a worker."""

_M_ARENA_MAX = -8  # glibc's malloc.h
with suppress(AttributeError, OSError):  # another libc
    # One heap for all threads: memory in the heap of one thread cannot serve the others.
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def on_starting(_server: object) -> None:
    """Start the exporter; raise the soft limit of descriptors to the hard one, for all workers."""
    exporter.start()
    resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_FILES, _HARD))
    unblock = partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, _STOP)
    os.register_at_fork(after_in_parent=unblock)  # what pre_fork has blocked


def pre_fork(_server: object, _worker: object) -> None:
    """Keep shared objects out of garbage collection, and block signals.

    Visiting an object in the worker would copy its page. And the worker starts with the handlers of
    the master, which put a signal into a queue that no worker reads: a service that stops would
    wait ``graceful_timeout`` for that worker. ``post_fork`` sets other handlers and unblocks.
    """
    gc.freeze()
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)


def post_fork(_server: object, _worker: object) -> None:
    """Set what does not survive the fork."""
    for number in _STOP:
        signal.signal(number, _end)  # until gunicorn sets the handlers of a worker
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP)
    sys.setswitchinterval(SWITCH_INTERVAL)
    bound_bad_requests(logging.getLogger("gunicorn.error"))
    metrics.start_flushing()


def _end(*_: object) -> None:
    """End a worker that does not have the handlers of gunicorn yet."""
    for number in _STOP:
        signal.signal(number, signal.SIG_IGN)  # a second one would raise within the first exit
    sys.exit(0)


def worker_exit(_server: object, _worker: object) -> None:
    """Count the last hits of this worker."""
    metrics.flush()


def child_exit(_server: object, worker: Any) -> None:  # noqa: ANN401 - gunicorn has no types
    """Drop what only a living worker counts."""
    metrics.forget_process(worker.pid)
