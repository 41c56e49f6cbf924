"""What came of a create: a table over how far its bytes went and what came back. Pure.

An exception's class or text never decides, only what was sent and a whole answer do: a reset before the last
byte and one after it look alike, but only the second may have been paid.
"""

from datetime import datetime

from pipeline.errors import printable
from pipeline.providers.base import (
    AccountRefused,
    Bought,
    CreateOutcome,
    Deferred,
    JobRefused,
    NotSent,
    OutcomeUnknown,
    Refusal,
)
from pipeline.providers.http.connection import Stage
from pipeline.providers.http.transport import Ending, Response
from pipeline.providers.responses import complaint, is_workflow_id, read_object, seconds_to_wait
from pipeline.purchases import WorkflowId

_JOB_REFUSED = frozenset({400, 404, 405, 413, 415, 422})
_KEPT = 10_000


def verdict(stage: Stage, answer: Response | None, reason: str, now: datetime) -> CreateOutcome:
    """The outcome of one create. `reason` says why there is no answer, where there is none."""
    if answer is not None and answer.ending is not Ending.CUT:
        outcome = _from_answer(answer, now)
        if outcome is not None:
            return outcome
    if answer is None or not _is_whole(answer):
        if stage is Stage.UNSENT:
            return NotSent(reason)
        if stage is Stage.SENDING:
            # The server cannot hold the whole body, which is as long as its headers said.
            return NotSent(reason or "the answer was cut off", started=True)
    return _unknown(answer, reason)


def _from_answer(answer: Response, now: datetime) -> CreateOutcome | None:
    """What an answer says by itself; None where that leaves it open whether something was bought."""
    if 200 <= answer.status < 300:
        return _bought(answer)
    if answer.ending is Ending.OPEN and not _is_object(answer.body):
        return None
    said = complaint(answer.body)
    told = f"HTTP {answer.status}{f': {said}' if said else ''}"
    match answer.status:
        case 402:
            return AccountRefused(Refusal.CREDIT, told)
        case 401 | 403:
            return AccountRefused(Refusal.KEY, told)
        case 429:
            return Deferred(told, seconds_to_wait(answer.headers, now))
        case status if status in _JOB_REFUSED:
            return JobRefused(told)
        case _:
            return None


def _bought(answer: Response) -> Bought | None:
    try:
        told = read_object(answer.body, strict=True)
    except ValueError:
        return None
    match told:
        case {"data": {"id": str(workflow_id)}} if is_workflow_id(workflow_id):
            return Bought(WorkflowId(workflow_id))
        case _:
            return None


def _is_whole(answer: Response) -> bool:
    match answer.ending:
        case Ending.WHOLE | Ending.CAPPED:
            return True
        case Ending.OPEN:
            return _is_object(answer.body)
        case Ending.CUT:
            return False


def _is_object(body: bytes) -> bool:
    """A JSON object proves by its last brace that it came whole."""
    try:
        read_object(body)
    except ValueError:
        return False
    return True


def _unknown(answer: Response | None, reason: str) -> OutcomeUnknown:
    if answer is None:
        return OutcomeUnknown(f"it was sent, then: {reason}")
    raw = answer.body[:_KEPT].decode("utf-8", "replace").replace("\0", "")
    return OutcomeUnknown(f"{_what(answer)}: whether it was bought cannot be told", raw)


def _what(answer: Response) -> str:
    if answer.ending is Ending.CUT:
        return f"the answer (HTTP {answer.status}) was cut off"
    if 200 <= answer.status < 300:
        return f"HTTP {answer.status} without a sound workflow id"
    said = complaint(answer.body)
    return printable(f"HTTP {answer.status}{f' ({said})' if said else ''}")
