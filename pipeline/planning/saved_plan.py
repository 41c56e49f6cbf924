"""Saved plans: a plan is saved, reviewed, and then carried out exactly as saved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.jobs import Job, JobKey, PurchaseId
from pipeline.planning.plan import BUYING, Action, Entry, Plan, PlanArguments
from pipeline.planning.show import as_json
from pipeline.purchases import Purchase, Reason, Records, Status

if TYPE_CHECKING:
    from pipeline.json_values import Json

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedAction:
    """The saved plan for one job.

    `bought`: the number of purchases of that key and fingerprint at that time. `buyer`: the job that buys for it.
    `inputs`: what it was to be made from; None if that had not succeeded yet, or if an older version saved the plan.
    """

    key: JobKey
    action: Action
    fingerprint: str | None
    credits: int | None
    bought: int
    buyer: JobKey | None = None
    inputs: tuple[PurchaseId, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    """A saved plan, with the arguments it was made with. `manifest` is relative to the plan's file.

    `inputs` are the files that it was made from, relative to the project's root: among them those that a run of the
    plan does not read again, as the plan has their vars.
    """

    campaign: str
    manifest: str
    emulated: bool
    variables: Mapping[str, Json] = field(default_factory=dict)
    arguments: PlanArguments = PlanArguments()
    inputs: tuple[str, ...] = ()
    actions: Sequence[SavedAction] = ()


def to_json(saved: SavedPlan, plan: Plan) -> dict[str, Json]:
    """The document of `plan`, which was made with the arguments in `saved`."""
    purchases = _purchases_by_request(plan.assignment.matcher.records)
    document: Any = as_json(plan)
    for written, entry in zip(document["actions"], plan.entries, strict=True):
        if entry.job is not None:
            written["fingerprint"] = entry.job.fingerprint
            written["bought"] = len(purchases.get((entry.key, entry.job.fingerprint), ()))
            if entry.action in {*BUYING, Action.SHARE} and (inputs := _known_inputs(plan, entry.job)):
                written["inputs"] = list(inputs)
    arguments: dict[str, Json] = {
        "vars": dict(saved.variables),
        "select": list(saved.arguments.select),
        "exclude": list(saved.arguments.exclude),
        "replace": list(saved.arguments.replace),
        "retry_failed": saved.arguments.retry_failed,
        "emulate": saved.emulated,
    }
    return {
        "version": VERSION,
        "campaign": saved.campaign,
        "manifest": saved.manifest,
        "arguments": arguments,
        "inputs": list(saved.inputs),
        **document,
    }


def from_json(document: Mapping[str, Any]) -> SavedPlan:
    """The plan that `to_json` wrote; the caller has checked it against the plan schema."""
    arguments = document["arguments"]
    return SavedPlan(
        campaign=document["campaign"],
        manifest=document["manifest"],
        emulated=arguments["emulate"],
        variables=arguments["vars"],
        arguments=PlanArguments(
            select=tuple(arguments["select"]),
            exclude=tuple(arguments["exclude"]),
            replace=tuple(arguments["replace"]),
            retry_failed=arguments["retry_failed"],
        ),
        inputs=tuple(document.get("inputs", ())),
        actions=tuple(_saved_action(each) for each in document["actions"]),
    )


def _saved_action(written: Mapping[str, Any]) -> SavedAction:
    return SavedAction(
        key=JobKey(written["key"]),
        action=Action(written["action"]),
        fingerprint=written.get("fingerprint"),
        credits=written["credits"],
        bought=written.get("bought", 0),
        buyer=written.get("buyer"),
        inputs=tuple(written["inputs"]) if "inputs" in written else None,
    )


def _inputs(plan: Plan, job: Job) -> tuple[PurchaseId, ...] | None:
    """What a purchase for `job` would be made from now; None if that is not bought yet, or nothing."""
    source = plan.assignment.matcher.source(job)
    return None if source is None else (source.id,)


def _known_inputs(plan: Plan, job: Job) -> tuple[PurchaseId, ...] | None:
    """The inputs of `job` that the plan is bound to; None if they may still fail, and then be bought again."""
    source = plan.assignment.matcher.source(job)
    is_bound = source is not None and (
        bool(job.approved_of) or source.status in {Status.SUCCEEDED, Status.DONE}
    )
    return _inputs(plan, job) if is_bound else None


def _purchases_by_request(records: Records) -> Mapping[tuple[JobKey, str], Sequence[Purchase]]:
    """The purchases of each key and fingerprint, the newest last, without void ones."""
    purchases: dict[tuple[JobKey, str], list[Purchase]] = defaultdict(list)
    for purchase in sorted(records.purchases.values(), key=lambda each: each.age):
        if purchase.status is not Status.VOID:
            purchases[purchase.key, purchase.fingerprint].append(purchase)
    return purchases


def carried_out(saved: SavedPlan, records: Records) -> frozenset[JobKey]:
    """The keys for which the plan was already carried out: they have more purchases than then.

    So has every job that is to share that purchase, whichever of them it was bought for in the end.
    """
    return frozenset(_bought_since(saved, records))


def _bought_since(saved: SavedPlan, records: Records) -> Mapping[JobKey, Sequence[Purchase]]:
    """By the key of each job for which the plan was carried out, what was bought since, the newest last."""
    purchases = _purchases_by_request(records)
    since: dict[JobKey, list[Purchase]] = defaultdict(list)
    for action in saved.actions:
        if action.fingerprint is not None:
            of_request = purchases.get((action.key, action.fingerprint), ())
            since[action.buyer or action.key].extend(of_request[action.bought :])
    by_buyer = {key: sorted(bought, key=lambda each: each.age) for key, bought in since.items() if bought}
    buyers = ((action.key, action.buyer or action.key) for action in saved.actions)
    return {key: by_buyer[buyer] for key, buyer in buyers if buyer in by_buyer}


def departures(saved: SavedPlan, plan: Plan) -> Iterator[str]:
    """A message for each purchase or change of the current `plan` that the saved plan lacks or lists differently."""
    listed = {action.key: action for action in saved.actions}
    since = _bought_since(saved, plan.assignment.matcher.records)
    for entry in plan.entries:
        if entry.buys or entry.wording is not None:
            reason = _departs(plan, entry, listed.get(entry.key), since.get(entry.key, ()))
            if reason:
                yield f"{entry.key}: {reason}"


def _departs(plan: Plan, entry: Entry, listed: SavedAction | None, since: Sequence[Purchase]) -> str:
    if listed is None:
        return f"{entry.action} now, but not in the plan"
    asked = entry.job.fingerprint if entry.job is not None else None
    if entry.buys and listed.action not in {*BUYING, Action.SHARE}:
        return f"{entry.action} now, {listed.action} in the plan"
    if not entry.buys and listed.action not in {
        *BUYING,
        Action.UPDATE,
        Action.RESUME,
        Action.DOWNLOAD,
        Action.MOVE,
    }:
        return f"{entry.action} now, {listed.action} in the plan"
    if asked != listed.fingerprint:
        return "its request differs from the plan (the manifest or an input changed)"
    if entry.job is not None and entry.buys and listed.inputs not in {None, _inputs(plan, entry.job)}:
        return f"it would be made from another take than in the plan, {', '.join(listed.inputs or ())}"
    if entry.buys and listed.action in BUYING and entry.credits != listed.credits:
        return f"{entry.credits} credits now, {listed.credits} in the plan"
    if since and entry.buys and not (entry.action is Action.RETRY and all(map(_has_failed, since))):
        # What it bought was deleted or sent back since. Retries of what failed are not limited to one create.
        if since[-1].again:
            return f"{entry.action} now, as it has been marked to be bought again since: make a new plan"
        return f"{entry.action} now, but this plan has been carried out for it"
    return ""


def _has_failed(purchase: Purchase) -> bool:
    """Whether it failed for certain: what was given up as lost may have been bought."""
    return purchase.status is Status.FAILED and purchase.reason is not Reason.LOST
