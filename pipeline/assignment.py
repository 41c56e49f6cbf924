"""Which purchase fits which job, and which one serves it.

Worked out again each time from what is asked for and what was bought, so that renames, swaps, reverts, sharing
and forgetful machines need no rule of their own. All of this is pure.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.jobs import Job, JobKey
from pipeline.purchases import (
    OUTCOME_UNKNOWN,
    UNDECIDED,
    Decisions,
    Purchase,
    PurchaseId,
    Records,
    Status,
)

# What has neither failed nor needs attention is the soundest. Of those two, one that may have been bought comes
# before one that failed: else the failure would be bought again while the outcome of the last attempt is unknown.
_SOUNDNESS = {Status.FAILED: 0, Status.ATTENTION: 1}


class Matcher:
    """Which purchases fit which jobs, for one set of jobs and one of purchases.

    Purchases are looked up by what they were bought for and made from. By the fingerprint alone, all videos of
    a thousand sketches would be compared with each other: they ask for the same, of another sketch each.
    """

    def __init__(self, jobs: Iterable[Job], records: Records, decisions: Decisions = UNDECIDED) -> None:
        self.jobs: dict[JobKey, Job] = {job.key: job for job in jobs}
        self.records = records
        self.decisions = decisions
        self._usable: dict[tuple[str, tuple[PurchaseId, ...]], list[Purchase]] = {}
        passed_over = _passed_over(records, decisions)
        for purchase in records.purchases.values():
            if purchase.id not in passed_over and is_usable(purchase, decisions):
                self._usable.setdefault((purchase.fingerprint, purchase.inputs), []).append(purchase)
        self._by_key: dict[JobKey, list[Purchase]] = {}
        for purchase in records.purchases.values():
            if purchase.status is not Status.VOID:
                self._by_key.setdefault(purchase.key, []).append(purchase)
        self._approved_for: dict[JobKey, list[Purchase]] = {}
        approvals = {(key, purchase_id) for purchase_id, key in decisions.approved.items()}
        approvals |= {
            (key, purchase_id)
            for key, purchase_id in records.served.items()
            if purchase_id in decisions.approved
        }
        for key, purchase_id in approvals:
            if purchase_id in records.purchases:
                self._approved_for.setdefault(key, []).append(records.purchases[purchase_id])
        # What was worked out.
        self._chosen: dict[JobKey, Purchase | None] = {}
        self._matching: dict[JobKey, list[Purchase]] = {}

    def purchase_for(self, key: JobKey) -> Purchase | None:
        """The purchase that serves the job, None where nothing fits it yet."""
        if key not in self._chosen:
            for job in self._upstreams_first(key):
                if job.key not in self._chosen:
                    self._chosen[job.key] = self._choose(job)
        return self._chosen[key]

    def matches(self, purchase: Purchase, job: Job) -> bool:
        """Whether `purchase` is what `job` asks for now, and made from what its upstream asks for now."""
        return any(each.id == purchase.id for each in self.matching(job.key))

    def matching(self, key: JobKey) -> Sequence[Purchase]:
        """The candidates for a job: every purchase that it asks for, made from what its upstream asks for."""
        for job in () if key in self._matching else self._upstreams_first(key):
            if job.key not in self._matching:
                matching = [
                    purchase
                    for asked in job.fingerprints
                    for inputs in self._inputs(job)
                    for purchase in self._usable.get((asked, inputs), ())
                ]
                # Nothing matches a job without an upstream as fast as that is looked up here.
                if matching or job.upstream is not None:
                    self._matching[job.key] = matching
        return self._matching.get(key, ())

    def in_attention(self, key: JobKey) -> list[Purchase]:
        """The purchases made for the key whose outcome only a person can find out."""
        return [each for each in self._by_key.get(key, ()) if each.status is Status.ATTENTION]

    def last(self, key: JobKey) -> Purchase | None:
        """The purchase that served the key last, or was bought for it, whether or not it fits now."""
        served = self.records.served.get(key)
        last = None if served is None else self.records.purchases.get(served)
        if last is not None and last.status is not Status.VOID:
            return last
        return max(self._by_key.get(key, ()), key=lambda purchase: purchase.age, default=None)

    def ask(self, key: JobKey) -> str | tuple[str, ...]:
        """What the job asks for, down to what its upstreams ask for: equal asks are bought once.

        An approved purchase stands in for what its job asks: whatever is made from the job is made from that one.
        """
        asked: list[str] = []
        upstream: JobKey | None = key
        while upstream is not None and upstream in self.jobs:
            assignment = self.purchase_for(upstream)
            if assignment is not None and assignment.id in self.decisions.approved:
                return (*asked, assignment.id)
            job = self.jobs[upstream]
            asked.append(job.fingerprint)
            if job.approved_of:
                approved = self.source(job)
                return (*asked, approved.id if approved is not None else job.key)
            upstream = job.upstream
        # Most are made from nothing, and then the fingerprint alone says it all.
        return asked[0] if len(asked) == 1 else tuple(asked)

    def source(self, job: Job) -> Purchase | None:
        """The purchase that a new one for `job` would be made from: what serves its upstream, None if nothing does.

        Where only an approved take is used: the newest of those that are approved.
        """
        if job.approved_of:
            approved = (self._pinned(take) for take in job.approved_of)
            found = (purchase for purchase in approved if purchase is not None)
            return max(found, key=lambda purchase: purchase.age, default=None)
        return (
            None if job.upstream is None or job.upstream not in self.jobs else self.purchase_for(job.upstream)
        )

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

    def _inputs(self, job: Job) -> list[tuple[PurchaseId, ...]]:
        """From what a purchase may be made to fit the job: any one that fits its upstream, or the approved one."""
        if job.upstream is None:
            return [()]
        if job.upstream not in self.jobs:
            return []
        if job.approved_of:
            approved = self.source(job)
            return [] if approved is None else [(approved.id,)]
        pinned = self._pinned(job.upstream)
        if pinned is not None:
            return [(pinned.id,)]
        return [(source.id,) for source in self._matching.get(job.upstream, ())]

    def _choose(self, job: Job) -> Purchase | None:
        pinned = self._pinned(job.key)
        if pinned is not None:
            return pinned
        matching = self.matching(job.key)
        if len(matching) == 1:  # as it mostly is
            return matching[0]
        return max(matching, key=lambda purchase: self._preference(purchase, job), default=None)

    def _preference(
        self, purchase: Purchase, job: Job
    ) -> tuple[bool, int, bool, bool, bool, tuple[str, str]]:
        upstream = self.source(job)
        return (
            purchase.id in self.decisions.approved,
            _SOUNDNESS.get(purchase.status, len(_SOUNDNESS)),
            upstream is None or upstream.id in purchase.inputs,
            self.records.served.get(job.key) == purchase.id,
            purchase.key == job.key,
            purchase.age,
        )


def is_usable(purchase: Purchase, decisions: Decisions = UNDECIDED) -> bool:
    """Whether it may serve at all: it bought something, is still there, and is not to be bought again."""
    return not (
        purchase.status is Status.VOID
        or purchase.deleted
        or purchase.again
        or is_sent_back(purchase, decisions)
    )


def is_sent_back(purchase: Purchase, decisions: Decisions) -> bool:
    """Whether `redo` applies to it. While nobody knows whether it was bought, buying it again might pay twice."""
    return purchase.id in decisions.redo and purchase.status not in OUTCOME_UNKNOWN


def _passed_over(records: Records, decisions: Decisions) -> frozenset[PurchaseId]:
    """The rejected purchases that do not serve in the place of one that was sent back after them.

    Rejected later, it was bought in its place: so that one stays as it is, and buys nothing. That it is older alone
    would not tell, as the clock of another machine may be ahead.
    """
    sent_back: dict[tuple[str, tuple[PurchaseId, ...]], list[Purchase]] = {}
    for purchase in _known(decisions.redo, records):
        if purchase.status is not Status.VOID and is_sent_back(purchase, decisions):
            sent_back.setdefault((purchase.fingerprint, purchase.inputs), []).append(purchase)
    return frozenset(
        purchase.id
        for purchase in (_known(decisions.rejected, records) if sent_back else ())
        for each in sent_back.get((purchase.fingerprint, purchase.inputs), ())
        if purchase.age < each.age and decisions.is_later(each.id, purchase.id)
    )


def _known(purchase_ids: Iterable[PurchaseId], records: Records) -> Iterator[Purchase]:
    return (records.purchases[each] for each in purchase_ids if each in records.purchases)


@dataclass(frozen=True, slots=True)
class Assignment:
    """The jobs in the plan's order, by key what serves each, and what serves none.

    `earlier` are the purchases whose key is still asked for but that serve no job; `orphans` those whose key
    has left the manifest. Both were paid for: they are followed to their end like any other. `not_needed` are the
    keys of jobs that nothing serves and nothing will, as another take of the same is approved.
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
    """Work out which purchase serves which job. Linear in jobs and purchases."""
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


def _idle(purchases: Iterable[Purchase], assignment: Collection[str]) -> Iterator[Purchase]:
    for purchase in sorted(purchases, key=lambda each: (each.key, each.age)):
        if purchase.id not in assignment and not purchase.deleted and purchase.status is not Status.VOID:
            yield purchase
