"""The failures that are sent back together with a take, so that its job is made again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from pipeline.assignment import Assignment, assign, is_sent_back
from pipeline.planning.retries import count_failures, has_retries_left
from pipeline.purchases import Decisions, Purchase, PurchaseId, Status

if TYPE_CHECKING:
    from pipeline.jobs import JobKey


def failures_in_place(
    assignment: Assignment, sent_back: Collection[PurchaseId]
) -> Iterator[tuple[JobKey, Purchase]]:
    """The failed purchases, each with its job, that would serve instead of what is `sent_back` and serves now.

    A job for which a failure serves is not made again, and these failed before the take was sent back: so they are
    sent back with it. Later, their times alone would not tell them from a replacement that failed on a machine with a
    slow clock, which each run would buy again.
    """
    after = assign(
        assignment.jobs, assignment.matcher.records, _with(assignment.matcher.decisions, sent_back)
    )
    for key, serving in assignment.by_key.items():
        now = after.by_key.get(key)
        if serving.id not in sent_back or now is None or now.status is not Status.FAILED:
            continue
        for each in after.matcher.matching(key):
            if each.status is Status.FAILED:
                yield key, each


def held_by_failures(assignment: Assignment) -> Iterator[JobKey]:
    """The jobs whose take was sent back, and which are not made again, as a failure from before serves in its place.

    Whoever sends back by command sends the failure back too. In a file written by hand it may be missing.
    """
    matcher = assignment.matcher
    known = matcher.records.purchases
    sent_back = [
        known[each]
        for each in matcher.decisions.redo
        if each in known
        and known[each].status is not Status.VOID
        and is_sent_back(known[each], matcher.decisions)
    ]
    if not sent_back:
        return
    failures = count_failures(assignment.matcher.records.purchases.values())
    for key, serving in assignment.by_key.items():
        if serving.status is not Status.FAILED or has_retries_left(serving, matcher.jobs[key], failures):
            continue
        asked = serving.fingerprint, serving.inputs
        if any((each.fingerprint, each.inputs) == asked and serving.age < each.age for each in sent_back):
            yield key


def _with(decisions: Decisions, sent_back: Collection[PurchaseId]) -> Decisions:
    latest = max(decisions.order.values(), default=0) + 1
    return Decisions(
        approved={each: key for each, key in decisions.approved.items() if each not in sent_back},
        rejected=decisions.rejected - frozenset(sent_back),
        redo=decisions.redo | frozenset(sent_back),
        order={**decisions.order, **dict.fromkeys(sent_back, latest)},
    )


def stands_in_for(
    assignment: Assignment, key: JobKey, purchase: Purchase, said_of: Mapping[PurchaseId, JobKey]
) -> Purchase | None:
    """The purchase that was sent back last, if `purchase` serves the job only because of that; else None.

    `said_of` has the keys under which purchases were sent back: after a rename, not those that they were bought for,
    and of several jobs that share one, perhaps that of another.
    """
    matcher, job = assignment.matcher, assignment.matcher.jobs.get(key)
    known = matcher.records.purchases
    asked = purchase.fingerprint, purchase.inputs
    sent_back = [
        known[each]
        for each in matcher.decisions.redo
        if each in known and job is not None and known[each].fingerprint in job.fingerprints
    ]
    for each in sorted(sent_back, key=lambda each: matcher.decisions.order.get(each.id, 0), reverse=True):
        keys = {each.key, said_of.get(each.id, each.key)}
        is_for_this_job = key in keys or (each.fingerprint, each.inputs) == asked
        if is_for_this_job and (purchase.status is Status.FAILED or purchase.age < each.age):
            return each
    return None
