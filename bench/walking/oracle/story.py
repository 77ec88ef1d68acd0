"""What the feeds of an event must tell: a model of docs/rules.md, sections 3 to 5, of its own.

It knows nothing of the service but the answers that were saved, in their order.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from msgspec import Struct, field, structs

from bench.walking.oracle.proof import DAY, SKEW, Moment, Others, find_doubt
from bench.walking.oracle.statements import Form, State, build_guid, find_changes, takes_entries
from bench.walking.organizer import parse_instant
from bench.walking.upstream import Call, Reading

SHOWN_FOR, KEPT_FOR = 30 * DAY, 365 * DAY
CORRECTED_WITHIN = timedelta(minutes=15)

MAX_ITEMS = 45
"""Changes up to which a feed shows all of them (rules 5.9)."""

PLAIN = ""
"""The scope of a feed without a filter; the scope of ``?run=`` is the run's id."""


class Told(NamedTuple):
    """When a change was told, and of which runs."""

    at: datetime
    runs: tuple[str, ...]


class Story(Struct):
    """An event as published so far.

    ``runs`` are the fields of runs as last read, ``unlisted`` since when runs are told as no longer
    listed, ``lacking`` the documents in a row that lacked a run, ``gone`` the 404s in a row.
    ``listed`` is when an answer was no 404 last.
    ``required`` are guids by scope that a feed must have, ``allowed`` those that it may have.
    """

    id: str
    fields: dict[str, Any] | None = None
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    unlisted: dict[str, Moment] = field(default_factory=dict)
    lacking: dict[str, tuple[Moment, ...]] = field(default_factory=dict)
    gone: tuple[Moment, ...] = ()
    last: Moment | None = None
    listed: Moment | None = None
    counts: dict[tuple[str, str, str], int] = field(default_factory=dict)
    required: dict[tuple[str, str], Told] = field(default_factory=dict)
    allowed: set[tuple[str, str]] = field(default_factory=set)

    def copy(self) -> "Story":
        """A copy whose dictionaries and sets can be changed.

        Both stories share the values in them: replace a value, never change it.
        """
        return structs.replace(
            self,
            runs=self.runs.copy(),
            unlisted=self.unlisted.copy(),
            lacking=self.lacking.copy(),
            counts=self.counts.copy(),
            required=self.required.copy(),
            allowed=self.allowed.copy(),
        )

    def describe(self, id_: str) -> State:
        """What a feed says about a run."""
        run, fields = self.runs[id_], self.fields or {}
        return State(
            f"{run['date']}T{run['startTime']}",
            "unlisted" if id_ in self.unlisted else run.get("eventStatus") or "scheduled",
            run.get("soldOut") or False,
            run.get("registrationOverride"),
            run.get("registrationOpensAt"),
            run.get("registrationClosesAt"),
            (run["distanceLabel"], run["distanceStandard"], run["distanceMeters"]),
            fields["address"],
            (fields["lat"], fields["lng"]),
            fields["description"],
        )

    @property
    def missing_since(self) -> Moment | None:
        """When the event, or the last of its runs that are missing, began to be missing."""
        return max((each[0] for each in (*self.lacking.values(), self.gone) if each), default=None)

    @property
    def evidence(self) -> tuple[int, int, bool]:
        """How many answers lacked something, how many changes were told, and if one was read."""
        lacking = len(self.gone) + sum(map(len, self.lacking.values()))
        return lacking, sum(self.counts.values()), self.fields is not None

    def is_ahead(self, today: date) -> bool:
        """Whether the event is not gone, and surely not over."""
        is_gone = bool(self.gone) and self.runs.keys() <= self.unlisted.keys()
        return not is_gone and any(run["date"] > f"{today}" for run in self.runs.values())

    def follow(self, call: Call, form: Form, others: Others) -> tuple["Story", list[str]]:
        """The story after an answer, and what ``form``, which was served then, states falsely."""
        reading, now = call.reading, Moment(call.at, call.elapsed)
        assert reading is not None
        story = self.copy()
        if reading.fields is None:
            story.gone = (*self.gone, now)
        else:
            story.gone = ()
            story.fields, story.listed = reading.fields, now
        story.runs |= reading.runs
        false = list(story.list_runs(reading, form, now, others))
        story.last = now
        story.tell(self, form, now)
        return story, false

    def merge(self, served: "Story", form: Form, now: Moment) -> Iterator["Story"]:
        """The stories of a database that went back, with the history that a process has served.

        The process tells what differs between the two, unless that was told before: all changes of
        runs that are shown, what the database has not told since, or what concerns runs that one of
        them lacks. A feed may agree with more than one of them: its items name runs without telling
        which. If it agrees with none, the process tells nothing. What the database lacks, and the
        process has proved to be no longer listed, stays so.
        """
        story = self.copy()
        story.fields = self.fields or served.fields
        for id_ in served.runs.keys() - self.runs.keys():
            story.runs[id_] = served.runs[id_]
            story.unlisted |= {each: at for each, at in served.unlisted.items() if each == id_}
            story.lacking |= {each: at for each, at in served.lacking.items() if each == id_}
        for id_ in served.unlisted.keys() & self.runs.keys():
            if self.gone or id_ in self.lacking:
                story.unlisted.setdefault(id_, served.unlisted[id_])
        # A move of one history may be corrected by those of the other (rules 5.15).
        story.required |= {
            key: told for key, told in served.required.items() if "/moved/" not in key[1]
        }
        story.allowed |= served.allowed
        for key, count in served.counts.items():
            story.counts[key] = max(count, story.counts.get(key, 0))
        since = {key[:2] for key, count in self.counts.items() if count > served.counts.get(key, 0)}
        news: tuple[Callable[[str, str], bool], ...] = (
            lambda id_, _: bool(story.is_shown(id_, now.at)),
            lambda id_, kind: (id_, kind) not in since,
            lambda id_, _: id_ not in self.runs,
        )
        found: list[Story] = []
        for is_news in news:
            told = story.copy()
            told.tell(served, form, now, is_news)
            if told not in found and not told.find_differences(form, now.at):
                found.append(told)
        yield from found or [story]

    def list_runs(self, reading: Reading, form: Form, now: Moment, others: Others) -> Iterator[str]:
        """Take which runs are listed; yields false statements of the feed."""
        for id_ in self.runs:
            if id_ in reading.listed:
                self.unlisted.pop(id_, None)
                self.lacking.pop(id_, None)
                continue
            counts = id_ in self.lacking or id_ not in self.unlisted
            if reading.complete and reading.fields and counts:
                self.lacking[id_] = (*self.lacking.get(id_, ()), now)
            state = form.states.get(id_)
            if id_ in self.unlisted or state is None or state.status != "unlisted":
                continue
            self.unlisted[id_] = now
            doubts = [
                find_doubt(self.lacking.get(id_, ()), now, others._replace(listed=())),
                find_doubt(self.gone, now, others),
            ]
            if all(doubts):
                yield f"{id_} is told as no longer listed {doubts}"

    def tell(
        self,
        before: "Story",
        form: Form,
        now: Moment,
        is_news: Callable[[str, str], bool] = lambda _, __: True,
    ) -> None:
        """Record the changes since ``before``, and turns of registration.

        ``is_news`` is whether changes of a run and a kind were not told before.
        """
        groups: dict[str, dict[str, str]] = {}
        for id_ in self.runs:
            is_ = self.describe(id_)
            if id_ not in before.runs:
                self._turn(id_, is_, is_, before, now.at)
                continue
            was = before.describe(id_)
            if was.status != "unlisted" or is_.status != "unlisted":
                for kind, value in find_changes(was, is_):
                    is_told = self._is_told((id_, kind, value), is_, form, now.at)
                    if is_told and is_news(id_, kind):
                        groups.setdefault(kind, {})[id_] = value
            self._turn(id_, was, is_, before, now.at)
        for kind, values in groups.items():
            for id_, value in values.items():
                scopes = (id_, PLAIN) if len(values) == 1 else (id_,)
                self._require(scopes, (id_, kind, value), Told(now.at, (id_,)))
            if len(values) > 1:
                by_run = ",".join(f"{id_}={values[id_]}" for id_ in sorted(values))
                digest = sha256(by_run.encode()).hexdigest()[:16]
                same = digest if len(set(values.values())) > 1 else value
                self._require((PLAIN,), (self.id, kind, same), Told(now.at, tuple(values)))

    def _is_told(
        self, change: tuple[str, str, str], state: State, form: Form, now: datetime
    ) -> bool:
        """Whether a change is news: an invitation is while one can register."""
        if change[1] not in ("places-again", "registration-reopened", "registration-extended"):
            return True
        if not takes_entries(state):
            return False
        opens, closes = parse_instant(state.opens), parse_instant(state.closes)
        if any(at and abs(at - now) < SKEW for at in (opens, closes)):
            return build_guid(*change, self.counts.get(change, 0) + 1) in form.guids
        return (opens is None or opens <= now) and (closes is None or now < closes)

    def _turn(self, id_: str, was: State, is_: State, before: "Story", now: datetime) -> None:
        """Allow items about registration, and require those that nothing can have prevented."""
        for kind, earlier, later in (
            ("opens", was.opens, is_.opens),
            ("closes", was.closes, is_.closes),
        ):
            for text in {earlier, later} - {None}:
                at = parse_instant(text)
                assert at is not None
                key = (id_, f"registration-{kind}", f"{at:%Y%m%dT%H%M%SZ}")
                edited = earlier != later == text
                self.counts[key] = self.counts.get(key, 0) + edited
                guids = [build_guid(*key, nth + 1) for nth in range(max(1, self.counts[key]))]
                if at <= now + SKEW:
                    self.allowed |= {(scope, guid) for scope in (PLAIN, id_) for guid in guids}
                known = id_ in before.runs and before.last
                certain = earlier == later and known and known.at + SKEW < at
                closes = parse_instant(is_.closes)
                if kind == "opens" and closes and closes <= at:
                    certain = False  # what never opens makes no item (rules 5.7)
                if now - at > KEPT_FOR - DAY:
                    certain = False  # it is dropped at once (rules 4.11)
                if certain and at < now - SKEW and takes_entries(was) and takes_entries(is_):
                    for scope in (PLAIN, id_):
                        self.required.setdefault((scope, guids[0]), Told(now, (id_,)))

    def _require(self, scopes: Iterable[str], change: tuple[str, str, str], told: Told) -> None:
        """Require one more guid for a change: what is named, its kind, and its value."""
        if change[1] in ("moved", "rescheduled"):
            self._correct_moves(told)
        self.counts[change] = self.counts.get(change, 0) + 1
        guid = build_guid(*change, self.counts[change])
        for scope in scopes:
            self.required[scope, guid] = told
            self.allowed.add((scope, guid))

    def _correct_moves(self, told: Told) -> None:
        """Require no move that another one of the run has followed at once (rules 5.15)."""
        for key, move in list(self.required.items()):
            if "/moved/" in key[1] and abs(told.at - move.at) <= CORRECTED_WITHIN + SKEW:
                left = tuple(id_ for id_ in move.runs if id_ not in told.runs or told.at == move.at)
                self.required[key] = move._replace(runs=left)

    def find_differences(self, form: Form, now: datetime) -> list[str]:
        """What a JSON Feed without filters says otherwise than this story."""
        found = []
        shown = {id_ for id_ in self.runs if self.is_shown(id_, now) is not False}
        for id_ in self.runs:
            state, expected = form.states.get(id_), self.describe(id_)
            must = self.is_shown(id_, now)
            if state is None and must:
                found.append(f"{id_} is not shown")
            elif state and must is False:
                found.append(f"{id_} is still shown")
            elif state and state != expected:
                found.append(f"{id_} is {state}, not {expected}")
        found += [f"{id_} is unknown" for id_ in form.states.keys() - self.runs.keys()]
        allowed = {guid for scope, guid in self.allowed if scope == PLAIN}
        allowed |= {f"{id_}@intervals.run" for id_ in (*shown, self.id)}
        if shown:  # else the event itself is the entry
            found += [f"told without cause: {guid}" for guid in sorted(form.guids - allowed)]
        if len(form.guids) < MAX_ITEMS:
            missing = self.list_required(PLAIN, now) - form.guids
            found += [f"not told: {guid}" for guid in sorted(missing)]
        return found

    def list_required(self, scope: str, now: datetime) -> frozenset[str]:
        """The guids of changes that a feed of this scope must have."""
        return frozenset(
            guid
            for (each, guid), told in self.required.items()
            if each == scope
            and now - told.at < 29 * DAY
            and any(id_ in self.runs and self.is_shown(id_, now) for id_ in told.runs)
        )

    def is_shown(self, id_: str, now: datetime) -> bool | None:
        """Whether a run is shown; None while it leaves (rules 3.12)."""
        since = self.unlisted.get(id_)
        if since is None or now - since.at < SHOWN_FOR - DAY:
            return True
        return False if self.last and self.last.at - since.at > SHOWN_FOR + DAY else None


Stories = dict[str, list[Story]]
"""Stories by event, the likeliest one first."""

MOST_ALTERNATIVES = 12
"""Stories of an event that are kept besides the likeliest one."""
