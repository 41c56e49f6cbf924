"""Faults to inject, and the rules that say which calls they apply to.

In a file, or sent to the admin endpoint, a rule reads `{on: create, nth: 2, do: reset-after-processing}`;
`faultfile` reads that form.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.json_values import Json


class Operation(StrEnum):
    """A kind of call; `ANY` stands for all of them except `WEBHOOK`, which the emulator itself makes."""

    CREATE = "create"
    GET = "get"
    PUT = "put"
    DELETE = "delete"
    UPLOAD = "upload"
    DOWNLOAD = "download"
    ERROR_LOG = "error-log"
    TEMPLATES = "templates"
    HEALTH = "health"
    WEBHOOK = "webhook"
    ANY = "any"


class Stage(StrEnum):
    """How far the call has come when the fault applies."""

    BEFORE_READING = "before-reading"
    AFTER_READING = "after-reading"
    AFTER_PROCESSING = "after-processing"


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The connection ends without a response: by a reset, or with an orderly close."""

    stage: Stage
    reset: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Nothing happens for `seconds`, or until the rule is removed; then the call continues."""

    stage: Stage
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Respond:
    """Another response than the true one. After processing, the request has been carried out nevertheless."""

    stage: Stage
    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RespondRaw:
    """After processing, these bytes are sent in place of a response, and the connection is closed."""

    content: bytes
    stage: Stage = Stage.AFTER_PROCESSING


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterResponse:
    """The true response, changed as it is sent.

    `patch` is merged into its `data`; `same_id` gives it the id of the first workflow ever bought; `headers`
    are set; `keep` is the share of the body that is sent before the connection closes (`unsized`: without a
    Content-Length that would reveal it); `resize` is by how many bytes the body grows or shrinks, with a
    Content-Length that agrees; `drip` is the seconds between two pieces of the body; `ignore_range` responds
    to a Range with the whole file.
    """

    patch: Mapping[str, Json] = field(default_factory=dict)
    same_id: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    keep: float | None = None
    unsized: bool = False
    resize: int = 0
    drip: float = 0.0
    ignore_range: bool = False
    stage: Stage = Stage.AFTER_PROCESSING


@dataclass(frozen=True, slots=True, kw_only=True)
class EndWorkflow:
    """The bought workflow ends with `status` (see `workflow.ForcedEnd`), or its progress falls."""

    status: str | None = None
    progress_falls: bool = False
    stage: Stage = Stage.AFTER_PROCESSING


@dataclass(frozen=True, slots=True, kw_only=True)
class SendWebhook:
    """How a webhook is sent: in several copies; or forged, with another workflow and another end."""

    copies: int = 1
    forged: bool = False
    stage: Stage = Stage.AFTER_PROCESSING


Fault = Disconnect | Delay | Respond | RespondRaw | AlterResponse | EndWorkflow | SendWebhook


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The properties of a call that rules match. Title and template are empty if they are not known."""

    operation: Operation
    title: str = ""
    template_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """Applies to the calls in `on` whose title and template contain the given texts.

    Of these it applies to the `nth` (counted from 1; without `nth`: each), after the first `after`, at most `times`
    times, with that `probability`, drawn from `seed`.
    """

    name: str
    on: frozenset[Operation]
    fault: Fault
    nth: frozenset[int] = frozenset()
    after: int = 0
    times: int | None = None
    probability: float = 1.0
    seed: int = 0
    title: str = ""
    template_id: str = ""

    def matches(self, call: Call) -> bool:
        """Whether this call matches the rule."""
        # `any` stands for the calls that a client makes; webhooks are the emulator's own.
        names = {call.operation} if call.operation is Operation.WEBHOOK else {call.operation, Operation.ANY}
        return bool(self.on & names) and self.title in call.title and self.template_id in call.template_id


class _RuleCounter:
    """A rule, with the numbers of calls that matched it so far and that it applied."""

    def __init__(self, rule: FaultRule) -> None:
        self.rule = rule
        self.seen = 0
        self.applied = 0
        self.removed: Future[None] = Future()
        self._random = random.Random(rule.seed)  # noqa: S311 - a rehearsal must be repeatable

    def applies(self) -> bool:
        rule = self.rule
        self.seen += 1
        if self.seen <= rule.after or (rule.times is not None and self.applied >= rule.times):
            return False
        if rule.nth and self.seen not in rule.nth:
            return False
        if self._random.random() >= rule.probability:
            return False
        self.applied += 1
        return True


class FaultRules:
    """The active rules. The first that applies to a call decides; each counts every call that matches it."""

    def __init__(self, rules: Iterable[FaultRule] = ()) -> None:
        self._lock = threading.Lock()
        self._counters = [_RuleCounter(rule) for rule in rules]

    def set(self, rules: Iterable[FaultRule]) -> None:
        """Replace all rules by these."""
        with self._lock:
            replaced, self._counters = self._counters, [_RuleCounter(rule) for rule in rules]
        for counter in replaced:
            counter.removed.set_result(None)

    def add(self, rules: Iterable[FaultRule]) -> None:
        """Append these rules."""
        with self._lock:
            self._counters.extend(_RuleCounter(rule) for rule in rules)

    def removal(self, rule: FaultRule) -> Future[None]:
        """Is done once this rule is no longer active."""
        with self._lock:
            active = [counter.removed for counter in self._counters if counter.rule is rule]
        if active:
            return active[0]
        gone: Future[None] = Future()
        gone.set_result(None)
        return gone

    def counts(self) -> list[tuple[str, int, int]]:
        """Each rule's name, the number of calls that matched it, and of those that it applied to."""
        with self._lock:
            return [(counter.rule.name, counter.seen, counter.applied) for counter in self._counters]

    def before_reading(self, call: Call) -> FaultRule | None:
        """The rule that applies before the body is read."""
        return self._first_applying(call, early=True)

    def after_reading(self, call: Call) -> FaultRule | None:
        """The rule that applies once the request has been read, before or after it is processed."""
        return self._first_applying(call, early=False)

    def _first_applying(self, call: Call, *, early: bool) -> FaultRule | None:
        with self._lock:
            matching = [
                counter
                for counter in self._counters
                if (counter.rule.fault.stage is Stage.BEFORE_READING) == early and counter.rule.matches(call)
            ]
            # Ask all of them, not only up to the first that applies: each must count every call that matches it.
            applying = [counter.rule for counter in matching if counter.applies()]
        return applying[0] if applying else None
