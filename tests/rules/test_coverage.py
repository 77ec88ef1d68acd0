"""Every numbered rule of docs/rules.md has a test here, whose docstring cites the number."""

import ast
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
RULES = (FOLDER.parents[1] / "docs" / "rules.md").read_text("utf-8")
FILES = sorted(FOLDER.glob("test_[0-9]*_*.py"))

NUMBERED = re.findall(r"^\*\*(\d+\.\d+) ", RULES, re.MULTILINE)
CITATION = re.compile(r"[Rr]ules ((?:\d+\.\d+(?:, | and )?)+)")


@pytest.mark.parametrize("section", sorted({path.name.split("_")[1] for path in FILES}))
def test_every_rule_of_a_section_is_cited_by_a_test_of_its_files(section):
    rules = {rule for rule in NUMBERED if rule.split(".")[0] == section}
    assert rules
    assert rules - set().union(*map(_cited, FOLDER.glob(f"test_{section}_*.py"))) == set()


def test_every_rule_that_a_test_cites_exists():
    assert set().union(*map(_cited, FILES)) - set(NUMBERED) == set()


def _cited(path: Path) -> set[str]:
    """The rules that the docstrings of the tests in a file cite, as in "Rules 1.1 and 1.2"."""
    tests = [
        node
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    texts = " ".join(ast.get_docstring(test) or "" for test in tests)
    return {
        number for found in CITATION.findall(texts) for number in re.findall(r"\d+\.\d+", found)
    }
