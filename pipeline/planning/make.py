"""Makes the plan of a campaign from what serves its jobs, the files on disk, and what a person asks for."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from pipeline.jobs import Job
from pipeline.planning.actions import ALL, Action, Asked, Entry, Plan, Presence
from pipeline.planning.planner import Planner
from pipeline.purchases import UNFINISHED, Purchase, Records
from pipeline.serving import Serving, serve


def in_plan_order(jobs: Iterable[Job]) -> list[Job]:
    """Rules as written, then keys: the order in which a plan is shown and bought."""
    listed = list(jobs)
    rules = {rule: number for number, rule in enumerate(dict.fromkeys(job.key.rule for job in listed))}
    return sorted(listed, key=lambda job: (rules[job.key.rule], job.name))


def make(serving: Serving, presence: Mapping[str, Presence], asked: Asked = ALL) -> Plan:
    """The plan for `serving.jobs`, which stand in the plan's order. Linear in jobs and purchases.

    `presence` tells, by key, where the files of a finished job are.
    """
    asked = replace(asked, replace=asked.replace - asked.carried_out)
    marked = _made_again(serving, asked.replace)
    planner = Planner(marked, serving, presence, asked)
    entries = [planner.entry(job) for job in marked.jobs if planner.is_selected(job.name)]
    orphans = [each for each in marked.orphans if planner.is_selected(each.key)]
    earlier = [each for each in marked.earlier if planner.is_selected(each.key)]
    pinned = [
        entry.purchase for entry in entries if entry.action is Action.PINNED and entry.purchase is not None
    ]
    followed = [each for each in (*pinned, *earlier, *orphans) if each.status in UNFINISHED]
    return Plan((*entries, *(_orphan(each) for each in orphans)), marked, followed)


def _made_again(serving: Serving, keys: Collection[str]) -> Serving:
    """What would serve if all that might serve these jobs were marked to be made again."""
    marks = {
        purchase.id
        for key in keys
        if key in serving.by_key
        for purchase in (serving.by_key[key], *serving.fitting.all_that_fit(key))
    }
    if not marks:
        return serving
    records = serving.fitting.records
    purchases = {
        mark: replace(purchase, again=True) if mark in marks else purchase
        for mark, purchase in records.purchases.items()
    }
    return serve(serving.jobs, Records(purchases, records.served), serving.fitting.decisions)


def _orphan(purchase: Purchase) -> Entry:
    reason = f"its job has left the manifest; it is {purchase.status}"
    return Entry(purchase.key, Action.ORPHAN, reason, purchase=purchase)
