"""Lines of the log: JSON for machines, text on a terminal."""

import json
import logging
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from feeds.logformat import build_formatter
from feeds.logs import REQUEST_ID


def make_record(message, *args, error=None, **fields):
    record = logging.LogRecord("feeds.store", logging.WARNING, "", 1, message, args, error)
    record.__dict__.update(fields)
    return record


def write_json(*args, **fields):
    line = build_formatter(terminal=False).format(make_record(*args, **fields))
    assert "\n" not in line
    return json.loads(line)


def test_a_line_is_a_json_object_that_begins_with_time_level_logger_and_message():
    token = REQUEST_ID.set("abc")
    line = write_json("event %s: away", "harbor", run="ten")
    REQUEST_ID.reset(token)
    assert list(line) == ["time", "level", "logger", "message", "request_id", "run"]
    assert (line["level"], line["logger"]) == ("warning", "feeds.store")
    assert (line["message"], line["request_id"]) == ("event harbor: away", "abc")
    age = datetime.now(UTC) - datetime.fromisoformat(line["time"])
    assert timedelta(0) <= age < timedelta(minutes=1)
    assert line["time"].endswith("Z")


def test_a_line_may_have_a_field_event():
    line = write_json("moved", _event="harbor", run="ten")
    assert (line["message"], line["event"], line["run"]) == ("moved", "harbor", "ten")


@pytest.mark.parametrize("text", ["two\nlines", "\x1b[31mred", 'a "quote"', "100 %s", "l\u2028"])
def test_any_text_stays_within_its_line(text):
    assert write_json("%s", text)["message"] == text


def fail(password):
    raise ValueError(len(password))


def test_an_exception_is_a_field_without_the_values_of_variables():
    password = "open sesame"
    try:
        fail(password)
    except ValueError:
        error = sys.exc_info()
    line = write_json("event cannot be refreshed", error=error)
    assert line["exception"].startswith("Traceback")
    shown = build_formatter(terminal=True).format(make_record("refreshed", error=error))
    assert "Traceback" in shown
    assert password not in line["exception"] + shown


def test_a_terminal_gets_coloured_text_unless_the_environment_forbids_colours(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = build_formatter(terminal=True).format(make_record("away", run="ten"))
    monkeypatch.setenv("NO_COLOR", "1")
    plain = build_formatter(terminal=True).format(make_record("away", run="ten"))
    assert "\x1b[" in coloured
    assert "\x1b[" not in plain
    assert "warning" in plain
    assert "away" in plain
    assert "run='ten'" in plain


def test_the_service_does_not_load_rich_which_only_the_tables_of_feeds_status_need():
    code = "import feeds.app, sys; print('rich' in sys.modules); import rich.table; print('found')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["False", "found"]
