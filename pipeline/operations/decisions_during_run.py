"""The decisions that people make while a run goes on, and what that run does about them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipeline.artifacts.inventory import needed
from pipeline.assignment import is_sent_back
from pipeline.errors import InvalidInput, PipelineError
from pipeline.files import stamp
from pipeline.purchases import Decisions, Status
from pipeline.results import decisions

if TYPE_CHECKING:
    from pipeline.artifacts.output_folder import OutputFolder
    from pipeline.engine.reporter import RunReport
    from pipeline.operations.campaign_state import CampaignState


class DecisionsDuringRun:
    """The decisions since `state` was opened, for one run with these `outputs`; `report` gets what they lead to."""

    def __init__(self, state: CampaignState, outputs: OutputFolder, report: RunReport) -> None:
        self._workspace = state.workspace
        self._outputs = outputs
        self._report = report
        self._stamp = state.decisions_stamp

    def read(self) -> Decisions | None:
        """The decisions in force, if their file was written to since they were last read.

        Raises:
            InvalidInput: the file is invalid, or gone.
        """
        workspace, now = self._workspace, stamp(self._workspace.decisions)
        if now == self._stamp:
            return None
        self._assert_not_gone()
        latest = decisions.in_force(decisions.read(workspace.decisions, workspace.decisions_name))
        self._stamp = now
        return latest

    def _assert_not_gone(self) -> None:
        """Check that a file that was there still is: without it, takes that it approves could be bought again."""
        if self._stamp is not None and not os.path.lexists(self._workspace.decisions):
            raise InvalidInput(f"{self._workspace.decisions_name}: gone since this run began")

    def latest(self, state: CampaignState) -> CampaignState:
        """`state` with the decisions of now; takes that were sent back during the run are reported."""
        try:
            self._assert_not_gone()
            decided = state.with_latest_decisions()
        except InvalidInput as error:
            # What ended the buying is reported already.
            is_reported = any(each.startswith(str(error)) for each in self._report.notes)
            note = "the results have only the decisions from before this run"
            self._report.notes.append(note if is_reported else f"{error}; {note}")
            return state
        serves_now = decided.published_assignment.by_key
        sent_back = {
            before.id
            for key, before in state.published_assignment.by_key.items()
            if is_sent_back(before, decided.decisions) and serves_now.get(key) != before
        }
        if sent_back:
            takes, them = ("take was", "it") if len(sent_back) == 1 else ("takes were", "them")
            self._report.notes.append(
                f"{len(sent_back):,} {takes} sent back during this run: "
                f"`pipeline run {state.workspace.target}` makes {them} again"
            )
        return decided

    def put_in_place(self, before: CampaignState, decided: CampaignState) -> None:
        """Put files of takes that were approved during the run in place: another take may be there."""
        served_before, serves_now = before.published_assignment.by_key, decided.published_assignment.by_key
        approved = [
            (job, purchase)
            for job in decided.jobs
            if (purchase := serves_now.get(job.key)) is not None
            and purchase.id in decided.decisions.approved
            and purchase.status is Status.DONE
            and served_before.get(job.key) != purchase
        ]
        if not approved:
            return
        wanted = needed(decided.assignment)
        for job, purchase in approved:
            try:
                self._outputs.put(job, purchase, wanted)
            except PipelineError as error:
                self._report.blocked[job.key] = str(error)
                self._report.add_reason(error.exit_code, str(error))
        try:
            self._outputs.sync()
            decided.store.index_files(*self._outputs.index.changes())
            self._outputs.index.forget_changes()
        except PipelineError as error:
            self._report.add_reason(error.exit_code, str(error))
