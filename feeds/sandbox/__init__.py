"""A local Intervals partner API: the same paths, scopes, errors and limits, with sample events.

The demo, the tests and the benchmarks use the sandbox in place of the real API. Besides the clock,
only the demo imports modules of ``feeds`` outside this folder. ``create_sandbox()`` is a WSGI
application; the key of the samples is ``sandbox-key``. Events can be edited while the sandbox runs:
``feeds.sandbox.editing``.
"""

from feeds.sandbox.api import create_sandbox
from feeds.sandbox.keys import ORGANIZATION_ID, SANDBOX_KEY, SCOPES, Key
from feeds.sandbox.samples import SAMPLES

__all__ = ["ORGANIZATION_ID", "SAMPLES", "SANDBOX_KEY", "SCOPES", "Key", "create_sandbox"]
