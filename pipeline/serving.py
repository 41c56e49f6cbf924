"""Which purchase fits which job, and which one serves it.

Worked out anew each time from what is asked for and what was bought, so that renames, swaps, reverts, sharing
and forgetful machines need no rule of their own. All of this is pure.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.jobs import Job
from pipeline.purchases import UNDECIDED, Decisions, Purchase, Records, Status

# What has neither failed nor needs attention is the soundest. Of those two, one that may have been bought comes
# before one that failed: else the failure would be bought anew while nobody knows of the last attempt.
_SOUNDNESS = {Status.FAILED: 0, Status.ATTENTION: 1}


class Fitting:
    """Which purchases fit which jobs, for one set of jobs and one of purchases.

    Purchases are looked up by what they were bought for and made from. By the fingerprint alone, all films of
    a thousand sketches would be compared with each other: they ask for the same, of another sketch each.
    """

    def __init__(self, jobs: Iterable[Job], records: Records, decisions: Decisions = UNDECIDED) -> None:
        self.jobs: dict[str, Job] = {job.name: job for job in jobs}
        self.records = records
        self.decisions = decisions
        self._usable: dict[tuple[str, tuple[str, ...]], list[Purchase]] = {}
        for purchase in records.purchases.values():
            if is_usable(purchase, decisions):
                self._usable.setdefault((purchase.fingerprint, purchase.inputs), []).append(purchase)
        self._by_key: dict[str, list[Purchase]] = {}
        for purchase in records.purchases.values():
            if purchase.status is not Status.VOID:
                self._by_key.setdefault(purchase.key, []).append(purchase)
        self._approved_for: dict[str, list[Purchase]] = {}
        approvals = {(key, mark) for mark, key in decisions.approved.items()}
        approvals |= {(key, mark) for key, mark in records.served.items() if mark in decisions.approved}
        for key, mark in approvals:
            if mark in records.purchases:
                self._approved_for.setdefault(key, []).append(records.purchases[mark])
        self._serving: dict[str, Purchase | None] = {}
        self._fitting: dict[str, list[Purchase]] = {}

    def serving(self, key: str) -> Purchase | None:
        """The purchase that serves the job, None where nothing fits it yet."""
        for each in self._upstreams_first(key):
            if each not in self._serving:
                self._serving[each] = self._choose(self.jobs[each])
        return self._serving[key]

    def fits(self, purchase: Purchase, job: Job) -> bool:
        """Whether `purchase` is what `job` asks for now, and made from what its upstream asks for now."""
        return any(each.id == purchase.id for each in self.all_that_fit(job.name))

    def all_that_fit(self, key: str) -> list[Purchase]:
        """What might serve the job: every purchase that it asks for, made from what its upstream asks for."""
        for each in self._upstreams_first(key):
            if each not in self._fitting:
                job = self.jobs[each]
                self._fitting[each] = [
                    purchase
                    for asked in job.fingerprints
                    for inputs in self._inputs(job)
                    for purchase in self._usable.get((asked, inputs), ())
                ]
        return self._fitting[key]

    def last(self, key: str) -> Purchase | None:
        """The purchase that served the key last, or was bought for it, whether or not it fits now."""
        marked = self.records.purchases.get(self.records.served.get(key, ""))
        if marked is not None and marked.status is not Status.VOID:
            return marked
        return max(self._by_key.get(key, ()), key=lambda purchase: purchase.age, default=None)

    def ask(self, key: str) -> tuple[str, ...]:
        """What the job asks for, down to what its upstreams ask for: equal asks are bought once.

        An approved purchase stands in for what its job asks: whatever is made from the job is made from that one.
        """
        asked: list[str] = []
        upstream: str | None = key
        while upstream is not None and upstream in self.jobs:
            serving = self.serving(upstream)
            if serving is not None and serving.id in self.decisions.approved:
                return (*asked, serving.id)
            job = self.jobs[upstream]
            asked.append(job.fingerprint)
            if job.approved_of:
                approved = self.source(job)
                return (*asked, approved.id if approved is not None else job.name)
            upstream = job.upstream
        return tuple(asked)

    def source(self, job: Job) -> Purchase | None:
        """The purchase that a new one for `job` would be made from: what serves its upstream, None if nothing does.

        Where only an approved take goes on: the newest of those that are approved.
        """
        if job.approved_of:
            approved = (self._pinned(take) for take in job.approved_of)
            found = (purchase for purchase in approved if purchase is not None)
            return max(found, key=lambda purchase: purchase.age, default=None)
        return None if job.upstream is None or job.upstream not in self.jobs else self.serving(job.upstream)

    def _upstreams_first(self, key: str) -> list[str]:
        chain = [key]
        while (upstream := self.jobs[chain[-1]].upstream) is not None and upstream in self.jobs:
            chain.append(upstream)
        return chain[::-1]

    def _pinned(self, key: str) -> Purchase | None:
        usable = [each for each in self._approved_for.get(key, ()) if is_usable(each, self.decisions)]
        return max(usable, key=lambda purchase: purchase.age, default=None)

    def _inputs(self, job: Job) -> list[tuple[str, ...]]:
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
        return [(source.id,) for source in self._fitting.get(job.upstream, ())]

    def _choose(self, job: Job) -> Purchase | None:
        pinned = self._pinned(job.name)
        if pinned is not None:
            return pinned
        fitting = self.all_that_fit(job.name)
        return max(fitting, key=lambda purchase: self._preference(purchase, job), default=None)

    def _preference(
        self, purchase: Purchase, job: Job
    ) -> tuple[bool, int, bool, bool, bool, tuple[str, str]]:
        upstream = self.source(job)
        return (
            purchase.id in self.decisions.approved,
            _SOUNDNESS.get(purchase.status, len(_SOUNDNESS)),
            upstream is None or upstream.id in purchase.inputs,
            self.records.served.get(job.name) == purchase.id,
            purchase.key == job.name,
            purchase.age,
        )


def is_usable(purchase: Purchase, decisions: Decisions = UNDECIDED) -> bool:
    """Whether it may serve at all: it bought something, is still there, and is not to be made again."""
    return not (
        purchase.status is Status.VOID or purchase.deleted or purchase.again or purchase.id in decisions.redo
    )


@dataclass(frozen=True, slots=True)
class Serving:
    """The jobs in the plan's order, by key what serves each, and what serves none.

    `earlier` are the purchases whose key is still asked for but that serve no job; `orphans` those whose key
    has left the manifest. Both were paid for: they are followed to their end like any other. `settled` are the
    keys of jobs that nothing serves and nothing will, as another take of the same is approved.
    """

    jobs: Sequence[Job]
    by_key: Mapping[str, Purchase]
    earlier: tuple[Purchase, ...]
    orphans: tuple[Purchase, ...]
    fitting: Fitting
    settled: Collection[str] = frozenset()


def serve(jobs: Sequence[Job], records: Records, decisions: Decisions = UNDECIDED) -> Serving:
    """Work out which purchase serves which job. Linear in jobs and purchases."""
    fitting = Fitting(jobs, records, decisions)
    by_key = {job.name: purchase for job in jobs if (purchase := fitting.serving(job.name)) is not None}
    idle = list(_idle(records.purchases.values(), {purchase.id for purchase in by_key.values()}))
    return Serving(
        jobs,
        by_key,
        tuple(purchase for purchase in idle if purchase.key in fitting.jobs),
        tuple(purchase for purchase in idle if purchase.key not in fitting.jobs),
        fitting,
        _settled(jobs, by_key, decisions),
    )


def _settled(jobs: Iterable[Job], by_key: Mapping[str, Purchase], decisions: Decisions) -> frozenset[str]:
    approved = {
        replace(job.key, take=1)
        for job in jobs
        if (purchase := by_key.get(job.name)) is not None and purchase.id in decisions.approved
    }
    return frozenset(
        job.name for job in jobs if job.name not in by_key and replace(job.key, take=1) in approved
    )


def _idle(purchases: Iterable[Purchase], serving: Collection[str]) -> Iterator[Purchase]:
    for purchase in sorted(purchases, key=lambda each: (each.key, each.age)):
        if purchase.id not in serving and not purchase.deleted and purchase.status is not Status.VOID:
            yield purchase
