"""Decides the outcome of a create, from how much of it was sent and what came back. Pure.

Only the bytes sent and a complete response decide, never an exception's class or text: a reset before the last byte
and one after it look alike, but only the second may have been paid for.
"""

from datetime import datetime

from pipeline.errors import printable
from pipeline.providers.base import (
    AccountProblem,
    AccountRefused,
    Bought,
    CreateOutcome,
    Deferred,
    JobRefused,
    NotSent,
    OutcomeUnknown,
)
from pipeline.providers.http.connection import Stage
from pipeline.providers.http.transport import Ending, Response
from pipeline.providers.responses import error_message, read_object, seconds_to_wait
from pipeline.records import workflow_id_of
from pipeline.schemes import without_secrets

_JOB_REFUSED = frozenset({400, 404, 405, 413, 415, 422})
_KEPT = 10_000


def classify(stage: Stage, response: Response | None, reason: str, now: datetime) -> CreateOutcome:
    """The outcome of one create. `reason` says why there is no response, if there is none."""
    if response is not None and response.ending is not Ending.CUT:
        outcome = _from_response(response, now)
        if outcome is not None:
            return outcome
    if response is None or not _is_whole(response):
        if stage is Stage.UNSENT:
            return NotSent(reason)
        if stage is Stage.SENDING:
            # The server cannot have the complete body, whose length it knows from the headers.
            return NotSent(reason or "the answer was cut off", started=True)
    return _unknown(response, reason)


def _from_response(response: Response, now: datetime) -> CreateOutcome | None:
    """The outcome that a response proves by itself; None if it leaves open whether something was bought."""
    if 200 <= response.status < 300:
        return _bought(response)
    if response.ending is Ending.OPEN and not _is_object(response.body):
        return None
    detail = error_message(response.body)
    reason = f"HTTP {response.status}{f': {detail}' if detail else ''}"
    match response.status:
        case 402:
            return AccountRefused(AccountProblem.CREDIT, reason)
        case 401 | 403:
            return AccountRefused(AccountProblem.KEY, reason)
        case 429:
            return Deferred(reason, seconds_to_wait(response.headers, now))
        case status if status in _JOB_REFUSED:
            return JobRefused(reason)
        case _:
            return None


def _bought(response: Response) -> Bought | None:
    try:
        document = read_object(response.body, strict=True)
    except ValueError:
        return None
    match document:
        case {"data": {"id": told}} if (workflow_id := workflow_id_of(told)) is not None:
            return Bought(workflow_id)
        case _:
            return None


def _is_whole(response: Response) -> bool:
    match response.ending:
        case Ending.WHOLE | Ending.CAPPED:
            return True
        case Ending.OPEN:
            return _is_object(response.body)
        case Ending.CUT:
            return False


def _is_object(body: bytes) -> bool:
    """Whether the body is a JSON object; its closing brace proves that it arrived in full."""
    try:
        read_object(body)
    except ValueError:
        return False
    return True


def _unknown(response: Response | None, reason: str) -> OutcomeUnknown:
    if response is None:
        return OutcomeUnknown(f"after it was sent: {reason}")
    raw = response.body[:_KEPT].decode("utf-8", "replace").replace("\0", "")
    return OutcomeUnknown(_what(response), without_secrets(raw))


def _what(response: Response) -> str:
    if response.ending is Ending.CUT:
        return f"the answer (HTTP {response.status}) was cut off"
    if 200 <= response.status < 300:
        return f"HTTP {response.status} without a valid workflow id"
    if not _is_whole(response):
        return f"the answer (HTTP {response.status}) may have been cut off"
    detail = error_message(response.body)
    return printable(f"HTTP {response.status}{f' ({detail})' if detail else ''}")
