"""The status transitions of a purchase, as a table. Nothing else changes a status.

submitting ─accepted─▶ submitted ─finished─▶ succeeded ─fetched─▶ done
│ nothing bought ─▶ void         │ gave up at the vendor ─▶ failed (vendor)
│ rejected ─▶ failed (rejected)  │ vanished ─▶ failed (lost)
└ outcome unknown ─▶ attention   └ disowned ─▶ attention

attention ─identified─▶ submitted
│ given up ─▶ failed (lost)
└ nothing bought ─▶ void ─identified─▶ submitted
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from pipeline import record_limits
from pipeline.purchases import Output, Purchase, Reason, Status, Step
from pipeline.state.events import (
    Accepted,
    Deleted,
    Disowned,
    Event,
    Fetched,
    Finished,
    GivenUp,
    Identified,
    NothingBought,
    NothingFetched,
    PartlyFetched,
    Rejected,
    Removed,
    Reported,
    Reworded,
    Superseded,
    TookOver,
    Unresolved,
    Vanished,
    VendorFailed,
)

Phase = tuple[Status, Reason | None]

SUBMITTING: Phase = (Status.SUBMITTING, None)
ATTENTION: Phase = (Status.ATTENTION, None)
VOID: Phase = (Status.VOID, None)
SUBMITTED: Phase = (Status.SUBMITTED, None)
SUCCEEDED: Phase = (Status.SUCCEEDED, None)
DONE: Phase = (Status.DONE, None)
REJECTED: Phase = (Status.FAILED, Reason.REJECTED)
FAILED_AT_VENDOR: Phase = (Status.FAILED, Reason.VENDOR)
LOST: Phase = (Status.FAILED, Reason.LOST)

# From phase and event to the next phase. What else each event writes is in `_written`.
TRANSITIONS: Mapping[tuple[Phase, type[Event]], Phase] = {
    (SUBMITTING, Accepted): SUBMITTED,
    (SUBMITTING, NothingBought): VOID,
    (SUBMITTING, Rejected): REJECTED,
    (SUBMITTING, Unresolved): ATTENTION,
    (ATTENTION, Identified): SUBMITTED,
    # A person found that the vendor has no such workflow.
    (ATTENTION, NothingBought): VOID,
    (ATTENTION, GivenUp): LOST,
    # That person was wrong.
    (VOID, Identified): SUBMITTED,
    (SUBMITTED, Reported): SUBMITTED,
    (SUBMITTED, Finished): SUCCEEDED,
    (SUBMITTED, VendorFailed): FAILED_AT_VENDOR,
    (SUBMITTED, Vanished): LOST,
    (SUBMITTED, GivenUp): LOST,
    # A join with an older copy brings the wrong workflow back; the next poll then detects it again.
    (SUBMITTED, Disowned): ATTENTION,
    # The vendor may be late: a workflow that it reported as failed, or that was given up, can still succeed.
    (FAILED_AT_VENDOR, Finished): SUCCEEDED,
    (LOST, Identified): SUBMITTED,
    (SUCCEEDED, NothingFetched): SUCCEEDED,
    (SUCCEEDED, PartlyFetched): SUCCEEDED,
    (SUCCEEDED, Fetched): DONE,
}

# Every phase that a purchase can be in.
PHASES = frozenset({SUBMITTING, *TRANSITIONS.values()})

# These leave the status unchanged, and are allowed wherever something may have been bought.
FLAGS: tuple[type[Event], ...] = (Superseded, Deleted, Removed, TookOver, Reworded)

# The part of a time that is counted on in `_a_second_after`.
_SECONDS = re.compile(r"\d{4}-\d\d-\d\d([ T])\d\d:\d\d:\d\d")


class IllegalTransition(AssertionError):
    """An event that is not allowed in the purchase's phase: a bug, caught before anything is written."""


def phase(purchase: Purchase) -> Phase:
    """The phase of a purchase: its status and reason."""
    return (purchase.status, purchase.reason)


def advance(purchase: Purchase, event: Event) -> Purchase:
    """The purchase after `event`. Texts from the vendor are cut, or left out, to fit into every record.

    Raises:
        IllegalTransition: the table has no such transition.
    """
    here = phase(purchase)
    there = here if isinstance(event, FLAGS) and here != VOID else TRANSITIONS.get((here, type(event)))
    if there is None:
        raise IllegalTransition(f"{purchase.id}: {type(event).__name__} while {purchase.status}")
    return replace(_written(purchase, event), status=there[0], reason=there[1])


def _written(purchase: Purchase, event: Event) -> Purchase:
    match event:
        case Accepted(workflow_id) | Identified(workflow_id):
            return replace(purchase, workflow_id=workflow_id, error=None)
        case (
            NothingBought(error)
            | Rejected(error)
            | Unresolved(error)
            | Vanished(error)
            | NothingFetched(error)
        ):
            return replace(purchase, error=record_limits.fitted(error))
        case Disowned(error):
            return replace(purchase, workflow_id=None, error=record_limits.fitted(error))
        case Reported(credits_charged, created_at, updated_at):
            return _answered(purchase, credits_charged, created_at, updated_at)
        case Finished(outputs, steps, credits_charged, created_at, updated_at):
            answered = _answered(purchase, credits_charged, created_at, updated_at)
            return replace(answered, outputs=_fitted(outputs), steps=_fitted_steps(steps), error=None)
        case VendorFailed(error, updated_at):
            return replace(_answered(purchase, None, None, updated_at), error=record_limits.fitted(error))
        case PartlyFetched(outputs, steps) | Fetched(outputs, steps):
            return replace(purchase, outputs=_fitted(outputs), steps=_fitted_steps(steps), error=None)
        case GivenUp(error, again):
            return replace(purchase, error=record_limits.fitted(error), again=purchase.again or again)
        case Superseded() | Deleted() | Removed() | TookOver() | Reworded():
            return _flagged(purchase, event)
    assert_never(event)


def _flagged(purchase: Purchase, flag: Superseded | Deleted | Removed | TookOver | Reworded) -> Purchase:
    match flag:
        case Superseded():
            return replace(purchase, again=True)
        case Deleted():
            return replace(purchase, deleted=True)
        case Removed():
            return replace(purchase, removed=True)
        case TookOver(replaces):
            return replace(purchase, replaces=replaces[: record_limits.MAX_REPLACED])
        case Reworded(request, updated_at):
            return replace(purchase, request=request, updated_at=_time_of_change(purchase, _date(updated_at)))
    assert_never(flag)


def _time_of_change(purchase: Purchase, told: str | None) -> str:
    """The time of a change at the vendor, which is later than the known one whatever the vendor told.

    Otherwise a copy with the old wording, in the results of a shard for example, could win the join after each run,
    and each run would send the change again.
    """
    known = purchase.updated_at
    if known is None:
        return told or purchase.bought_at
    return told if told is not None and told > known else _a_second_after(known)


def _a_second_after(time: str) -> str:
    """A time that also sorts after `time` as text, which is how they are compared."""
    if (match := _SECONDS.match(time)) is None:
        return time
    try:
        later = datetime.fromisoformat(match[0]) + timedelta(seconds=1)
    except (ValueError, OverflowError):
        return time
    return later.isoformat(sep=match[1], timespec="seconds") + time[match.end() :]


def _answered(
    purchase: Purchase, credits_charged: int | None, created_at: str | None, updated_at: str | None
) -> Purchase:
    """Merge a response: the vendor's values win; a value that is missing or cannot be recorded leaves the old one."""
    is_known = credits_charged is not None and 0 <= credits_charged <= record_limits.LARGEST_CREDITS
    return replace(
        purchase,
        credits=credits_charged if is_known else purchase.credits,
        created_at=_date(created_at) or purchase.created_at,
        updated_at=max(filter(None, (purchase.updated_at, _date(updated_at))), default=None),
    )


def _date(text: str | None) -> str | None:
    """A date as the vendor wrote it; None if it is too long to be one."""
    return text if text is not None and record_limits.is_name(text, record_limits.LONGEST_DATE) else None


def _fitted(outputs: tuple[Output, ...]) -> tuple[Output, ...]:
    return tuple(_fitted_output(output) for output in outputs[: record_limits.MAX_MEDIA])


def _fitted_output(output: Output) -> Output:
    is_url = output.url is not None and record_limits.is_name(output.url, record_limits.LONGEST_URL)
    has_size = output.bytes is not None and 0 <= output.bytes <= record_limits.LARGEST_FILE
    content_type = record_limits.fitted(output.content_type[: record_limits.LONGEST_NAME])
    if content_type == output.content_type and is_url and has_size:
        return output
    url, size = output.url if is_url else None, output.bytes if has_size else None
    return replace(output, content_type=content_type, url=url, bytes=size)


def _fitted_steps(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    return tuple(
        Step(
            flow=record_limits.fitted(step.flow[: record_limits.LONGEST_NAME]) or "step",
            outputs=_fitted(step.outputs),
        )
        for step in steps[: record_limits.MAX_MEDIA]
    )
