"""Splits a campaign over several runs at once. Pure, so that every machine works out the same split by itself."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pipeline.assignment import Assignment
from pipeline.jobs import CURRENT, Job, JobKey, fingerprint
from pipeline.planning.plan import Plan
from pipeline.planning.shards import Shard, ShardBy
from pipeline.purchases import Purchase
from pipeline.state.store import Caps

# Hexadecimal digits of a hash that decide: enough to spread jobs evenly over any number of shards.
_DIGITS = 15


class Split:
    """The jobs and purchases that belong to `shard`.

    Jobs that may share a purchase belong to one shard, and so do a chain and all takes of one request: a job belongs
    where the hash of what the root of its chain asks for points. By requests, no other job has a say in that; by
    credits, the groups are dealt out, the dearest first, each to the shard that has least. `asked` is what a run was
    asked for beyond those jobs: its selection and caps, and what people approved or want made again.
    """

    def __init__(self, shard: Shard, jobs: Iterable[Job], *, asked: str = "") -> None:
        self.shard = shard
        self._asked = asked
        by_key = {job.key: job for job in jobs}
        self._by_key = by_key
        groups = {key: _group(job, by_key) for key, job in by_key.items()}
        self._shard_of_group: Mapping[str, int] = (
            _dealt_out(by_key, groups, shard.count) if shard.by is ShardBy.CREDITS else {}
        )
        self._keys = frozenset(key for key, group in groups.items() if self._owns(group))
        self._others = by_key.keys() - self._keys

    @property
    def name(self) -> str:
        """Equal for shards of one split, and for no others: these may be at work at once.

        Every campaign has a cap, at least on its creates. It holds for all shards together, as each buys its part of
        one plan that is within it. So who knows other jobs or prices, or was asked for something else, has another
        plan, and splits otherwise. By credits, each job also has a say in where the others belong.
        """
        return f"{self.shard.count} shards by {self.shard.by} ({_digest(self._by_key, self._asked)})"

    def has_job(self, key: JobKey) -> bool:
        """Whether the job of that key is this shard's."""
        return key in self._keys

    def has_purchase(self, purchase: Purchase) -> bool:
        """Whether a purchase that serves no job is followed by this shard: where its job is, or by its own hash."""
        if purchase.key in self._keys or purchase.key in self._others:
            return purchase.key in self._keys
        return _pointed_at(purchase.fingerprint, self.shard.count) == self.shard.index

    def assignment_of(self, whole: Assignment) -> Assignment:
        """The shard's part of the assignment: its jobs with what serves them, and idle purchases that it follows."""
        return replace(
            whole,
            jobs=[job for job in whole.jobs if self.has_job(job.key)],
            by_key={key: purchase for key, purchase in whole.by_key.items() if self.has_job(key)},
            earlier=tuple(each for each in whole.earlier if self.has_purchase(each)),
            orphans=tuple(each for each in whole.orphans if self.has_purchase(each)),
        )

    def part_of(self, plan: Plan) -> Plan:
        """The shard's part of a plan for the whole campaign."""
        entries = [
            entry
            for entry in plan.entries
            if (self.has_job(entry.key) if entry.job is not None else self._follows(entry.purchase))
        ]
        return replace(
            plan, entries=entries, followed=[each for each in plan.followed if self._follows(each)]
        )

    def _follows(self, purchase: Purchase | None) -> bool:
        return purchase is not None and self.has_purchase(purchase)

    def _owns(self, group: str) -> bool:
        owner = self._shard_of_group.get(group) or _pointed_at(group, self.shard.count)
        return owner == self.shard.index


def caps_of_part(caps: Caps, part: Plan, spent: int) -> Caps:
    """The caps of a shard, so that `caps` hold for all shards together: the cost of its part of the plan.

    The whole plan is within them, as it is refused otherwise. `spent` are the credits of all runs so far. A job that
    is bought again in the same run, as it failed, has to find room in that part.
    """
    return Caps(
        max_creates=None if caps.max_creates is None else len(part.buying),
        max_credits=None if caps.max_credits is None else part.credits,
        budget=None if caps.budget is None else spent + part.credits,
    )


def _group(job: Job, jobs: Mapping[JobKey, Job]) -> str:
    """The hash of what the root of the job's chain asks for, whichever take of it."""
    while job.upstream is not None and job.upstream in jobs:
        job = jobs[job.upstream]
    return fingerprint(replace(job.request, take=1), CURRENT)


def _pointed_at(asked: str, count: int) -> int:
    return int(asked.rpartition(":")[2][:_DIGITS], 16) % count + 1


def _dealt_out(jobs: Mapping[JobKey, Job], groups: Mapping[JobKey, str], count: int) -> Mapping[str, int]:
    """Deal groups out to shards: the dearest group first, each to the shard that has least so far."""
    prices: dict[str, dict[Sequence[str], int]] = {}
    for key, job in jobs.items():
        # What several jobs share is bought once.
        of_group, asked = prices.setdefault(groups[key], {}), _asked(job, jobs)
        of_group[asked] = max(of_group.get(asked, 0), job.credits or 0)
    costs = {group: (sum(each.values()), len(each)) for group, each in prices.items()}
    loads = [(0, 0)] * count
    dealt = {}
    for group in sorted(costs, key=lambda each: (*(-cost for cost in costs[each]), each)):
        index = loads.index(min(loads))
        loads[index] = (loads[index][0] + costs[group][0], loads[index][1] + costs[group][1])
        dealt[group] = index + 1
    return dealt


def _digest(jobs: Mapping[JobKey, Job], terms: str) -> str:
    """A hash that differs between campaigns that ask for other things, or at other prices, and on other `terms`."""
    asked = sorted(f"{' '.join(_asked(job, jobs))} {job.credits}\n" for job in jobs.values())
    return hashlib.sha256("".join([*asked, terms]).encode()).hexdigest()[:12]


def _asked(job: Job, jobs: Mapping[JobKey, Job]) -> tuple[str, ...]:
    """The fingerprints of the job and of those that it is made from: equal for jobs that share a purchase."""
    asked = [job.fingerprint]
    while job.upstream is not None and job.upstream in jobs:
        job = jobs[job.upstream]
        asked.append(job.fingerprint)
    return tuple(asked)
