"""Reads fault rules as people write them: `{on: create, nth: 2, do: reset-after-processing}`."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.documents.yaml_reader import dotted, read_yaml
from pipeline.emulator.faults import (
    Alter,
    Cut,
    Delivery,
    Doom,
    Fault,
    Operation,
    Respond,
    Rule,
    Stage,
    Stall,
    Wire,
)
from pipeline.errors import InvalidInput, Problem, did_you_mean
from pipeline.jobs import Json

_HTML = b"<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>"
_JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

NAMED: Mapping[str, Fault] = {
    **{f"reset-{stage}": Cut(stage, reset=True) for stage in Stage},
    **{f"close-{stage}": Cut(stage, reset=False) for stage in Stage},
    "html": Respond(Stage.AFTER_PROCESSING, 200, _HTML, (("content-type", "text/html"),)),
    "garbage": Respond(
        Stage.AFTER_PROCESSING, 200, b"\x00\xff{not json", (("content-type", "application/json"),)
    ),
    "empty": Respond(Stage.AFTER_PROCESSING, 200, b"{}", (("content-type", "application/json"),)),
    "partial-status-line": Wire(b"HTTP/1.1 20"),
    "partial-headers": Wire(b"HTTP/1.1 200 OK\r\nContent-Ty"),
    "two-lengths": Wire(_JSON_HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    "many-headers": Wire(
        _JSON_HEAD + b"".join(b"X-Filler-%d: x\r\n" % n for n in range(150)) + b"Content-Length: 2\r\n\r\n{}"
    ),
    "bad-gzip": Alter(headers=(("content-encoding", "gzip"),)),
    "truncated": Alter(keep=0.5),
    "truncated-unsized": Alter(keep=0.5, unsized=True),
    "short": Alter(resize=-1),
    "long": Alter(resize=1),
    "drip": Alter(drip=0.5),
    "ignore-range": Alter(ignore_range=True),
    "changed-etag": Alter(headers=(("etag", '"changed"'),)),
    "wrong-type": Alter(headers=(("content-type", "text/html"),)),
    "wrong-size": Alter(patch={"media_result": [{"size": 1}]}),
    "expired": Respond(
        Stage.AFTER_READING, 403, b"<Error><Code>AccessDenied</Code></Error>", (("content-type", "text/xml"),)
    ),
    "no-id": Alter(patch={"id": None}),
    "odd-id": Alter(patch={"id": "../x"}),
    "same-id": Alter(same_id=True),
    "fail": Doom("fail"),
    "cancel": Doom("cancel"),
    "stuck": Doom("stuck"),
    "empty-result": Doom("empty"),
    "backwards": Doom(backwards=True),
    "drop": Delivery(copies=0),
    "twice": Delivery(copies=2),
    "forged": Delivery(forged=True),
}

_DELIVERIES = ", ".join(name for name, fault in NAMED.items() if isinstance(fault, Delivery))
_RULE_KEYS = {"on", "do", "nth", "after", "times", "probability", "seed", "match"}


class _Wrong(Exception):
    """What is wrong with a rule, and where in it."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(message)
        self.place = place


def read_faults(path: Path, name: str) -> tuple[Rule, ...]:
    """The rules in a YAML or JSON file; `name` is what messages call it.

    Raises:
        InvalidInput: with every rule that cannot be understood, and where it stands.
        OSError: the file cannot be read.
    """
    document = read_yaml(path, name)
    rules, wrong = _read(document.root.plain())
    if wrong:
        raise InvalidInput(document.problem(message, *place) for place, message in wrong)
    return rules


def read_rules(document: Json) -> tuple[Rule, ...]:
    """The rules in `{"faults": [...]}`, or in the list alone.

    Raises:
        InvalidInput: with every rule that cannot be understood.
    """
    rules, wrong = _read(document)
    if wrong:
        raise InvalidInput(Problem(message, path=dotted(place)) for place, message in wrong)
    return rules


_Place = tuple[str | int, ...]


def _read(document: Json) -> tuple[tuple[Rule, ...], list[tuple[_Place, str]]]:
    """The rules that can be understood, and what is wrong with the others."""
    inside: _Place = ("faults",) if isinstance(document, dict) else ()
    rules = document.get("faults") if isinstance(document, dict) else document
    if not isinstance(rules, list):
        return (), [(inside, "expected a list of rules, or a mapping with one at `faults`")]
    read: list[Rule] = []
    wrong: list[tuple[_Place, str]] = []
    for position, rule in enumerate(rules):
        try:
            read.append(_rule(rule))
        except _Wrong as error:
            place = error.place.split(".") if error.place else []
            wrong.append(((*inside, position, *place), str(error)))
    return tuple(read), wrong


def _rule(rule: Json) -> Rule:
    if not isinstance(rule, dict):
        raise _Wrong("", "expected a mapping with `on` and `do`")
    for key in rule:
        if key not in _RULE_KEYS:
            raise _Wrong(key, f"unknown key{did_you_mean(key, _RULE_KEYS)}")
    match = rule.get("match", {})
    if not isinstance(match, dict) or not set(match) <= {"title", "template"}:
        raise _Wrong("match", "expected a mapping with `title` or `template`")
    nth = rule.get("nth", [])
    read = Rule(
        name=_spelled(rule.get("do")),
        on=_operations(rule.get("on")),
        fault=_fault(rule.get("do")),
        nth=frozenset(_whole("nth", each) for each in (nth if isinstance(nth, list) else [nth])),
        after=_whole("after", rule.get("after", 0)),
        times=None if rule.get("times") is None else _whole("times", rule["times"]),
        probability=_number("probability", rule.get("probability", 1.0), most=1.0),
        seed=_whole("seed", rule.get("seed", 0)),
        title=_text("match.title", match.get("title", "")),
        template_id=_text("match.template", match.get("template", "")),
    )
    if read.fault.stage is Stage.BEFORE_READING and match and Operation.CREATE in read.on:
        raise _Wrong("match", "before a create is read, its title and template are not known")
    alone = read.on == {Operation.WEBHOOK}
    if isinstance(read.fault, Delivery) != alone or (Operation.WEBHOOK in read.on) != alone:
        raise _Wrong("do", f"{_DELIVERIES} go with `on: webhook` alone, and nothing else does")
    return read


def _operations(value: Json) -> frozenset[Operation]:
    words = value if isinstance(value, list) else [value]
    known = [operation.value for operation in Operation]
    for word in words:
        if word not in known:
            near = did_you_mean(word, known) if isinstance(word, str) else ""
            raise _Wrong("on", f"expected one or several of {', '.join(known)}{near}")
    return frozenset(Operation(str(word)) for word in words)


def _fault(value: Json) -> Fault:
    if isinstance(value, str):
        if value not in NAMED:
            raise _Wrong("do", f"unknown fault {value[:40]!r}{did_you_mean(value, NAMED)}")
        return NAMED[value]
    if not isinstance(value, dict):
        raise _Wrong("do", f"expected a name or a mapping with one of {', '.join(_FORMS)}")
    form = next((form for form in _FORMS if form in value), None)
    if form is None:
        raise _Wrong("do", f"expected one of the keys {', '.join(_FORMS)}")
    read, allowed = _FORMS[form]
    for key in value:
        if key != form and key not in allowed:
            raise _Wrong(f"do.{key}", f"unknown key beside `{form}`{did_you_mean(key, allowed)}")
    return read(value)


def _respond(value: Mapping[str, Json]) -> Fault:
    body = value.get("body", {"message": "EMULATED"})
    content = body.encode() if isinstance(body, str) else _json_bytes(body)
    kind = "text/plain" if isinstance(body, str) else "application/json"
    headers = _headers(value.get("headers", {}))
    if not any(name == "content-type" for name, _ in headers):
        headers = (*headers, ("content-type", kind))
    status = _whole("do.status", value["status"])
    if not 200 <= status <= 599:
        raise _Wrong("do.status", "expected a number from 200 to 599")
    return Respond(_stage(value, Stage.AFTER_READING), status, content, headers)


def _redirect(value: Mapping[str, Json]) -> Fault:
    status = _whole("do.status", value.get("status", 307))
    return Respond(
        _stage(value, Stage.AFTER_READING),
        status,
        headers=(("location", _text("do.redirect", value["redirect"])),),
    )


def _stall(value: Mapping[str, Json]) -> Fault:
    return Stall(_stage(value, Stage.AFTER_PROCESSING), _number("do.stall", value["stall"], most=86_400))


def _doom(value: Mapping[str, Json]) -> Fault:
    return Doom(_text("do.ends", value["ends"]))


def _patch(value: Mapping[str, Json]) -> Fault:
    patch = value["patch"]
    if not isinstance(patch, dict):
        raise _Wrong("do.patch", "expected a mapping that is merged into the answer's data")
    return Alter(patch=patch)


def _alter(value: Mapping[str, Json]) -> Fault:
    resize = value.get("resize", 0)
    if not isinstance(resize, int):
        raise _Wrong("do.resize", "expected a whole number of bytes")
    return Alter(
        headers=_headers(value.get("headers", {})),
        keep=None if "keep" not in value else _number("do.keep", value["keep"], most=1.0),
        unsized=value.get("unsized") is True,
        resize=resize,
        drip=_number("do.drip", value.get("drip", 0), most=3600),
    )


def _wire(value: Mapping[str, Json]) -> Fault:
    return Wire(_text("do.raw", value["raw"]).encode("latin-1", errors="replace"))


_ALTERED = {"headers", "keep", "unsized", "resize", "drip"}
_FORMS: Mapping[str, tuple[Callable[[Mapping[str, Json]], Fault], set[str]]] = {
    "redirect": (_redirect, {"status", "at"}),
    "status": (_respond, {"body", "headers", "at"}),
    "stall": (_stall, {"at"}),
    "ends": (_doom, set()),
    "patch": (_patch, set()),
    "raw": (_wire, set()),
    **dict.fromkeys(("keep", "resize", "drip", "headers"), (_alter, _ALTERED)),
}


def _stage(value: Mapping[str, Json], default: Stage) -> Stage:
    word = value.get("at", default.value)
    if word not in [stage.value for stage in Stage]:
        raise _Wrong("do.at", f"expected one of {', '.join(Stage)}")
    return Stage(str(word))


def _headers(value: Json) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise _Wrong("do.headers", "expected a mapping of names to values")
    return tuple((name.lower(), str(text)) for name, text in value.items())


def _whole(place: str, value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _Wrong(place, "expected a whole number from 0")
    return value


def _number(place: str, value: Json, most: float) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
        raise _Wrong(place, f"expected a number from 0 to {most:g}")
    return float(value)


def _text(place: str, value: Json) -> str:
    if not isinstance(value, str):
        raise _Wrong(place, "expected text")
    return value


def _json_bytes(value: Json) -> bytes:
    return json.dumps(value).encode()


def _spelled(value: Json) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return str(value)
