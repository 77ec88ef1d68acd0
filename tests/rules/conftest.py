"""The rules of docs/rules.md on the public surface: requests, the upstream's documents, a clock."""

import pytest

from tests.support.service import Service


@pytest.fixture
def service(upstream, clock, tmp_path):
    """The service with an upstream, a clock and a database of its own."""
    return Service(upstream, clock, tmp_path)
