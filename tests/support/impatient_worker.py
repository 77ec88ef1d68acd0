"""The worker of the service, with short time-outs."""

from feeds.gunicorn_worker import Worker as ServiceWorker


class Worker(ServiceWorker):
    """Waits for clients for as long as a test likes to."""

    receive_timeout = 0.5
    send_timeout = 0.5
