"""A purchase in each phase that the table of transitions knows."""

from pipeline.jobs import JobKey
from pipeline.purchases import Purchase, PurchaseId, Records, WorkflowId
from pipeline.state.transitions import (
    ATTENTION,
    DONE,
    FAILED_AT_VENDOR,
    LOST,
    REJECTED,
    SUBMITTED,
    SUBMITTING,
    SUCCEEDED,
    VOID,
    Phase,
)

PHASES = [SUBMITTING, ATTENTION, VOID, SUBMITTED, SUCCEEDED, DONE, REJECTED, FAILED_AT_VENDOR, LOST]


def at(here: Phase) -> Purchase:
    workflow = None if here in (SUBMITTING, ATTENTION, VOID, REJECTED) else WorkflowId("w1")
    return Purchase(
        id=PurchaseId("0" * 16),
        key=JobKey("a/b"),
        fingerprint="v1:0",
        status=here[0],
        bought_at="2026-01-01",
        template_id="t",
        reason=here[1],
        workflow_id=workflow,
        credits=5,
    )


def only(purchase: Purchase) -> Records:
    return Records({purchase.id: purchase})
