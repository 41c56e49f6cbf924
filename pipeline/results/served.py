"""What the rows of results tell of which purchase served each key last, and what they leave untold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.purchases import Purchase, PurchaseId, Served, Status

if TYPE_CHECKING:
    from pipeline.jobs import JobKey
    from pipeline.json_values import Json


def named_in(row: Mapping[str, Any]) -> PurchaseId | None:
    """The purchase that a job's row names: the one that serves it, or else the one that did before."""
    purchase_id: PurchaseId | None = row.get("purchase") or row.get("last")
    return purchase_id


def serial_in(row: Mapping[str, Any]) -> int:
    """The serial in a row: how many purchases have served the job, one after the other."""
    serial: int = row.get("serial", 1)
    return serial


def served_in(
    jobs: Iterable[Mapping[str, Any]],
    untold: Iterable[Mapping[str, Any]],
    purchases: Mapping[PurchaseId, Purchase],
) -> dict[JobKey, Served]:
    """What served each key last: as the rows of `jobs` tell it, or else those that `untold_json` made."""
    found: dict[JobKey, Served] = {}
    for row in (*jobs, *untold):
        named = named_in(row)
        # An intent may still turn out to be void, and then it never served the job.
        if named is not None and named in purchases and purchases[named].status is not Status.SUBMITTING:
            found[row["key"]] = Served(purchase=named, serial=serial_in(row))
    return found


def untold_json(
    served: Mapping[JobKey, Served],
    jobs: Iterable[Mapping[str, Any]],
    purchases: Mapping[PurchaseId, Purchase],
) -> list[Json]:
    """What served keys last, one row a key, where the rows of `jobs` do not tell it.

    That is of keys that no job has any more; of jobs that an intent is to serve next; and of jobs that a purchase
    served which turned out to have bought nothing.
    """
    told = served_in(jobs, (), purchases)
    return [
        {
            "key": key,
            "purchase": each.purchase,
            **({"serial": each.serial} if each.serial > 1 else {}),
        }
        for key, each in sorted(served.items())
        if told.get(key) != each
    ]
