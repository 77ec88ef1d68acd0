"""Each cause is logged once a minute, and each finding about a document once."""

import logging

import pytest

from feeds.logs import MAX_FINDINGS, MAX_LINES, FindingLog, Outage, Throttle, bound_bad_requests


@pytest.fixture
def throttle(clock):
    return Throttle(logging.getLogger("throttled"), clock.timestamp)


def test_a_cause_is_logged_once_a_minute_with_the_number_of_suppressed_messages(
    throttle, clock, caplog
):
    for _ in range(5):
        throttle.warning("cause", "%s went wrong", "it")
        clock.advance(seconds=14.75)
    throttle.warning("cause", "%s went wrong", "it")
    assert caplog.messages == ["it went wrong", "it went wrong (4 more like this before)"]


def test_one_cause_suppresses_no_message_of_another_cause(throttle, caplog):
    for cause in ("one", "other", "one"):
        throttle.warning(cause, cause)
    assert caplog.messages == ["one", "other"]


def test_a_message_is_logged_after_the_clock_was_set_back(throttle, clock, caplog):
    throttle.warning("cause", "first")
    clock.advance(seconds=-990)
    throttle.warning("cause", "second")
    assert caplog.messages == ["first", "second"]


def test_requests_that_are_no_http_write_one_shortened_line_a_minute(clock, caplog):
    log = logging.getLogger("bad requests")
    bound_bad_requests(log, clock.timestamp)
    for _ in range(60):
        log.warning(f"Invalid request from ip=192.0.2.1: {'%s' * 2_000}")  # noqa: G004 - gunicorn's
        clock.advance(seconds=2)
    log.warning("Worker %s was sent SIGTERM", 4711)
    first, second, other = caplog.messages
    assert second == f"{first} (29 more like this before)"
    assert len(first) == 201
    assert other == "Worker 4711 was sent SIGTERM"


@pytest.fixture
def documents(clock):
    return FindingLog(logging.getLogger("documents"), clock.timestamp)


def read_document(documents, *findings, name="event harbor"):
    for finding in findings:
        documents.warning(f"{name}, run ten: {finding}")
    documents.finish(name)


def test_a_finding_is_logged_once_for_each_document(documents, clock, caplog):
    for _ in range(3):
        read_document(documents, "odd", "old")
        read_document(documents, "odd", name="event bridge")
        clock.advance(hours=2)
    assert caplog.messages == [
        "event harbor, run ten: odd",
        "event harbor, run ten: old",
        "event bridge, run ten: odd",
    ]


def test_a_document_writes_20_lines_an_hour_and_the_last_one_counts_the_others(
    documents, clock, caplog
):
    many = [f"field {number}" for number in range(1_000)]
    for minute in range(60):
        read_document(documents, *many)
        assert len(caplog.messages) == MAX_LINES, minute
        clock.advance(seconds=59)
    assert caplog.messages[-1] == "event harbor: 981 more findings like these"
    read_document(documents, "odd", name="event bridge")
    assert len(caplog.messages) == MAX_LINES + 1


def test_a_document_writes_one_line_an_hour_when_100_of_its_findings_were_logged(
    documents, clock, caplog
):
    many = [f"field {number}" for number in range(1_000)]
    for _ in range(10):
        read_document(documents, *many)
        clock.advance(hours=1)
    caplog.clear()
    read_document(documents, *many)
    read_document(documents, *many)
    assert caplog.messages == [f"event harbor: {1_000 - MAX_FINDINGS} more findings like these"]


@pytest.fixture
def outage(clock):
    return Outage(logging.getLogger("outages"), "the API", clock.timestamp)


def test_an_outage_is_logged_when_it_begins_and_when_it_is_over_with_its_length(
    outage, clock, caplog
):
    outage.end()
    for _ in range(5):
        outage.begin("%s is away", "it")
        clock.advance(seconds=61)
    outage.end()
    outage.end()
    assert caplog.messages == ["it is away", "the API works again after 5 min 5 s"]
    begun, ended = caplog.records
    assert (begun.outage, ended.outage, ended.seconds) == ("the API", "the API", 305)


def test_outages_that_follow_each_other_within_a_minute_are_counted(outage, clock, caplog):
    for _ in range(30):
        outage.begin("away")
        clock.advance(seconds=1)
        outage.end()
        clock.advance(seconds=1)
    outage.begin("away")
    assert caplog.messages == [
        "away",
        "the API works again after 1 s",
        "away (29 more like this before)",
    ]


@pytest.mark.parametrize(
    ("seconds", "length"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3600, "1 h 0 min"), (90_061, "25 h 1 min")],
)
def test_the_length_of_an_outage_is_readable(outage, clock, caplog, seconds, length):
    outage.begin("away")
    clock.advance(seconds=seconds)
    outage.end()
    assert caplog.messages[-1] == f"the API works again after {length}"


def test_an_outage_that_ends_after_the_clock_was_set_back_has_no_negative_length(
    outage, clock, caplog
):
    outage.begin("away")
    clock.advance(hours=-1)
    outage.end()
    assert caplog.messages[-1] == "the API works again after 0 s"
