"""What the next run would make and buy, in the numbers that a page shows: it has no rules of its own for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.planning.make import limit_besides_credits, make
from pipeline.planning.plan import BUYING, Action, Plan, PlanOptions, cost_of
from pipeline.purchases import Status

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pipeline.assignment import Assignment
    from pipeline.jobs import JobKey
    from pipeline.json_values import Json
    from pipeline.planning.plan import Entry
    from pipeline.purchases import Purchase
    from pipeline.state.store import Caps

MAKING = BUYING | {Action.SHARE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The plan of `pipeline run`, and that of `pipeline run --retry-failed`, which is the same if nothing failed."""

    run: Plan
    retry: Plan

    def as_json(
        self,
        caps: Caps,
        purchases: Collection[Purchase],
        by_key: Mapping[JobKey, Purchase] | None = None,
    ) -> dict[str, Json]:
        """Both in numbers; with `by_key`, without what was bought since, for jobs that these purchases serve now."""
        run = self.run if by_key is None else unbought(self.run, by_key)
        written: dict[str, Json] = {"next_run": in_numbers(run, caps, purchases)}
        if self.retry is not self.run:
            retry = self.retry if by_key is None else unbought(self.retry, by_key)
            written["retry_run"] = in_numbers(retry, caps, purchases)
        return written


def forecast(assignment: Assignment, selected: frozenset[JobKey] | None = None) -> Forecast:
    """What a run of the `selected` jobs would do; None selects all."""
    options = PlanOptions(selected=selected)
    run = make(assignment, {}, options)
    if not any(each.status is Status.FAILED for each in assignment.by_key.values()):
        return Forecast(run=run, retry=run)
    return Forecast(run=run, retry=make(assignment, {}, replace(options, retry_failed=True)))


def unbought(plan: Plan, by_key: Mapping[JobKey, Purchase]) -> Plan:
    """The plan without what was bought since it was made, for jobs that these purchases serve now."""
    left = []
    for entry in plan.of(*MAKING):
        serving = by_key.get(entry.key)
        if serving is None or (entry.purchase is not None and serving.id == entry.purchase.id):
            left.append(entry)
    return replace(plan, entries=left)


def in_numbers(plan: Plan, caps: Caps, purchases: Collection[Purchase]) -> dict[str, Json]:
    """The jobs that a plan makes, the purchases for them, their known credits, and a limit that stops all of it.

    `unknown` is how many of the purchases have no known price; `purchases` are those of all runs so far. What the
    credits exceed is left to the page, which has the caps: it says so beside another limit, and by how much.
    """
    written = _counts(plan.of(*MAKING))
    limit = limit_besides_credits(plan, caps, purchases)
    return written if limit is None else {**written, "limit": limit}


def outlook(before: Plan, after: Plan) -> dict[str, Json]:
    """What a plan makes that the one before it did not (`buys`), and what it makes no longer (`spares`)."""
    made_before, made_after = ({entry.key: entry for entry in each.of(*MAKING)} for each in (before, after))
    return {
        "buys": _counts(entry for key, entry in made_after.items() if key not in made_before),
        "spares": _counts(entry for key, entry in made_before.items() if key not in made_after),
    }


def _counts(making: Iterable[Entry]) -> dict[str, Json]:
    """The jobs that are made, the purchases for them, their known credits, and how many have no known price."""
    entries = [*making]
    cost = cost_of(entry for entry in entries if entry.buys)
    return {
        "jobs": len(entries),
        "purchases": cost.creates,
        "credits": cost.credits,
        "unknown": cost.unpriced,
    }
