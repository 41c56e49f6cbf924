"""Turns `--select` and `--exclude` into keys."""

from collections.abc import Mapping
from typing import Any

from pipeline.cli.acting import Known
from pipeline.errors import UsageError, printable
from pipeline.planning.actions import Action, Asked, Plan
from pipeline.planning.make import make
from pipeline.planning.select import Candidate, select
from pipeline.results.build import standing


def selected(facts: Known, chosen: tuple[str, ...], excluded: tuple[str, ...]) -> frozenset[str] | None:
    """The keys that are meant; None, which is all, where nothing was said.

    Raises:
        UsageError: an expression makes no sense or nothing fits; with the nearest keys.
    """
    if not chosen and not excluded:
        return None
    # An action can be selected by, so the plan of everything is made first.
    plan = make(facts.serving, facts.shelf().survey(facts.serving))
    return select(candidates(facts, plan), chosen, excluded)


def asked(facts: Known, given: Mapping[str, Any]) -> Asked:
    """What a person asks of the plan besides what the manifest says.

    Raises:
        UsageError: as `selected`; or an approved purchase would be made again.
    """
    chosen = selected(facts, given["chosen"], given["excluded"])
    again: frozenset[str] = frozenset()
    if given.get("replaced"):
        plan = make(facts.serving, facts.shelf().survey(facts.serving))
        again = select(candidates(facts, plan), given["replaced"], ())
        _assert_not_approved(facts, again)
    if chosen is not None:
        again &= chosen
    return Asked(chosen, again, bool(given.get("retry_failed")))


def _assert_not_approved(facts: Known, keys: frozenset[str]) -> None:
    for key in sorted(keys):
        purchase = facts.serving.by_key.get(key)
        if purchase is not None and purchase.id in facts.decisions.approved:
            raise UsageError(f"{printable(key)}: {purchase.id} is approved; withdraw the approval first")


def candidates(facts: Known, plan: Plan) -> list[Candidate]:
    """Every job and every orphan, with what a selection may ask of it."""
    found = []
    for entry in plan.entries:
        if entry.job is not None:
            status = standing(entry.job, facts.serving, {}).status
        else:
            status = entry.purchase.status.value if entry.purchase is not None else ""
        action = Action.ORPHAN if entry.job is None else entry.action
        found.append(Candidate(entry.key, entry.job, status, action.value))
    return found
