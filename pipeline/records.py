"""Reads recorded purchases, and checks their shape and, if they are not our own, their values.

A state is our own, so only its shape is checked, and the form of its ids, hashes and times, in which a changed letter
shows: a limit must never make a purchase unreadable. Exports and results
manifests may come from anybody, so `unrecordable_reason` checks them too: that they fit the results schema, and,
which no schema can express, that the fields of a purchase are consistent, and that every form of record can store
every text and number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline import record_limits
from pipeline.jobs import Visibility
from pipeline.purchases import Output, Purchase, Reason, Status, Step, WorkflowId

if TYPE_CHECKING:
    from pipeline.json_values import Json

# As in the results schema. It is used in urls, where an id of only dots would change the path.
_WORKFLOW_ID = re.compile(r"(?!\.+\Z)[A-Za-z0-9._-]{1,128}")
PURCHASE_ID = re.compile(r"[0-9a-f]{16}")
_FINGERPRINT = re.compile(r"v[0-9]{1,4}:[0-9a-f]{64}")
SHA256 = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}Z")

_Shape = Mapping[str, type]
_PURCHASE: _Shape = {
    **dict.fromkeys(("id", "key", "fingerprint", "status", "reason", "bought_at", "template_id"), str),
    **dict.fromkeys(("workflow_id", "created_at", "updated_at", "path", "error"), str),
    **dict.fromkeys(("inputs", "replaces", "outputs", "steps"), list),
    **dict.fromkeys(("deleted", "removed", "again"), bool),
    "request": dict,
    "credits": int,
}
_PURCHASE_NEEDS = frozenset({"id", "key", "fingerprint", "status", "bought_at", "template_id"})
_OUTPUT: _Shape = {"content_type": str, "url": str, "sha256": str, "bytes": int}
_OUTPUT_NEEDS = frozenset({"content_type"})
_STEP: _Shape = {"flow": str, "outputs": list}
_STEP_NEEDS = frozenset({"flow", "outputs"})
_REQUEST: _Shape = {
    "options": dict,
    "images": list,
    **dict.fromkeys(("event_id", "title", "description", "visibility"), str),
}
_CALLED = {str: "a text", list: "a list", bool: "true", dict: "a mapping", int: "a whole number"}

_HAVE_WORKFLOW = frozenset({Status.SUBMITTED, Status.SUCCEEDED, Status.DONE})
_REASONS = frozenset({Reason.REJECTED, Reason.VENDOR, Reason.LOST})


def is_workflow_id(value: object) -> bool:
    """Whether it can be the id of a workflow."""
    return isinstance(value, str) and _WORKFLOW_ID.fullmatch(value) is not None


def workflow_id_of(value: Json) -> WorkflowId | None:
    """The id that a response states; an integer as its decimal digits. None if it cannot be one."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else value
    return WorkflowId(text) if isinstance(text, str) and is_workflow_id(text) else None


def purchase_from_json(written: Json) -> Purchase:
    """Read a purchase that `as_json` wrote.

    Raises:
        ValueError: it has another shape; the message says what is wrong.
    """
    fields: dict[str, Any] = dict(_shaped(written, _PURCHASE, _PURCHASE_NEEDS))
    fields["status"] = Status(fields["status"])
    if "reason" in fields:
        fields["reason"] = Reason(fields["reason"])
    for name in fields.keys() & {"inputs", "replaces"}:
        fields[name] = tuple(_texts(fields[name], name))
    if "outputs" in fields:
        fields["outputs"] = tuple(_outputs(fields["outputs"]))
    if "steps" in fields:
        fields["steps"] = tuple(_steps(fields["steps"]))
    return Purchase(**fields)


def _shaped(written: Json, shape: _Shape, needed: frozenset[str]) -> Mapping[str, Any]:
    if not isinstance(written, dict):
        raise ValueError("not a mapping")
    for name, value in written.items():
        kind = shape.get(name)
        if kind is None:
            raise ValueError(f"'{name:.60}' is not expected here")
        # Not `isinstance`, for which true is an integer. A mark that is not set is left out, never false.
        if type(value) is not kind or value is False:
            raise ValueError(f"{name}: not {_CALLED[kind]}")
    if not needed <= written.keys():
        raise ValueError(f"missing: {', '.join(sorted(needed - written.keys()))}")
    return written


def _texts(written: list[Json], name: str) -> Iterator[str]:
    for each in written:
        if not isinstance(each, str):
            raise ValueError(f"{name}: not a list of texts")
        yield each


def _outputs(written: list[Json]) -> Iterator[Output]:
    return (Output(**_shaped(each, _OUTPUT, _OUTPUT_NEEDS)) for each in written)


def _steps(written: list[Json]) -> Iterator[Step]:
    for each in written:
        step = _shaped(each, _STEP, _STEP_NEEDS)
        yield Step(flow=step["flow"], outputs=tuple(_outputs(step["outputs"])))


def check_forms(purchase: Purchase) -> None:
    """Check the ids, hashes, times and fields, in which a changed letter shows.

    Raises:
        ValueError: one is not as this tool writes it; the message says which.
    """
    for purchase_id in (purchase.id, *purchase.inputs, *purchase.replaces):
        _match(PURCHASE_ID, purchase_id, "a purchase's id is 16 hexadecimal digits")
    _match(_FINGERPRINT, purchase.fingerprint, "no fingerprint")
    _check_time(purchase.bought_at, "bought_at")
    if purchase.workflow_id is not None:
        _match(_WORKFLOW_ID, purchase.workflow_id, "workflow_id: no id of a workflow")
    for outputs in (purchase.outputs, *(step.outputs for step in purchase.steps)):
        for output in outputs:
            if output.sha256 is not None:
                _match(SHA256, output.sha256, "sha256: no hash")
    shaped = _shaped(dict(purchase.request), _REQUEST, frozenset())
    if "visibility" in shaped:
        Visibility(shaped["visibility"])


def unrecordable_reason(purchase: Purchase) -> str | None:
    """Why `purchase` cannot be recorded; None if it can."""
    try:
        check_forms(purchase)
        _check_identity(purchase)
        _check_request(purchase.request)
        _check_answer(purchase)
    except ValueError as error:
        return str(error)
    return None


def _check_identity(purchase: Purchase) -> None:
    if not purchase.key or not purchase.template_id:
        raise ValueError("key and template_id cannot be empty")
    _within(purchase.key, record_limits.LONGEST_KEY, "key")
    _within(purchase.path, record_limits.LONGEST_KEY, "path")
    _within(purchase.template_id, record_limits.LONGEST_NAME, "template_id")
    _count(len(purchase.inputs), record_limits.MAX_INPUTS, "inputs")
    _count(len(purchase.replaces), record_limits.MAX_REPLACED, "replaces")
    if (purchase.status is Status.FAILED) != (purchase.reason in _REASONS) or (
        purchase.reason is Reason.INPUT
    ):
        raise ValueError(f"cannot be {purchase.status} with the reason {purchase.reason or 'none'}")
    if purchase.workflow_id is None and purchase.status in _HAVE_WORKFLOW:
        raise ValueError(f"cannot be {purchase.status} without a workflow_id")


def _check_answer(purchase: Purchase) -> None:
    """Check the fields that come from the vendor."""
    _count(purchase.credits or 0, record_limits.LARGEST_CREDITS, "credits")
    _within(purchase.created_at or "", record_limits.LONGEST_DATE, "created_at")
    _within(purchase.updated_at or "", record_limits.LONGEST_DATE, "updated_at")
    record_limits.check_named_text(purchase.error or "", "error")
    _count(len(purchase.steps), record_limits.MAX_MEDIA, "steps")
    for step in purchase.steps:
        if not step.flow:
            raise ValueError("flow: cannot be empty")
        _within(step.flow, record_limits.LONGEST_NAME, "flow")
    for outputs in (purchase.outputs, *(step.outputs for step in purchase.steps)):
        _count(len(outputs), record_limits.MAX_MEDIA, "outputs")
        for output in outputs:
            _within(output.content_type, record_limits.LONGEST_NAME, "content_type")
            _within(output.url or "", record_limits.LONGEST_URL, "url")
            _count(output.bytes or 0, record_limits.LARGEST_FILE, "bytes")
            if output.sha256 is not None and output.bytes is None:
                raise ValueError("sha256: cannot be known of a file whose bytes are not")


def _check_request(request: Mapping[str, Json]) -> None:
    shaped = _shaped(dict(request), _REQUEST, frozenset())
    for name in ("event_id", "title", "description"):
        record_limits.check_named_text(shaped.get(name, ""), name)
    images = shaped.get("images", ())
    _count(len(images), record_limits.MAX_MEDIA, "images")
    if not all(isinstance(image, dict) for image in images):
        raise ValueError("images: not a list of mappings")
    record_limits.check_value(list(images), "images")
    record_limits.check_value(shaped.get("options", {}), "options")


def _within(text: str, most: int, name: str) -> None:
    if not record_limits.is_name(text, most):
        raise ValueError(record_limits.unfit(text, name, f"{most:,} characters"))


def _count(number: int, most: int, name: str) -> None:
    if not 0 <= number <= most:
        raise ValueError(f"{name}: {number:,} is out of range (0–{most:,})")


def _check_time(text: str, name: str) -> None:
    otherwise = f"{name}: no time as it is recorded"
    _match(_TIME, text, otherwise)
    try:
        datetime.fromisoformat(text)
    except ValueError:  # such as a 30th of February, which matches the pattern
        raise ValueError(otherwise) from None


def _match(pattern: re.Pattern[str], text: str, otherwise: str) -> None:
    if not pattern.fullmatch(text):
        raise ValueError(otherwise)
