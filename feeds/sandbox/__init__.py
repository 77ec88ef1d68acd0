"""The partner API on this machine: the same paths, scopes, errors and limits, with sample events.

It stands in for the real host in the demo, the tests and the benchmarks, and imports nothing else
of this package. ``create_sandbox()`` is a WSGI application; the key of the samples is
``sandbox-key``. What it serves can be edited while it runs, see ``feeds.sandbox.editing``.
"""

from feeds.sandbox.api import create_sandbox
from feeds.sandbox.keys import ORGANIZATION_ID, SANDBOX_KEY, SCOPES, Key
from feeds.sandbox.samples import SAMPLES

__all__ = ["ORGANIZATION_ID", "SAMPLES", "SANDBOX_KEY", "SCOPES", "Key", "create_sandbox"]
