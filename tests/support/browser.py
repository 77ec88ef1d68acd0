"""A browser, the service on a socket for the browser to visit, and a club's page elsewhere."""

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, ViewportSize, expect, sync_playwright
from werkzeug import Request, Response
from werkzeug.serving import make_server

from feeds.app import create_app
from feeds.domain.quota import Rate
from feeds.sandbox import ORGANIZATION_ID
from tests.support.clock import Clock
from tests.support.processes import settings_for
from tests.support.upstream import HOST, SAMPLE_IDS, QuietHandler, Upstream
from tests.support.waiting import PATIENCE

# The headless shell is the same engine without windows; it takes half of the processor time.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser")
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
REMOVE_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', {value: undefined})"
UNLIMITED = Rate(1_000_000, timedelta(minutes=1), 500_000)
VIEWPORT: ViewportSize = {"width": 1280, "height": 900}

FESTIVAL = "harbor-festival"  # a sample: five runs, all as planned

MIXED = "mixed"
"""An event with a run of each status."""

MIXED_NAME = "Årets løb: 10 % off & Søn's “5K”"
"""Every character of it that a URL or HTML encodes must be encoded."""

PAGES = {
    "home": "/",
    "home, 404": "/?event=a+b",
    "event": f"/events/{FESTIVAL}",
    "event, mixed": f"/events/{MIXED}",
    "event, hostile": "/events/run-for-all",
    "event, chosen": f"/events/{MIXED}?run={MIXED}-4&busy=1",
    "event, 60 runs": "/events/county-cross-country-day",
    "event, over": "/events/e72tuv901wxy234",
    "kit": f"/events/{MIXED}/embed-kit",
    "kit, 400": f"/events/{MIXED}/embed-kit?accent=red",
    "club": "/?distance=10K",
    "club, searched": "/?q=harbor",
    "club, chosen": f"/?event={FESTIVAL}&run=lagoons-half-10k&event=gone",
    "group": "/groups/north-shore-grand-prix",
    "group, archived": "/groups/clock-changers",
    "group, 404": "/groups/nobody",
    "list": "/embed?days=365&limit=20",
    "list, dark": "/groups/north-shore-grand-prix/embed?theme=dark&days=365",
    "list, nothing": "/embed?type=other&distance=100M",
    "list kit": "/groups/north-shore-grand-prix/embed-kit?distance=10K",
    "error": "/nothing",
    "embed": f"/events/{MIXED}/embed",
    "embed, hostile": "/events/run-for-all/embed",
    "embed, 404": "/events/nobody/embed",
    "embed, auto": f"/events/{FESTIVAL}/embed?theme=auto",
    "embed, dark": f"/events/{MIXED}/embed?theme=dark",
    "embed, yellow": f"/events/{MIXED}/embed?accent=ffff00",
    "embed, black": f"/events/{MIXED}/embed?accent=000000",
    "embed, white": f"/events/{MIXED}/embed?accent=ffffff",
    "embed, grey": f"/events/{MIXED}/embed?theme=dark&accent=7f7f7f",
}


@contextmanager
def serve_wsgi(app: Callable[..., Any]) -> Iterator[int]:
    """Serve a WSGI application; yield its port."""
    server = make_server(HOST, 0, app, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Site:
    """The service at ``url``, and its upstream."""

    def __init__(self, url: str, upstream: Upstream) -> None:
        self.url = url
        self.upstream = upstream

    def publish(self, event_id: str, runs: list[dict[str, Any]], **fields: Any) -> str:
        """Publish an event, on 20 June 2026 by default; return the URL of its page."""
        event = {"_id": event_id, "name": event_id, "slug": event_id, "type": "race"}
        event |= {"date": "2026-06-20", "organizationId": ORGANIZATION_ID}
        defaults = {
            "eventId": event_id,
            "distanceMeters": 10000,
            "distanceStandard": "10K",
            "date": "2026-06-20",
            "startTime": "09:00",
        }
        listed = [{"_id": f"{event_id}-{n}"} | defaults | run for n, run in enumerate(runs, 1)]
        self.upstream.put(event_id, {"event": event | fields, "runs": listed})
        return f"{self.url}/events/{event_id}"


class Club:
    """A website of another origin with one page."""

    def __init__(self) -> None:
        self.url = ""
        self.html = ""

    def show(self, html: str) -> str:
        """Put this HTML on the page; return the URL of the page."""
        self.html = f"<!doctype html><html lang=en><title>Club</title>{html}"
        return self.url


class Visitor:
    """A browser window; ``requests`` holds the requested URLs, ``problems`` errors and dialogs."""

    def __init__(self, context: BrowserContext) -> None:
        context.set_default_timeout(PATIENCE * 1000)
        self.context = context
        self.requests: list[str] = []
        self.problems: list[str] = []
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("weberror", lambda error: self.problems.append(str(error.error)))
        context.on("console", lambda message: self.problems.append(message.text))
        context.on("dialog", self._dismiss)
        self.page = context.new_page()

    def start_again(self) -> None:
        """Go back to one empty page in the usual size and scheme."""
        for page in self.context.pages:
            if page != self.page:
                page.close()
        self.page.goto("about:blank")
        self.page.set_viewport_size(VIEWPORT)
        self.page.emulate_media(media="screen", color_scheme="light")
        self.requests.clear()
        self.problems.clear()

    def _dismiss(self, dialog: Any) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@pytest.fixture(scope="session")
def browser():
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The service on a socket; its links lead to this socket."""
    clock = Clock()
    apps: list[Callable[..., Any]] = []

    def call_app(*arguments: Any) -> Any:
        return apps[0](*arguments)

    with Upstream(clock).on() as upstream, serve_wsgi(call_app) as port:
        url = f"http://{HOST}:{port}"
        settings = settings_for(
            upstream.url, tmp_path_factory.mktemp("site"), public_url=url, rate=UNLIMITED
        )
        apps.append(app := create_app(settings, clock.timestamp))
        site = Site(url, upstream)
        site.publish(
            MIXED,
            [
                {"distanceLabel": "Marathon", "eventStatus": "cancelled"},
                {"distanceLabel": "Half", "eventStatus": "postponed"},
                {"distanceLabel": "10K", "eventStatus": "rescheduled"},
                {
                    "distanceLabel": "5K & walk",
                    "registrationUrl": "https://club.example/5k?a=1&b=2",
                },
                {"distanceLabel": "Mile", "eventStatus": "Weather hold", "soldOut": True},
            ],
            name=MIXED_NAME,
            address={"venue": "Fælledparken", "city": "København"},
            description="Start ved søen.\nhttps://not-a-link.example/",
            websiteUrl="https://club.example/løb",
            registrationUrl="https://club.example/all",
        )
        client = app.test_client()
        for event_id in SAMPLE_IDS:  # so that the club's page is complete
            client.get(f"/events/{event_id}.ics")
            clock.advance(seconds=1)
        for path in PAGES.values():
            client.get(path)
        yield site


@pytest.fixture(scope="session")
def club():
    club = Club()

    @Request.application
    def answer(request: Request) -> Response:
        return Response(club.html if request.path == "/" else "", mimetype="text/html")

    with serve_wsgi(answer) as port:
        club.url = f"http://localhost:{port}/"
        yield club


@pytest.fixture(scope="session")
def visitors(browser):
    """Visitors by their options; tests share them, since a new context takes a second."""
    with ExitStack() as stack:

        def create(script: str = "", **options: Any) -> Visitor:
            context = stack.enter_context(browser.new_context(viewport=VIEWPORT, **options))
            context.add_init_script(script)
            return Visitor(context)

        yield cache(create)


@pytest.fixture
def open_visitor(visitors):
    """A function: options of Playwright's contexts, and a script to run first, to a visitor."""

    def open_visitor(**options: Any) -> Visitor:
        visitor: Visitor = visitors(**options)
        visitor.start_again()
        return visitor

    return open_visitor


@pytest.fixture
def visitor(open_visitor):
    return open_visitor()


@pytest.fixture
def page(visitor):
    return visitor.page


def find_violations(page: Page, *rules: str, ignored: Iterable[str] = ()) -> list[str]:
    """Return what axe finds on a page that has run ``AXE``, without the content of frames.

    Without ``rules``, axe checks all of its rules but the ``ignored`` ones.
    """
    options: dict[str, Any] = {"resultTypes": ["violations"], "iframes": False}
    if rules:
        options["runOnly"] = list(rules)
    options["rules"] = {rule: {"enabled": False} for rule in ignored}
    found = page.evaluate("options => axe.run(options)", options)
    return [
        f"{each['id']}: {node['html']:.200} {node.get('failureSummary')}"
        for each in found["violations"]
        for node in each["nodes"]
    ]
