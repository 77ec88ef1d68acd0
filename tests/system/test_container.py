"""The image of deploy/Containerfile: built, run read-only as another user, asked, stopped."""

import os
from datetime import UTC, datetime

import pytest

import feeds
from tests.support.deployment import PendingRequest
from tests.support.images import CONTAINERFILE, build_image, check_builder, run_image
from tests.support.processes import environment_for, find_two_free_ports, run
from tests.support.upstream import EXAMPLE, HOST, Upstream

pytestmark = pytest.mark.optional

MAX_ADDED = 150
"""MB that the image may add to its base."""


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    check_builder()
    with build_image(tmp_path_factory.mktemp("image")) as built:
        yield built


@pytest.fixture
def env(tmp_path):
    """The settings of a container; ``PORT`` is a free one."""
    with Upstream(lambda: datetime.now(UTC)).on() as upstream:
        given = environment_for(upstream.url, tmp_path)
        names = ("INTERVALS_PARTNER_API_KEY", "FEEDS_TIMEZONE", "FEEDS_API_URL", "FEEDS_PUBLIC_URL")
        yield {name: given[name] for name in names} | {"PORT": str(find_two_free_ports())}


def test_the_image_adds_little_to_its_base_and_says_what_it_is(image):
    assert image.added <= MAX_ADDED, f"{image.added} MB"
    assert image.config["User"] not in {"", "0", "root"}
    assert list(image.config["Volumes"]) == ["/data"]
    assert image.config["Labels"]["org.opencontainers.image.version"] == feeds.__version__
    assert image.config["Healthcheck"]["Test"] == ["CMD", "feeds", "health"]
    assert image.config["StopSignal"] == "SIGTERM"
    assert not {"pip", "hatchling", "setuptools"} & {
        path.name for path in (image.root / "opt/feeds").glob("lib/python3*/site-packages/*")
    }


def test_a_read_only_container_of_another_user_serves_a_feed_and_stops(image, env, tmp_path):
    url = f"http://{HOST}:{env['PORT']}"
    with run_image(image, tmp_path, env) as container:
        container.wait_for("Booting worker")
        answer = PendingRequest(url, f"/events/{EXAMPLE}.ics").read()
        assert (answer.status, answer.body[:15]) == (200, b"BEGIN:VCALENDAR")
        assert (tmp_path / "data/feeds.sqlite3").is_file()
        code, seconds = container.terminate()

    assert code == 0, container.output
    assert seconds < 10
    assert "Traceback" not in container.output


def test_the_health_check_of_the_image_asks_the_service_in_it(image, env, tmp_path):
    check = image.config["Healthcheck"]["Test"][1:]
    with run_image(image, tmp_path, env) as container:
        container.wait_for("Booting worker")
        answers = container.execute(*check, PORT=env["PORT"])
        elsewhere = container.execute(*check, PORT=str(int(env["PORT"]) + 1))

    assert answers.returncode == 0, answers.stderr
    assert elsewhere.returncode == 1


def test_a_read_only_volume_is_one_line(image, env, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    with run_image(image, tmp_path, env | {"FEEDS_DATABASE_URL": "sqlite:////x.db"}) as container:
        container.wait_for("cannot be used")
        line = container.output.splitlines()[-1]

    assert line.startswith("Error: FEEDS_DATABASE_URL cannot be used: ")


def test_a_refresher_is_the_same_image_with_another_command(image, env, tmp_path):
    with run_image(image, tmp_path, env) as container:
        container.wait_for("Booting worker")
        container.terminate()
    with run_image(image, tmp_path, env, ["refresh"]) as refresher:
        refresher.wait_for("Refreshing polled events")
        code, _ = refresher.terminate()

    assert code == 0


def test_the_version_of_the_label_is_that_of_the_package():
    assert f"ARG VERSION={feeds.__version__}\n" in CONTAINERFILE.read_text("utf-8")
    assert run("--version", env=os.environ).stdout.strip().endswith(feeds.__version__)
