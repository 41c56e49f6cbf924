"""The plan of a campaign as it stands, for all commands that look at one."""

from dataclasses import replace

from pipeline.artifacts.output_folder import OutputFolder
from pipeline.manifest.catalog import Catalog
from pipeline.operations.campaign_state import CampaignState
from pipeline.operations.caps import caps_of
from pipeline.operations.workspace import shown_path
from pipeline.planning.caps_check import refusal
from pipeline.planning.make import make
from pipeline.planning.plan import ALL, Plan, PlanOptions
from pipeline.results.summary import credits_spent
from pipeline.state.store import Caps


def plan_of(
    state: CampaignState,
    options: PlanOptions = ALL,
    caps: Caps | None = None,
    outputs: OutputFolder | None = None,
) -> Plan:
    """What a run would do, and whether `caps` let it, else the manifest's. Asks no vendor and writes nothing.

    `outputs` is what is known already of what lies in the output folder.
    """
    made = make(
        state.assignment,
        (outputs or state.outputs()).inventory.survey(state.assignment),
        options,
        can_be_proven=state.ownership().can_be_proven,
        elsewhere=state.elsewhere(),
    )
    campaign = state.workspace.campaign
    spent = credits_spent(state.records.purchases.values())
    return replace(
        made,
        refusal=refusal(made, caps or caps_of(campaign.limits), spent),
        prices_of=_oldest_price(made, campaign.catalog),
        manifest=shown_path(campaign.manifest),
    )


def _oldest_price(plan: Plan, catalog: Catalog) -> str | None:
    bought = {
        entry.job.request.template_id
        for entry in plan.buying
        if entry.job is not None and entry.credits is not None
    }
    return min((day for each in bought if (day := catalog.price_date(each)) is not None), default=None)
