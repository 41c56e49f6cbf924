"""Tells the vendor of a changed title, description or visibility: one PUT for each purchase, and no purchase."""

import heapq
import itertools
from concurrent.futures import Future

from pipeline.engine import backoff
from pipeline.engine.workplace import Workplace, outcome
from pipeline.errors import ExitCode, InvalidInput, PipelineError, printable
from pipeline.jobs import Json
from pipeline.planning.plan import Entry, Wording
from pipeline.planning.planner import last_sent
from pipeline.providers.base import CallRefused, Changes, NotFound, Provider, VendorError, Workflow
from pipeline.purchases import Purchase, WorkflowId
from pipeline.state.transitions import Reworded

PATIENCE = 5


def update(provider: Provider, purchase: Purchase, wording: Wording) -> Workflow:
    """Set the wording of one workflow, once a GET has shown that it is the one that was bought.

    A purchase may be known from a results manifest only, which anybody can write.

    Raises:
        InvalidInput: the workflow has another template or title than what was sent.
        VendorError, AccountError: as the calls of the port.
    """
    workflow_id = purchase.workflow_id or WorkflowId("")
    assert_bought(provider.get(workflow_id), purchase, wording.title)
    return provider.update(workflow_id, Changes(wording.title, wording.description, wording.visibility))


def assert_bought(workflow: Workflow, purchase: Purchase, *titles: str) -> None:
    """Check that a workflow is the one of a purchase: by its template, and by the title sent (or one of `titles`).

    Or by a title that holds the purchase's id, as one does that was told by a run which died before it could note so.

    Raises:
        InvalidInput: it is another.
    """
    known = {last_sent(purchase).title, *titles}
    is_titled = workflow.title in known or purchase.id in workflow.title
    if workflow.template_id != purchase.template_id or not is_titled:
        sent = f"{printable(purchase.template_id)!r} and {printable(last_sent(purchase).title)!r}"
        raise InvalidInput(
            f"workflow {printable(workflow.id)} is not purchase {purchase.id}: it has template "
            f"{printable(workflow.template_id)!r} and title {printable(workflow.title)!r}, sent were {sent}"
        )


class Updating:
    """The entries of a plan whose wording is to be told."""

    def __init__(self, workplace: Workplace) -> None:
        self._at = workplace
        self._due: list[tuple[float, int, Entry]] = []
        self._order = itertools.count()
        self._attempts: dict[str, int] = {}

    def add(self, entry: Entry) -> None:
        """Take up an entry that has a wording."""
        self._schedule(entry, 0.0)

    def due_at(self) -> float | None:
        """When the next call is due, in monotonic seconds."""
        return self._due[0][0] if self._due else None

    def hand_out(self) -> bool:
        """Hand out the next call that is due; False if none is."""
        if not self._due or self._due[0][0] > self._at.clock.monotonic():
            return False
        entry = heapq.heappop(self._due)[2]
        if entry.purchase is None or entry.wording is None:
            return False
        self._at.calls.send(
            self._at.executor,
            lambda future: self._updated(entry, future),
            update,
            self._at.provider,
            entry.purchase,
            entry.wording,
        )
        return True

    def _schedule(self, entry: Entry, seconds: float) -> None:
        heapq.heappush(self._due, (self._at.clock.monotonic() + seconds, next(self._order), entry))

    def _updated(self, entry: Entry, future: "Future[Workflow]") -> None:
        answer = outcome(future)
        if isinstance(answer, Workflow) and entry.purchase is not None and entry.wording is not None:
            request = reworded(entry.purchase, entry.wording)
            self._at.journal.record(entry.purchase.id, Reworded(request))
            self._at.reporter.tell(entry.key, "updated at the vendor")
        elif isinstance(answer, VendorError) and not isinstance(answer, CallRefused | NotFound):
            self._again(entry, answer)
        elif isinstance(answer, PipelineError):
            self._at.report.stop(ExitCode.UNFINISHED, f"{entry.key}: not updated: {answer}")

    def _again(self, entry: Entry, error: VendorError) -> None:
        attempt = self._attempts[entry.key] = self._attempts.get(entry.key, 0) + 1
        patience = entry.job.timeout if entry.job is not None else 0.0
        if attempt >= PATIENCE or (error.after or 0.0) > patience:
            self._at.report.stop(ExitCode.UNFINISHED, f"{entry.key}: not updated ({error}); run again")
        else:
            self._schedule(entry, backoff.backoff(attempt, self._at.rng, error.after))


def reworded(purchase: Purchase, wording: Wording) -> dict[str, Json]:
    """What was sent, with the wording that the vendor has now."""
    kept = {name: value for name, value in purchase.request.items() if name not in {"title", "description"}}
    told: dict[str, Json] = {"title": wording.title, "description": wording.description}
    return {
        **kept,
        **{name: value for name, value in told.items() if value},
        "visibility": wording.visibility.value,
    }
