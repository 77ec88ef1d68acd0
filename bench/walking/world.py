"""All parts of a walk, and the checks of every answer."""

from collections.abc import Iterator
from itertools import product
from random import Random
from typing import NoReturn

from werkzeug.test import TestResponse

from bench.walking.clients import Client
from bench.walking.deployment import Process, Storage, Time
from bench.walking.oracle.ages import Ages
from bench.walking.oracle.following import follow, follow_unseen
from bench.walking.oracle.others import find_others
from bench.walking.oracle.proof import Moment, Others
from bench.walking.oracle.record import NOTICED_AFTER, Record, get_event_id
from bench.walking.oracle.recovery import find_losses
from bench.walking.oracle.statements import Form, read_form
from bench.walking.oracle.story import MOST_ALTERNATIVES, Stories, Story
from bench.walking.organizer import Organizer
from bench.walking.upstream import Upstream


class Violation(Exception):
    """A service that does what it must not do."""


class World:
    """``stories`` are what is stored, by event; ``rowless`` the events that a lost database lacks.

    ``alternatives`` are other stories that the feeds agree with as well: two histories of a
    database that went back may have equal feeds. ``ended`` are the stories of events that have no
    feed any more. ``unsettled`` is whether it went back, and not all processes have looked since.
    ``emptied`` is when the database was lost last, in seconds of the walk.
    """

    def __init__(self, seed: int, storage: Storage, time: Time, organizer: Organizer) -> None:
        self.random = Random(seed)
        self.time = time
        self.organizer = organizer
        self.storage = storage
        self.upstream = Upstream(
            organizer, Random(seed), lambda: time.elapsed, etags=self.random.random() < 0.5
        )
        self.processes: list[Process] = []
        self.clients: list[Client] = []
        self.stories = {id_: Story(id_) for id_ in organizer.events}
        self.alternatives: dict[str, list[Story]] = {}
        self.ended: dict[str, Story] = {}
        self.rowless: set[str] = set()
        self.unsettled = False
        self.emptied = 0.0
        self.public_url = "https://feeds.example.org"
        self.polls = 0
        self._forms: dict[tuple[str, frozenset[str], str], Story] = {}
        self._record = Record(time)
        self.ages = Ages(time)
        self.unserved: set[str] = set()
        self._listed: set[str] = set()

    def poll(self, process: Process, client: Client) -> None:
        """A client polls a process; checks the answer."""
        headers = client.build_headers()
        response = self.get(process, client.path, headers)
        if response.status_code == 304 and response.headers["ETag"] != client.etag:
            modified = self._get(process, client.path).headers.get("Last-Modified")
            if client.sends == "own time" and headers["If-Modified-Since"] == modified:
                client.forget()  # it polled within the second of a save
            else:
                self._violate(f"{client.path} ({client.sends}): 304 for other bytes", process)
        elif response.status_code == 200:
            for problem in client.take(response, process.clock()):
                self._violate(f"{client.path} ({client.sends}): {problem}", process)

    def get(
        self, process: Process, path: str, headers: dict[str, str] | None = None
    ) -> TestResponse:
        """A request, and one for the plain JSON Feed right after it; both are checked."""
        event_id = get_event_id(path)
        response = self._get(process, path, headers)
        plain = f"/events/{event_id}.json"
        observed = self._get(process, plain)
        for call in self.upstream.calls:
            self.ages.note_call(call, unsettled=self.unsettled)
        if observed.status_code == 200:
            form = read_form(observed.data)
            max_age = int(observed.headers["Cache-Control"].partition("=")[2].partition(",")[0])
            self._take_calls(process, event_id, form, max_age)
            self._observe(process, event_id, form)
            if response.status_code == 200 and not self.unsettled:
                self._check_pair(process, path, plain)
            excess = self.ages.find_excess(process, event_id, max_age)
            if excess and self.is_sound:
                self._violate(excess, process)
        self.unserved -= {event_id}
        if observed.status_code != 200:
            self.unserved.add(event_id)
        if observed.status_code == 410:
            self._check_end(process, event_id)
        self.upstream.calls = [call for call in self.upstream.calls if call.event_id != event_id]
        if self.upstream.calls:  # other events were fetched on the way, which is noticed later
            self.time.elapsed += NOTICED_AFTER
        if (
            response.status_code not in (200, 304)
            and "?" not in path
            and self._must_answer(process, event_id)
        ):
            self._violate(f"{path}: {response.status}", process)
        return response

    def _check_end(self, process: Process, event_id: str) -> None:
        """A 410 is for an event that is gone for 30 days; it tells no more of what is in memory."""
        story = self.stories[event_id]
        if not (shown := [id_ for id_ in story.runs if story.is_shown(id_, process.clock())]):
            self.ended[event_id] = process.stories[event_id] = story
        elif self.unsettled and event_id in self.ended:
            process.stories[event_id] = self.ended[event_id]
        elif not self.unsettled:
            self._violate(f"{event_id}: 410, and not 30 days without {shown}", process)

    def _check_pair(self, process: Process, *paths: str) -> None:
        """All feeds of an event have one Last-Modified."""
        pair = [self._get(process, path).headers.get("Last-Modified") for path in paths]
        if pair[0] != pair[1]:
            self._violate(f"{paths}: {pair}", process)

    def _get(
        self, process: Process, path: str, headers: dict[str, str] | None = None
    ) -> TestResponse:
        self.polls += 1
        response = process.get(path, headers)
        if response.status_code == 200:
            for fault in self._record.find_faults(
                process, path, response, settled=not self.unsettled, sound=self.is_sound
            ):
                self._violate(f"{path}: {fault}", process)
        return response

    def _must_answer(self, process: Process, event_id: str) -> bool:
        """Whether there is an edition to serve: it may be gone, or not filtered any more."""
        story = process.stories.get(event_id)
        is_gone = story and (story.unlisted or self.stories[event_id].unlisted)
        return bool(story and not self.unsettled and not self.storage.lost and not is_gone)

    def _take_calls(self, process: Process, event_id: str, form: Form, max_age: int) -> None:
        """Follow the answers for the event since the last look: they have been saved by now."""
        calls = [each for each in self.upstream.calls if each.event_id == event_id and each.reading]
        if not calls:
            return
        for reading in (each.reading for each in calls if each.reading):
            self._listed |= reading.listed if reading.complete else form.states.keys()
        before = list(self._list_bases(event_id, process, form))
        others = self._find_others(event_id)
        for call in calls[:-1]:
            before = [story for each in before for story in follow_unseen(each, call, form, others)]
        found = [pair for each in before for pair in follow(each, calls[-1], form, others)]
        matching = [story for story, problems in found if not problems]
        if not matching and self.unsettled:  # a process has merged the answer with its memory
            hidden = form.hide_unlisted()
            after = [
                story for each in before for story, _ in follow(each, calls[-1], hidden, others)
            ]
            matching = list(self._merge(after, process, form))
        if not matching:
            self._violate(f"{event_id} after an answer: {'; '.join(found[0][1])}", process)
        self.stories[event_id] = story = max(matching, key=lambda each: each.evidence)
        self._note_alternatives(event_id, matching)
        self.rowless.discard(event_id)
        self._forms[self._key(event_id, form)] = story
        known = calls[-1].process == process.name and not process.is_wrong
        self.ages.note_answer(event_id, max_age if known else None)

    def _merge(self, stories: list[Story], process: Process, form: Form) -> Iterator[Story]:
        """What the memory of a process makes of these stories, if ``form`` agrees with that."""
        now = Moment(process.clock(), self.time.elapsed)
        for story in stories:
            for each in self.processes:
                if served := each.stories.get(story.id):
                    for merged in story.merge(served, form, now):
                        if not merged.find_differences(form, now.at):
                            yield merged

    def _find_others(self, event_id: str) -> Others:
        ids = self.stories.keys() - {event_id}
        calls = [each for each in self.upstream.calls if each.event_id in ids]
        known = ids - {each.event_id for each in calls}  # the others are otherwise by now
        stories = [
            (each, id_ not in self.rowless)
            for id_, each in self.list_stories().items()
            if id_ in known
        ]
        others = find_others(stories, calls, self.time.read().date())
        # What others lacked before is lost with their rows (rules 4.12).
        missing = (each for each in others.missing if each.elapsed >= self.emptied)
        return others._replace(missing=tuple(missing))

    def _list_bases(self, event_id: str, process: Process, form: Form) -> Iterator[Story]:
        """What the database can hold: more than one story while it has gone back."""
        now = Moment(process.clock(), self.time.elapsed)
        for stored in (self.stories[event_id], *self.alternatives.get(event_id, ())):
            if event_id not in self.rowless:
                yield stored
            if event_id in self.rowless or self.unsettled:
                for each in self.processes:
                    if served := each.stories.get(event_id):
                        yield served
                        yield from stored.merge(served, form, now)
                        yield from served.merge(stored, form, now)
                yield Story(event_id, allowed=stored.allowed)

    def _observe(self, process: Process, event_id: str, form: Form) -> None:
        """The feed is one that followed from answers; note what the process has in memory."""
        if event_id in self.rowless and not self.unsettled:  # a process may have saved its memory
            self.rowless -= self.storage.list_events()
        story = self._forms.get(self._key(event_id, form))
        if story is None or self.unsettled:
            known = [story] if story else []
            bases = sorted(
                [*known, *self._list_bases(event_id, process, form)], key=lambda each: each.evidence
            )
            found = [(each, each.find_differences(form, process.clock())) for each in bases]
            matching = [each for each, differences in found if not differences] or known
            if not matching:
                self._violate(f"{event_id}: {'; '.join(found[-1][1])}", process)
            story = self._forms[self._key(event_id, form)] = matching[-1]
            known = self.alternatives.get(event_id, [])
            self._note_alternatives(event_id, [*known, *matching])
        process.stories[event_id] = story
        process.forms[event_id] = form

    def _note_alternatives(self, event_id: str, matching: list[Story]) -> None:
        found = [each for at, each in enumerate(matching) if each not in matching[:at]]
        self.alternatives[event_id] = found[-MOST_ALTERNATIVES:]

    @staticmethod
    def _key(event_id: str, form: Form) -> tuple[str, frozenset[str], str]:
        return event_id, form.guids, repr(sorted(form.states.items()))

    @property
    def is_sound(self) -> bool:
        """Whether there is one database, and no clock is wrong."""
        is_wrong = any(each.is_wrong for each in self.processes)
        return not (is_wrong or self.unsettled or self.storage.lost)

    def list_stories(self) -> Stories:
        """What the database may hold: the stories by event, the likeliest one first."""
        return {id_: [each, *self.alternatives.get(id_, ())] for id_, each in self.stories.items()}

    def change_database(self, stories: Stories | None) -> None:
        """The database went back to these stories, or was lost (None)."""
        self._listed.clear()
        self.unsettled = True
        for id_, restored in (stories or {}).items():
            for story in restored:
                story.allowed |= self.stories[id_].allowed
            self.stories[id_] = restored[0]
            self._note_alternatives(id_, [*self.alternatives.get(id_, ()), *restored[1:]])
        if stories is None:
            self.emptied = self.time.elapsed
        self.rowless = set() if stories else set(self.stories)
        self.forget_unknown()

    def forget_unknown(self) -> None:
        """Clients subscribe anew where no process remembers what they have been served."""
        if not self.unsettled:
            return
        for id_ in self._record.find_unremembered(self.processes):
            self._record.forget(id_)
            for client in self.clients:
                if client.event_id == id_:
                    client.forget()

    def settle(self) -> None:
        """All processes look, notice what others save, and are alike again."""
        served = [each for process in self.processes for each in process.stories.values()]
        for number in range(8):
            total = self.upstream.total
            for process, id_ in product(self.processes, self.stories):
                self.get(process, f"/events/{id_}.ics?registration=1")
            self.time.elapsed += 2.5
            if number > 2 and total == self.upstream.total:
                break
        self.unsettled = self.storage.lost
        self.ages.forget()
        self.stories |= self.processes[0].stories
        self.rowless = (
            set() if self.storage.lost else self.stories.keys() - self.storage.list_events()
        )
        for story in served:
            self._check_recovery(story, served)

    def _check_recovery(self, served: Story, stories: list[Story]) -> None:
        """The processes tell what one of them has served before they settled."""
        process, id_ = self.processes[0], served.id
        if id_ in self.unserved or self.unsettled or id_ not in process.forms:
            return
        others, form = [each for each in stories if each.id == id_], process.forms[id_]
        for loss in find_losses(served, others, form, process.clock(), self._listed):
            self._violate(f"{id_}, after a database that went back: {loss}", process)

    def _violate(self, finding: str, process: Process) -> NoReturn:
        raise Violation(f"{process.name}: {finding}")
