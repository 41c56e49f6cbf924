"""Computes which purchases fit a job, and which one serves it.

The assignment is computed anew each time, from the jobs and the purchases, so that renames, swaps, reverts, sharing
and machines that lost their state need no special rules. Everything here is pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.purchases import (
    OUTCOME_UNKNOWN,
    UNDECIDED,
    Decisions,
    Purchase,
    PurchaseId,
    Records,
    Status,
)

if TYPE_CHECKING:
    from pipeline.jobs import Job, JobKey

# All other statuses rank above these two. A purchase in attention ranks above a failed one: otherwise the failed one
# would be bought again while the outcome of the last attempt is unknown.
_STATUS_RANK = {Status.FAILED: 0, Status.ATTENTION: 1}

# Fingerprint and inputs.
_Request = tuple[str, tuple[PurchaseId, ...]]


class Matcher:
    """Finds which purchases fit which jobs, for one set of jobs and one set of purchases.

    Purchases are indexed by fingerprint and inputs. By fingerprint alone, all videos made from a thousand sketches
    would be compared with each other: their requests are equal, except for the sketch.
    """

    def __init__(self, jobs: Iterable[Job], records: Records, decisions: Decisions = UNDECIDED) -> None:
        self.jobs: dict[JobKey, Job] = {job.key: job for job in jobs}
        self.records = records
        self.decisions = decisions
        self._usable: dict[_Request, list[Purchase]] = {}
        self._to_buy_again: dict[_Request, list[Purchase]] = {}
        rejected = _rejected_before_redo(records, decisions)
        for purchase in records.purchases.values():
            if purchase.id not in rejected and is_usable(purchase, decisions):
                self._usable.setdefault((purchase.fingerprint, purchase.inputs), []).append(purchase)
            elif _is_only_to_buy_again(purchase, decisions):
                self._to_buy_again.setdefault((purchase.fingerprint, purchase.inputs), []).append(purchase)
        self._by_key: dict[JobKey, list[Purchase]] = {}
        for purchase in records.purchases.values():
            if purchase.status is not Status.VOID:
                self._by_key.setdefault(purchase.key, []).append(purchase)
        self._approved_for: dict[JobKey, list[Purchase]] = {}
        approvals = {(key, purchase_id) for purchase_id, key in decisions.approved.items()}
        approvals |= {
            (key, each.purchase)
            for key, each in records.served.items()
            if each.purchase in decisions.approved
        }
        for key, purchase_id in approvals:
            if purchase_id in records.purchases:
                self._approved_for.setdefault(key, []).append(records.purchases[purchase_id])
        # Caches.
        self._chosen: dict[JobKey, Purchase | None] = {}
        self._matching: dict[JobKey, list[Purchase]] = {}

    def purchase_for(self, key: JobKey) -> Purchase | None:
        """The purchase that serves the job; None if none fits it yet."""
        if key not in self._chosen:
            for job in self._upstreams_first(key):
                if job.key not in self._chosen:
                    self._chosen[job.key] = self._choose(job)
        return self._chosen[key]

    def matches(self, purchase: Purchase, job: Job) -> bool:
        """Whether `purchase` fits `job` as it is now: the same request, made from what its upstream asks for now."""
        return any(each.id == purchase.id for each in self.matching(job.key))

    def matching(self, key: JobKey) -> Sequence[Purchase]:
        """The purchases that fit a job: of the same request, and made from what its upstream asks for."""
        for job in () if key in self._matching else self._upstreams_first(key):
            if job.key not in self._matching:
                matching = [
                    purchase
                    for asked in job.fingerprints
                    for inputs in self._inputs(job)
                    for purchase in self._usable.get((asked, inputs), ())
                ]
                # An empty result for a job without upstream is not cached: finding it again is as fast as a cache.
                if matching or job.upstream is not None:
                    self._matching[job.key] = matching
        return self._matching.get(key, ())

    def in_attention(self, key: JobKey) -> list[Purchase]:
        """The purchases made for the key that are in attention."""
        return [each for each in self.bought_for(key) if each.status is Status.ATTENTION]

    def last(self, key: JobKey) -> Purchase | None:
        """The purchase that last served the key, or was last bought for it, whether or not it fits now.

        If there is none, the one that would serve it if it were not to be bought again: before its job was renamed,
        it served another key.
        """
        last = self.served(key)
        if last is not None:
            found = self._with_outcome(last)
            if found:
                return max(found, key=lambda purchase: (purchase.key == key, purchase.age))
        candidates = self._by_key.get(key) or self._to_buy_again_from(key)
        return max(candidates, key=lambda purchase: purchase.age, default=None)

    def before(self, purchase: Purchase) -> list[Purchase]:
        """What a purchase replaced: it has recorded that, or it is what was bought before it for the same key."""
        if purchase.replaces:
            return list(recorded_purchases(purchase.replaces, self.records))
        own = (each for each in self.bought_for(purchase.key) if each.age < purchase.age)
        before = max(own, key=lambda each: each.age, default=None)
        return [] if before is None else [before]

    def _with_outcome(self, purchase: Purchase) -> list[Purchase]:
        """The purchase, or what it replaced if it bought nothing."""
        reached, left, found = {purchase.id}, [purchase], list[Purchase]()
        while left:
            each = left.pop()
            if each.status is not Status.VOID:
                found.append(each)
                continue
            new = [before for before in self.before(each) if before.id not in reached]
            reached |= {before.id for before in new}
            left += new
        return found

    def served(self, key: JobKey) -> Purchase | None:
        """The purchase that served a key last, as the records have it."""
        served = self.records.served.get(key)
        return None if served is None else self.records.purchases.get(served.purchase)

    def bought_for(self, key: JobKey) -> Sequence[Purchase]:
        """The purchases made for a key, but for those that bought nothing."""
        return self._by_key.get(key, ())

    def requested(self, key: JobKey) -> str | tuple[str, ...]:
        """What the job asks for, including its upstreams; jobs with equal values share one purchase.

        An approved purchase replaces the request of its job: everything made from the job is made from that purchase.
        """
        asked: list[str] = []
        upstream: JobKey | None = key
        while upstream is not None and upstream in self.jobs:
            serving = self.purchase_for(upstream)
            if serving is not None and serving.id in self.decisions.approved:
                return (*asked, serving.id)
            job = self.jobs[upstream]
            asked.append(job.fingerprint)
            if job.approved_of:
                approved = self.source(job)
                return (*asked, approved.id if approved is not None else job.key)
            upstream = job.upstream
        # Most jobs have no upstream, so the fingerprint alone is enough.
        return asked[0] if len(asked) == 1 else tuple(asked)

    def source(self, job: Job) -> Purchase | None:
        """The purchase that a new one for `job` would be made from: the one that serves its upstream, or None.

        If only an approved take may be used, it is the newest approved one.
        """
        if job.approved_of:
            approved = (self._approved(take) for take in job.approved_of)
            found = (purchase for purchase in approved if purchase is not None)
            return max(found, key=lambda purchase: purchase.age, default=None)
        return (
            None if job.upstream is None or job.upstream not in self.jobs else self.purchase_for(job.upstream)
        )

    def _to_buy_again_from(self, key: JobKey) -> list[Purchase]:
        """The purchases that would fit the job if they were not to be bought again."""
        if not self._to_buy_again or key not in self.jobs:
            return []
        self.matching(key)  # finds what fits its upstreams
        job = self.jobs[key]
        asked = ((fingerprint, inputs) for fingerprint in job.fingerprints for inputs in self._inputs(job))
        return [purchase for each in asked for purchase in self._to_buy_again.get(each, ())]

    def _upstreams_first(self, key: JobKey) -> list[Job]:
        chain = [self.jobs[key]]
        while (upstream := chain[-1].upstream) is not None and upstream in self.jobs:
            chain.append(self.jobs[upstream])
        return chain[::-1]

    def _pinned(self, key: JobKey) -> Purchase | None:
        if key not in self._approved_for:
            return None
        usable = [each for each in self._approved_for[key] if is_usable(each, self.decisions)]
        return max(usable, key=lambda purchase: purchase.age, default=None)

    def _approved(self, key: JobKey) -> Purchase | None:
        """The purchase that serves a job, if it is approved.

        It may have been approved for another key: for that of a job with the same request, or for the one that the
        job had before it was renamed. The records of served jobs know that only once a run has written them.
        """
        if not self.decisions.approved:
            return None
        if key not in self.jobs:
            return self._pinned(key)
        serving = self.purchase_for(key)
        return serving if serving is not None and serving.id in self.decisions.approved else None

    def _inputs(self, job: Job) -> list[tuple[PurchaseId, ...]]:
        """The inputs with which a purchase fits the job: any that fits its upstream, or only the approved one."""
        if job.upstream is None:
            return [()]
        if job.upstream not in self.jobs:
            return []
        if job.approved_of:
            approved = self.source(job)
            return [] if approved is None else [(approved.id,)]
        approved = self._approved(job.upstream)
        if approved is not None:
            return [(approved.id,)]
        return [(source.id,) for source in self._matching.get(job.upstream, ())]

    def _choose(self, job: Job) -> Purchase | None:
        pinned = self._pinned(job.key)
        if pinned is not None:
            return pinned
        matching = self.matching(job.key)
        if len(matching) == 1:  # the usual case
            return matching[0]
        return max(matching, key=lambda purchase: self._preference(purchase, job), default=None)

    def _preference(
        self, purchase: Purchase, job: Job
    ) -> tuple[bool, int, bool, bool, bool, tuple[str, str]]:
        upstream = self.source(job)
        # Of failed attempts, the last one tells why the job has no result, whichever of them served it before.
        has_failed = purchase.status is Status.FAILED
        served = self.records.served.get(job.key)
        return (
            purchase.id in self.decisions.approved,
            _STATUS_RANK.get(purchase.status, len(_STATUS_RANK)),
            upstream is None or upstream.id in purchase.inputs,
            not has_failed and served is not None and served.purchase == purchase.id,
            not has_failed and purchase.key == job.key,
            purchase.age,
        )


def is_usable(purchase: Purchase, decisions: Decisions = UNDECIDED) -> bool:
    """Whether a purchase may serve at all: it bought something, was not deleted, and is not to be bought again."""
    return not (
        purchase.status is Status.VOID
        or purchase.deleted
        or is_to_be_bought_again(purchase, decisions)
        or is_sent_back(purchase, decisions)
    )


def is_to_be_bought_again(purchase: Purchase, decisions: Decisions) -> bool:
    """Whether the flag `again` applies to a purchase: not if it is approved.

    The flag is never unset, and an approved purchase is not replaced: whoever approves one that is flagged wants it
    to serve after all.
    """
    return purchase.again and purchase.id not in decisions.approved


def is_sent_back(purchase: Purchase, decisions: Decisions) -> bool:
    """Whether `redo` applies to a purchase: not while its outcome is unknown, as buying it again could pay twice."""
    return purchase.id in decisions.redo and purchase.status not in OUTCOME_UNKNOWN


def _is_only_to_buy_again(purchase: Purchase, decisions: Decisions) -> bool:
    """Whether a purchase may not serve only because it is to be bought again: it is flagged, or was sent back."""
    is_there = purchase.status is not Status.VOID and not purchase.deleted
    return is_there and (is_to_be_bought_again(purchase, decisions) or is_sent_back(purchase, decisions))


def _rejected_before_redo(records: Records, decisions: Decisions) -> frozenset[PurchaseId]:
    """The rejected purchases that must not serve in place of a purchase that was sent back later.

    A purchase rejected after the redo was bought as the replacement, so it still serves, and nothing more is bought.
    Its age alone does not decide, because another machine's clock may be ahead.
    """
    sent_back: dict[_Request, list[Purchase]] = {}
    for purchase in recorded_purchases(decisions.redo, records):
        if purchase.status is not Status.VOID and is_sent_back(purchase, decisions):
            sent_back.setdefault((purchase.fingerprint, purchase.inputs), []).append(purchase)
    return frozenset(
        purchase.id
        for purchase in (recorded_purchases(decisions.rejected, records) if sent_back else ())
        for each in sent_back.get((purchase.fingerprint, purchase.inputs), ())
        if purchase.age < each.age and decisions.is_later(each.id, purchase.id)
    )


def recorded_purchases(purchase_ids: Iterable[PurchaseId], records: Records) -> Iterator[Purchase]:
    return (records.purchases[each] for each in purchase_ids if each in records.purchases)


@dataclass(frozen=True, slots=True)
class Assignment:
    """The jobs in plan order, the purchase that serves each, by key, and the purchases that serve none.

    `earlier` are purchases that serve no job but whose key is still in the manifest; `orphans` are those whose key is
    not. Both were paid for, so they are followed to their end like any other. `not_needed` are the keys of jobs that
    need no purchase, because another take is approved.
    """

    jobs: Sequence[Job]
    by_key: Mapping[JobKey, Purchase]
    earlier: tuple[Purchase, ...]
    orphans: tuple[Purchase, ...]
    matcher: Matcher
    not_needed: Collection[JobKey] = frozenset()

    @property
    def idle(self) -> tuple[Purchase, ...]:
        """The purchases that serve no job."""
        return (*self.earlier, *self.orphans)


def assign(jobs: Sequence[Job], records: Records, decisions: Decisions = UNDECIDED) -> Assignment:
    """Compute which purchase serves which job. Linear in jobs and purchases."""
    matcher = Matcher(jobs, records, decisions)
    by_key = {job.key: purchase for job in jobs if (purchase := matcher.purchase_for(job.key)) is not None}
    idle = list(_idle(records.purchases.values(), {purchase.id for purchase in by_key.values()}))
    return Assignment(
        jobs=jobs,
        by_key=by_key,
        earlier=tuple(purchase for purchase in idle if purchase.key in matcher.jobs),
        orphans=tuple(purchase for purchase in idle if purchase.key not in matcher.jobs),
        matcher=matcher,
        not_needed=_not_needed(jobs, by_key, decisions),
    )


def _not_needed(
    jobs: Iterable[Job], by_key: Mapping[JobKey, Purchase], decisions: Decisions
) -> frozenset[JobKey]:
    approved = {
        replace(job.coordinates, take=1)
        for job in jobs
        if (purchase := by_key.get(job.key)) is not None and purchase.id in decisions.approved
    }
    if not approved:
        return frozenset()
    return frozenset(
        job.key for job in jobs if job.key not in by_key and replace(job.coordinates, take=1) in approved
    )


def _idle(purchases: Iterable[Purchase], assigned_ids: Collection[PurchaseId]) -> Iterator[Purchase]:
    for purchase in sorted(purchases, key=lambda each: (each.key, each.age)):
        if purchase.id not in assigned_ids and not purchase.deleted and purchase.status is not Status.VOID:
            yield purchase
