"""Stores receipts that `serve` received, on disk or in the team's database, for the next `run` or `collect`."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError
from pipeline.files import stamp, write_atomically
from pipeline.purchases import PurchaseId, WorkflowId
from pipeline.records import PURCHASE_ID, is_workflow_id
from pipeline.webhooks.receipt import MAX_NAMED, Receipt, ReceiptInbox

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.schemes import StateLocation
    from pipeline.state.postgres.webhook_receipts import WebhookReceipts

_LONGEST = 4096
_MAX_TAKEN = 100_000
_SECONDS_BETWEEN_LOOKS = 0.5


class Spool:
    """A folder of receipts, one file for each. It is created when the first one is stored.

    Safe to use from several threads.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._put: dict[PurchaseId, set[str]] = {}
        self._lock = threading.Lock()

    def put(self, receipt: Receipt) -> None:
        """Store a receipt durably, unless an equal one is stored, or too many for the same purchase.

        Raises:
            OSError: it cannot be written.
        """
        with self._lock:
            self._put_if_new(receipt, _name_of(receipt))

    def _put_if_new(self, receipt: Receipt, name: str) -> None:
        names = self._put.setdefault(receipt.purchase, set())
        if name in names and (self._folder / name).exists():
            return
        if name not in names and len(names) > MAX_NAMED:
            return
        if not self._folder.exists():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._folder / ".gitignore", b"*\n")
        written: dict[str, Json] = {"purchase": receipt.purchase, "workflows": [*receipt.named]}
        write_atomically(self._folder / name, json.dumps(written).encode())
        names.add(name)

    def stamp(self) -> object:
        """A token that changes whenever a receipt is stored or removed."""
        return stamp(self._folder)

    def receipts(self) -> Iterator[Receipt]:
        """The stored receipts; a file that is not ours is skipped."""
        for number, path in enumerate(sorted(self._folder.glob("*.json"))):
            if number >= _MAX_TAKEN:
                return
            receipt = _read(path)
            if receipt is not None:
                yield receipt

    def remove(self, receipts: Collection[Receipt]) -> None:
        """Remove receipts that were handled.

        Raises:
            OSError: one cannot be removed.
        """
        for receipt in receipts:
            (self._folder / _name_of(receipt)).unlink(missing_ok=True)


def _name_of(receipt: Receipt) -> str:
    digest = hashlib.sha256("\n".join(receipt.named).encode()).hexdigest()[:16]
    return f"{receipt.purchase}-{digest}.json"


def _read(path: Path) -> Receipt | None:
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(_LONGEST))
            age = time.time() - os.fstat(file.fileno()).st_mtime
        purchase, workflows = document["purchase"], document["workflows"]
        named = tuple(WorkflowId(each) for each in workflows if is_workflow_id(each))
        is_ours = PURCHASE_ID.fullmatch(purchase) is not None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    receipt = Receipt(PurchaseId(purchase), named[:MAX_NAMED], age)
    return receipt if is_ours and path.name == _name_of(receipt) else None


class TeamSpool:
    """A spool in a team's database, where the holder of the campaign's state finds the receipts."""

    def __init__(self, receipts: WebhookReceipts) -> None:
        self._receipts = receipts
        self._numbers: dict[Receipt, list[str]] = {}

    def put(self, receipt: Receipt) -> None:
        """As `Spool.put`."""
        with _as_os_error():
            self._receipts.put(receipt.purchase, receipt.named, MAX_NAMED)

    def stamp(self) -> object:
        """As `Spool.stamp`; while the database is unreachable, nothing seems to change."""
        with suppress(PipelineError):
            return self._receipts.stamp()
        return None

    def receipts(self) -> Iterator[Receipt]:
        """As `Spool.receipts`.

        Raises:
            OSError: they cannot be read.
        """
        with _as_os_error():
            held = self._receipts.held(_MAX_TAKEN)
        for number, purchase_id, workflows, age in held:
            named = tuple(each for each in workflows if is_workflow_id(each))
            receipt = Receipt(purchase_id, named[:MAX_NAMED], age)
            self._numbers.setdefault(receipt, []).append(number)
            yield receipt

    def remove(self, receipts: Collection[Receipt]) -> None:
        """Mark receipts as processed; they stay in the table."""
        with _as_os_error():
            self._receipts.set_processed(
                [number for each in receipts for number in self._numbers.pop(each, ())]
            )


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except PipelineError as error:
        raise OSError(str(error)) from error


class SpoolReader:
    """Puts the receipts of a spool into an inbox, each once, and removes those that were handled."""

    def __init__(self, spool: Spool | TeamSpool, inbox: ReceiptInbox) -> None:
        self._spool = spool
        self._inbox = inbox
        self._taken: dict[Receipt, None] = {}
        self._stamp: object = None

    def look(self, is_polled: Callable[[PurchaseId], bool] = lambda _: False) -> list[Receipt]:
        """Put new receipts into the inbox; return all that were taken so far and are still stored.

        A receipt only prompts a poll if its purchase `is_polled`, so it is removed before it is put there: a later
        call may be the same to the byte, as the vendor's are for each step of a workflow, and is stored only then.
        """
        current = self._spool.stamp()
        new: list[Receipt] = []
        with suppress(OSError):
            if current != self._stamp:
                new = [each for each in self._spool.receipts() if each not in self._taken]
                self._stamp = current
        self._taken.update(dict.fromkeys(new))
        hints = [each for each in self._taken if is_polled(each.purchase)]
        with suppress(OSError):
            self._spool.remove(hints)
            for each in hints:
                del self._taken[each]
                # One that was taken before it could be removed may stand for a second call that came in between.
                self._inbox.put(each)
        for each in new:
            self._inbox.put(each)
        return list(self._taken)

    @contextmanager
    def watched(self, is_polled: Callable[[PurchaseId], bool]) -> Iterator[None]:
        """Poll the spool in another thread during the block: another process receives the vendor's calls."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(_SECONDS_BETWEEN_LOOKS):
                self.look(is_polled)

        thread = threading.Thread(target=watch, name="webhook-spool", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def forget(self, left_over: Collection[Receipt]) -> None:
        """Remove what was taken, but keep `left_over` for the next run. If the disk is full, everything stays."""
        kept = set(left_over)
        with suppress(OSError):
            for receipt in kept - self._taken.keys():
                self._spool.put(receipt)
            self._spool.remove([each for each in self._taken if each not in kept])


def spool_at(
    state: StateLocation, folder: Path, campaign: str, lease_seconds: float | None
) -> Spool | TeamSpool:
    """The spool of `campaign`: in `folder`, or in the team's database if the state is there."""
    if isinstance(state, Path):
        return Spool(folder)
    # Imported here, because its driver is an optional dependency.
    from pipeline.state.postgres.webhook_receipts import WebhookReceipts

    return TeamSpool(WebhookReceipts(state, campaign, lease_seconds))
