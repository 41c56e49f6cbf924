"""What the next run does because of decisions on takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.assignment import assign
from pipeline.planning.make import make
from pipeline.results import decisions

if TYPE_CHECKING:
    from pipeline.jobs import JobKey
    from pipeline.operations.campaign_state import CampaignState
    from pipeline.planning.plan import Entry
    from pipeline.purchases import PurchaseId


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The plan by key after the decisions, and the keys that it buys because of them, or buys no longer (`spares`).

    `approved` are the purchases that are approved now.
    The location of files makes no difference here, so the output folder is not read.
    """

    entries: Mapping[JobKey, Entry]
    buys: frozenset[JobKey]
    spares: frozenset[JobKey]
    approved: Collection[PurchaseId]


def entry_of(state: CampaignState, key: JobKey) -> Entry | None:
    """The plan's entry for the job of that key; None if there is no such job."""
    return make(state.assignment, {}, elsewhere=state.elsewhere()).entry(key)


def outlook(state: CampaignState) -> Outlook:
    """What the next run does now; `state` is from before the decisions were written.

    Raises:
        InvalidInput: the decisions file is invalid.
    """
    workspace, elsewhere = state.workspace, state.elsewhere()
    in_force = decisions.in_force(decisions.read(workspace.decisions, workspace.decisions_name))
    before = make(state.assignment, {}, elsewhere=elsewhere)
    after = make(assign(state.jobs, state.records, in_force), {}, elsewhere=elsewhere)
    bought_before, bought_after = ({entry.key for entry in plan.buying} for plan in (before, after))
    return Outlook(
        entries={entry.key: entry for entry in after.entries if entry.job is not None},
        buys=frozenset(bought_after - bought_before),
        spares=frozenset(bought_before - bought_after),
        approved=in_force.approved.keys(),
    )
