"""What stands before the application: requests that were made before need no routing.

Without it the service is right, only slower: the answer is made by the same function.
"""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from feeds.web.cache import Delivery


def front(application: WSGIApplication, delivery: Delivery) -> WSGIApplication:
    """The application, and before it the answers that are at hand."""

    def answered(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        found = delivery.at_hand(environ)
        if found is None:
            return application(environ, start_response)
        start_response(found.status, [*found.headers])  # the server's own (PEP 3333)
        return (found.body,)

    return answered
