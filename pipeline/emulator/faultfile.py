"""Reads fault rules as people write them: `{on: create, nth: 2, do: reset-after-processing}`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.documents.node import dotted
from pipeline.documents.yaml_reader import read_yaml
from pipeline.emulator.fault_forms import FORMS, InvalidRule, fault_of_mapping, number, text, whole_number
from pipeline.emulator.faults import (
    AlterResponse,
    Disconnect,
    EndWorkflow,
    Fault,
    FaultRule,
    Operation,
    Respond,
    RespondRaw,
    SendWebhook,
    Stage,
)
from pipeline.errors import InvalidInput, Problem, did_you_mean

if TYPE_CHECKING:
    from pipeline.json_values import Json

_HTML = b"<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>"
_JSON_TYPE = (("content-type", "application/json"),)
_JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

NAMED: Mapping[str, Fault] = {
    **{f"reset-{stage}": Disconnect(stage, reset=True) for stage in Stage},
    **{f"close-{stage}": Disconnect(stage, reset=False) for stage in Stage},
    "html": Respond(
        stage=Stage.AFTER_PROCESSING, status=200, body=_HTML, headers=(("content-type", "text/html"),)
    ),
    "garbage": Respond(
        stage=Stage.AFTER_PROCESSING, status=200, body=b"\x00\xff{not json", headers=_JSON_TYPE
    ),
    "empty": Respond(stage=Stage.AFTER_PROCESSING, status=200, body=b"{}", headers=_JSON_TYPE),
    "partial-status-line": RespondRaw(b"HTTP/1.1 20"),
    "partial-headers": RespondRaw(b"HTTP/1.1 200 OK\r\nContent-Ty"),
    "two-lengths": RespondRaw(_JSON_HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    "many-headers": RespondRaw(
        _JSON_HEAD + b"".join(b"X-Filler-%d: x\r\n" % n for n in range(150)) + b"Content-Length: 2\r\n\r\n{}"
    ),
    "bad-gzip": AlterResponse(headers=(("content-encoding", "gzip"),)),
    "truncated": AlterResponse(keep=0.5),
    "truncated-unsized": AlterResponse(keep=0.5, unsized=True),
    "short": AlterResponse(resize=-1),
    "long": AlterResponse(resize=1),
    "drip": AlterResponse(drip=0.5),
    "ignore-range": AlterResponse(ignore_range=True),
    "changed-etag": AlterResponse(headers=(("etag", '"changed"'),)),
    "wrong-type": AlterResponse(headers=(("content-type", "text/html"),)),
    "wrong-size": AlterResponse(patch={"media_result": [{"size": 1}]}),
    "expired": Respond(
        stage=Stage.AFTER_READING,
        status=403,
        body=b"<Error><Code>AccessDenied</Code></Error>",
        headers=(("content-type", "text/xml"),),
    ),
    "no-id": AlterResponse(patch={"id": None}),
    "odd-id": AlterResponse(patch={"id": "../x"}),
    "same-id": AlterResponse(same_id=True),
    "fail": EndWorkflow(status="fail"),
    "cancel": EndWorkflow(status="cancel"),
    "stuck": EndWorkflow(status="stuck"),
    "empty-result": EndWorkflow(status="empty"),
    "backwards": EndWorkflow(progress_falls=True),
    "drop": SendWebhook(copies=0),
    "twice": SendWebhook(copies=2),
    "forged": SendWebhook(forged=True),
}

_WEBHOOK_FAULTS = ", ".join(name for name, fault in NAMED.items() if isinstance(fault, SendWebhook))
_RULE_KEYS = {"on", "do", "nth", "after", "times", "probability", "seed", "match"}


def read_faults(path: Path, name: str) -> tuple[FaultRule, ...]:
    """The rules in a YAML or JSON file, which messages call `name`.

    Raises:
        InvalidInput: with every invalid rule and its position.
        OSError: the file cannot be read.
    """
    document = read_yaml(path, name)
    rules, wrong = _read(document.root.plain())
    if wrong:
        raise InvalidInput(document.problem(message, *path) for path, message in wrong)
    return rules


def read_rules(document: Json) -> tuple[FaultRule, ...]:
    """The rules in `{"faults": [...]}`, or in a plain list.

    Raises:
        InvalidInput: with every invalid rule.
    """
    rules, wrong = _read(document)
    if wrong:
        raise InvalidInput(Problem(message, path=dotted(path)) for path, message in wrong)
    return rules


_Path = tuple[str | int, ...]


def _read(document: Json) -> tuple[tuple[FaultRule, ...], list[tuple[_Path, str]]]:
    """The valid rules, and the errors of the others."""
    parent: _Path = ("faults",) if isinstance(document, dict) else ()
    rules = document.get("faults") if isinstance(document, dict) else document
    if not isinstance(rules, list):
        return (), [(parent, "expected a list of rules, or a mapping with one at `faults`")]
    read: list[FaultRule] = []
    wrong: list[tuple[_Path, str]] = []
    for position, rule in enumerate(rules):
        try:
            read.append(_rule(rule))
        except InvalidRule as error:
            path = error.path.split(".") if error.path else []
            wrong.append(((*parent, position, *path), str(error)))
    return tuple(read), wrong


def _rule(rule: Json) -> FaultRule:
    if not isinstance(rule, dict):
        raise InvalidRule("", "expected a mapping with `on` and `do`")
    for key in rule:
        if key not in _RULE_KEYS:
            raise InvalidRule(key, f"unknown key{did_you_mean(key, _RULE_KEYS)}")
    match = rule.get("match", {})
    if not isinstance(match, dict) or not set(match) <= {"title", "template"}:
        raise InvalidRule("match", "expected a mapping with `title` or `template`")
    nth = rule.get("nth", [])
    read = FaultRule(
        name=_name(rule.get("do")),
        on=_operations(rule.get("on")),
        fault=_fault(rule.get("do")),
        nth=frozenset(whole_number("nth", each) for each in (nth if isinstance(nth, list) else [nth])),
        after=whole_number("after", rule.get("after", 0)),
        times=None if rule.get("times") is None else whole_number("times", rule["times"]),
        probability=number("probability", rule.get("probability", 1.0), most=1.0),
        seed=whole_number("seed", rule.get("seed", 0)),
        title=text("match.title", match.get("title", "")),
        template_id=text("match.template", match.get("template", "")),
    )
    if read.fault.stage is Stage.BEFORE_READING and match and Operation.CREATE in read.on:
        raise InvalidRule("match", "before a create is read, its title and template are not known")
    only_webhooks = read.on == {Operation.WEBHOOK}
    sends_webhook = isinstance(read.fault, SendWebhook)
    if sends_webhook != only_webhooks or (Operation.WEBHOOK in read.on) != only_webhooks:
        raise InvalidRule("do", f"{_WEBHOOK_FAULTS} go with `on: webhook` alone, and nothing else does")
    return read


def _operations(value: Json) -> frozenset[Operation]:
    words = value if isinstance(value, list) else [value]
    known = [operation.value for operation in Operation]
    for word in words:
        if word not in known:
            near = did_you_mean(word, known) if isinstance(word, str) else ""
            raise InvalidRule("on", f"expected one or several of {', '.join(known)}{near}")
    return frozenset(Operation(str(word)) for word in words)


def _fault(value: Json) -> Fault:
    if isinstance(value, dict):
        return fault_of_mapping(value)
    if not isinstance(value, str):
        raise InvalidRule("do", f"expected a name or a mapping with one of {', '.join(FORMS)}")
    if value not in NAMED:
        raise InvalidRule("do", f"unknown fault {value[:40]!r}{did_you_mean(value, NAMED)}")
    return NAMED[value]


def _name(fault: Json) -> str:
    """The fault as it was written, so that people recognise it in the ledger."""
    if isinstance(fault, dict):
        return ", ".join(f"{key} {value}" for key, value in fault.items())
    return str(fault)
