"""Turns `--select` and `--exclude` into keys."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipeline.errors import UsageError, printable
from pipeline.jobs import JobKey
from pipeline.operations.campaign_state import CampaignState
from pipeline.planning.make import make
from pipeline.planning.plan import ALL, Action, Asked
from pipeline.planning.saved_plan import SavedPlan, carried_out
from pipeline.planning.select import Candidate, matching, select
from pipeline.results.build import standing


def selected(
    state: CampaignState, chosen: tuple[str, ...], excluded: tuple[str, ...]
) -> frozenset[JobKey] | None:
    """The keys that are meant; None, which is all, where nothing was said.

    Raises:
        UsageError: an expression makes no sense or nothing fits; with the nearest keys.
    """
    return select(_candidates(state, ALL), chosen, excluded) if chosen or excluded else None


def asked(state: CampaignState, given: Mapping[str, Any]) -> Asked:
    """What a person asks of the plan besides what the manifest says.

    Raises:
        UsageError: as `selected`; or an approved purchase would be made again.
    """
    wish = Asked(retry_failed=bool(given.get("retry_failed")))
    if given.get("replaced"):
        wish = replace(wish, replace=select(_candidates(state, wish), given["replaced"], ()))
    if given["chosen"] or given["excluded"]:
        keys = select(_candidates(state, wish), given["chosen"], given["excluded"])
        wish = replace(wish, selected=keys, replace=wish.replace & keys)
    _assert_not_approved(state, wish.replace)
    return wish


def asked_by(saved: SavedPlan, state: CampaignState) -> Asked:
    """What a saved plan asks for now: what it lists stays selected, and what was done for it is not done again.

    Raises:
        UsageError: an approved purchase would be made again.
    """
    done = carried_out(saved, state.records)
    wish = Asked(retry_failed=saved.retry_failed, carried_out=done)
    if saved.replaced:
        wish = replace(wish, replace=matching(_candidates(state, wish), saved.replaced, ()) - done)
    if saved.chosen or saved.excluded:
        listed = {action.key for action in saved.actions}
        keys = matching(_candidates(state, wish), saved.chosen, saved.excluded) | listed
        wish = replace(wish, selected=keys, replace=wish.replace & keys)
    _assert_not_approved(state, wish.replace)
    return wish


def _assert_not_approved(state: CampaignState, keys: frozenset[JobKey]) -> None:
    for key in sorted(keys):
        purchase = state.assignment.by_key.get(key)
        if purchase is not None and purchase.id in state.decisions.approved:
            raise UsageError(f"{printable(key)}: {purchase.id} is approved; withdraw the approval first")


def _candidates(state: CampaignState, wish: Asked) -> list[Candidate]:
    """Every job and every orphan, with what a selection may ask of it: also what a plan would do under `wish`."""
    plan = make(state.assignment, state.outputs().inventory.survey(state.assignment), wish)
    found = []
    for entry in plan.entries:
        if entry.job is not None:
            status = standing(entry.job, state.assignment, {}).status
        else:
            status = entry.purchase.status.value if entry.purchase is not None else ""
        action = Action.ORPHAN if entry.job is None else entry.action
        found.append(Candidate(entry.key, entry.job, status, action.value))
    return found
