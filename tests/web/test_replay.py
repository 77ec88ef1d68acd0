"""The answers of the whole service in many scenarios are those that were recorded.

See ``tests.support.replay`` for how to record them anew and how to find what differs in a body.
"""

import pytest

from tests.support.replay import compare, play, recorded, steps
from tests.support.scenarios import SCENARIOS


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_service_gives_the_recorded_answers(name):
    differences = list(compare(recorded()[name], steps(play(name))))
    assert not differences, "\n".join(["the answers differ:", *differences])


def test_every_recorded_scenario_is_played():
    assert list(recorded()) == list(SCENARIOS)
