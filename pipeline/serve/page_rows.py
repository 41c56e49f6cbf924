"""The rows of one campaign on the live page; only rows that have changed are rebuilt."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from pipeline.json_values import Json
from pipeline.media.facts import MediaMap, join
from pipeline.operations.shown_paths import relative_output
from pipeline.purchases import PENDING, Decisions, Output, Purchase, PurchaseId, Records, Status
from pipeline.purchases import as_json as purchase_json
from pipeline.report.gallery_rows import SHORT_HASH, PlannedJob, Rows
from pipeline.results.decisions import Decision
from pipeline.results.decisions import as_json as decision_json
from pipeline.results.document import job_json
from pipeline.results.job_status import job_status
from pipeline.serve.found_files import FoundFiles

if TYPE_CHECKING:
    from pipeline.assignment import Assignment
    from pipeline.jobs import Job, JobKey
    from pipeline.operations.workspace import Workspace
    from pipeline.serve.stills import Stills

Row = dict[str, Json]


class PageRows:
    """Jobs, purchases and files as the page reads them, and which of them have changed since they were last sent.

    `found` has the files that are here; `types` is the content type of each file, by SHA-256.
    """

    def __init__(self, workspace: Workspace, number: int, stills: Stills) -> None:
        self.found = FoundFiles(workspace, number, stills)
        self.types: dict[str, str] = {}
        self.by_short_hash: dict[str, str] = {}
        self._workspace = workspace
        self._stills = stills
        self._jobs: dict[JobKey, Job] = {}
        self._actions: Mapping[JobKey, str] = {}
        self._documents: dict[str, Row] = {}
        self._decided: dict[str, Row] = {}
        self._planned: dict[str, PlannedJob] = {}
        self._prompt_options = workspace.campaign.prompt_options()
        self._media: dict[str, Mapping[str, Json]] = {}
        self._rows = Rows(
            purchases=self._documents,
            decided=self._decided,
            planned=self._planned,
            prompt_options=self._prompt_options,
            hrefs=self.found.hrefs,
            stills=stills,
            altered=self.found.altered,
            pointers=self.found.pointers,
            media=self._media,
        )
        self._seen_purchases: dict[PurchaseId, tuple[Purchase, Decision | None]] = {}
        self._seen_jobs: dict[JobKey, tuple[object, ...]] = {}
        self._job_rows: dict[JobKey, Row] = {}
        self._purchase_rows: dict[PurchaseId, Row] = {}
        self._new_jobs: dict[JobKey, None] = {}
        self._new_purchases: dict[PurchaseId, None] = {}
        self._gone: dict[JobKey, None] = {}
        self._sent_files = 0
        self._stills_seen = -1

    @property
    def has_changes(self) -> bool:
        """Whether jobs or purchases have changed since they were last sent."""
        return bool(self._new_jobs or self._new_purchases or self._gone)

    @property
    def media(self) -> MediaMap:
        """The known media facts, by SHA-256."""
        return self._media

    def set_campaign(self, workspace: Workspace, jobs: Iterable[Job]) -> None:
        """Use these jobs and this workspace from now on."""
        self._workspace = self.found.workspace = workspace
        self._prompt_options.update(workspace.campaign.prompt_options())
        self._jobs = {job.key: job for job in jobs}
        gone = [each for each in self._job_rows if each not in self._jobs]
        self.found.forget(gone)
        for key in gone:
            del self._job_rows[key]
            self._seen_jobs.pop(key, None)
            self._gone[key] = None

    def set_media(self, media: Mapping[str, Mapping[str, Json]]) -> None:
        """Add the media facts of the results."""
        self._media.update(join(self._media, media))

    def set_actions(self, actions: Mapping[JobKey, str]) -> None:
        """Set what a run would do, by job key."""
        self._actions = actions

    def update(
        self,
        assignment: Assignment,
        records: Records,
        decisions: Decisions,
        decided: Mapping[PurchaseId, Decision],
    ) -> None:
        """Rebuild the rows of changed jobs and purchases."""
        changed = self._changed_purchases(records, decided)
        jobs = {
            job.key: self._document(job, assignment, decisions)
            for job in self._changed_jobs(assignment, decided, changed)
        }
        for output in (each for purchase in changed.values() for each in _outputs(purchase)):
            if output.sha256 is not None:
                self.types[output.sha256] = output.content_type
                self.by_short_hash[output.sha256[:SHORT_HASH]] = output.sha256
        self.found.find(jobs.values(), changed)
        for purchase_id in changed:
            self._purchase_rows[purchase_id] = self._rows.purchase(self._documents[purchase_id])
            self._new_purchases[purchase_id] = None
        for key, document in jobs.items():
            self._planned[key] = self._plan_of(key, is_pending=document["status"] == PENDING)
            self._job_rows[key] = self._rows.job(document)
            self._new_jobs[key] = None
            self._gone.pop(key, None)

    def changes(self) -> Row | None:
        """Everything that was not sent yet; None if there is nothing."""
        if self.found.look():
            self._stills_seen = -1
        files: dict[str, Json] = {}
        if self._stills.made != self._stills_seen:
            self._stills_seen = self._stills.made
            self._media.update(join(self._media, self._stills.facts))
            files = {str(number): row for number, row in self._rows.renew_files().items()}
        files |= {str(n): self._rows.files[n] for n in range(self._sent_files, len(self._rows.files))}
        if not (files or self.has_changes):
            return None
        changes: Row = {
            "jobs": [self._job_rows[each] for each in self._new_jobs if each in self._job_rows],
            "purchases": [self._purchase_rows[each] for each in self._new_purchases],
            "gone": list(self._gone),
            "files": files,
        }
        self._forget()
        return changes

    def look_anew(self) -> None:
        """Take all files for missing until they are found again."""
        self.found.look_anew()
        self._stills_seen = -1

    def about(self, purchase_id: PurchaseId) -> Row:
        """The rows of one purchase and of its jobs."""
        jobs: list[Json] = [
            row for row in self._job_rows.values() if purchase_id in {row.get("purchase"), row.get("last")}
        ]
        return {"jobs": jobs, "purchases": [self._purchase_rows[purchase_id]]}

    def whole(self) -> Row:
        """Everything, for a page that is being opened."""
        return {
            "jobs": [row for _, row in sorted(self._job_rows.items())],
            "purchases": [
                self._purchase_rows[each.id]
                for each, _ in sorted(
                    self._seen_purchases.values(), key=lambda seen: (seen[0].key, seen[0].age)
                )
            ],
            "files": list(self._rows.files),
        }

    def _forget(self) -> None:
        self._new_jobs, self._new_purchases, self._gone = {}, {}, {}
        self._sent_files = len(self._rows.files)

    def _changed_purchases(
        self, records: Records, decided: Mapping[PurchaseId, Decision]
    ) -> dict[PurchaseId, Purchase]:
        changed = {}
        for purchase_id, purchase in records.purchases.items():
            decision = decided.get(purchase_id)
            seen = self._seen_purchases.get(purchase_id)
            if seen is None and purchase.status is Status.VOID:
                continue  # nothing was bought, and the page never showed it
            if seen is not None and seen[1] == decision and (seen[0] is purchase or seen[0] == purchase):
                continue
            self._seen_purchases[purchase_id] = (purchase, decision)
            self._documents[purchase_id] = purchase_json(purchase)
            self._decided.pop(purchase_id, None)
            if decision is not None:
                self._decided[purchase_id] = decision_json(decision)
            changed[purchase_id] = purchase
        return changed

    def _changed_jobs(
        self,
        assignment: Assignment,
        decided: Mapping[PurchaseId, Decision],
        changed: Collection[PurchaseId],
    ) -> list[Job]:
        jobs = []
        for job in assignment.jobs:
            # A job's status depends on the purchase that serves it, so it is computed only if that has changed.
            serves = assignment.by_key.get(job.key)
            shown = serves or assignment.matcher.last(job.key)
            shown_id = shown.id if shown is not None else None
            decision = decided[shown_id].decision if shown_id is not None and shown_id in decided else None
            seen = (job, serves is None, shown_id, decision, self._actions.get(job.key))
            if seen != self._seen_jobs.get(job.key) or shown_id in changed:
                self._seen_jobs[job.key] = seen
                jobs.append(job)
        return jobs

    def _document(self, job: Job, assignment: Assignment, decisions: Decisions) -> dict[str, Json]:
        workspace = self._workspace
        output = relative_output(workspace.output, workspace.campaign.manifest.parent)
        return job_json(job, job_status(job, assignment), assignment, decisions, output)

    def _plan_of(self, key: JobKey, *, is_pending: bool) -> PlannedJob:
        job = self._jobs[key]
        return PlannedJob(
            request=job.request_json() if is_pending else {},
            template_id=job.request.template_id,
            credits=job.credits,
            action=self._actions.get(key),
            upstream=job.upstream,
            needs_approval=bool(job.approved_of),
        )


def _outputs(purchase: Purchase) -> Iterable[Output]:
    return (*purchase.outputs, *(each for step in purchase.steps for each in step.outputs))
