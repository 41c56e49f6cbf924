"""Faults written as a mapping, such as `{status: 503, headers: {…}}`, and the checks of their values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pipeline.emulator.faults import (
    AlterResponse,
    Delay,
    EndWorkflow,
    Fault,
    Respond,
    RespondRaw,
    Stage,
)
from pipeline.errors import did_you_mean

if TYPE_CHECKING:
    from pipeline.json_values import Json

# The limit of calls, credits and seeds.
MAX_NUMBER = 10**12
_MAX_RESIZE_BYTES = 64 << 20
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\xa0-\xff]*")


class InvalidRule(Exception):
    """An error in a rule; `path` is the dotted path to it."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


def fault_of_mapping(value: Mapping[str, Json]) -> Fault:
    """The fault that a rule's `do` describes.

    Raises:
        InvalidRule: it does not describe a fault.
    """
    form = next((form for form in FORMS if form in value), None)
    if form is None:
        raise InvalidRule("do", f"expected one of the keys {', '.join(FORMS)}")
    read, allowed = FORMS[form]
    for key in value:
        if key != form and key not in allowed:
            raise InvalidRule(f"do.{key}", f"unknown key beside `{form}`{did_you_mean(key, allowed)}")
    return read(value)


def whole_number(path: str, value: Json, most: int = MAX_NUMBER) -> int:
    """`value` as a whole number from 0 to `most`.

    Raises:
        InvalidRule: it is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise InvalidRule(path, f"expected a whole number from 0 to {most}")
    return value


def number(path: str, value: Json, most: float) -> float:
    """`value` as a number from 0 to `most`.

    Raises:
        InvalidRule: it is none.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
        raise InvalidRule(path, f"expected a number from 0 to {most:g}")
    return float(value)


def text(path: str, value: Json) -> str:
    """`value` as text.

    Raises:
        InvalidRule: it is none.
    """
    if not isinstance(value, str):
        raise InvalidRule(path, "expected text")
    return value


def _respond(value: Mapping[str, Json]) -> Fault:
    body = value.get("body", {"message": "EMULATED"})
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    content_type = "text/plain" if isinstance(body, str) else "application/json"
    headers = _headers(value.get("headers", {}))
    if not any(name == "content-type" for name, _ in headers):
        headers = (*headers, ("content-type", content_type))
    status = whole_number("do.status", value["status"])
    if not 200 <= status <= 599:
        raise InvalidRule("do.status", "expected a number from 200 to 599")
    return Respond(stage=_stage(value, Stage.AFTER_READING), status=status, body=content, headers=headers)


def _redirect(value: Mapping[str, Json]) -> Fault:
    status = whole_number("do.status", value.get("status", 307))
    if not 300 <= status <= 399:
        raise InvalidRule("do.status", "expected a number from 300 to 399")
    headers = _headers({"location": text("do.redirect", value["redirect"])})
    return Respond(stage=_stage(value, Stage.AFTER_READING), status=status, headers=headers)


def _delay(value: Mapping[str, Json]) -> Fault:
    seconds = number("do.stall", value["stall"], most=86_400)
    return Delay(stage=_stage(value, Stage.AFTER_PROCESSING), seconds=seconds)


def _end_workflow(value: Mapping[str, Json]) -> Fault:
    return EndWorkflow(status=text("do.ends", value["ends"]))


def _patch(value: Mapping[str, Json]) -> Fault:
    patch = value["patch"]
    if not isinstance(patch, dict):
        raise InvalidRule("do.patch", "expected a mapping that is merged into the answer's data")
    return AlterResponse(patch=patch)


def _alter(value: Mapping[str, Json]) -> Fault:
    resize = value.get("resize", 0)
    if not isinstance(resize, int) or isinstance(resize, bool) or abs(resize) > _MAX_RESIZE_BYTES:
        raise InvalidRule("do.resize", f"expected a whole number of bytes, at most {_MAX_RESIZE_BYTES}")
    return AlterResponse(
        headers=_headers(value.get("headers", {})),
        keep=None if "keep" not in value else number("do.keep", value["keep"], most=1.0),
        unsized=value.get("unsized") is True,
        resize=resize,
        drip=number("do.drip", value.get("drip", 0), most=3600),
    )


def _raw(value: Mapping[str, Json]) -> Fault:
    return RespondRaw(text("do.raw", value["raw"]).encode("latin-1", errors="replace"))


_ALTER_KEYS = {"headers", "keep", "unsized", "resize", "drip"}
# The key that identifies a form, and the keys allowed beside it. `status` is also allowed beside `redirect`.
FORMS: Mapping[str, tuple[Callable[[Mapping[str, Json]], Fault], set[str]]] = {
    "redirect": (_redirect, {"status", "at"}),
    "status": (_respond, {"body", "headers", "at"}),
    "stall": (_delay, {"at"}),
    "ends": (_end_workflow, set()),
    "patch": (_patch, set()),
    "raw": (_raw, set()),
    **dict.fromkeys(("keep", "resize", "drip", "headers"), (_alter, _ALTER_KEYS)),
}


def _stage(value: Mapping[str, Json], default: Stage) -> Stage:
    word = value.get("at", default.value)
    if word not in [stage.value for stage in Stage]:
        raise InvalidRule("do.at", f"expected one of {', '.join(Stage)}")
    return Stage(str(word))


def _headers(value: Json) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise InvalidRule("do.headers", "expected a mapping of names to values")
    headers = tuple((name.lower(), str(header)) for name, header in value.items())
    for name, header in headers:
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(header):
            raise InvalidRule("do.headers", f"{name[:40]!r} is not a header that can be sent")
    return headers
