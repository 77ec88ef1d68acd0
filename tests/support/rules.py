"""The rules of docs/rules.md, for tests that compare tables of the code with theirs."""

import re
from pathlib import Path

RULES = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()


def read_rule(number: str) -> str:
    """The text of a rule such as 3.1."""
    return re.split(r"\n(?:\*\*\d|## )", RULES.partition(f"\n**{number} ")[2])[0]


def read_table(number: str) -> list[list[str]]:
    """The rows of a rule's table, without its head, as lists of cells."""
    lines = [line for line in read_rule(number).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def find_code(cell: str) -> tuple[str, ...]:
    """What stands between backticks."""
    return tuple(re.findall("`([^`]+)`", cell))
