"""The figures of a campaign: how its jobs stand, and what was spent."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pipeline.jobs import JobKey
from pipeline.operations.campaign_state import CampaignState
from pipeline.operations.workspace import shown_path
from pipeline.purchases import Purchase
from pipeline.results.exit_code import needing_attention
from pipeline.results.standing import Standing, standings
from pipeline.results.summary import Summary, summarize


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignStatus:
    """How the jobs of a campaign stand. `unsettled` are purchases in `attention` that serve no job now.

    `manifest` is what people call it.
    """

    campaign: str
    manifest: str
    jobs: Mapping[JobKey, Standing]
    summary: Summary
    unsettled: tuple[Purchase, ...]
    earlier: int
    orphans: int


def status(state: CampaignState, keys: Collection[JobKey] | None = None) -> CampaignStatus:
    """The figures of the jobs of `keys`, of all where there are none; credits are always the campaign's."""
    elsewhere = state.elsewhere()
    stands = standings(state.assignment, elsewhere=elsewhere)
    jobs = {key: stand for key, stand in stands.items() if keys is None or key in keys}
    return CampaignStatus(
        campaign=state.workspace.campaign.name,
        manifest=shown_path(state.workspace.campaign.manifest),
        jobs=jobs,
        summary=summarize((stand.status for stand in jobs.values()), state.records.purchases.values()),
        unsettled=needing_attention(state.assignment.idle, elsewhere),
        earlier=len(state.assignment.earlier),
        orphans=len(state.assignment.orphans),
    )
