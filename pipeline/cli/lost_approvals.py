"""Warns of approvals that results show and no decisions file here has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cli.terminal import say
from pipeline.operations.lost_decisions import lost_message

if TYPE_CHECKING:
    from pipeline.operations.campaign_state import CampaignState


def warn_of_lost_approvals(state: CampaignState) -> None:
    """Print to stderr what a run would be refused for; a command that only reads goes on."""
    if state.lost_approvals:
        say(f"warning: {lost_message(state.workspace, state.lost_approvals)}", err=True)
