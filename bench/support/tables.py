"""Results as tables in Markdown: medians with their spread, and percentiles."""

from collections.abc import Iterable, Sequence
from statistics import median

ROUNDS = 5
"""Rounds of a benchmark that does not set its own number; each round measures every side once."""


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    cells = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in cells]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    print(f"\n### {title}\n", lines[0], rule, *lines[1:], sep="\n", flush=True)


def format_spread(values: Sequence[float], digits: int = 2) -> str:
    """The median, the least and the largest value: ``4.50 (4.10 to 6.70)``."""
    low, high = min(values), max(values)
    return f"{median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def compute_percentile(values: Sequence[float], percent: float) -> float:
    """The least of the values that ``percent`` percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)]
