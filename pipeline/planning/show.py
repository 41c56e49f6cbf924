"""Formats a plan as text for people and as JSON for scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pipeline.errors import counted, printable
from pipeline.planning.hints import (
    elsewhere_hint,
    held_by_failures_advice,
    name_to_resolve,
    unknown_advice,
    unknown_outcome,
)
from pipeline.planning.paint import Colour, Paint, unpainted
from pipeline.planning.plan import Action, Difference, Entry, Plan, Presence, cost_of, known_credits
from pipeline.planning.send_back import held_by_failures
from pipeline.planning.sides import shown_sides
from pipeline.purchases import Purchase, PurchaseId, Status

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
        if entry.action is not Action.KEEP or _stays_failed(entry):
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
        if _stays_failed(entry) or entry in unknown:
            yield from _lines(entry, paint)
    if plan.limit is not None:
        yield _limit(plan.limit, paint)
    if unknown:
        yield unknown_advice(plan.target, [entry.key for entry in unknown])


def _limit(limit: str, paint: Paint) -> str:
    return paint(f"Limit: {printable(limit)}, so nothing is bought (exit code 4).", "red")


def _stays_failed(entry: Entry) -> bool:
    failed = entry.purchase is not None and entry.purchase.status is Status.FAILED
    return failed and entry.action is Action.KEEP


def _lines(entry: Entry, paint: Paint) -> Iterator[str]:
    symbol, colour, title = LOOK[entry.action]
    if _stays_failed(entry):
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


def totals(plan: Plan, paint: Paint = unpainted) -> Iterator[str]:
    """The number of entries for each action, and the cost by template and in total."""
    counts = Counter(entry.action for entry in plan.entries if not entry.is_pending)
    counts[Action.ATTENTION] += len(plan.unsettled)
    parts = [f"{counts[action]:,} {_noun(action, counts[action])}" for action in Action if counts[action]]
    if pending := sum(entry.is_pending for entry in plan.entries) + len(plan.idle_elsewhere):
        parts.append(f"{pending:,} under way")
    yield f"Plan: {', '.join(parts) if parts else 'nothing to do'}."
    yield from _costs(plan, paint)
    if plan.limit is not None:
        yield _limit(plan.limit, paint)
    elif plan.unpriced:
        yield (
            "Add the prices you know under `catalog.credits` in the manifest, or get the vendor's: "
            "`pipeline templates --refresh --write prices.yaml`."
        )
    if plan.prices_of is not None:
        yield f"Prices as of {plan.prices_of}."
    missing, altered = _number(plan, Presence.MISSING), _number(plan, Presence.ALTERED)
    if missing:
        subject = counted(missing, "finished job has", "finished jobs have")
        yield f"{subject} no file on this machine: `pipeline collect {plan.target}` downloads what is missing."
    if altered:
        subject = counted(altered, "finished job has", "finished jobs have")
        yield f"{subject} a file that was altered here; it is left alone."
    if unsent := sum(entry.unsent is not None for entry in plan.entries):
        subject = counted(unsent, "job has", "jobs have")
        yield (
            f"{subject} a new title, description or visibility, which is not sent to the vendor: "
            f"nothing proves that {'its workflow is' if unsent == 1 else 'their workflows are'} this campaign's "
            "(see docs/reference/errors.md#unproven-workflow)."
        )
    yield from _unknown(plan)
    failed = sum(_stays_failed(entry) for entry in plan.entries)
    if failed:
        yield f"{counted(failed, 'job')} failed before: `pipeline run {plan.target} --retry-failed` buys again."
        held = set(held_by_failures(plan.assignment))
        if keys := [entry.key for entry in plan.entries if _stays_failed(entry) and entry.key in held]:
            yield held_by_failures_advice(plan.target, keys)


def _number(plan: Plan, presence: Presence) -> int:
    """The number of finished jobs whose file is missing or altered here."""
    return sum(entry.presence is presence for entry in plan.entries)


def _unknown(plan: Plan) -> Iterator[str]:
    """The number of creates with an unknown outcome, and the command to resolve one."""
    elsewhere = sum(each.is_pending and _is_elsewhere(each, plan) for each in plan.entries)
    here = sum(each.is_pending and not _is_elsewhere(each, plan) for each in plan.entries)
    if elsewhere:
        subject = counted(elsewhere, "job is", "jobs are")
        yield f"{subject} under way on another machine; its results will show the outcome."
    if plan.idle_elsewhere:
        subject = counted(
            len(plan.idle_elsewhere), "purchase that serves no job is", "purchases that serve no job are"
        )
        yield f"{subject} under way on another machine; its results will show the outcome."
    if here:
        subject = counted(here, "job is", "jobs are")
        yield f"{subject} being bought by a run in progress: wait for it to end."
    names: dict[PurchaseId, str] = {}
    for each in plan.of(Action.ATTENTION):
        if each.purchase is not None and not each.is_pending:
            name = name_to_resolve(each.key, each.purchase, plan.assignment.matcher)
            names.setdefault(each.purchase.id, name)
    names.update((each.id, each.id) for each in plan.unsettled)
    if names:
        yield unknown_advice(plan.target, list(names.values()))


def _is_elsewhere(entry: Entry, plan: Plan) -> bool:
    return entry.purchase is not None and entry.purchase.id in plan.elsewhere


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
    if not plan.buying:
        yield "Nothing to buy."
        return
    for template, entries in _by_template(plan.buying).items():
        yield f"  {template}: {len(entries):,} to buy, {cost_of(entries)}"
    yield paint(f"Buys {len(plan.buying):,}: {cost_of(plan.buying)}.", "yellow")


def _by_template(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    grouped: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.job is not None:
            grouped.setdefault(entry.job.request.template_id, []).append(entry)
    return dict(sorted(grouped.items()))


def as_json(plan: Plan) -> dict[str, Json]:
    """The plan as JSON, for scripts."""
    counts = Counter(entry.action.value for entry in plan.entries)
    return {
        "actions": [_entry_json(entry) for entry in plan.entries],
        **({"unsettled": [_unsettled_json(each) for each in plan.unsettled]} if plan.unsettled else {}),
        "summary": {
            "actions": {name: counts[name] for name in sorted(counts)},
            "creates": len(plan.buying),
            "credits": known_credits(plan.buying),
            "unpriced": len(plan.unpriced),
            **({"limit": plan.limit} if plan.limit is not None else {}),
            **({"prices_of": plan.prices_of} if plan.prices_of is not None else {}),
            **({"missing": missing} if (missing := _number(plan, Presence.MISSING)) else {}),
            **({"altered": altered} if (altered := _number(plan, Presence.ALTERED)) else {}),
            "templates": {
                template: {
                    "creates": len(entries),
                    "credits": known_credits(entries),
                    "unpriced": sum(entry.credits is None for entry in entries),
                }
                for template, entries in _by_template(plan.buying).items()
            },
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
