"""``python -m bench [NAME]...`` runs these benchmarks, or all; it prints tables in Markdown.

``python -m bench walk`` and ``soak`` are no benchmarks: see ``bench.walk`` and ``bench.soak``.
"""

import os
import platform
import signal
import sys
from datetime import UTC, datetime

from bench import (
    attacks,
    club,
    day,
    hang,
    herd,
    hits,
    memory,
    metrics,
    polls,
    rendering,
    renders,
    soak,
    start,
    walk,
    workers,
)

BENCHMARKS = {
    "hits": hits.main,
    "club": club.main,
    "renders": renders.main,
    "herd": herd.main,
    "polls": polls.main,
    "hang": hang.main,
    "workers": workers.main,
    "memory": memory.main,
    "metrics": metrics.main,
    "start": start.main,
    "rendering": rendering.main,
    "attacks": attacks.main,
    "day": day.main,
}


def main() -> None:
    if sys.argv[1:2] == ["walk"]:
        walk.main()
    if sys.argv[1:2] == ["soak"]:
        soak.main()
    names = sys.argv[1:] or list(BENCHMARKS)
    if unknown := set(names) - BENCHMARKS.keys():
        known = ", ".join(BENCHMARKS)
        sys.exit(f"Unknown: {', '.join(sorted(unknown))}. The benchmarks are {known}.")
    # An exception, unlike the signal's default action, also stops the processes under test.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))
    today = datetime.now(UTC).date()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {today}")
    for name in names:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
