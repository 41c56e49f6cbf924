"""Splits a campaign into shards. Pure, so that every machine computes the same split independently."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.jobs import CURRENT, Job, JobKey, fingerprint
from pipeline.planning.shards import Shard, ShardBy

if TYPE_CHECKING:
    from pipeline.assignment import Assignment
    from pipeline.planning.plan import Plan
    from pipeline.purchases import Purchase
    from pipeline.state.store import Caps

# The hexadecimal digits of a hash to use: enough to spread jobs evenly over any number of shards.
_DIGITS = 15


class Split:
    """The jobs and purchases that belong to `shard`.

    Jobs that may share a purchase belong to the same shard, and so do a chain and all takes of one request. They form
    a group, identified by the hash of the request at the root of the chain. By requests, that hash alone determines
    the shard; by credits, the groups are distributed, the most expensive first, each to the shard with the least so
    far. `asked` is what else determines the plan: selection, caps, approvals and redos.
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
        """A name that only shards of the same split have in common: these may run at the same time.

        Every campaign has a cap, at least on its creates. It holds for all shards together because each buys its part
        of one plan that is within the cap. A run with other jobs, prices or options has another plan, and so another
        split. By credits, the shard of each job also depends on the other jobs.
        """
        return f"{self.shard.count} shards by {self.shard.by} ({_digest(self._by_key, self._asked)})"

    def has_job(self, key: JobKey) -> bool:
        """Whether the job of that key belongs to this shard."""
        return key in self._keys

    def has_purchase(self, purchase: Purchase) -> bool:
        """Whether this shard follows a purchase that serves no job, decided by its job's shard or by its own hash."""
        if purchase.key in self._keys or purchase.key in self._others:
            return purchase.key in self._keys
        return _pointed_at(purchase.fingerprint, self.shard.count) == self.shard.index

    def assignment_of(self, whole: Assignment) -> Assignment:
        """The shard's part of the assignment: its jobs, what serves them, and the idle purchases that it follows."""
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
        index = self._shard_of_group.get(group) or _pointed_at(group, self.shard.count)
        return index == self.shard.index


def caps_of_part(caps: Caps, part: Plan) -> Caps:
    """The caps of a shard: the cost of its part of the plan, so that `caps` hold for all shards together.

    The whole plan is within `caps`, as it is refused otherwise. A failed job that is retried in the same run counts
    against these caps too. The budget stays that of the campaign: purchases that other shards make meanwhile, of this
    plan or of another, count against it once this shard knows them.
    """
    has_credits = caps.max_credits is not None or caps.budget is not None
    return replace(
        caps,
        max_creates=None if caps.max_creates is None else len(part.buying),
        max_credits=part.credits if has_credits else None,
        of_shard=True,
    )


def _group(job: Job, jobs: Mapping[JobKey, Job]) -> str:
    """The hash of the request at the root of the job's chain, the same for all takes."""
    while job.upstream is not None and job.upstream in jobs:
        job = jobs[job.upstream]
    return fingerprint(replace(job.request, take=1), CURRENT)


def _pointed_at(asked: str, count: int) -> int:
    return int(asked.rpartition(":")[2][:_DIGITS], 16) % count + 1


def _dealt_out(jobs: Mapping[JobKey, Job], groups: Mapping[JobKey, str], count: int) -> Mapping[str, int]:
    """Distribute groups to shards: the most expensive group first, each to the shard with the least so far."""
    prices: dict[str, dict[Sequence[str], int]] = {}
    for key, job in jobs.items():
        # Jobs that share a purchase cost it once.
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
    """A hash of all requests, their prices, and `terms`."""
    asked = sorted(f"{' '.join(_asked(job, jobs))} {job.credits}\n" for job in jobs.values())
    return hashlib.sha256("".join([*asked, terms]).encode()).hexdigest()[:12]


def _asked(job: Job, jobs: Mapping[JobKey, Job]) -> tuple[str, ...]:
    """The fingerprints of the job and of those that it is made from; equal for jobs that share a purchase."""
    asked = [job.fingerprint]
    while job.upstream is not None and job.upstream in jobs:
        job = jobs[job.upstream]
        asked.append(job.fingerprint)
    return tuple(asked)
