"""Random walks of the whole service: ``python -m bench walk --minutes N``.

Each walk has a seed, which is printed with what has happened where a rule is broken; ``--seed``
walks it again.
"""

import argparse
import logging
import sys
import time
from itertools import count

from bench.walking.steps import walk

STEPS = 60
"""Steps of a walk."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench walk")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, help="walk this seed only, once")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--database", help="a PostgreSQL URL; all of its tables are dropped")
    parser.add_argument("--without", default="", help="steps or edits to leave out, with commas")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--go-on", action="store_true", help="go on after a violation")
    chosen = parser.parse_args(sys.argv[2:])
    logging.disable()
    without = frozenset(filter(None, chosen.without.split(",")))
    end = time.monotonic() + 60 * chosen.minutes
    seeds = count(chosen.first) if chosen.seed is None else iter([chosen.seed])
    polls = walks = failed = slow = 0
    for seed in seeds:
        done, violation = walk(seed, chosen.database, without, chosen.steps)
        walks += 1
        polls += done.world.polls
        slow += done.abandoned
        if violation:
            failed += 1
            if not chosen.go_on:
                print(*done.steps, sep="\n")
            print(f"seed {seed}: {violation}", flush=True)
        if (violation and not chosen.go_on) or time.monotonic() > end:
            break
    print(f"{walks} walks to seed {seed}, {polls} polls: {failed} violations, {slow} abandoned")
    sys.exit(failed > 0)
