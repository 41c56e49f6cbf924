"""Keeps the purchases of a state in memory, and converts rows of the tables to records and back.

A row that this tool cannot have written is reported as damage.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pipeline import record_limits
from pipeline.jobs import JobKey
from pipeline.purchases import Purchase, PurchaseId, Records, Served, Status, as_json
from pipeline.records import PURCHASE_ID, SHA256, check_forms, purchase_from_json
from pipeline.state.events import event_name
from pipeline.state.store import Caps, Change, KnownResults, LoggedEvent, PlacedFile, Spent

if TYPE_CHECKING:
    from pipeline.state.sql.database import Row, Value

# Stands for the run that recorded an imported intent; no run has this name, so no cap counts it.
IMPORTED = "imported"

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


@dataclass(slots=True)
class Mirror:
    """A copy in memory of the purchases in the tables, and their sums for the caps, updated with each change.

    `revisions` counts how often each purchase was written; `own` are those that this run bought, `recorded` those
    whose intent this state recorded, in any run, or imported, and `imported` the latter; `unpriced` those without a
    known price. `files` is the index of files by path, None until it is first read.
    """

    purchases: dict[PurchaseId, Purchase] = field(default_factory=dict)
    served: dict[JobKey, Served] = field(default_factory=dict)
    revisions: dict[PurchaseId, int] = field(default_factory=dict)
    own: set[PurchaseId] = field(default_factory=set)
    recorded: set[PurchaseId] = field(default_factory=set)
    imported: set[PurchaseId] = field(default_factory=set)
    unpriced: set[PurchaseId] = field(default_factory=set)
    spent: Spent = Spent()
    results: KnownResults = KnownResults()
    files: dict[str, PlacedFile] | None = None

    @property
    def records(self) -> Records:
        """A copy of the records, unaffected by later writes."""
        return Records(purchases=dict(self.purchases), served=dict(self.served))

    def put(self, purchase: Purchase, revision: int, *, own: bool = False, recorded: bool = False) -> None:
        """Add or replace a purchase; `own`: this run buys it; `recorded`: this state recorded its intent."""
        before = self.purchases.get(purchase.id)
        if own:
            self.own.add(purchase.id)
        if recorded:
            self.recorded.add(purchase.id)
        is_own = purchase.id in self.own
        if before is not None:
            self.spent = self.spent.without(before, own=is_own)
        self.spent = self.spent.plus(purchase, own=is_own)
        self.purchases[purchase.id] = purchase
        self.revisions[purchase.id] = revision
        (self.unpriced.add if purchase.is_unpriced else self.unpriced.discard)(purchase.id)

    def spent_under(self, caps: Caps) -> Spent:
        """The sums, in which purchases without a known price have the one that `caps` know."""
        if caps.budget is None:
            return self.spent
        prices = [caps.price_of(self.purchases[each]) for each in self.unpriced]
        known = [price for price in prices if price is not None]
        return replace(
            self.spent, ever=self.spent.ever + sum(known), unpriced=self.spent.unpriced - len(known)
        )


def text_of(purchase: Purchase) -> str:
    """The purchase's JSON document, in ASCII, so that no NUL or lone surrogate from a server reaches a column."""
    return _encode(as_json(purchase))


def storable(text: str) -> str:
    """A text that every database accepts: characters that one cannot store are escaped."""
    return (
        text
        if record_limits.is_storable(text)
        else text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
    )


def columns(purchase: Purchase) -> tuple[Value, ...]:
    """The columns besides the document: status, reason, key, fingerprint and cost."""
    return (
        purchase.status.value,
        purchase.reason.value if purchase.reason else None,
        storable(purchase.key),
        storable(purchase.fingerprint),
        purchase.cost,
    )


def mirror_of(purchases: Iterable[Row], served: Iterable[Row], results: Sequence[Row], run: str) -> Mirror:
    """The mirror of the rows of these tables; the purchases of `run` are its own.

    Raises:
        ValueError: a row cannot be one of ours; the message names it.
    """
    mirror = Mirror()
    for row in purchases:
        purchase, revision, of_run = _purchase(row)
        mirror.put(purchase, revision, own=of_run == run, recorded=of_run != "")
        if of_run == IMPORTED:
            mirror.imported.add(purchase.id)
    for key, purchase_id, serial in served:
        if not _are_texts(key) or not _is_id(purchase_id) or not record_limits.is_serial(serial):
            raise ValueError(f"served: {key!r:.100}: not the key of a job, the id of a purchase and a serial")
        mirror.served[JobKey(key)] = Served(purchase=PurchaseId(purchase_id), serial=serial)
    mirror.results = _known_results(results)
    return mirror


def assert_has_served(mirror: Mirror) -> None:
    """Check that each purchase that served a job is there: without it, the job would be bought again.

    Raises:
        ValueError: one is missing, such as where a single table was restored from an older backup.
    """
    for key, served in mirror.served.items():
        if served.purchase not in mirror.purchases:
            raise ValueError(f"served: {key!r:.100}: the purchase {served.purchase} is missing")


def sighted(purchases: Iterable[Row]) -> tuple[dict[PurchaseId, Purchase], dict[PurchaseId, str]]:
    """The purchases in `purchases` (rows), and the run of each.

    Raises:
        ValueError: a row cannot be one of ours; the message names it.
    """
    found = [_purchase(row) for row in purchases]
    return {each.id: each for each, _, _ in found}, {each.id: run for each, _, run in found}


def _known_results(rows: Sequence[Row]) -> KnownResults:
    match rows:
        case []:
            return KnownResults()
        case [(str(joined), str(inputs))]:
            return KnownResults(joined=joined, inputs=inputs)
    raise ValueError("results: not the hashes of one results manifest")


def _purchase(row: Row) -> tuple[Purchase, int, str]:
    purchase_id, revision, *written, run, document = row
    try:
        if not isinstance(document, str):
            raise ValueError("the document is not text")
        purchase = purchase_from_json(json.loads(document))
        check_forms(purchase)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"purchases: {purchase_id!r:.40}: {error}") from None
    # The columns repeat what the document says, so a difference shows that one of them was changed.
    if purchase_id != storable(purchase.id) or tuple(written) != columns(purchase):
        raise ValueError(f"purchases: {purchase_id!r:.40}: the columns say something else than the document")
    if type(revision) is not int or revision < 1 or not isinstance(run, str):
        raise ValueError(f"purchases: {purchase_id!r:.40}: no revision and run")
    return purchase, revision, run


def event_of(change: Change, revision: int) -> tuple[Value, ...]:
    """The events row of a change, which produced this revision of the purchase."""
    if change.event is not None:
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", event_name(change.event)).lower()
    else:
        name = "intent" if change.before is None and change.after.status is Status.SUBMITTING else "joined"
    before = change.before.status.value if change.before else None
    return (
        change.after.id,
        revision,
        change.at,
        name,
        before,
        change.after.status.value,
        storable(change.detail),
    )


def event_values(event: LoggedEvent, revision: int) -> tuple[Value, ...]:
    """The events row of an event that another state exported."""
    values = (event.at, event.event, event.before, event.after, event.detail)
    at, name, before, after, detail = (None if each is None else storable(each) for each in values)
    return (event.purchase, revision, at, name, before, after, detail)


def logged_event(row: Row) -> LoggedEvent:
    """Read a row of the history.

    Raises:
        ValueError: it cannot be one of ours.
    """
    at, purchase_id, event, before, after, detail = row
    is_known_before = before is None or isinstance(before, str)
    if not (_are_texts(at, event, after, detail) and is_known_before and _is_id(purchase_id)):
        raise ValueError(f"events: {purchase_id!r:.40}: not a row of its history")
    return LoggedEvent(
        at=at, purchase=PurchaseId(purchase_id), event=event, before=before, after=after, detail=detail
    )


def file_values(file: PlacedFile) -> tuple[Value, ...]:
    """The row of a file."""
    return (file.path, file.purchase, file.slot, file.sha256, file.bytes, file.mtime_ns)


def placed_file(row: Row) -> PlacedFile:
    """Read a row of the index of files.

    Raises:
        ValueError: it cannot be one of ours.
    """
    path, purchase_id, slot, sha256, size, mtime_ns = row
    # A file that is indexed only for its hash belongs to no purchase.
    is_known = _are_texts(path, slot) and (purchase_id == "" or _is_id(purchase_id))
    is_hash = isinstance(sha256, str) and SHA256.fullmatch(sha256)
    if not is_known or not is_hash or type(size) is not int or type(mtime_ns) is not int:
        raise ValueError(f"files: {path!r:.100}: not a file of a purchase")
    return PlacedFile(
        path=path, purchase=PurchaseId(purchase_id), slot=slot, sha256=sha256, bytes=size, mtime_ns=mtime_ns
    )


def duration(row: Row) -> tuple[str, float]:
    """Read a row of the durations: the template's id, and the mean in seconds.

    Raises:
        ValueError: it cannot be one of ours.
    """
    template_id, count, mean = row
    is_count = type(count) is int and count > 0
    if not _are_texts(template_id) or not is_count or not isinstance(mean, float) or not math.isfinite(mean):
        raise ValueError(f"durations: {template_id!r:.100}: not the mean of {count!r:.40} durations")
    return template_id, mean


def _is_id(value: object) -> bool:
    return isinstance(value, str) and bool(PURCHASE_ID.fullmatch(value))


def _are_texts(*values: object) -> bool:
    return all(isinstance(value, str) for value in values)
