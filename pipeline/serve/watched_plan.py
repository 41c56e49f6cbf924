"""What a run would do with a watched campaign, and what the one that goes on has still to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.engine.durations import chains
from pipeline.operations.run_plan import as_begun, held_back
from pipeline.planning.forecast import Forecast, forecast, unbought
from pipeline.planning.make import make
from pipeline.planning.plan import Plan, PlanOptions
from pipeline.purchases import Status

if TYPE_CHECKING:
    from pipeline.assignment import Assignment, Matcher
    from pipeline.jobs import JobKey
    from pipeline.json_values import Json
    from pipeline.operations.run_note import RunNote
    from pipeline.purchases import Purchase, PurchaseId, Records
    from pipeline.results.decisions import Decision
    from pipeline.state.store import Caps


_UNDER_WAY = frozenset({Status.SUBMITTING, Status.SUBMITTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRun:
    """The last run as it is seen: whether it goes on (None: that cannot be seen), and its own note if it has one."""

    name: str = ""
    goes_on: bool | None = None
    note: RunNote | None = None

    @property
    def selected(self) -> frozenset[str] | None:
        """Short hashes of the keys that it is limited to; None: all, as far as is known."""
        return self.note.selected if self.note is not None else None

    def is_same(self, other: SeenRun) -> bool:
        """Whether both would have the same plan."""
        return (self.name, self.goes_on, self.selected) == (other.name, other.goes_on, other.selected)

    @property
    def began(self) -> str:
        """When it began; empty if that is not known."""
        return self.name.partition(" ")[0]


class WatchedPlan:
    """Plans take longer than all else on a page: they are kept, and what was bought since is left out of them."""

    def __init__(self) -> None:
        self._forecast: Forecast | None = None
        self._of_run: Plan | None = None
        self._made_for: tuple[Matcher, Records] | None = None
        self.run = SeenRun()

    def is_of(self, matcher: Matcher, records: Records) -> bool:
        """Whether it was made for these."""
        made_for = self._made_for
        return made_for is not None and made_for[0] is matcher and made_for[1] is records

    def keep(self, matcher: Matcher, records: Records) -> None:
        """Note that it holds for these."""
        self._made_for = matcher, records

    def make(self, assignment: Assignment, run: SeenRun, decided: Mapping[PurchaseId, Decision]) -> None:
        """Plan anew.

        Raises:
            InvalidInput: a record does not fit the manifest.
        """
        self.run = run
        self._forecast = forecast(assignment)
        self._of_run = self._planned_by(run, assignment, decided)

    @property
    def actions(self) -> Mapping[JobKey, str]:
        """What the next run does with each job."""
        entries = self._forecast.run.entries if self._forecast is not None else ()
        return {each.key: each.action.value for each in entries}

    def _planned_by(
        self, run: SeenRun, assignment: Assignment, decided: Mapping[PurchaseId, Decision]
    ) -> Plan | None:
        """The plan of the run that goes on: of its jobs, and of the decisions from before it began."""
        if run.goes_on is False or self._forecast is None:
            return None
        selected = None
        if run.note is not None and run.note.selected is not None:
            selected = frozenset(filter(run.note.selects, (job.key for job in assignment.jobs)))
        begun = as_begun(assignment, decided, run.began)
        if begun is assignment and selected is None:
            return self._forecast.run
        return make(begun, {}, PlanOptions(selected=selected))

    def in_numbers(
        self, caps: Caps, purchases: Collection[Purchase], by_key: Mapping[JobKey, Purchase]
    ) -> dict[str, Json]:
        """What the next run would make and buy; of all `purchases`, `by_key` are those that serve jobs now."""
        return self._forecast.as_json(caps, purchases, by_key) if self._forecast is not None else {}

    def next_run(self, by_key: Mapping[JobKey, Purchase]) -> Plan | None:
        """What the next run would make; None if that could not be planned."""
        return unbought(self._forecast.run, by_key) if self._forecast is not None else None

    def left_to_run(
        self, by_key: Mapping[JobKey, Purchase], bought_with_canary: Iterable[Purchase] = ()
    ) -> dict[str, Json]:
        """What the run that goes on still buys: the number of purchases by template, and their known credits.

        `chains` are what it makes one after another, for the time left. `bought_with_canary` are the purchases of a
        run that holds jobs back until the first of their template has succeeded.
        """
        if self._of_run is None:
            return {}
        left = unbought(self._of_run, by_key)
        if held := held_back(left, bought_with_canary):
            left = replace(left, entries=[entry for entry in left.entries if entry.key not in held])
        jobs = (entry.job for entry in left.buying if entry.job is not None)
        return {
            "waiting": dict(Counter(job.coordinates.template for job in jobs)),
            "chains": self._chains(left, by_key),
            "coming": left.credits,
        }

    def _chains(self, left: Plan, by_key: Mapping[JobKey, Purchase]) -> Json:
        """The chains of what a plan still buys; templates have their names in the manifest."""
        jobs = left.assignment.matcher.jobs
        waiting = {key: (jobs[key].coordinates.template, after) for key, after in left.made_after().items()}
        upstreams = {after for _, after in waiting.values() if after is not None} - waiting.keys()
        under_way = {
            key: jobs[key].coordinates.template
            for key in upstreams
            if key in by_key and by_key[key].status in _UNDER_WAY
        }
        found = sorted(chains(waiting, under_way), key=str)
        return [{"under_way": begun, "waiting": list(templates)} for begun, templates in found]
