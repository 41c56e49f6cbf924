"""Gives each job its action: the first of the table that fits."""

from collections.abc import Collection, Iterable, Mapping

from pipeline.jobs import Job
from pipeline.plan.actions import Action, Difference, Entry, Plan, Presence
from pipeline.plan.differences import differences
from pipeline.purchases import UNFINISHED, Purchase, Status
from pipeline.serving import Serving

# A job whose upstream ends the run in one of these has something to be made from.
_MADE = frozenset({Status.SUCCEEDED, Status.DONE})


def in_plan_order(jobs: Iterable[Job]) -> list[Job]:
    """Rules as written, then keys: the order in which a plan is shown and bought."""
    listed = list(jobs)
    rules = {rule: number for number, rule in enumerate(dict.fromkeys(job.key.rule for job in listed))}
    return sorted(listed, key=lambda job: (rules[job.key.rule], job.name))


def make(
    serving: Serving,
    presence: Mapping[str, Presence],
    selected: Collection[str] | None = None,
) -> Plan:
    """The plan for `serving.jobs`, which stand in the plan's order.

    `presence` tells, by key, where the files of a finished job are. `selected` are keys (of jobs or of
    orphans); None selects all. Linear in jobs and purchases.
    """
    planner = _Planner(serving, presence, selected)
    entries = [planner.entry(job) for job in serving.jobs if planner.is_selected(job.name)]
    orphans = [each for each in serving.orphans if planner.is_selected(each.key)]
    earlier = [each for each in serving.earlier if planner.is_selected(each.key)]
    followed = [each for each in (*earlier, *orphans) if each.status in UNFINISHED]
    return Plan((*entries, *(_orphan(each) for each in orphans)), followed)


def _orphan(purchase: Purchase) -> Entry:
    reason = f"its job has left the manifest; it is {purchase.status}"
    return Entry(purchase.key, Action.ORPHAN, reason, purchase=purchase)


class _Planner:
    """Decides job by job. Who waits is settled first, as only one that does not wait can buy for others."""

    def __init__(
        self, serving: Serving, presence: Mapping[str, Presence], selected: Collection[str] | None
    ) -> None:
        self._serving = serving
        self._presence = presence
        self._selected = None if selected is None else frozenset(selected)
        self._waits: dict[str, str] = {}
        self._buyers: dict[tuple[str, ...], str] = {}
        for job in serving.jobs:
            if job.name not in serving.by_key and self.is_selected(job.name) and not self._waits_for(job):
                self._buyers.setdefault(serving.fitting.ask(job.name), job.name)

    def is_selected(self, key: str) -> bool:
        return self._selected is None or key in self._selected

    def entry(self, job: Job) -> Entry:
        """What is done for `job`."""
        purchase = self._serving.by_key.get(job.name)
        return self._buy(job) if purchase is None else self._follow(job, purchase)

    def _follow(self, job: Job, purchase: Purchase) -> Entry:
        presence = None
        match purchase.status:
            case Status.ATTENTION | Status.SUBMITTING:
                action, reason = Action.ATTENTION, purchase.error or "whether it was bought is unknown"
            case Status.SUBMITTED:
                action, reason = Action.RESUME, f"bought {purchase.bought_at}, not finished"
            case Status.SUCCEEDED:
                action, reason = Action.DOWNLOAD, "finished, its files are not fetched"
            case Status.FAILED:
                action, reason = Action.KEEP, _failure(purchase)
            case _:
                presence = self._presence.get(job.name, Presence.MISSING)
                action, reason = _kept(presence)
        return Entry(job.name, action, reason, job, purchase, presence=presence)

    def _buy(self, job: Job) -> Entry:
        if waits_for := self._waits_for(job):
            return Entry(job.name, Action.WAIT, waits_for, job, after=job.upstream)
        buyer = self._buyers[self._serving.fitting.ask(job.name)]
        if buyer != job.name:
            return Entry(job.name, Action.SHARE, f"asks for the same as {buyer}", job, buyer=buyer)
        after = self._after(job)
        behind = "" if after is None else f", after {after}"
        before = self._serving.fitting.last(job.name)
        if before is None:
            return Entry(job.name, Action.CREATE, f"new{behind}", job, credits=job.credits, after=after)
        changes = self._changes(before, job)
        reason = _what_changed(before, changes) + behind
        return Entry(job.name, Action.REPLACE, reason, job, before, job.credits, changes, after)

    def _waits_for(self, job: Job) -> str:
        """Why an unserved job cannot be bought in this plan; empty if it can."""
        if job.name not in self._waits:
            self._waits[job.name] = self._what_upstream_lacks(job)
        return self._waits[job.name]

    def _what_upstream_lacks(self, job: Job) -> str:
        if job.upstream is None:
            return ""
        upstream = self._serving.fitting.jobs[job.upstream]
        purchase = self._serving.by_key.get(upstream.name)
        if purchase is not None and purchase.status in _MADE:
            return ""
        if not self.is_selected(upstream.name):
            return f"{upstream.name} is not selected and has not succeeded"
        if purchase is None:
            return f"{upstream.name} waits" if self._waits_for(upstream) else ""
        if purchase.status is Status.FAILED:
            return f"{upstream.name} failed"
        return "" if purchase.status is Status.SUBMITTED else f"{upstream.name} needs attention"

    def _after(self, job: Job) -> str | None:
        """The upstream that must succeed first, None where it has."""
        purchase = self._serving.by_key.get(job.upstream) if job.upstream is not None else None
        return None if purchase is not None and purchase.status in _MADE else job.upstream

    def _changes(self, before: Purchase, job: Job) -> tuple[Difference, ...]:
        changes = differences(before, job)
        upstream = self._serving.by_key.get(job.upstream) if job.upstream is not None else None
        made_from = before.inputs[0] if before.inputs else None
        now = upstream.id if upstream is not None else None
        if job.upstream is not None and made_from != now:
            changes += (Difference("upstream", made_from, now or f"the next of {job.upstream}"),)
        return changes


def _failure(purchase: Purchase) -> str:
    why = f": {purchase.error}" if purchase.error else ""
    hint = "; --retry-failed buys it again"
    return f"failed ({purchase.reason}){why}{hint}"


def _kept(presence: Presence) -> tuple[Action, str]:
    match presence:
        case Presence.ELSEWHERE:
            return Action.MOVE, "its file is here, under another path"
        case Presence.MISSING:
            return Action.KEEP, "up to date; its file is not on this machine, collect fetches it"
        case Presence.ALTERED:
            return Action.KEEP, "up to date; its file was altered on this machine"
        case Presence.IN_PLACE:
            return Action.KEEP, "up to date"


def _what_changed(before: Purchase, changes: tuple[Difference, ...]) -> str:
    if before.again:
        return "to be made again"
    if before.deleted:
        return "what served it was deleted"
    names = ", ".join(change.name for change in changes[:3])
    more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
    return f"changed: {names}{more}" if names else "asked for anew"
