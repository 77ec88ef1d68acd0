"""The commands of ``feeds`` as processes: their output, their answers, their end."""

import json
import re
import signal
import socket
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from signal import Signals

import pytest
import requests
from click.testing import CliRunner

from feeds import __version__, cli
from feeds.sandbox import demo
from tests.support.processes import (
    environment,
    environment_for,
    find_two_free_ports,
    run,
    running,
    serving,
)
from tests.support.upstream import EXAMPLE, HOST, SAMPLE_IDS
from tests.support.waiting import wait_until

CALENDAR = f"/events/{EXAMPLE}.ics"
SECOND = timedelta(seconds=1)
COMMANDS = [f"  {name} " for name in sorted(cli.COMMANDS)]


def send(method, url, **more):
    """The response to a request over a new connection, without compression."""
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Accept-Encoding": "identity"}
        return session.request(method, url, headers=headers, timeout=30, **more)


def get(url):
    return send("GET", url)


def delete_event(port, event_id):
    """Delete an event in the sandbox on this port, as an organizer does."""
    with requests.Session() as session:
        session.trust_env = False
        url = f"http://{HOST}:{port}/sandbox/events/{event_id}"
        session.delete(url, timeout=30).raise_for_status()


def refusal(folder, *arguments, **settings):
    """The lines that ``serve`` prints when it does not start."""
    env = environment_for("http://127.0.0.1:1", folder, **settings)
    ended = run("serve", *arguments, env=env, cwd=folder)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    return ended.stderr.splitlines()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ((), ["Calendar and RSS feeds for races on Intervals.", *COMMANDS]),
        (("serve",), ["--bind HOST:PORT", "--workers", "--threads", "docs/settings.md"]),
        (("sandbox",), ["--port", "--plan", "--folder", "sandbox-key"]),
        (("demo",), ["--port", "8000"]),
        (("health",), ["--ready", "--url"]),
        (("refresh",), ["beside the web processes"]),
        (("warm",), ["[ID]...", "--all"]),
    ],
    ids=str,
)
def test_help_lists_the_commands_and_the_options_of_each(command, words):
    ended = CliRunner().invoke(cli.main, [*command, "-h"])

    assert ended.exit_code == 0
    assert not [word for word in words if word not in ended.stdout]


def test_version_is_the_version_of_the_package():
    assert run("--version", env=environment()).stdout == f"intervals-feeds {__version__}\n"


def test_serve_warns_of_a_misspelt_setting_and_reports_all_invalid_ones(tmp_path):
    unset = {"FEEDS_TIMEZONE": "", "INTERVALS_PARTNER_API_KEY": "", "FEEDS_DATABASE_URL": ""}
    warned, *lines = refusal(tmp_path, **unset, FEEDS_TIMEZON="UTC", FEEDS_MAX_AGE="soon")

    warning = json.loads(warned)
    assert warning["message"] == "FEEDS_TIMEZON is no setting of this service."
    assert (warning["level"], warning["logger"]) == ("warning", "feeds.commands.startup")
    assert [line.removeprefix("Error: ").split()[0] for line in lines] == [
        *("INTERVALS_PARTNER_API_KEY", "FEEDS_TIMEZONE", "FEEDS_MAX_AGE")
    ]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "url",
    [
        *(f"sqlite:///{{tmp}}/{path}" for path in ("file/feeds.sqlite3", "folder", "file")),
        "sqlite:////proc/feeds.sqlite3",
        "postgresql+psycopg://me:secret@127.0.0.1:1/feeds",
    ],
)
def test_serve_does_not_start_when_the_database_cannot_be_used(tmp_path, url):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("This is not a database, but a file of some length.\n" * 99)

    (line,) = refusal(tmp_path, FEEDS_DATABASE_URL=url.format(tmp=tmp_path))
    assert line.startswith("Error: FEEDS_DATABASE_URL cannot be used: ")
    assert "secret" not in line


def test_serve_warns_of_a_key_that_is_sent_in_clear(tmp_path):
    url = "sqlite:////proc/feeds.sqlite3"
    warning, _ = refusal(tmp_path, FEEDS_API_URL="http://api.example.org", FEEDS_DATABASE_URL=url)
    assert json.loads(warning)["message"] == (
        "FEEDS_API_URL is not https: the key is sent in clear."
    )


def test_serve_does_not_start_with_the_database_of_another_upstream(tmp_path, upstream, app):
    (line,) = refusal(tmp_path)

    assert line.startswith(f"Error: FEEDS_DATABASE_URL holds events of {upstream.url}, ")
    assert "http://127.0.0.1:1" in line


@pytest.mark.parametrize(
    ("arguments", "settings"), [(("--bind", f"{HOST}:65536"), {}), ((), {"PORT": "65536"})]
)
def test_serve_reports_a_port_beyond_65535(tmp_path, arguments, settings):
    (line,) = refusal(tmp_path, *arguments, **settings)

    assert line == "Error: There is no port 65536; the last one is 65535."


def test_gunicorn_passes_answers_on_as_the_service_made_them(tmp_path, upstream):
    env = environment_for(upstream.url, tmp_path)
    with (
        serving(tmp_path / "log", env, "--workers", "1") as (process, url),
        requests.Session() as session,  # one connection: a body that is too long spoils the next
    ):
        session.trust_env = False
        got = session.get(f"{url}{CALENDAR}", timeout=30)
        head = session.head(f"{url}{CALENDAR}", timeout=30)
        unchanged = session.get(
            f"{url}{CALENDAR}", headers={"If-None-Match": got.headers["ETag"]}, timeout=30
        )
        posted = session.post(f"{url}{CALENDAR}", data=b"x" * 1000, timeout=30)
        doubled = session.get(f"{url}//events//{EXAMPLE}.ics", timeout=30)
        long = session.get(f"{url}{CALENDAR}?x={'a' * 4000}", timeout=30)
        assert '"level": "warning", "logger": "feeds.commands' not in process.output

    assert got.headers["Content-Encoding"] == "gzip"
    assert head.headers["Content-Length"] == got.headers["Content-Length"]
    assert head.content == b""
    assert unchanged.status_code == 304
    assert "Content-Length" not in unchanged.headers
    assert not {"Content-Type", "Last-Modified"} & unchanged.headers.keys()
    assert (posted.status_code, posted.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert [each.status_code for each in doubled.history] == [308]
    assert doubled.content == got.content
    assert long.content == got.content


def test_serve_logs_advice_and_warnings_but_never_the_key(tmp_path, upstream):
    settings = {
        "INTERVALS_PARTNER_API_KEY": "not-the-key-4711",
        "FEEDS_PUBLIC_URL": "",
        "FEEDS_X": "1",
    }
    env = environment_for(upstream.url, tmp_path, **settings)
    with serving(tmp_path / "log", env) as (process, url):
        process.wait_for("Booting worker", 2)
        assert get(f"{url}{CALENDAR}").status_code == 503
        process.wait_for("Check INTERVALS_PARTNER_API_KEY")
        process.wait_for("FEEDS_X is no setting of this service")
        process.wait_for("FEEDS_PUBLIC_URL is not set; links say http://localhost:8000")
        assert "FEEDS_DATABASE_URL is relative" not in process.output
        assert "not-the-key-4711" not in process.output
        process.send(Signals.SIGTERM)
        assert process.wait() == 0


def test_serve_reads_the_key_from_a_file_and_the_port_from_the_environment(tmp_path, upstream):
    (tmp_path / "key").write_text("sandbox-key\n")
    env = environment_for(
        upstream.url,
        tmp_path,
        INTERVALS_PARTNER_API_KEY="",
        INTERVALS_PARTNER_API_KEY_FILE=str(tmp_path / "key"),
        FEEDS_DATABASE_URL="",
        PORT=str(find_two_free_ports()),
    )
    with running(tmp_path / "log", "serve", "--workers", "1", env=env) as process:
        (port,) = process.wait_for(r"Listening at: http://0\.0\.0\.0:(\d+)")
        assert get(f"http://{HOST}:{port}{CALENDAR}").status_code == 200
        (path,) = process.wait_for(r'FEEDS_DATABASE_URL is relative: the database is (/[^\s"]+)')
    assert port == env["PORT"]
    assert path == str(tmp_path / "var/feeds.sqlite3")
    assert (tmp_path / "var/feeds.sqlite3").is_file()


def test_health_asks_a_service_in_one_line(tmp_path, upstream):
    env = environment_for(upstream.url, tmp_path)
    with serving(tmp_path / "log", env, "--workers", "1") as (_, url):
        port = url.rpartition(":")[2]
        here = environment(PORT=port)
        assert run("health", env=here).stdout == "ok\n"
        ready = run("health", "--ready", env=here)
        assert (ready.returncode, ready.stdout, ready.stderr) == (0, "ready\n", "")
        upstream.refuse(401, "UNAUTHORIZED")
        assert get(f"{url}{CALENDAR}").status_code == 503
        # The worker has read the database less than two seconds ago.
        wait_until(
            lambda: run("health", "--ready", "--url", url, env=environment()).returncode, "a reason"
        )
        refused = run("health", "--ready", "--url", f"{url}/", env=environment())
        assert refused.stderr == (
            "Error: The Intervals API does not accept the key. Check INTERVALS_PARTNER_API_KEY.\n"
        )
        assert run("health", "--url", url, env=environment()).returncode == 0


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "feeds.example.org", "http://[", "ftp://x"])
def test_health_reports_a_service_that_does_not_answer_in_one_line(url):
    ended = run("health", "--url", url, env=environment())
    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(r"Error: .+/healthz does not answer: [^\n]+\n", ended.stderr)


def test_health_reports_another_server_in_one_line(httpserver):
    httpserver.expect_request("/readyz").respond_with_data("<h1>Not here</h1>", 503)
    ended = run("health", "--ready", "--url", httpserver.url_for("/"), env=environment())
    assert ended.returncode == 1
    assert re.fullmatch(r"Error: http://\S+/readyz answers 503\.\n", ended.stderr)


def test_sandbox_prints_its_address_and_ends_when_interrupted(tmp_path):
    with running(tmp_path / "log", "sandbox", "--port", "0", env=environment()) as process:
        (url,) = process.wait_for(r"Intervals API with sample events on (http://\S+)")
        assert get(f"{url}/events").status_code == 401
        assert get(f"{url}/sandbox/calls").json()["total"] == 1
        process.send(Signals.SIGINT)
        assert process.wait() == 0
        assert "Traceback" not in process.output


def test_sandbox_reports_a_port_in_use_and_an_invalid_sample_in_one_line(tmp_path):
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        taken = run("sandbox", "--port", str(port), env=environment())
    (tmp_path / "harbor.json").write_text("{")
    invalid = run("sandbox", "--port", "0", "--folder", str(tmp_path), env=environment())

    assert taken.returncode == invalid.returncode == 1
    assert re.fullmatch(rf"Error: .*in use.*{port}.*\n", taken.stderr)
    assert re.fullmatch(r"Error: harbor\.json: .+\n", invalid.stderr)
    assert taken.stdout == ""


@pytest.fixture
def demo_env(tmp_path):
    """An environment for the demo, with settings and a proxy that the demo must ignore.

    The demo can leave files behind only in the folder ``tmp``.
    """
    (tmp_path / "tmp").mkdir()
    return environment(
        TMPDIR=str(tmp_path / "tmp"),
        PORT=str(find_two_free_ports()),
        FEEDS_API_URL="http://127.0.0.1:1",
        FEEDS_TIMEZONE="Mars/Olympus",
        INTERVALS_PARTNER_API_KEY_FILE="/missing",
        http_proxy="http://127.0.0.1:1",
    )


def assert_nothing_is_left_behind(process, env):
    """The demo has ended with success, and left no process, file or port in use."""
    assert process.wait() == 0
    wait_until(process.is_gone, "the end of all processes of the demo")
    assert not any(Path(env["TMPDIR"]).iterdir())
    for port in (int(env["PORT"]), int(env["PORT"]) + 1):
        socket.create_server((HOST, port)).close()  # the port is free
    assert process.output.endswith("Stopped; nothing is left behind.\n")
    assert "Traceback" not in process.output


def test_demo_serves_all_samples_and_leaves_nothing_behind_after_ctrl_c(tmp_path, demo_env):
    port = int(demo_env["PORT"])
    url, api_url = f"http://{HOST}:{port}", f"http://{HOST}:{port + 1}"
    with running(tmp_path / "log", "demo", env=demo_env) as process:
        process.wait_for("Press Ctrl-C to stop")
        assert process.output.splitlines() == [
            f"The club's page:         {url}/",
            f"A calendar:              {url}{CALENDAR}",
            f"A channel:               {url}/events/{EXAMPLE}.rss",
            f"The local Intervals API: {api_url}/events (key: sandbox-key)",
            "Press Ctrl-C to stop.",
        ]
        home = get(f"{url}/").text
        # The example ended more than 60 days ago, so it is no member of the club's page.
        shown = set(re.findall(r'href="\./events/([\w-]+)"', home))
        assert shown == set(SAMPLE_IDS) - {EXAMPLE}
        assert "DTSTART;TZID=America/Chicago:20250614T080000" in get(f"{url}{CALENDAR}").text
        assert get(f"{url}/events/{EXAMPLE}").status_code == 200
        cache_control = get(f"{url}/events/harbor-festival.ics").headers["Cache-Control"]
        assert int(re.findall(r"max-age=(\d+)", cache_control)[0]) <= 5
        assert any(Path(demo_env["TMPDIR"]).iterdir())

        with socket.create_connection((HOST, port)):  # a browser that sends nothing
            started = time.monotonic()
            process.send(Signals.SIGINT)
            process.send(Signals.SIGINT)
            assert_nothing_is_left_behind(process, demo_env)
        assert time.monotonic() - started < 10  # seconds


def test_demo_under_nohup_ignores_sighup_and_shows_edits_until_sigterm(tmp_path, demo_env):
    port = int(demo_env["PORT"])
    calendar = f"http://{HOST}:{port}/events/harbor-festival.ics"
    with ExitStack() as stack:
        handler = signal.signal(Signals.SIGHUP, signal.SIG_IGN)  # as nohup does
        stack.callback(signal.signal, Signals.SIGHUP, handler)
        assert (demo.MAX_AGE, demo.CONFIRM_AFTER) == (5 * SECOND, 20 * SECOND)
        env = demo_env | {"PYTHONPATH": str(Path(__file__).parents[1])}
        quick = running(tmp_path / "log", "demo", env=env, module="tests.support.quick_demo")
        process = stack.enter_context(quick)
        process.wait_for("Press Ctrl-C to stop")
        process.send(Signals.SIGHUP)
        run_url = "sandbox/events/harbor-festival/runs/harbor-festival-10k"
        send("PATCH", f"http://{HOST}:{port + 1}/{run_url}", json={"eventStatus": "cancelled"})
        # Until the edit shows, SIGHUP would have ended the demo.
        wait_until(lambda: "SUMMARY:Cancelled: " in get(calendar).text, "the cancelled run")
        delete_event(port + 1, "harbor-festival")
        wait_until(lambda: "SUMMARY:No longer listed: " in get(calendar).text, "the removed event")
        process.send(Signals.SIGTERM)
        assert_nothing_is_left_behind(process, demo_env)


@pytest.mark.parametrize(
    ("number", "file"),
    [
        (Signals.SIGINT, "intervals-feeds-*"),
        (Signals.SIGTERM, "intervals-feeds-*/feeds.sqlite3"),
        (Signals.SIGHUP, "intervals-feeds-*/feeds.sqlite3"),
    ],
)
def test_demo_that_is_ended_while_it_starts_leaves_nothing_behind(tmp_path, demo_env, number, file):
    with running(tmp_path / "log", "demo", env=demo_env) as process:
        wait_until(lambda: list((tmp_path / "tmp").glob(file)), file)
        process.send(number)
        assert_nothing_is_left_behind(process, demo_env)


@pytest.mark.parametrize(
    ("arguments", "offset"), [(("--port", "{first}"), 0), ((), 1)], ids=["--port", "PORT"]
)
def test_demo_reports_a_port_in_use_in_one_line(demo_env, arguments, offset):
    first = int(demo_env["PORT"])
    port = first + offset
    with socket.create_server((HOST, port)):
        arguments = [argument.format(first=first) for argument in arguments]
        env = demo_env | ({"PORT": "1"} if arguments else {})  # the option takes precedence
        ended = run("demo", *arguments, env=env)

    assert ended.returncode == 1
    assert re.fullmatch(rf"Error: Port {port} is in use; PORT=8123 .*\n", ended.stderr)
    assert ended.stdout == ""
    assert not any(Path(demo_env["TMPDIR"]).iterdir())
