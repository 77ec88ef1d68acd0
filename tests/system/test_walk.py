"""Random walks of the whole service (``bench.walking``): no change is lost, or told twice.

``python -m bench walk --seed N`` walks one seed again, and prints its steps.
"""

import pytest

from bench.walking.steps import walk

STEPS = 40


@pytest.mark.parametrize("seed", range(1, 10))
def test_every_client_is_equal_to_the_truth_after_a_walk(seed):
    done, violation = walk(seed, None, frozenset(), STEPS)
    assert not violation, "\n".join(done.steps)


@pytest.mark.parametrize("seed", range(101, 103))
def test_every_client_is_equal_to_the_truth_after_a_walk_over_postgresql(seed, new_database):
    database = new_database("postgresql")
    done, violation = walk(seed, database.url, frozenset(), STEPS)
    assert not violation, "\n".join(done.steps)
