"""What the rows of results tell of which purchase served each key last, and what they leave untold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from pipeline import record_limits
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
    *,
    jobs: Iterable[Mapping[str, Any]],
    untold: Iterable[Mapping[str, Any]],
    purchases: Mapping[PurchaseId, Purchase],
) -> dict[JobKey, Served]:
    """What served each key last: as the rows of `jobs` tell it, or else those that `untold_json` made."""
    # A job's row may name an intent that turned out to be void, or may yet, and then it never served the job.
    by_jobs = {
        row["key"]: each
        for row in jobs
        if (each := _served(row, purchases)) is not None
        and purchases[each.purchase].status is not Status.VOID
    }
    rest = {row["key"]: _served(row, purchases) for row in untold}
    return {key: each for key, each in {**by_jobs, **rest}.items() if each is not None}


def _served(row: Mapping[str, Any], purchases: Mapping[PurchaseId, Purchase]) -> Served | None:
    purchase = purchases.get(row.get("purchase") or row.get("last", ""))
    if purchase is None or purchase.status is Status.SUBMITTING:
        return None
    return Served(purchase=purchase.id, serial=serial_in(row))


def untold_json(
    served: Mapping[JobKey, Served],
    jobs: Iterable[Mapping[str, Any]],
    purchases: Mapping[PurchaseId, Purchase],
) -> list[Json]:
    """What served keys last, one row a key, where the rows of `jobs` do not tell it.

    That is of keys that no job has any more; of jobs that an intent is to serve next; and of jobs that a purchase
    served which turned out to have bought nothing. A row without a purchase says that nothing is known.
    """
    told = served_in(jobs=jobs, untold=(), purchases=purchases)
    untold = (key for key in sorted({*served, *told}) if served.get(key) != told.get(key))
    return [_row(key, served.get(key)) for key in islice(untold, record_limits.MAX_SERVED)]


def _row(key: JobKey, served: Served | None) -> dict[str, Json]:
    if served is None:
        return {"key": key}
    serial: dict[str, Json] = {"serial": served.serial} if served.serial > 1 else {}
    return {"key": key, "purchase": served.purchase, **serial}
