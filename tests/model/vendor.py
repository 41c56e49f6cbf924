"""A vendor that remembers what it was sent and asserts that nothing is sent twice."""

from collections.abc import Callable
from enum import StrEnum

from pipeline.providers.base import (
    AccountProblem,
    AccountRefused,
    Bought,
    CreateOutcome,
    JobRefused,
    NotSent,
    OutcomeUnknown,
)
from pipeline.purchases import Purchase, WorkflowId


class CreateResult(StrEnum):
    """The outcome of one create."""

    BOUGHT = "bought"
    ANSWER_LOST = "bought, and its answer lost"
    NEVER_SEEN = "sent, never processed, and nobody can tell"
    REJECTED = "rejected"
    NO_CREDIT = "no credit"
    NOT_SENT = "not sent"


class PollResult(StrEnum):
    """What a poll says about a workflow."""

    RUNNING = "running"
    SUCCESS = "success"
    FAIL = "fail"
    VANISHED = "vanished"


class Vendor:
    """The outside world: `workflows` are by purchase, and each was paid for."""

    def __init__(self) -> None:
        self.sent: set[str] = set()
        self.workflows: dict[str, str] = {}

    def create(self, purchase: Purchase, create_result: CreateResult) -> CreateOutcome:
        assert purchase.id not in self.sent, f"{purchase.id} was sent a second time"
        self.sent.add(purchase.id)
        return _OUTCOMES[create_result](self._accept(purchase) if create_result in _PAID else "")

    def _accept(self, purchase: Purchase) -> str:
        return self.workflows.setdefault(purchase.id, f"wf-{len(self.workflows) + 1}")


_PAID = {CreateResult.BOUGHT, CreateResult.ANSWER_LOST}
_OUTCOMES: dict[CreateResult, Callable[[str], CreateOutcome]] = {
    CreateResult.BOUGHT: lambda workflow: Bought(WorkflowId(workflow)),
    CreateResult.ANSWER_LOST: lambda _: OutcomeUnknown("a time-out after sending"),
    CreateResult.NEVER_SEEN: lambda _: OutcomeUnknown("a reset after sending"),
    CreateResult.REJECTED: lambda _: JobRefused("422"),
    CreateResult.NO_CREDIT: lambda _: AccountRefused(AccountProblem.CREDIT, "402"),
    CreateResult.NOT_SENT: lambda _: NotSent("connection refused", started=False),
}
