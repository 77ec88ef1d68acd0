"""Ask the whole service through WSGI, and record each request with its answer."""

import gzip
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from werkzeug.test import Client, TestResponse

from feeds.app import create_app
from tests.support.clock import Clock
from tests.support.databases import bind_organization
from tests.support.processes import settings_for
from tests.support.upstream import Upstream

ASIDE = ("/organization", "/recurrences")
"""Calls that a request starts and does not wait for, once there was an answer: a later request may
be the one during which they are made."""


class Exchange(NamedTuple):
    """One request with its answer: ``record`` is a line of ``step`` in the recorded answers."""

    step: str
    record: dict[str, Any]
    body: bytes


class Service:
    """The service of one scenario, with a clock, an upstream and a database of its own.

    ``values`` replaces placeholders such as ``<tag>`` in targets and in request headers. The
    record keeps the placeholder, so the request stays the same when the answer changes.
    """

    def __init__(self, upstream: Upstream, clock: Clock, folder: Path) -> None:
        self.upstream = upstream
        self.clock = clock
        self.exchanges: list[Exchange] = []
        self.values: dict[str, str] = {}
        self._folder = folder
        self._step = ""
        self._packed: dict[str, int] = {}
        self.start()

    def start(self, **settings: Any) -> None:
        """Start the application on the same database, with these settings changed.

        As with ``feeds serve``, the database is bound to the organization of the key.
        """
        ready = settings_for(self.upstream.url, self._folder, **settings)
        self.client = Client(create_app(ready, self.clock.timestamp), use_cookies=False)
        bind_organization(ready.database_url, self.clock.now)

    def step(self, name: str, **duration: float) -> None:
        """Name the exchanges that follow, after the clock has moved by ``seconds=`` and so on."""
        self.clock.advance(**duration)
        self._step = f"{name}, {self.clock.now.isoformat().removesuffix('+00:00')}"

    def ask(
        self, target: str, method: str = "GET", *, times: int = 1, **headers: str
    ) -> TestResponse:
        """Send the same request several times, and record all answers, equal ones once.

        ``target`` is a path with a query, percent-encoded. ``headers`` are named as in Python:
        ``if_none_match``. The last answer is returned.
        """
        sent = {name.replace("_", "-").title(): value for name, value in headers.items()}
        calls = len(self.upstream.calls)
        answers = [self._send(target, method, sent) for _ in range(times)]
        described = [self._describe(answer) for answer in answers]
        equal = all(each == described[0] for each in described)
        for record, body in described[: 1 if equal else None]:
            request: dict[str, Any] = {
                "request": f"{method} {target}",
                "with": sent,
                "times": times if equal and times > 1 else None,
                "upstream": [each for each in self.upstream.calls[calls:] if each not in ASIDE],
            }
            given = {name: value for name, value in request.items() if value}
            self.exchanges.append(Exchange(self._step, given | record, body))
        return answers[-1]

    def ask_all(self, targets: Iterable[str]) -> None:
        """Send a GET for each target."""
        for target in targets:
            self.ask(target)

    def _send(self, target: str, method: str, headers: dict[str, str]) -> TestResponse:
        path, _, query = self._filled(target).partition("?")
        # As a server makes the environment (PEP 3333): werkzeug would normalize the path.
        raw = {"PATH_INFO": unquote(path, "latin-1"), "QUERY_STRING": query}
        filled = {name: self._filled(value) for name, value in headers.items()}
        return self.client.open("/", method=method, headers=filled, environ_overrides=raw)

    def _filled(self, text: str) -> str:
        for placeholder, value in self.values.items():
            text = text.replace(placeholder, value)
        return text

    def _describe(self, answer: TestResponse) -> tuple[dict[str, Any], bytes]:
        """Status, header fields and digest of an answer, and the body, unpacked if it is gzip.

        In header fields, ``<sha256>`` and ``<bytes>`` stand for those of the body. zlib differs
        between machines: ``<packed>`` stands for the length that ``gzip.compress`` makes here.
        """
        body, packed = answer.data, 0
        headers = {
            name: "\n".join(answer.headers.getlist(name))
            for name in sorted(answer.headers.keys())
            if name != "X-Request-Id"
        }
        etag, length = headers.get("ETag", ""), headers.get("Content-Length")
        if headers.get("Content-Encoding") == "gzip":
            if body:
                body = gzip.decompress(body)
                if answer.data == gzip.compress(body, mtime=0):
                    self._packed[etag] = len(answer.data)
            packed = self._packed.get(etag, 0)
        digest = hashlib.sha256(body).hexdigest()
        if length in {str(len(body)), str(packed)}:
            headers["Content-Length"] = "<packed>" if packed else "<bytes>"
        if etag:
            named = etag.replace(digest, "<sha256>")
            headers["ETag"] = named.replace(self.values.get("<tag>") or digest, "<tag>")
        described = {"status": answer.status, "headers": headers}
        return described | ({"sha256": digest, "bytes": len(body)} if body else {"bytes": 0}), body
