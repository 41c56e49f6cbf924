"""A campaign of two stages in which things are made and decided, as its results and decisions record them."""

import json
from dataclasses import dataclass, field
from typing import Any

from pipeline.assignment import assign
from pipeline.jobs import Job, in_plan_order
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load
from pipeline.operations.environment import Environment
from pipeline.operations.open_campaign import open_campaign
from pipeline.operations.plan import plan_of
from pipeline.operations.record_paths import RecordPaths
from pipeline.operations.workspace import Workspace, workspace_of
from pipeline.planning.plan import Plan, PlanOptions
from pipeline.purchases import Purchase, PurchaseId, Reason, Records, Status, WorkflowId
from pipeline.results import decisions
from pipeline.results.decisions import Decision, Verdict
from pipeline.results.document import Builder
from support.campaigns import Project, chained

PRICES = {"vim_sketch_me": 10, "each_explodedloop_0226": 120}
# Two films of the same text share a purchase.
PROMPTS = {"spin": "it spins", "turn": "it spins"}


def stages(**changes: Any) -> dict[str, Any]:
    """Two takes of a sketch, and two films of each or of the approved one."""
    only = changes.pop("only", {})
    document = chained(
        image_sets={"shoes": ["images/red.png"], "sketches": {"outputs_of": "sketch", **only}}, **changes
    )
    document["prompts"] = PROMPTS
    document["jobs"][0]["repeat"] = 2
    return document


@dataclass
class Made:
    """A campaign in which things are made and decided, as its results and decisions record them."""

    project: Project
    purchases: dict[PurchaseId, Purchase] = field(default_factory=dict)
    decided: dict[PurchaseId, Decision] = field(default_factory=dict)

    @property
    def workspace(self) -> Workspace:
        return workspace_of(load(self.project.manifest), RecordPaths(), Environment({}))

    @property
    def jobs(self) -> list[Job]:
        return in_plan_order(expand(self.workspace.campaign))

    def do(self, number: int, step: Status | Verdict) -> None:
        """Buy a job, with that outcome, or decide on its last take."""
        jobs = self.jobs
        job = jobs[number % len(jobs)]
        matcher = assign(jobs, Records(self.purchases), decisions.in_force(self.decided.values())).matcher
        if isinstance(step, Verdict):
            last = matcher.last(job.key)
            if last is not None and last.status is Status.DONE:
                self.decided.pop(last.id, None)
                self.decided[last.id] = Decision(purchase=last.id, key=job.key, decision=step)
            return
        source = matcher.source(job) if job.upstream is not None else None
        if job.upstream is None or (source is not None and source.status is Status.DONE):
            count = len(self.purchases) + 1
            made = Purchase(
                id=PurchaseId(f"{count:016x}"),
                key=job.key,
                fingerprint=job.fingerprint,
                status=step,
                bought_at=f"2026-01-01T00:{count:02}:00Z",
                template_id=job.request.template_id,
                inputs=(source.id,) if source is not None else (),
                workflow_id=WorkflowId(f"w{count}") if step is not Status.ATTENTION else None,
                reason=Reason.VENDOR if step is Status.FAILED else None,
                credits=job.credits,
                request=job.request_json(PurchaseId(f"{count:016x}")),
            )
            self.purchases[made.id] = made

    def plans(self) -> tuple[Plan, Plan]:
        """What `plan` and `plan --retry-failed` say."""
        with open_campaign(self.workspace, writable=False) as state:
            return plan_of(state), plan_of(state, PlanOptions(retry_failed=True))

    def write(self) -> None:
        """Write the results and the decisions."""
        records, in_force = Records(self.purchases), decisions.in_force(self.decided.values())
        document = Builder().build(
            self.workspace.heading(),
            assignment=assign(self.jobs, records, in_force),
            records=records,
            decisions=in_force,
        )
        self.project.write({self.project.results_file.name: json.dumps(document, indent=2)})
        if self.decided:
            written = {"version": 1, "decisions": list(map(decisions.as_json, self.decided.values()))}
            self.project.write({f"{self.project.name}.decisions.yaml": json.dumps(written)})
