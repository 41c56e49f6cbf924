"""Messages about a create whose outcome is unknown, with the command that resolves it.

The same words are used by the plan, by a run and at its end, and by `status`.
"""

import shlex
from collections.abc import Sequence

from pipeline.assignment import Matcher
from pipeline.errors import counted, printable
from pipeline.jobs import JobKey
from pipeline.purchases import Purchase, Status

_MOST_NAMED = 10

# Older versions recorded it as a part of the reason.
_RECORDED_BEFORE = ": it is unknown whether it was bought"


def unknown_outcome(reason: str | None) -> str:
    """That it is unknown whether a purchase was bought. `reason` is the recorded error, not made printable."""
    why = (reason or "").removesuffix(_RECORDED_BEFORE)
    return f"it is unknown whether it was bought{f' ({why})' if why else ''}"


def pending_outcome(since: str) -> str:
    """That a run holds the state and waits for the answer to a create; `since` is when it was sent."""
    return f"a run in progress has been buying it since {since}; its outcome is pending"


def unknown_warning(key: str, reason: str | None) -> str:
    """The warning of a run when a purchase comes to need attention."""
    return f"{key}: {unknown_outcome(printable(reason or ''))}; it is not sent again; use `pipeline resolve`"


def unknown_advice(target: str, names: Sequence[str]) -> str:
    """The advice about unknown outcomes: `names` has a key or a purchase's id for each, and the first stands for all.

    `target` is the manifest with the flags that choose its records, quoted for a shell.
    """
    them = "it" if len(names) == 1 else "each"
    return (
        f"{counted(len(names), 'create')} with an unknown outcome: look on the vendor's site, then resolve {them}: "
        f"{resolve_command(target, names[0])} (see docs/how-to/attention.md)"
    )


def name_to_resolve(key: JobKey, purchase: Purchase, matcher: Matcher) -> str:
    """How `resolve` is told of a purchase that serves `key`: by the key, or by its id if the key means others too."""
    others = [each for each in matcher.in_attention(key) if each.id != purchase.id]
    return purchase.id if others else key


def not_made_again(target: str, unknown: Sequence[tuple[JobKey, Purchase]]) -> str:
    """The refusal to make purchases again whose outcome is `unknown`, each with its job, and what to do first."""
    named = [f"{printable(key)} ({purchase.id})" for key, purchase in unknown[:_MOST_NAMED]]
    more = f" and {len(unknown) - _MOST_NAMED:,} more" if len(unknown) > _MOST_NAMED else ""
    they_were, them = ("it was", "it") if len(unknown) == 1 else ("they were", "each")
    if any(purchase.status is Status.SUBMITTING for _, purchase in unknown):
        first = "wait for the run in progress to end"
    else:
        command = resolve_command(target, unknown[0][1].id)
        first = f"resolve {them} first: {command} (see docs/how-to/attention.md)"
    return f"{', '.join(named)}{more}: it is unknown whether {they_were} bought; {first}"


def resolve_command(target: str, key: str) -> str:
    """The command that resolves an unknown outcome, to be pasted once the id is known."""
    return f"`pipeline resolve {target} {shlex.quote(printable(key, 2000))} --workflow-id ID`"
