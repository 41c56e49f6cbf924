"""Formats a plan as text for people and as JSON for scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import LONGEST_WARNING, counted, printable
from pipeline.planning.hints import (
    elsewhere_hint,
    held_by_failures_advice,
    name_to_resolve,
    unknown_advice,
    unknown_outcome,
)
from pipeline.planning.paint import Colour, Paint, unpainted
from pipeline.planning.plan import Action, Cost, Difference, Entry, Plan, Presence, cost_of
from pipeline.planning.send_back import held_by_failures
from pipeline.planning.sides import shown_sides
from pipeline.purchases import Purchase, PurchaseId, Reason, Status

if TYPE_CHECKING:
    from pipeline.json_values import Json

# The symbols are Terraform's, where it has one.
LOOK: dict[Action, tuple[str, Colour, str]] = {
    Action.ATTENTION: ("!", "red", "needs attention"),
    Action.PINNED: ("*", "cyan", "pinned"),
    Action.WAIT: ("·", "dim", "waits"),
    Action.RESUME: ("»", "cyan", "resume (paid)"),
    Action.DOWNLOAD: ("↓", "cyan", "download (paid)"),
    Action.SHARE: ("=", "cyan", "share (free)"),
    Action.REPLACE: ("-/+", "yellow", "re-create"),
    Action.RETRY: ("+", "yellow", "retry"),
    Action.CREATE: ("+", "green", "create"),
    Action.MOVE: ("~", "cyan", "move (free)"),
    Action.UPDATE: ("~", "cyan", "update in place (free)"),
    Action.KEEP: (" ", "dim", "keep"),
    Action.ORPHAN: ("-", "red", "orphan"),
}


def as_text(plan: Plan, paint: Paint = unpainted) -> Iterator[str]:
    """The lines of the whole plan: what changes, then the totals."""
    for entry in plan.entries:
        if is_shown(entry):
            yield from _lines(entry, paint)
    for purchase in plan.unsettled:
        symbol, colour, title = LOOK[Action.ATTENTION]
        head = paint(f"{symbol:>3} {printable(purchase.key)} ({purchase.id})", colour)
        yield f"{head}  {title}, serves no job now: {printable(unknown_outcome(purchase.error))}"
    for purchase in plan.idle_elsewhere:
        head = paint(f"  » {printable(purchase.key)} ({purchase.id})", "cyan")
        yield f"{head}  {elsewhere_hint(purchase.bought_at)}, serves no job now"
    yield from totals(plan, paint)


def problems(plan: Plan, paint: Paint = unpainted) -> Iterator[str]:
    """The problems in the plan: failed jobs, creates with an unknown outcome, and the limit that it would exceed."""
    unknown = [entry for entry in plan.of(Action.ATTENTION) if not entry.is_pending]
    for entry in plan.entries:
        if stays_failed(entry) or entry in unknown:
            yield from _lines(entry, paint)
    if plan.limit is not None:
        yield _limit(plan.limit, paint)
    if unknown:
        yield unknown_advice(plan.target, [entry.key for entry in unknown])


def _limit(limit: str, paint: Paint) -> str:
    return paint(f"Limit: {printable(limit)}. Nothing is bought (exit code 4).", "red")


def is_shown(entry: Entry) -> bool:
    """Whether a plan has a line for it; what is up to date is only counted."""
    return entry.action is not Action.KEEP or stays_failed(entry)


def stays_failed(entry: Entry) -> bool:
    """Whether its job failed before, and is not bought again."""
    failed = entry.purchase is not None and entry.purchase.status is Status.FAILED
    return failed and entry.action is Action.KEEP


def _lines(entry: Entry, paint: Paint) -> Iterator[str]:
    symbol, colour, title = LOOK[entry.action]
    if stays_failed(entry):
        symbol, colour, title = "✗", "red", "failed"
    elif entry.is_pending:
        symbol, colour, title = "»", "cyan", "under way"
    price = f" ({_price(entry.credits)})" if entry.buys else ""
    head = paint(f"{symbol:>3} {printable(entry.key)}", colour)
    reason = printable(entry.reason)
    says_it_all = not entry.buys and reason.startswith(title)
    yield f"{head}  {reason}" if says_it_all else f"{head}  {title}{price}: {reason}"
    for change in entry.changes:
        for sides in shown_sides(change.old, change.new, paint):
            yield f"      {printable(change.name)}: {sides}"


def _price(credits_asked: int | None) -> str:
    return "price unknown" if credits_asked is None else counted(credits_asked, "credit")


@dataclass(slots=True)
class _Counts:
    """The numbers of entries that the totals mention.

    `actions` counts by action those whose outcome is not pending; the others are `here` or `elsewhere`, where it is
    still to be learned.
    """

    actions: Counter[Action]
    here: int = 0
    elsewhere: int = 0
    missing: int = 0
    altered: int = 0
    pointers: int = 0
    unsent: int = 0
    failed: int = 0
    rejected: int = 0


def _counts(plan: Plan) -> _Counts:
    counts = _Counts(Counter({Action.ATTENTION: len(plan.unsettled)}))
    for entry in plan.entries:
        if not entry.is_pending:
            counts.actions[entry.action] += 1
        elif entry.purchase is not None and entry.purchase.id in plan.elsewhere:
            counts.elsewhere += 1
        else:
            counts.here += 1
        counts.missing += entry.presence is Presence.MISSING
        counts.altered += entry.presence is Presence.ALTERED
        counts.pointers += entry.presence is Presence.POINTER
        counts.unsent += entry.unsent is not None
        if stays_failed(entry):
            counts.failed += 1
            counts.rejected += entry.purchase is not None and entry.purchase.reason is Reason.REJECTED
    return counts


def totals(plan: Plan, paint: Paint = unpainted) -> Iterator[str]:
    """The number of entries for each action, the cost by template and in total, and what needs attention."""
    counts = _counts(plan)
    parts = [f"{number:,} {_noun(action, number)}" for action in Action if (number := counts.actions[action])]
    if pending := counts.here + counts.elsewhere + len(plan.idle_elsewhere):
        parts.append(f"{pending:,} under way")
    yield f"Plan: {', '.join(parts) if parts else 'nothing to do'}."
    yield from _costs(plan, paint)
    yield from _not_replaced(plan)
    yield from _at_odds(counts, plan.target)
    yield from _unknown(counts, plan)
    if counts.rejected:
        subject, it_asks = counted(counts.rejected, "job was", "jobs were"), "it asks"
        if counts.rejected > 1:
            it_asks = "they ask"
        yield f"{subject} rejected before: change what {it_asks} for, such as the prompt, and run again."
    if retried := counts.failed - counts.rejected:
        subject, them = counted(retried, "job"), "it" if retried == 1 else "them"
        yield f"{subject} failed before: `pipeline run {plan.target} --retry-failed` buys {them} again."
    if counts.failed:
        held = set(held_by_failures(plan.assignment))
        if keys := [entry.key for entry in plan.entries if stays_failed(entry) and entry.key in held]:
            yield held_by_failures_advice(plan.target, keys)


def _not_replaced(plan: Plan) -> Iterator[str]:
    kept = [entry for entry in plan.entries if entry.key in plan.not_replaced]
    downloads = sum(entry.action is Action.DOWNLOAD for entry in kept)
    for number, why in (
        (len(kept) - downloads, "still being made"),
        (downloads, "made and not downloaded yet"),
    ):
        if number:
            subject, is_not = counted(number, "job is", "jobs are"), "it is" if number == 1 else "they are"
            yield f"{subject} {why}, so {is_not} not replaced."
    if downloads:
        yield "If files are gone for good, `pipeline redo` has the job bought again."


def _at_odds(counts: _Counts, target: str) -> Iterator[str]:
    """How many jobs have files that are not as they were made, or a wording that cannot be sent."""
    if counts.missing:
        subject = counted(counts.missing, "finished job has", "finished jobs have")
        yield f"{subject} no file on this machine: `pipeline collect {target}` downloads what is missing."
    if counts.altered:
        subject = counted(counts.altered, "finished job has", "finished jobs have")
        yield f"{subject} a file that was altered here; it is left alone: `pipeline collect {target}` names it."
    if counts.pointers:
        subject = counted(counts.pointers, "finished job has", "finished jobs have")
        yield f"{subject} a Git LFS pointer in the place of a file: `git lfs pull` downloads it."
    if counts.unsent:
        subject = counted(counts.unsent, "job has", "jobs have")
        yield (
            f"{subject} a new title, description or visibility, which is not sent to the vendor: "
            f"nothing proves that {'its workflow is' if counts.unsent == 1 else 'their workflows are'} this "
            "campaign's (see docs/reference/errors.md#unproven-workflow)."
        )


def _unknown(counts: _Counts, plan: Plan) -> Iterator[str]:
    """The number of creates with an unknown outcome, and the command to resolve one."""
    if counts.elsewhere:
        subject = counted(counts.elsewhere, "job is", "jobs are")
        yield f"{subject} under way on another machine; its results will show the outcome."
    if plan.idle_elsewhere:
        subject = counted(
            len(plan.idle_elsewhere), "purchase that serves no job is", "purchases that serve no job are"
        )
        yield f"{subject} under way on another machine; its results will show the outcome."
    if counts.here:
        subject = counted(counts.here, "job is", "jobs are")
        yield f"{subject} being bought by a run in progress: wait for it to end."
    names: dict[PurchaseId, str] = {}
    for each in plan.of(Action.ATTENTION):
        if each.purchase is not None and not each.is_pending:
            name = name_to_resolve(each.key, each.purchase, plan.assignment.matcher)
            names.setdefault(each.purchase.id, name)
    names.update((each.id, each.id) for each in plan.unsettled)
    if names:
        yield unknown_advice(plan.target, list(names.values()))


def _noun(action: Action, number: int) -> str:
    match action:
        case Action.ATTENTION:
            return "needing attention"
        case Action.PINNED:
            return "pinned"
        case Action.ORPHAN:
            return "orphan" if number == 1 else "orphans"
        case _:
            return f"to {action}"


def _costs(plan: Plan, paint: Paint) -> Iterator[str]:
    cost = plan.cost
    if cost.creates:
        for template, part in _by_template(plan).items():
            yield f"  {template}: {part.creates:,} to buy, {part}"
        yield paint(f"Buys {cost.creates:,}: {cost}.", "yellow")
    else:
        yield "Nothing to buy."
    if plan.limit is not None:
        yield _limit(plan.limit, paint)
    elif cost.unpriced:
        yield (
            "Add the prices you know under `catalog.credits` in the manifest. The vendor publishes some, which "
            "`pipeline templates --refresh --write prices.yaml` gets; the others can only be set by hand."
        )
    if plan.prices_of is not None:
        yield f"Prices as of {plan.prices_of}."


def _by_template(plan: Plan) -> dict[str, Cost]:
    grouped: dict[str, list[Entry]] = {}
    for entry in plan.buying:
        if entry.job is not None:
            grouped.setdefault(entry.job.request.template_id, []).append(entry)
    return {template: cost_of(entries) for template, entries in sorted(grouped.items())}


def as_json(plan: Plan) -> dict[str, Json]:
    """The plan as JSON, for scripts."""
    counts = _counts(plan)
    actions = Counter(entry.action.value for entry in plan.entries)
    return {
        "actions": [_entry_json(entry) for entry in plan.entries],
        **({"unsettled": [_unsettled_json(each) for each in plan.unsettled]} if plan.unsettled else {}),
        **(
            {"warnings": [printable(str(each), LONGEST_WARNING) for each in plan.warnings]}
            if plan.warnings
            else {}
        ),
        "summary": {
            "actions": {name: actions[name] for name in sorted(actions)},
            **plan.cost.as_json(),
            **({"limit": plan.limit} if plan.limit is not None else {}),
            **({"prices_of": plan.prices_of} if plan.prices_of is not None else {}),
            **({"missing": counts.missing} if counts.missing else {}),
            **({"altered": altered} if (altered := counts.altered + counts.pointers) else {}),
            **({"failed": counts.failed} if counts.failed else {}),
            "templates": {template: cost.as_json() for template, cost in _by_template(plan).items()},
        },
    }


def _entry_json(entry: Entry) -> dict[str, Json]:
    return {
        "key": entry.key,
        "action": entry.action.value,
        "reason": entry.reason,
        "credits": entry.credits if entry.buys else 0,
        "changes": [_change_json(change) for change in entry.changes],
        **({"purchase": entry.purchase.id} if entry.purchase is not None else {}),
        **({"after": entry.after} if entry.after is not None else {}),
        **({"buyer": entry.buyer} if entry.buyer is not None else {}),
    }


def _unsettled_json(purchase: Purchase) -> Json:
    return {"purchase": purchase.id, "key": purchase.key}


def _change_json(change: Difference) -> dict[str, Json]:
    return {"name": change.name, "old": change.old, "new": change.new}
