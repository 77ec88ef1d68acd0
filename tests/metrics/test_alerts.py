"""The alert rules and the board in deploy/: what they name is exported."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from feeds.clock import utc_now
from feeds.exporter.database import DatabaseCollector
from feeds.metrics.clients import FAMILIES
from feeds.metrics.recorder import Recorder
from feeds.store.engines import create_engine
from tests.support.databases import open_database
from tests.support.processes import rate

ROOT = Path(__file__).parents[2]
ALERTS, BOARD = ROOT / "deploy/prometheus-alerts.yaml", ROOT / "deploy/grafana.json"
RULES = ALERTS.read_text("utf-8")
EXPRESSIONS = [
    target["expr"]
    for panel in json.loads(BOARD.read_text())["panels"]
    for target in panel["targets"]
]
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


@pytest.fixture
def exported(tmp_path):
    """The names of the samples of all metrics."""
    url = f"sqlite:///{tmp_path}/feeds.sqlite3"
    open_database(url)
    engine = create_engine(url)
    read = DatabaseCollector(engine, rate("100/minute"), utc_now).collect()
    families = [*Recorder().registry.collect(), *read]
    engine.close()
    return {family.name + end for family in families for end in SUFFIXES[family.type]}


def find_names(text: str) -> set[str]:
    return set(re.findall(r"\bfeeds_[a-z_]+", text))


def test_every_metric_that_an_alert_names_is_exported(exported):
    expressions = re.findall(r"expr: (?:\|\n((?: {10,}.*\n)+)|(.*)\n)", RULES)
    named = {name for found in expressions for name in find_names("".join(found))}

    assert len(expressions) == RULES.count("- alert:")
    assert len(named) > 5
    assert named <= exported


def test_every_metric_of_the_board_is_exported_and_every_metric_is_on_the_board(exported):
    shown = {name for each in EXPRESSIONS for name in find_names(each)}

    assert shown <= exported
    families = {re.sub("_(total|bucket|count|sum)$", "", name) for name in exported}
    assert {re.sub("_(total|bucket|count|sum)$", "", name) for name in shown} == families


def test_every_metric_is_documented(exported):
    table = (ROOT / "docs/operations.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `(feeds_[a-z_]+)` \|", table, re.MULTILINE))

    assert documented == {re.sub("_(bucket|count|sum)$", "", name) for name in exported}
    assert all(f"| `{family}` |" in (ROOT / "docs/clients.md").read_text() for family in FAMILIES)


@pytest.mark.optional
def test_promtool_accepts_the_alerts():
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("no promtool on this machine: apt-get install prometheus")
    result = subprocess.run(
        [promtool, "check", "rules", ALERTS], capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{RULES.count('- alert:')} rules found" in result.stdout


@pytest.mark.optional
def test_promtool_accepts_the_expressions_of_the_board(tmp_path):
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("no promtool on this machine: apt-get install prometheus")
    rules = [
        {"record": f"board:{number}", "expr": each.replace("$__rate_interval", "5m")}
        for number, each in enumerate(EXPRESSIONS)
    ]
    file = tmp_path / "board.json"  # YAML contains JSON
    file.write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))
    result = subprocess.run(
        [promtool, "check", "rules", file], capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stdout + result.stderr
