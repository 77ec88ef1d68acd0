"""How old the answers of a walk may be (rules 8.5), and when the upstream was too ill for that."""

from datetime import datetime, timedelta

from bench.walking.deployment import Process, Time
from bench.walking.upstream import Call

LATE = 13.0
"""Seconds that an answer may be older than its max-age, where clocks are apart or were put back."""

STALE = 60
"""max-age of an answer after a failed refresh, in seconds: it says nothing of the edition."""

REMEMBERED = timedelta(seconds=620)
"""For how long a failure can be remembered: ten minutes, and the skew of clocks."""


class Ages:
    """When each event was last fetched, and until when its feeds may be stale."""

    def __init__(self, time: Time) -> None:
        self._time = time
        self._fetched: dict[str, tuple[float, float, float]] = {}
        self._ill_until: dict[str, float] = {}
        self._refused: set[str] = set()
        self._failed: dict[str, datetime] = {}

    def note_call(self, call: Call, *, unsettled: bool) -> None:
        """After a trouble or a late answer, an event may be stale for a while; or all may be."""
        seconds = {"": 15.0 if call.overtaken else 0.0, "403": 620.0}.get(call.trouble, 80.0)
        if call.reading and call.reading.fields is None and unsettled:
            seconds = 620.0  # to a process without memory, the event is unknown
        concerned = [call.event_id]
        others = self._refused - {call.event_id}
        if call.trouble in ("401", "429") or (call.trouble == "403" and others):
            concerned.append("")  # a 403 closes the upstream if another event has got one, too
        if call.trouble:
            self._failed[call.event_id] = call.at
        if call.trouble == "403":
            self._refused.add(call.event_id)
        elif call.reading:
            self._refused.clear()
        for each in concerned:
            self.note_illness(each, seconds if each else 80.0)

    def note_illness(self, event_id: str, seconds: float) -> None:
        """For so long, the feeds of an event may be stale; without an id, those of all events."""
        until = self._time.elapsed + seconds
        self._ill_until[event_id] = max(until, self._ill_until.get(event_id, 0.0))

    def note_answer(self, event_id: str, max_age: float | None) -> None:
        """An answer was saved; without a max-age, nobody knows how old it may get."""
        self._fetched.pop(event_id, None)
        if max_age is not None:
            self._fetched[event_id] = (self._time.elapsed, max_age, self._time.shift)

    def find_rest(self, event_id: str) -> float:
        """The seconds until the edition of an event expires, as far as that is known."""
        began, max_age, _ = self._fetched.get(event_id, (self._time.elapsed, 0.0, 0.0))
        return began + max_age - self._time.elapsed

    def forget(self) -> None:
        self._fetched.clear()

    def is_ill(self, event_id: str) -> bool:
        until = max(self._ill_until.get(each, 0.0) for each in (event_id, ""))
        return until > self._time.elapsed

    def find_excess(self, process: Process, event_id: str, max_age: int) -> str:
        """By how much an answer is older than it may be, or will be at the end of its max-age.

        Nothing while the upstream is ill. The service goes by its clock. Once the clock was put
        back, an edition looks so much younger, and a failure is remembered while the clock shows
        the ten minutes before it again.
        """
        now = self._time.elapsed
        began, longest, shift = self._fetched.get(event_id, (now, max_age, self._time.shift))
        longest += max(0.0, shift - self._time.shift)
        failed = self._failed.get(event_id, process.clock())
        is_remembered = timedelta(0) < failed - process.clock() < REMEMBERED
        end = now + max_age if max_age > STALE else now
        if end <= began + longest + LATE or is_remembered or self.is_ill(event_id):
            return ""
        return f"{event_id} is {end - began:.0f} s old at the end, max-age was {longest:.0f}"
