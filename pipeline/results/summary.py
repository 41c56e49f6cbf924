"""Counts of jobs and sums of credits: worked out here, and nowhere else above the state."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pipeline.jobs import Json
from pipeline.purchases import Purchase, bought_nothing


class Summary(NamedTuple):
    """`jobs` by status; `credits` that were ever spent, and `unpriced`: purchases whose price nobody knows."""

    jobs: Mapping[str, int]
    credits: int
    unpriced: int

    def as_json(self) -> dict[str, Json]:
        """As it stands in the results manifest."""
        return {"jobs": dict(self.jobs), "credits": self.credits}


def summarize(statuses: Iterable[str], purchases: Iterable[Purchase]) -> Summary:
    """How many jobs have each of `statuses`, in the order of their names, and what `purchases` cost."""
    counts = Counter(statuses)
    listed = list(purchases)
    return Summary(
        jobs={status: counts[status] for status in sorted(counts)},
        credits=credits_spent(listed),
        unpriced=sum(each.credits is None and not bought_nothing(each) for each in listed),
    )


def credits_spent(purchases: Iterable[Purchase]) -> int:
    """The known credits of all that was bought, whether it serves a job or not."""
    return sum(purchase.cost for purchase in purchases)
