"""What may be deleted, at the vendor and here: never what a job lives on."""

from collections import Counter
from collections.abc import Iterator

from pipeline.purchases import UNFINISHED, Purchase, Status
from pipeline.serving import Serving


def prunable(serving: Serving, *, replaced: bool) -> list[Purchase]:
    """The orphans that have ended; with `replaced` also the earlier purchases of jobs.

    Never one that serves a job, that such a one was made from, that is approved, or whose workflow another
    purchase has too.
    """
    idle = [*serving.orphans, *(serving.earlier if replaced else ())]
    kept = needed(serving) | set(serving.fitting.decisions.approved)
    shared = _shared_workflows(serving)
    return [
        each for each in idle if each.id not in kept and each.workflow_id not in shared and has_ended(each)
    ]


def needed(serving: Serving) -> set[str]:
    """The purchases that serve a job, and all that these were made from."""
    purchases = serving.fitting.records.purchases
    reached: set[str] = set()
    left = [purchase.id for purchase in serving.by_key.values()]
    while left:
        mark = left.pop()
        if mark not in reached:
            reached.add(mark)
            left.extend(purchases[mark].inputs if mark in purchases else ())
    return reached


def has_ended(purchase: Purchase) -> bool:
    """Whether nothing more comes of it, and there may be something to delete."""
    return purchase.status not in UNFINISHED and purchase.status not in {Status.ATTENTION, Status.VOID}


def destroyable(serving: Serving) -> list[Purchase]:
    """Every purchase that has a workflow of its own at the vendor, or files here."""
    return [each for each in _known(serving) if not each.deleted and each.workflow_id is not None]


def _known(serving: Serving) -> Iterator[Purchase]:
    yield from sorted(serving.fitting.records.purchases.values(), key=lambda each: (each.key, each.age))


def _shared_workflows(serving: Serving) -> set[str | None]:
    counts = Counter(each.workflow_id for each in serving.fitting.records.purchases.values())
    return {workflow for workflow, number in counts.items() if workflow is not None and number > 1}
