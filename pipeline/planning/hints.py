"""Messages about what only a person can decide, with the command for it: most are about creates of unknown outcome.

The plan, a run and its summary, and `status` all use the same words.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from pipeline.errors import counted, printable
from pipeline.purchases import Purchase, PurchaseId, Status

if TYPE_CHECKING:
    from pipeline.assignment import Matcher
    from pipeline.jobs import JobKey

_MAX_NAMED = 10

# Older versions recorded this text as part of the reason.
_RECORDED_BEFORE = ": it is unknown whether it was bought"


def unknown_outcome(reason: str | None) -> str:
    """Say that it is unknown whether a purchase was bought. `reason` is the recorded error, not made printable."""
    why = (reason or "").removesuffix(_RECORDED_BEFORE)
    return f"it is unknown whether it was bought{f' ({why})' if why else ''}"


def elsewhere_hint(since: str) -> str:
    """That another machine may be sending a create; `since` is when it recorded the intent."""
    return f"under way elsewhere, since {since}"


def pending_outcome(since: str) -> str:
    """Say that a run holds the state and waits for the response to a create, which was sent at `since`."""
    return f"a run in progress has been buying it since {since}; its outcome is pending"


def missing_files(purchase: Purchase, key: JobKey) -> str:
    """Say that what is made from `purchase`, which serves `key`, waits for files that could not be downloaded."""
    which = "not all files" if purchase.is_partly_fetched else "none of the files"
    return f"{which} of {key} are downloaded"


def unknown_warning(key: str, reason: str | None) -> str:
    """The warning of a run when a purchase gets the status attention."""
    return f"{key}: {unknown_outcome(printable(reason or ''))}; it is not sent again; use `pipeline resolve`"


def unknown_advice(target: str, names: Sequence[str]) -> str:
    """The advice on unknown outcomes; `names` has a key or purchase id for each, the first of which is the example.

    `target` is the manifest with the flags that choose its records, quoted for a shell.
    """
    them = "it" if len(names) == 1 else "each"
    return (
        f"{counted(len(names), 'create')} with an unknown outcome: look on the vendor's site, then resolve {them}: "
        f"{resolve_command(target, names[0])} (see docs/how-to/attention.md)"
    )


def name_to_resolve(key: JobKey, purchase: Purchase, matcher: Matcher) -> str:
    """The name to pass to `resolve` for a purchase that serves `key`: the key, or its id if the key is ambiguous."""
    others = [each for each in matcher.in_attention(key) if each.id != purchase.id]
    return purchase.id if others else key


def not_made_again(
    target: str, unknown: Sequence[tuple[JobKey, Purchase]], elsewhere: Collection[PurchaseId] = ()
) -> str:
    """The refusal to buy again while outcomes are `unknown` (each with its job), and what to do first.

    Another machine may be sending those that are under way `elsewhere`: there is nothing to resolve yet.
    """
    for key, purchase in unknown:
        if purchase.id in elsewhere:
            since = elsewhere_hint(purchase.bought_at)
            return f"{printable(key)} ({purchase.id}): {since}; wait for the results of that machine"
    named = [f"{printable(key)} ({purchase.id})" for key, purchase in unknown[:_MAX_NAMED]]
    more = f" and {len(unknown) - _MAX_NAMED:,} more" if len(unknown) > _MAX_NAMED else ""
    they_were, them = ("it was", "it") if len(unknown) == 1 else ("they were", "each")
    if any(purchase.status is Status.SUBMITTING for _, purchase in unknown):
        first = "wait for the run in progress to end"
    else:
        command = resolve_command(target, unknown[0][1].id)
        first = f"resolve {them} first: {command} (see docs/how-to/attention.md)"
    return f"{', '.join(named)}{more}: it is unknown whether {they_were} bought; {first}"


def resolve_command(target: str, key: str) -> str:
    """The command that resolves an unknown outcome; the user fills in the id."""
    return f"`pipeline resolve {target} {shlex.quote(printable(key, 2000))} --workflow-id ID`"


def gone_at_vendor_advice(target: str, keys: Sequence[JobKey]) -> str:
    """The advice on jobs whose files are not here and whose workflow the vendor no longer has."""
    named = " ".join(shlex.quote(printable(key, 2000)) for key in keys[:_MAX_NAMED])
    subject, them = counted(len(keys), "job has", "jobs have"), "it" if len(keys) == 1 else "them"
    rest = ", for the first of them," if len(keys) > _MAX_NAMED else ""
    return (
        f"{subject} files that are not here and no workflow at the vendor, so running again does not finish {them}: "
        f"`pipeline redo {target} {named}`{rest} has {them} bought again "
        "(see docs/reference/errors.md#missing-workflow)."
    )


def idle_gone_at_vendor_advice(target: str, purchase_ids: Sequence[PurchaseId]) -> str:
    """The advice on purchases that serve no job, whose files are not here and whose workflow the vendor lacks."""
    subject = counted(
        len(purchase_ids), "purchase that serves no job has", "purchases that serve no job have"
    )
    it_is = "it is" if len(purchase_ids) == 1 else "they are"
    rest = ", for the first of them," if len(purchase_ids) > _MAX_NAMED else ""
    return (
        f"{subject} files that are not here and no workflow at the vendor: "
        f"`pipeline prune {target} {' '.join(purchase_ids[:_MAX_NAMED])}`{rest} records that {it_is} gone "
        "(see docs/reference/errors.md#missing-workflow)."
    )


def held_by_failures_advice(target: str, keys: Sequence[JobKey]) -> str:
    """The advice on jobs whose take was sent back, but in whose place a failure from before serves."""
    named = " ".join(shlex.quote(printable(key, 2000)) for key in keys[:_MAX_NAMED])
    subject = counted(len(keys), "job was", "jobs were")
    rest = ", of the first of them," if len(keys) > _MAX_NAMED else ""
    return (
        f"{subject} sent back, but a failure from before serves in its place, so nothing is bought: "
        f"`pipeline redo {target} {named}`{rest} sends both back."
    )
