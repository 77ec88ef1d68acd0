"""Rules 8.9 to 8.11, 8.21 and 8.22: an upstream that is down or unreadable, or no database."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Thread

import pytest

from tests.support.service import EVENT
from tests.support.troubles import locked

FAILED = "max-age=60, stale-if-error=604800"

FAULTS = {
    "refused connections": lambda upstream: upstream.stop(),
    "500": lambda upstream: upstream.refuse(500, "INTERNAL"),
    "429": lambda upstream: upstream.refuse(429, "RATE_LIMITED"),
    "401": lambda upstream: upstream.refuse(401, "UNAUTHORIZED"),
    "403": lambda upstream: upstream.refuse(403, "FORBIDDEN"),
    "422": lambda upstream: upstream.refuse(422, "VALIDATION_ERROR"),
    "404 of a gateway": lambda upstream: upstream.answer(404, "text/html", "<h1>Not Found</h1>"),
    "a login page": lambda upstream: upstream.answer(200, "text/html", "<h1>Log in</h1>"),
    "half a document": lambda upstream: upstream.answer(200, "application/json", '{"data": {"ev'),
    "no event": lambda upstream: upstream.answer(200, "application/json", '{"data": {"runs": []}}'),
}
"""Each fault begins with a call of its function."""

UNUSABLE = {"422", "404 of a gateway", "a login page", "half a document", "no event"}
"""The faults whose answers cannot be used."""


def test_the_last_good_edition_is_served_while_the_system_gives_no_more_threads(
    announced, monkeypatch
):
    """Rules 8.10."""
    good = announced.poll(".ics")

    def refuse(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    announced.advance(days=1)
    monkeypatch.setattr(Thread, "start", refuse)
    response = announced.get(".ics")
    assert (response.status_code, response.data) == (200, good)
    unknown = announced.client.get("/events/unknown.ics")
    assert (unknown.status_code, unknown.headers["Retry-After"]) == (503, "2")


@pytest.mark.parametrize("fault", FAULTS)
def test_the_last_good_edition_is_served_however_old_the_edition_is(announced, fault):
    """Rules 8.10."""
    good = {form: announced.poll(form) for form in (".ics", ".rss", ".json")}
    FAULTS[fault](announced.upstream)
    for days in (1, 100):
        announced.advance(days=days)
        for form, body in good.items():
            response = announced.get(form)
            assert response.data == body
            assert response.headers["Cache-Control"] == FAILED
        assert announced.get("").status_code == 200


@pytest.mark.parametrize("fault", FAULTS)
def test_with_nothing_stored_an_error_is_503_or_502_and_one_line_of_text(service, fault):
    """Rules 8.21; 504 is for an upstream that does not answer in time."""
    FAULTS[fault](service.upstream)
    response = service.get()
    assert response.status_code == (502 if fault in UNUSABLE else 503)
    assert response.content_type == "text/plain; charset=utf-8"
    assert response.text.count("\n") == 1
    assert response.headers["Retry-After"] == "60"


def test_a_failed_refresh_is_remembered_for_a_minute_by_all_processes(announced, other):
    """Rules 8.9."""
    announced.advance(hours=1)
    announced.upstream.refuse(500, "INTERNAL")
    announced.poll()
    for elapsed in (0, 30, 29):
        announced.advance(seconds=elapsed)
        for process in (announced, other):
            assert process.get().headers["Cache-Control"] == FAILED
    assert announced.upstream.asked == [EVENT, EVENT]
    announced.advance(seconds=1)
    announced.upstream.instead = None
    assert other.get().headers["Cache-Control"] != FAILED
    assert announced.upstream.asked == [EVENT] * 3


@pytest.mark.parametrize("fault", ["a login page", "half a document", "no event"])
def test_an_answer_that_does_not_decode_is_never_stored(announced, fault):
    """Rules 8.11."""
    good = announced.poll()
    FAULTS[fault](announced.upstream)
    announced.advance(hours=1)
    announced.poll()
    announced.upstream.refuse(500, "INTERNAL")
    announced.restart()
    assert announced.poll() == good


@contextmanager
def no_database(folder):
    """Take the database away until the end of the block."""
    away = [file.rename(f"{file}.away") for file in folder.glob("feeds*.sqlite3")]
    assert away
    yield
    for file in away:
        file.rename(str(file).removesuffix(".away"))


def test_without_a_database_nothing_is_fetched_and_what_is_in_memory_is_served(announced, tmp_path):
    """Rules 8.22."""
    good = announced.poll()
    with no_database(tmp_path):
        assert announced.poll(".rss")
        announced.advance(days=1)
        stale = announced.get()
        unknown = announced.client.get("/events/new.ics")
    assert (stale.data, stale.headers["Cache-Control"]) == (good, FAILED)
    assert unknown.status_code == 503
    assert unknown.headers["Cache-Control"] == "no-store"
    assert announced.upstream.asked == [EVENT]
    announced.advance(minutes=1)
    assert announced.client.get("/events/new.ics").status_code == 404


def test_a_file_that_another_program_locks_is_an_unavailable_database(
    announced, tmp_path, monkeypatch
):
    """Rules 8.22; also for requests whose refreshes wait for those of others."""
    monkeypatch.setattr("feeds.service.editions.MAX_WAIT_COLD", 1.0)
    (path,) = tmp_path.glob("feeds*.sqlite3")
    with locked(path), ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(announced.client.get, (f"/events/{n}.ics" for n in range(10))))
        assert announced.upstream.asked == [EVENT]
    assert {each.status_code for each in answers} == {503}
    assert {each.text for each in answers} == {"The database is unavailable.\n"}
