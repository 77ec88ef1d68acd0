"""Errors over HTTP: a status, and one line of text or a page."""

import logging
import re
from http import HTTPStatus

import pytest
from werkzeug import Response

from feeds.app import create_app
from feeds.formats import FORMATS
from tests.support.processes import settings_for
from tests.support.upstream import EXAMPLE, HOST

PAGE = f"/events/{EXAMPLE}"
FORMS = [f"{PAGE}.{extension}" for extension in FORMATS] + [PAGE]
PHRASES = {status.phrase for status in HTTPStatus}
WRONG_KEY = "not-the-key-4711"


def assert_error(response, status, retry_after=60):
    """Check the status and the header fields of an error, and that it is text or a page."""
    assert response.status_code == status
    if "." in response.request.path.rpartition("/")[2]:
        assert response.content_type == "text/plain; charset=utf-8"
        assert re.fullmatch(r"[ -~]+\n", response.text)
        assert response.headers["Access-Control-Allow-Origin"] == "*"
    else:
        assert response.content_type == "text/html; charset=utf-8"
        headline, advice = re.findall(r"<h1>(.+)</h1>\s*<p class=\"lead\">(.+)</p>", response.text)[
            0
        ]
        assert headline.endswith(".")
        assert advice.endswith(".")
        assert not PHRASES & {headline, headline.rstrip(".")}
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert not {"ETag", "Last-Modified", "Set-Cookie", "Age"} & set(response.headers.keys())
    if status >= 500:
        assert response.headers["Cache-Control"] == "no-store"
        assert int(response.headers["Retry-After"]) == retry_after
    else:
        assert response.headers["Cache-Control"] == "max-age=60"
        assert "Retry-After" not in response.headers


@pytest.mark.parametrize(
    "path",
    [
        *("/events", "/events/", f"{PAGE}.icsx", f"{PAGE}.txt"),
        *(f"{PAGE}.", f"{PAGE}.ics.ics", f"{PAGE}.ics%0A", f"{PAGE}%0A.ics", "/favicon.ico"),
        *("/static/style.css", "/../etc/passwd", "/assets/base.html", "/" + "a" * 8000),
    ],
)
def test_an_unknown_path_is_404_without_a_call_of_the_upstream(client, upstream, path):
    assert_error(client.get(path), 404)
    assert upstream.asked == []


@pytest.mark.parametrize(
    "path", ["/events/%20harbor/embed", "/events/a.b/embed", "/groups/Trail%20Runners/embed"]
)
def test_a_widget_with_a_mistyped_id_is_a_page_for_a_frame(client, path):
    response = client.get(path)
    assert response.status_code == 404
    assert "frame-ancestors *" in response.headers["Content-Security-Policy"]
    assert 'target="_blank"' in response.text


@pytest.mark.usefixtures("unlisted")
def test_an_empty_path_is_the_root_and_not_redirected(client):
    response = client.get("/", environ_overrides={"PATH_INFO": "", "HTTP_HOST": "evil.test"})
    assert response.status_code == 200
    assert "Location" not in response.headers


FAULTS = {
    "an error of its own": (503, Response('{"error": {"message": "Upstream\'s own text."}}', 500)),
    "a login page": (502, Response("<h1>Please log in</h1>", mimetype="text/html")),
    "a redirect": (502, Response("", 302, {"Location": "http://evil.test/"})),
}
"""Answers of the upstream: the status of the service, and the answer."""


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("path", FORMS)
def test_an_error_never_has_the_text_or_the_address_of_the_upstream(client, upstream, fault, path):
    status, upstream.instead = FAULTS[fault]
    response = client.get(path)
    assert_error(response, status)
    for text in ("Upstream's own", "log in", "evil", HOST):
        assert text not in f"{response.text}{response.headers}"
    head = client.head(path)
    assert (head.status_code, head.data) == (status, b"")


def test_a_database_of_another_upstream_that_appears_after_the_start_is_503(
    upstream, tmp_path, clock
):
    database, away = tmp_path / "feeds.sqlite3", tmp_path / "away"
    create_app(settings_for("http://other.example", tmp_path), clock.timestamp)
    database.rename(away)
    settings = settings_for(upstream.url, tmp_path)
    client = create_app(settings, clock.timestamp, must_exist=True).test_client()
    away.rename(database)
    response = client.get(f"{PAGE}.ics")
    assert_error(response, 503)
    assert "other.example" not in response.text
    assert str(tmp_path) not in response.text


def test_retry_after_counts_down_to_the_next_refresh(client, upstream, clock):
    upstream.refuse(500, "INTERNAL")
    for seconds in (60, 41, 22):
        assert_error(client.get(f"{PAGE}.ics"), 503, retry_after=seconds)
        clock.advance(seconds=19)
    assert upstream.asked == [EXAMPLE]
    upstream.instead = None
    clock.advance(seconds=3)
    assert client.get(f"{PAGE}.ics").status_code == 200


def test_an_unexpected_exception_is_500_in_one_line_and_logged(app, caplog):
    @app.get("/bug.txt")
    def bug():
        raise RuntimeError("a secret of the machine")

    response = app.test_client().get("/bug.txt")
    assert_error(response, 500)
    assert "secret" not in response.text
    assert "a secret of the machine" in caplog.text


def test_the_widget_shows_an_error_within_its_frame(client):
    response = client.get("/events/unknown/embed")
    assert response.status_code == 404
    assert "frame-ancestors *" in response.headers["Content-Security-Policy"]
    assert "We don’t know this race." in response.text
    assert "<footer" not in response.text


@pytest.mark.parametrize(
    ("cause", "path", "headline", "advice"),
    [
        (
            lambda up: None,
            "/events/unknown",
            "We don’t know this race.",
            "It may have been removed, or the address is mistyped.",
        ),
        (
            lambda up: up.refuse(500, "X"),
            PAGE,
            "We can’t reach Intervals right now.",
            "Try again in a minute. Calendars that are subscribed keep what they have.",
        ),
        (lambda up: None, "/nothing", "There is no such page.", "The address may be mistyped."),
        (
            lambda up: None,
            f"{PAGE}/embed?accent=red",
            "This address asks for something we don’t have.",
            "Copy the address again from the event’s page.",
        ),
    ],
)
def test_a_page_says_what_happened_and_what_to_do(client, upstream, cause, path, headline, advice):
    cause(upstream)
    page = client.get(path).text
    assert f"<h1>{headline}</h1>" in page
    assert f'<p class="lead">{advice}</p>' in page
    assert "accent takes" not in page
    assert (">Try again</a>" in page, ">See all races</a>" in page) == (
        "Try again" in advice,
        "Try again" not in advice,
    )


@pytest.mark.parametrize("key", ["sandbox-key", WRONG_KEY])
def test_the_key_is_never_in_an_answer_or_in_the_log(upstream, tmp_path, clock, caplog, key):
    caplog.set_level(logging.DEBUG)
    settings = settings_for(upstream.url, tmp_path, api_key=key)
    client = create_app(settings, clock.timestamp).test_client()
    answers = [client.get(path) for path in [*FORMS, "/", "/robots.txt"]]
    assert upstream.asked
    shown = [f"{each.headers}{each.text}" for each in answers]
    logged = [f"{each.__dict__}" for each in caplog.records]
    assert logged
    assert not [text for text in (*shown, caplog.text, *logged) if key in text]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_no_browser_guesses_the_type_of_an_answer(client, method):
    for target in (
        *("/", "/?x=1", "/?event=abc", "/?event=%20", "/robots.txt", "/assets/style.css"),
        *("/nothing", "/nothing.txt", "/oembed", "/oembed?format=xml", "/oembed?url=x"),
        *(f"{PAGE}{form}" for form in ("", ".ics", ".rss", ".json", "/qr.svg", "/embed")),
        *(f"{PAGE}/embed-kit", f"{PAGE}.ics?busy=2", f"{PAGE}/embed?theme=x"),
    ):
        response = client.open(target, method=method)
        assert response.headers.getlist("X-Content-Type-Options") == ["nosniff"], target


def test_no_browser_guesses_the_type_of_the_answer_to_a_bug(client):
    application = client.application
    application.config["PROPAGATE_EXCEPTIONS"] = False
    application.extensions["site"] = None
    response = client.get("/")
    assert response.status_code == 500
    assert response.headers["X-Content-Type-Options"] == "nosniff"
