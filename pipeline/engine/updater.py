"""Sends changed titles, descriptions and visibilities to the vendor, with one PUT per purchase. Buys nothing."""

from __future__ import annotations

import heapq
import itertools
import random
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from pipeline.engine.calls import CallPool, Clock, backoff, result_of
from pipeline.engine.identity import assert_own
from pipeline.errors import ExitCode, PipelineError
from pipeline.providers.base import CallRefused, Changes, NotFound, Provider, VendorError, Workflow
from pipeline.purchases import Ownership, Purchase, WorkflowId
from pipeline.state.events import Reworded

if TYPE_CHECKING:
    from pipeline.engine.journal import Journal
    from pipeline.engine.reporter import Reporter, RunReport
    from pipeline.json_values import Json
    from pipeline.planning.plan import Entry, Wording

MAX_UPDATE_FAILURES = 5


def update(provider: Provider, purchase: Purchase, wording: Wording, ownership: Ownership) -> Workflow:
    """Set the wording of one workflow, after a GET has shown that it is the one that was bought.

    The check is needed because a purchase may be known only from a results manifest, which anybody can write.

    Raises:
        InvalidInput: the workflow is not proven to be the purchase's own.
        VendorError, AccountError: as `Provider.get` and `Provider.update`.
    """
    workflow_id = purchase.workflow_id or WorkflowId("")
    assert_own(provider.get(workflow_id), purchase, ownership, wording)
    return provider.update(workflow_id, Changes(wording.title, wording.description, wording.visibility))


@dataclass(kw_only=True, eq=False, slots=True)
class Updater:
    """Sends the changed wordings of a plan's entries, with retries."""

    provider: Provider
    ownership: Ownership
    calls: CallPool
    clock: Clock
    rng: random.Random
    journal: Journal
    reporter: Reporter
    report: RunReport

    _due: list[tuple[float, int, Entry, int]] = field(default_factory=list, init=False)
    _sequence: itertools.count[int] = field(default_factory=itertools.count, init=False)

    def add(self, entry: Entry) -> None:
        """Queue an entry that has a wording."""
        self._schedule(entry, seconds=0.0, attempts=0)

    def due_at(self) -> float | None:
        """When the next call is due, in monotonic seconds."""
        return self._due[0][0] if self._due else None

    def start_next(self) -> bool:
        """Start the next call that is due; False if none is."""
        if not self._due or self._due[0][0] > self.clock.monotonic():
            return False
        _, _, entry, attempts = heapq.heappop(self._due)
        if entry.purchase is None or entry.wording is None:
            return False
        done = partial(self._updated, entry, attempts + 1)
        self.calls.charge(2)
        self.calls.submit(done, update, self.provider, entry.purchase, entry.wording, self.ownership)
        return True

    def _schedule(self, entry: Entry, *, seconds: float, attempts: int) -> None:
        at = self.clock.monotonic() + seconds
        heapq.heappush(self._due, (at, next(self._sequence), entry, attempts))

    def _updated(self, entry: Entry, attempts: int, future: Future[Workflow]) -> None:
        result = result_of(future)
        if isinstance(result, Workflow) and entry.purchase is not None and entry.wording is not None:
            request = reworded(entry.purchase, entry.wording)
            self.journal.record(entry.purchase.id, Reworded(request, result.updated_at))
            self.reporter.report(entry.key, "updated at the vendor")
        elif isinstance(result, VendorError) and not isinstance(result, CallRefused | NotFound):
            self._failed(entry, attempts, result)
        elif isinstance(result, PipelineError):
            self.report.add_reason(ExitCode.UNFINISHED, f"{entry.key}: not updated: {result}")

    def _failed(self, entry: Entry, attempts: int, error: VendorError) -> None:
        timeout = entry.job.timeout if entry.job is not None else 0.0
        if attempts >= MAX_UPDATE_FAILURES or (error.after or 0.0) > timeout:
            self.report.add_reason(ExitCode.UNFINISHED, f"{entry.key}: not updated ({error}); run again")
        else:
            self._schedule(entry, seconds=backoff(attempts, self.rng, error.after), attempts=attempts)


def reworded(purchase: Purchase, wording: Wording) -> dict[str, Json]:
    """The recorded request, with the wording that the vendor has now."""
    kept = {name: value for name, value in purchase.request.items() if name not in {"title", "description"}}
    fields: dict[str, Json] = {"title": wording.title, "description": wording.description}
    return {
        **kept,
        **{name: value for name, value in fields.items() if value},
        "visibility": wording.visibility.value,
    }
