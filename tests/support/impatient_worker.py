"""The worker of the service, with short time-outs."""

from gunicorn.workers import gthread

from feeds.gunicorn_worker import Worker as ServiceWorker

gthread.DEFAULT_WORKER_DATA_TIMEOUT = 0.5  # that of a body, which the service does not set


class Worker(ServiceWorker):
    """Waits for clients for as long as a test likes to."""

    receive_timeout = 0.5
    send_timeout = 0.5
