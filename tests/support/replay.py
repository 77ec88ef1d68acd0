"""Play all scenarios and compare the answers of the service with the recorded ones.

================================================  ================================================
python -m tests.support.replay                    print what differs; exit code 1 if anything does
python -m tests.support.replay --write            record the answers anew
python -m tests.support.replay --bodies DIR       write each body to a file in this folder
================================================  ================================================

For the lines of a body that differ: ``--bodies`` with the old code and with the new, ``diff -r``.
"""

import argparse
import json
import logging
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.clock import Clock
from tests.support.recording import Exchange, Service
from tests.support.scenarios import SCENARIOS
from tests.support.upstream import Upstream

RECORDED = Path(__file__).parent / "replay_data" / "answers.json"

Steps = dict[str, list[dict[str, Any]]]
"""The lines of a scenario by the name and the instant of the step."""


def play(name: str) -> list[Exchange]:
    """All exchanges of a scenario, in order."""
    clock = Clock()
    with TemporaryDirectory() as folder, Upstream(clock).on() as upstream:
        # The club's page is complete once threads have read all events: not at a certain request.
        upstream.refuse_path("/events", 403, "FORBIDDEN")
        service = Service(upstream, clock, Path(folder))
        SCENARIOS[name](service)
        return service.exchanges


def steps(exchanges: Iterable[Exchange]) -> Steps:
    """The exchanges of a scenario as they are recorded."""
    found: Steps = {}
    for each in exchanges:
        found.setdefault(each.step, []).append(each.record)
    return found


def recorded() -> dict[str, Steps]:
    """The recorded answers by scenario."""
    answers: dict[str, Steps] = json.loads(RECORDED.read_text("utf-8"))
    return answers


def write(played: Mapping[str, Iterable[Exchange]]) -> None:
    """Record the answers of all scenarios, one exchange a line."""
    scenarios = []
    for name, exchanges in played.items():
        groups = (
            f"{json.dumps(step)}: [\n" + ",\n".join(map(_line, lines)) + "]"
            for step, lines in steps(exchanges).items()
        )
        scenarios.append(f"{json.dumps(name)}: {{\n" + ",\n".join(groups) + "}")
    RECORDED.write_text("{\n" + ",\n".join(scenarios) + "\n}\n", "utf-8")


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def compare(old: Steps, new: Steps) -> Iterator[str]:
    """What differs between two recordings of a scenario: a line for each exchange and field."""
    before, after = dict(_keyed(old)), dict(_keyed(new))
    for key in before | after:
        was, is_ = before.get(key, {"exchange": "absent"}), after.get(key, {"exchange": "absent"})
        differing = [field for field in was | is_ if was.get(field) != is_.get(field)]
        if differing:
            yield key
            yield from (f"    {each}: {was.get(each)} -> {is_.get(each)}" for each in differing)


def _keyed(found: Steps) -> Iterator[tuple[str, dict[str, Any]]]:
    """The fields of each exchange by step and request; repeated requests are numbered."""
    for step, lines in found.items():
        times: Counter[str] = Counter()
        for line in lines:
            request = f"{line['request']} {line.get('with', '')}".rstrip()
            times[request] += 1
            number = f" #{times[request]}" if times[request] > 1 else ""
            fields = {name: value for name, value in line.items() if name != "headers"}
            yield f"{step} | {request}{number}", fields | line["headers"]


def _paths(folder: Path, played: Mapping[str, list[Exchange]]) -> Iterator[tuple[Path, bytes]]:
    """A file for each body, named after the request; what came in gzip is unpacked."""
    for name, exchanges in played.items():
        for number, (step, record, body) in enumerate(exchanges, 1):
            words = f"{step} {record['request']} {' '.join(record.get('with', {}).values())}"
            slug = re.sub("[^A-Za-z0-9.]+", "-", words)[:120].strip("-")
            yield folder / re.sub("[^A-Za-z0-9]+", "-", name) / f"{number:03}-{slug}", body


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.replay")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--write", action="store_true")
    action.add_argument("--bodies", type=Path, metavar="DIR")
    chosen = parser.parse_args()
    logging.disable()
    played = {name: play(name) for name in SCENARIOS}
    found: list[str] = []
    if chosen.write:
        write(played)
    elif chosen.bodies:
        for path, body in _paths(chosen.bodies, played):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
    else:
        old = recorded()
        for name, exchanges in played.items():
            found += [f"{name}: {each}" for each in compare(old.get(name, {}), steps(exchanges))]
    sys.stdout.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
