"""The commands as processes: what they say, how they answer, how they end."""

import os
import re
import socket
import time
from contextlib import ExitStack, contextmanager
from signal import Signals
from urllib.parse import urlsplit

import pytest
import requests

from feeds import __version__
from tests.support.processes import (
    EXAMPLE,
    HOST,
    SAMPLE_IDS,
    environment,
    environment_for,
    run,
    running,
    serving,
    two_free_ports,
    until,
)

CALENDAR = f"/events/{EXAMPLE}.ics"


@contextmanager
def taken():
    """A port that somebody else listens on."""
    with socket.create_server((HOST, 0)) as somebody:
        yield somebody.getsockname()[1]


def get(url):
    """An answer over a connection of its own, as it came over the wire."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, headers={"Accept-Encoding": "identity"}, timeout=30)


def refused(port):
    """Whether nobody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) != 0


class TestHelp:
    def test_the_commands_are_told_a_line_each(self):
        told = run("--help", env=environment())

        assert told.returncode == 0
        assert "Every event on Intervals as a calendar and a channel" in told.stdout
        for command in ("demo", "refresh", "sandbox", "serve", "warm"):
            assert re.search(rf"^  {command} +[A-Z][^\n]*\w\.$", told.stdout, re.MULTILINE)

    @pytest.mark.parametrize(
        ("command", "words"),
        [
            ("serve", ["--bind HOST:PORT", "--workers", "--threads", "FEEDS_TIMEZONE"]),
            ("sandbox", ["--port", "--plan", "--folder", "sandbox-key"]),
            ("demo", ["--port", "8000"]),
            ("refresh", ["beside the web processes"]),
            ("warm", ["[ID]...", "--all"]),
        ],
    )
    def test_each_command_tells_its_options(self, command, words):
        told = run(command, "-h", env=environment())

        assert told.returncode == 0
        assert not [word for word in words if word not in told.stdout]

    def test_the_version_is_that_of_the_package(self):
        assert run("--version", env=environment()).stdout == f"intervals-feeds {__version__}\n"


class TestServeRefuses:
    @staticmethod
    def lines(tmp_path, *arguments, **settings):
        """What it says when it does not start."""
        env = environment_for("http://127.0.0.1:1", tmp_path, **settings)
        refused = run("serve", *arguments, env=env, cwd=tmp_path)
        assert refused.returncode == 1
        assert refused.stdout == ""
        assert "Traceback" not in refused.stderr
        return refused.stderr.splitlines()

    def test_to_start_without_settings_and_tells_all_that_is_missing(self, tmp_path):
        refused = run("serve", env=environment(), cwd=tmp_path)

        assert refused.returncode == 1
        first, second = refused.stderr.splitlines()
        assert first.startswith("Error: INTERVALS_PARTNER_API_KEY is not set; ")
        assert second.startswith("FEEDS_TIMEZONE is not set; ")
        assert not list(tmp_path.iterdir())

    def test_wrong_ones_and_tells_every_fault(self, tmp_path):
        lines = self.lines(
            tmp_path, FEEDS_TIMEZONE="Mars/Olympus", FEEDS_MAX_AGE="soon", FEEDS_API_URL="there"
        )

        assert [line.removeprefix("Error: ").split()[0] for line in lines] == [
            "FEEDS_TIMEZONE",
            "FEEDS_API_URL",
            "FEEDS_MAX_AGE",
        ]

    def test_a_rate_and_a_driver_that_it_does_not_know(self, tmp_path):
        lines = self.lines(
            tmp_path,
            FEEDS_UPSTREAM_RATE="100/fortnight",
            FEEDS_DATABASE_URL="postgresql+pg8000://me:secret@localhost/feeds",
        )

        assert [line.removeprefix("Error: ").split()[0] for line in lines] == [
            "FEEDS_DATABASE_URL",
            "FEEDS_UPSTREAM_RATE",
        ]
        assert "secret" not in "".join(lines)

    def test_a_database_server_that_is_not_there(self, tmp_path):
        (line,) = self.lines(
            tmp_path, FEEDS_DATABASE_URL="postgresql+psycopg://me:secret@127.0.0.1:1/feeds"
        )

        assert line.startswith("Error: FEEDS_DATABASE_URL cannot be used: ")
        assert "secret" not in line

    def test_a_slip_of_the_pen_and_tells_it_beside_what_is_missing(self, tmp_path):
        warning, fault = self.lines(tmp_path, FEEDS_TIMEZONE="", FEEDS_TIMEZON="Europe/Paris")

        assert warning == "Warning: FEEDS_TIMEZON is no setting of this service."
        assert fault.startswith("Error: FEEDS_TIMEZONE is not set; ")

    @pytest.mark.parametrize(
        "path", ["{tmp}/file/feeds.sqlite3", "{tmp}/folder", "{tmp}/file", "/proc/feeds.sqlite3"]
    )
    def test_a_database_that_cannot_be(self, tmp_path, path):
        (tmp_path / "folder").mkdir()
        (tmp_path / "file").write_text("This is no database, but a file of some length.\n" * 99)
        url = f"sqlite:///{path.format(tmp=tmp_path)}"

        (line,) = self.lines(tmp_path, FEEDS_DATABASE_URL=url)
        assert line.startswith("Error: FEEDS_DATABASE_URL cannot be used: ")

    def test_a_database_of_another_upstream(self, tmp_path, upstream, app):
        (line,) = self.lines(tmp_path)
        assert line.startswith(f"Error: FEEDS_DATABASE_URL holds events of {upstream.url}, ")
        assert "http://127.0.0.1:1" in line

    def test_a_port_that_there_is_not(self, tmp_path):
        for arguments, settings in ((("--bind", f"{HOST}:65536"), {}), ((), {"PORT": "65536"})):
            (line,) = self.lines(tmp_path, *arguments, **settings)
            assert line == "Error: There is no port 65536; the last one is 65535."


class TestServe:
    def test_both_workers_answer_alike_and_end_with_exit_code_0(self, tmp_path, upstream):
        env = environment_for(upstream.url, tmp_path)
        with serving(tmp_path / "log", env) as (process, url):
            workers = [int(pid) for pid in process.wait_for(r"Booting worker with pid: (\d+)", 2)]
            answers = [get(f"{url}{CALENDAR}") for _ in range(4)]
            for resting in workers:  # while one cannot, the other one answers
                os.kill(resting, Signals.SIGSTOP)
                answers += [get(f"{url}{CALENDAR}") for _ in range(2)]
                os.kill(resting, Signals.SIGCONT)

            assert {answer.status_code for answer in answers} == {200}
            assert len({answer.headers["ETag"] for answer in answers}) == 1
            assert len({answer.content for answer in answers}) == 1
            assert "DTSTART;TZID=America/Chicago:20250614T080000" in answers[0].text
            assert upstream.asked == [EXAMPLE]
            assert not process.is_gone()
            process.send(Signals.SIGTERM)
            assert process.wait() == 0
            until(process.is_gone, "the workers' end")
            assert "Traceback" not in process.output
            assert "Warning" not in process.output

    def test_clients_that_do_not_close_hold_up_nobody(self, tmp_path, upstream):
        env = environment_for(upstream.url, tmp_path)
        with serving(tmp_path / "log", env, "--workers", "1") as (_, url), ExitStack() as held:
            get(f"{url}{CALENDAR}")
            for _ in range(30):
                client = held.enter_context(socket.create_connection((HOST, urlsplit(url).port)))
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            # Closed one after the other, by one thread, they would take a minute: longer than this.
            assert get(f"{url}{CALENDAR}").status_code == 200

    def test_two_of_them_share_a_database(self, tmp_path, upstream):
        env = environment_for(upstream.url, tmp_path)
        with (
            serving(tmp_path / "log1", env, "--workers", "1") as (_, one),
            serving(tmp_path / "log2", env, "--workers", "1") as (_, other),
        ):
            for path in (CALENDAR, f"/events/{EXAMPLE}.rss", f"/events/{EXAMPLE}"):
                first, second = get(f"{one}{path}"), get(f"{other}{path}")
                assert first.headers["ETag"] == second.headers["ETag"]
                assert first.content == second.content
        assert upstream.asked == [EXAMPLE]

    def test_over_the_wire_an_answer_is_what_it_should_be(self, tmp_path, upstream):
        env = environment_for(upstream.url, tmp_path)
        with (
            serving(tmp_path / "log", env, "--workers", "1") as (_, url),
            requests.Session() as session,  # one connection: a body too long would spoil the next
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

        assert got.headers["Content-Encoding"] == "gzip"
        assert head.headers["Content-Length"] == got.headers["Content-Length"]
        assert head.content == b""
        assert unchanged.status_code == 304
        assert "Content-Length" not in unchanged.headers
        assert not {"Content-Type", "Last-Modified"} & unchanged.headers.keys()
        assert (posted.status_code, posted.headers["Allow"]) == (405, "GET, HEAD")
        assert doubled.status_code == 404
        assert not doubled.history
        assert long.content == got.content

    def test_the_operator_is_told_what_may_be_a_mistake_and_never_shown_the_key(
        self, tmp_path, upstream
    ):
        settings = {
            "INTERVALS_PARTNER_API_KEY": "not-the-key-4711",
            "FEEDS_PUBLIC_URL": "",
            "FEEDS_X": "1",
        }
        env = environment_for(upstream.url, tmp_path, **settings)
        with serving(tmp_path / "log", env, "--workers", "1") as (process, url):
            assert get(f"{url}{CALENDAR}").status_code == 503
            process.wait_for("Check INTERVALS_PARTNER_API_KEY")
            process.wait_for("Warning: FEEDS_X is no setting of this service")
            process.wait_for("Warning: FEEDS_PUBLIC_URL is not set; .* http://localhost:8000")
            assert "not-the-key-4711" not in process.output

    def test_the_key_may_stand_in_a_file_and_the_port_in_the_environment(self, tmp_path, upstream):
        (tmp_path / "key").write_text("sandbox-key\n")
        env = environment_for(
            upstream.url,
            tmp_path,
            INTERVALS_PARTNER_API_KEY="",
            INTERVALS_PARTNER_API_KEY_FILE=str(tmp_path / "key"),
            FEEDS_DATABASE_URL="",
            PORT=str(two_free_ports()),
        )
        with running(tmp_path / "log", "serve", "--workers", "1", env=env) as process:
            (port,) = process.wait_for(r"Listening at: http://0\.0\.0\.0:(\d+)")
            assert get(f"http://{HOST}:{port}{CALENDAR}").status_code == 200
        assert port == env["PORT"]
        assert (tmp_path / "var/feeds.sqlite3").is_file()


class TestSandbox:
    def test_it_says_where_it_is_and_ends_when_interrupted(self, tmp_path):
        with running(tmp_path / "log", "sandbox", "--port", "0", env=environment()) as process:
            (url,) = process.wait_for(r"Intervals API with sample events on (http://\S+)")
            assert get(f"{url}/events").status_code == 401
            assert get(f"{url}/sandbox/calls").json()["total"] == 1
            process.send(Signals.SIGINT)
            assert process.wait() == 0
            assert "Traceback" not in process.output

    def test_a_port_in_use_is_told_in_one_line(self):
        with taken() as port:
            refused = run("sandbox", "--port", str(port), env=environment())

        assert refused.returncode == 1
        assert re.fullmatch(rf"Error: .*in use.*{port}.*\n", refused.stderr)
        assert refused.stdout == ""

    def test_a_wrong_sample_is_told_in_one_line(self, tmp_path):
        (tmp_path / "harbor.json").write_text("{")
        refused = run("sandbox", "--port", "0", "--folder", str(tmp_path), env=environment())

        assert refused.returncode == 1
        assert re.fullmatch(r"Error: harbor\.json: .+\n", refused.stderr)


class TestDemo:
    @staticmethod
    def environment(folder):
        folder.mkdir(exist_ok=True)
        # What is set for another deployment must not reach it.
        return environment(
            TMPDIR=str(folder),
            FEEDS_API_URL="http://127.0.0.1:1",
            FEEDS_TIMEZONE="Mars/Olympus",
            INTERVALS_PARTNER_API_KEY_FILE="/missing",
            http_proxy="http://127.0.0.1:1",
        )

    def test_it_shows_all_samples_and_leaves_nothing_behind(self, tmp_path):
        port, folder = two_free_ports(), tmp_path / "tmp"
        env = self.environment(folder) | {"PORT": str(port)}
        with running(tmp_path / "log", "demo", env=env) as process:
            process.wait_for("Ctrl-C ends both")
            first = get(f"http://{HOST}:{port}/").text
            example = get(f"http://{HOST}:{port}{CALENDAR}")

            assert f"http://{HOST}:{port}/\n" in process.output
            assert f"http://{HOST}:{port}{CALENDAR}\n" in process.output
            assert f"http://{HOST}:{port}/events/{EXAMPLE}.rss\n" in process.output
            assert f"http://{HOST}:{port + 1}/events" in process.output
            listed = set(re.findall(r'href="\./events/([\w-]+)"', first))
            assert listed == set(SAMPLE_IDS)
            assert len(listed) >= 14
            assert "DTSTART;TZID=America/Chicago:20250614T080000" in example.text
            assert list(folder.iterdir())
            assert not process.is_gone()

            with socket.create_connection((HOST, port)) as browser:  # that keeps its connection
                browser.sendall(b"GET /robots.txt HTTP/1.1\r\nHost: demo\r\n\r\n")
                assert browser.recv(12) == b"HTTP/1.1 200"
                started = time.monotonic()
                process.send(Signals.SIGINT)
                process.send(Signals.SIGINT)
                assert process.wait() == 0
            assert time.monotonic() - started < 10  # seconds, after which a part would be killed
            until(process.is_gone, "the end of all that it started")
            assert not list(folder.iterdir())
            assert refused(port)
            assert refused(port + 1)
            assert "Traceback" not in process.output

    @pytest.mark.parametrize(
        ("number", "file"),
        [
            (Signals.SIGTERM, "api.log"),
            (Signals.SIGINT, "service.log"),
            (Signals.SIGHUP, "feeds.sqlite3"),
        ],
    )
    def test_ended_while_it_starts_it_leaves_nothing_behind_either(self, tmp_path, number, file):
        folder = tmp_path / "tmp"
        port = str(two_free_ports())
        with running(
            tmp_path / "log", "demo", "--port", port, env=self.environment(folder)
        ) as process:
            until(lambda: list(folder.glob(f"*/{file}")), file)
            process.send(number)
            assert process.wait() == 0
            until(process.is_gone, "the end of all that it started")
            assert not list(folder.iterdir())
            assert "Traceback" not in process.output

    @pytest.mark.parametrize("which", [0, 1])
    def test_a_port_in_use_is_told_in_one_line(self, tmp_path, which):
        folder, port = tmp_path / "tmp", two_free_ports() + which
        with socket.create_server((HOST, port)):
            env = self.environment(folder) | {"PORT": str(port - which)}
            refused = run("demo", env=env)

        assert refused.returncode == 1
        assert re.fullmatch(rf"Error: Port {port} is in use; PORT=8123 .*\n", refused.stderr)
        assert not list(folder.iterdir())
