"""Makes the plan of a campaign from what serves its jobs, the files on disk, and what a person asks for."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from pipeline.assignment import Assignment, assign
from pipeline.jobs import Job, JobKey
from pipeline.planning.plan import ALL, Action, Asked, Entry, Plan, Presence
from pipeline.planning.planner import Planner
from pipeline.purchases import UNFINISHED, Purchase, Records


def in_plan_order(jobs: Iterable[Job]) -> list[Job]:
    """Rules as written, then keys: the order in which a plan is shown and bought."""
    listed = list(jobs)
    rules = {
        rule: number for number, rule in enumerate(dict.fromkeys(job.coordinates.rule for job in listed))
    }
    return sorted(listed, key=lambda job: (rules[job.coordinates.rule], job.key))


def make(assignment: Assignment, presence: Mapping[JobKey, Presence], asked: Asked = ALL) -> Plan:
    """The plan for `serving.jobs`, which stand in the plan's order. Linear in jobs and purchases.

    `presence` tells, by key, where the files of a finished job are.
    """
    asked = replace(asked, replace=asked.replace - asked.carried_out)
    marked = _made_again(assignment, asked.replace)
    planner = Planner(marked, assignment, presence, asked)
    entries = [planner.entry(job) for job in marked.jobs if planner.is_selected(job.key)]
    orphans = [each for each in marked.orphans if planner.is_selected(each.key)]
    earlier = [each for each in marked.earlier if planner.is_selected(each.key)]
    pinned = [
        entry.purchase for entry in entries if entry.action is Action.PINNED and entry.purchase is not None
    ]
    followed = [each for each in (*pinned, *earlier, *orphans) if each.status in UNFINISHED]
    return Plan((*entries, *(_orphan(each) for each in orphans)), marked, followed)


def _made_again(assignment: Assignment, keys: Collection[JobKey]) -> Assignment:
    """What would serve if all that might serve these jobs were marked to be made again."""
    replaces = {
        purchase.id
        for key in keys
        if key in assignment.by_key
        for purchase in (assignment.by_key[key], *assignment.matcher.matching(key))
    }
    if not replaces:
        return assignment
    records = assignment.matcher.records
    purchases = {
        purchase_id: replace(purchase, again=True) if purchase_id in replaces else purchase
        for purchase_id, purchase in records.purchases.items()
    }
    return assign(assignment.jobs, Records(purchases, records.served), assignment.matcher.decisions)


def _orphan(purchase: Purchase) -> Entry:
    reason = f"its job has left the manifest; it is {purchase.status}"
    return Entry(purchase.key, Action.ORPHAN, reason, purchase=purchase)
