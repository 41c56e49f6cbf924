"""Watches one campaign on disk; only what has changed since the last look is read and sent.

Nothing is locked and nothing is bought: like every read-only command, this reads committed data only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.assignment import Assignment, assign, is_usable
from pipeline.errors import InvalidInput, PipelineError
from pipeline.files import stamp
from pipeline.jobs import Job, JobKey, in_plan_order
from pipeline.join import join_all
from pipeline.manifest.expand import expand
from pipeline.operations.caps import caps_of
from pipeline.operations.clock import now
from pipeline.operations.lost_decisions import LostApprovals, lost_approvals, lost_message
from pipeline.operations.page_commands import folder_of_commands, page_command, page_flags, page_variables
from pipeline.operations.published_results import published_files
from pipeline.purchases import Decisions, Purchase, PurchaseId, Records, Status
from pipeline.results import decisions
from pipeline.results.job_status import credits_spent
from pipeline.serve.page_rows import PageRows
from pipeline.serve.watched_plan import SeenRun, WatchedPlan
from pipeline.state.recovery import absorb
from pipeline.state.store import Sighting

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.operations.run_note import RunNote
    from pipeline.operations.workspace import Workspace
    from pipeline.planning.plan import Plan
    from pipeline.results.decisions import Decision
    from pipeline.serve.state_source import AnyStamp, StateSource
    from pipeline.serve.stills import Stills


@dataclass(slots=True)
class _Read:
    """The parts of a campaign as last read, and the stamps by which changes of their files are noticed.

    `approved` are the purchases that the results show as approved.
    """

    jobs: list[Job] = field(default_factory=list)
    published: Records = field(default_factory=Records)
    approved: LostApprovals = field(default_factory=dict)
    decided: Mapping[PurchaseId, Decision] = field(default_factory=dict)
    sighting: Sighting = field(default_factory=Sighting)
    usual: Mapping[str, float] = field(default_factory=dict)
    template_ids: Mapping[str, str] = field(default_factory=dict)
    note: RunNote | None = None
    goes_on: bool | None = None
    stamps: dict[str, AnyStamp] = field(default_factory=dict)


class CampaignWatch:
    """A campaign and what the page shows of it. `number` is its index among the campaigns of the page.

    `reopen` reads the manifest again when it has changed; None for a run, whose plan is fixed. `commands_in` is the
    folder for which commands are written, if the page has more campaigns.

    Raises:
        InvalidInput: manifest, state, results or decisions are invalid at the start; later errors appear on the page.
    """

    def __init__(
        self,
        workspace: Workspace,
        number: int,
        stills: Stills,
        source: StateSource,
        reopen: Callable[[], Workspace] | None = None,
        commands_in: Path | None = None,
    ) -> None:
        self.workspace = workspace
        self._commands_in = commands_in or folder_of_commands([workspace.campaign.manifest])
        self.number = number
        self.stills = stills
        self._source = source
        self._reopen = reopen
        self._read = _Read()
        self._troubles: dict[str, str] = {}
        self.rows = PageRows(workspace, number, stills)
        self._parts: dict[str, Callable[[], None]] = {
            "manifest": self._read_manifest,
            "decisions": self._read_decisions,
            "results": self._read_results,
            "state": self._read_state,
            "note": self._read_note,
            "run": self._read_whether_run,
            "store": lambda: None,  # only reported
            "output": self.rows.look_anew,
        }
        # When a run was last seen to change something.
        self._changed = ""
        self._plan = WatchedPlan()
        self._is_planned_anew = False
        self._spent = 0
        self._budget_left: int | None = None
        self._budget_unpriced: int | None = None
        self._next_run: Mapping[str, Json] = {}
        self._last_run: Json = None
        self._records = Records()
        self._assignment: Assignment = assign([], self._records)
        self._look_at_files(self._stamps())
        if self._troubles:
            raise InvalidInput("; ".join(self._troubles.values()))
        self._recompute()
        self._changed = max((each.bought_at for each in self.purchases.values()), default="")
        self.plan()
        # Discarded: a new page reads everything.
        self.rows.changes()
        self._is_planned_anew = False

    @property
    def _trouble(self) -> str | None:
        return "; ".join([*self._troubles.values(), *self._store_troubles]) or None

    @property
    def _store_troubles(self) -> list[str]:
        """Why the object store could not be listed; the page shows everything else."""
        trouble = self.rows.found.stored.trouble if self.rows.found.stored is not None else None
        return [] if trouble is None else [trouble]

    @property
    def purchases(self) -> Mapping[PurchaseId, Purchase]:
        """Every known purchase."""
        return self._records.purchases

    def knows(self, purchase_id: PurchaseId) -> bool:
        """Whether it is known to have this purchase."""
        return purchase_id in self.purchases

    @property
    def assignment(self) -> Assignment:
        """Which purchase serves which job."""
        return self._assignment

    @property
    def decided(self) -> Mapping[PurchaseId, Decision]:
        """The last decision on each purchase."""
        return self._read.decided

    @property
    def lost_approvals(self) -> str | None:
        """What to say of approvals that only the results show; None if there are none. A run would be refused."""
        decided = self._read.decided
        lost = {each: shown for each, shown in self._read.approved.items() if each not in decided}
        return lost_message(self.workspace, lost) if lost else None

    @property
    def next_run(self) -> Plan | None:
        """What the next run would make; None if that could not be planned."""
        return self._plan.next_run(self._assignment.by_key)

    def look(self) -> dict[str, Json] | None:
        """The changes to the page since the last look; None if there are none."""
        stamps = self._stamps()
        news, self._is_planned_anew = self._is_planned_anew, False
        if stamps != self._read.stamps:
            was, moved = self.heading(), stamps["state"] != self._read.stamps["state"]
            before, served = self._read.stamps.copy(), self._assignment.by_key
            self._look_at_files(stamps)
            self._recompute()
            if self._is_plan_due(before, served):
                self.plan()
            news = news or was != self.heading()
            self._changed = now() if moved and (news or self.rows.has_changes) else self._changed
        patch = self.rows.changes()
        if patch is None and not news:
            return None
        return {"number": self.number, **self.heading(), **(patch or {})}

    def heading(self) -> dict[str, Json]:
        """The page's data on the campaign, except jobs and purchases, that can change."""
        note = self._read.note
        limits = self.workspace.campaign.limits
        heading: dict[str, Json] = {
            "spent": self._spent,
            "budget": limits.budget,
            "budget_left": self._budget_left,
            "budget_unpriced": self._budget_unpriced,
            "max_credits": limits.max_credits,
            "usual": {template: round(seconds, 3) for template, seconds in self._read.usual.items()},
            "template_ids": dict(self._read.template_ids),
            "next_run": self._next_run.get("next_run"),
            "retry_run": self._next_run.get("retry_run"),
            "run": self._last_run,
            "goes_on": self._read.goes_on,
            "calls": dict(note.calls) if note is not None else None,
            "deferred": dict(note.deferred) if note is not None else None,
            "changed": self._changed,
            "lost_approvals": self.lost_approvals,
            "trouble": self._trouble,
        }
        return heading

    def whole(self) -> dict[str, Json]:
        """The whole campaign, for a page that is being opened."""
        workspace = self.workspace
        written: dict[str, Json] = {
            "name": workspace.campaign.name,
            "command": page_command(workspace.campaign.manifest, self._commands_in),
            "flags": page_flags(workspace.chosen, self._commands_in, emulated=workspace.emulated) or None,
            "vars": [*page_variables(workspace.variables, self._commands_in)] or None,
            "shard": None if workspace.shard is None else workspace.shard.flags,
            "emulated": workspace.emulated or None,
            **self.heading(),
            **self.rows.whole(),
        }
        return {name: value for name, value in written.items() if value is not None}

    def _summary_of_last_run(self) -> Json:
        """When the last run began, the credits it has spent, its cap, and its limit of workflows in flight.

        For a run that goes on, also what it still buys: the number by template, and the known credits.
        """
        seen = self._seen_run()
        if not seen.name:
            return None
        sighting = self._read.sighting
        bought = [sighting.records.purchases[each] for each, run in sighting.runs.items() if run == seen.name]
        own = seen.note
        # Its cap may be lower than the manifest's.
        cap = own.max_credits if own is not None else None
        cap = self.workspace.campaign.limits.max_credits if cap is None else cap
        in_flight = own.in_flight if own is not None else None
        summary: dict[str, Json] = {
            "started": seen.began,
            "spent": credits_spent(bought),
            "max_credits": cap,
            "in_flight": in_flight,
        }
        if seen.goes_on is not False:
            with_canary = bought if self.workspace.campaign.limits.canary else ()
            summary |= self._plan.left_to_run(self._assignment.by_key, with_canary)
        return summary

    def _seen_run(self) -> SeenRun:
        """The last run, as it is seen now. The note may be an earlier run's: then it tells nothing of this one."""
        note = self._read.note
        runs = {each for each in self._read.sighting.runs.values() if each[:1].isdigit()}
        runs |= {note.run} if note is not None else set()
        last = max(runs, default="")
        own = note if note is not None and note.run == last else None
        return SeenRun(name=last, goes_on=self._read.goes_on, note=own)

    def _stamps(self) -> dict[str, AnyStamp]:
        workspace = self.workspace
        root = workspace.campaign.root
        return {
            "manifest": _stamps_of([root / each for each in workspace.campaign.inputs]),
            "results": _stamps_of([workspace.results, *workspace.other_results]),
            "decisions": _stamps_of([workspace.decisions]),
            "state": self._source.stamp(),
            "run": self._source.is_going_on(),
            "note": self._source.note(),
            "store": self._store_troubles,
            # Looking for each file each time would cost too much.
            "output": workspace.local_output is None or stamp(workspace.local_output) is not None,
        }

    def _look_at_files(self, stamps: dict[str, AnyStamp]) -> None:
        """Read what has changed. What cannot be read stays as it was, with an error, until it changes again."""
        for name, read in self._parts.items():
            if self._read.stamps.get(name) == stamps[name]:
                continue
            self._read.stamps[name] = stamps[name]
            try:
                read()
                self._troubles.pop(name, None)
            except PipelineError as error:
                self._troubles[name] = str(error)

    def _read_manifest(self) -> None:
        if self._read.jobs and self._reopen is not None:
            self.workspace = self._reopen()
        self._read.jobs = in_plan_order(expand(self.workspace.campaign))
        self._read.template_ids = {
            each.coordinates.template: each.request.template_id for each in self._read.jobs
        }
        self.rows.set_campaign(self.workspace, self._read.jobs)

    def _read_decisions(self) -> None:
        found = decisions.read(self.workspace.decisions, self.workspace.decisions_name)
        self._read.decided = decisions.by_purchase(found)

    def _read_results(self) -> None:
        published = published_files(self.workspace)
        self._read.published = join_all(each.records for each in published)
        self._read.approved = lost_approvals(published, decided=())
        for each in published:
            media: Any = each.document.get("media", {})
            self.rows.set_media(media)

    def _read_state(self) -> None:
        self._read.sighting = self._source.look(self._read.sighting)
        self._read.usual = self._source.durations()

    def _read_note(self) -> None:
        self._read.note = self._source.note()

    def _read_whether_run(self) -> None:
        self._read.goes_on = self._source.is_going_on()

    def _recompute(self) -> None:
        read = self._read
        in_force = decisions.in_force(read.decided.values())
        known = read.sighting.records
        records = absorb(known, read.published, in_force) if read.published.purchases else known
        if self._assignment.jobs is read.jobs and self._serves_as_before(records, in_force):
            by_key = {key: records.purchases[each.id] for key, each in self._assignment.by_key.items()}
            self._assignment = replace(self._assignment, by_key=by_key)
        else:
            self._assignment = assign(read.jobs, records, in_force)
        self._records = records
        self._spent = credits_spent(records.purchases.values())
        caps = caps_of(self.workspace.campaign)
        self._budget_left = caps.budget_left(records.purchases.values())
        has_budget = caps.budget is not None
        self._budget_unpriced = (
            (len(caps.unpriced(records.purchases.values())) or None) if has_budget else None
        )
        self._next_run = self._plan.in_numbers(caps, records.purchases.values(), self._assignment.by_key)
        self._last_run = self._summary_of_last_run()
        self.rows.update(self._assignment, records, in_force, read.decided)

    def _serves_as_before(self, records: Records, in_force: Decisions) -> bool:
        """Whether the assignment stays the same; most steps of a run do not change it."""
        before = self._records
        matcher = self._assignment.matcher
        return (
            before.purchases.keys() == records.purchases.keys()
            and before.served == records.served
            and matcher.decisions == in_force
            and all(
                each is records.purchases[purchase_id]
                or _is_alike(each, records.purchases[purchase_id], in_force)
                for purchase_id, each in before.purchases.items()
            )
        )

    def _is_plan_due(self, before: Mapping[str, AnyStamp], served: Mapping[JobKey, Purchase]) -> bool:
        """Whether to compute at once what a run would do; while one goes on, that is done now and then.

        It is if a job that was served is not any more, as its create bought nothing: the plan has it as bought.
        """
        seen, now = self._seen_run(), self._read.stamps
        return (
            not seen.is_same(self._plan.run)
            or seen.goes_on is False
            or any(before.get(each) != now[each] for each in ("manifest", "decisions"))
            or not served.keys() <= self._assignment.by_key.keys()
        )

    def plan(self) -> None:
        """Compute what a run would do, which takes longer than the rest; the next look sends it."""
        seen = self._seen_run()
        if seen.is_same(self._plan.run) and self._plan.is_of(self._assignment.matcher, self._records):
            return
        decided = self._assignment.matcher.decisions
        self._assignment = assign(self._read.jobs, self._records, decided)
        try:
            self._plan.make(self._assignment, seen, self._read.decided)
        except InvalidInput:
            return
        self.rows.set_actions(self._plan.actions)
        self._recompute()
        self._plan.keep(self._assignment.matcher, self._records)
        self._is_planned_anew = True


def _is_alike(one: Purchase, other: Purchase, decided: Decisions) -> bool:
    """Whether the two purchases are the same in everything that the assignment depends on."""
    return (one.key, one.fingerprint, one.inputs, one.bought_at, one.path) == (
        *(other.key, other.fingerprint, other.inputs, other.bought_at, other.path),
    ) and _soundness(one, decided) == _soundness(other, decided)


def _soundness(purchase: Purchase, decided: Decisions) -> tuple[object, ...]:
    is_plain = purchase.status not in {Status.FAILED, Status.ATTENTION}
    return is_usable(purchase, decided), is_plain or purchase.status


def _stamps_of(paths: Iterable[Path]) -> AnyStamp:
    return tuple(stamp(each) for each in paths)
