"""What can go wrong, and when: rules that strike the emulator's calls.

A rule says on which calls it looks, which of these it strikes, and what it does there. In a file or over the
admin endpoint it reads `{on: create, nth: 2, do: reset-after-processing}`; `faultfile` reads that form.
"""

import random
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.jobs import Json


class Operation(StrEnum):
    """A kind of call; `ANY` stands for all of them but `WEBHOOK`, which the emulator itself makes."""

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
    """How far the call has come when the fault strikes."""

    BEFORE_READING = "before-reading"
    AFTER_READING = "after-reading"
    AFTER_PROCESSING = "after-processing"


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection ends without an answer: by a reset, or closed in order."""

    stage: Stage
    reset: bool


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing happens for so many seconds; then the call goes on."""

    stage: Stage
    seconds: float


@dataclass(frozen=True, slots=True)
class Respond:
    """Another answer than the true one. After processing: what was asked for has been done all the same."""

    stage: Stage
    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Wire:
    """After processing: these bytes go out instead of an answer, and the connection is closed."""

    raw: bytes
    stage: Stage = Stage.AFTER_PROCESSING


@dataclass(frozen=True, slots=True)
class Alter:
    """The true answer, changed on its way out.

    `patch` is merged into its `data`; `same_id` gives it the id of the first workflow ever bought; `headers`
    are set; `keep` is the share of the body that arrives before the connection closes (`unsized`: without a
    Content-Length to notice it by); `resize` lengthens or shortens the body, its Content-Length agreeing;
    `drip` is the seconds between two pieces of the body; `ignore_range` answers a Range with the whole.
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


@dataclass(frozen=True, slots=True)
class Doom:
    """The workflow that is bought ends otherwise: `ends` as in `workflow.Fate`; or its progress goes down."""

    ends: str | None = None
    backwards: bool = False
    stage: Stage = Stage.AFTER_PROCESSING


@dataclass(frozen=True, slots=True)
class Delivery:
    """How the receipt of a webhook goes out: in so many copies; or forged, telling what is not so."""

    copies: int = 1
    forged: bool = False
    stage: Stage = Stage.AFTER_PROCESSING


Fault = Cut | Stall | Respond | Wire | Alter | Doom | Delivery


@dataclass(frozen=True, slots=True)
class Call:
    """What a rule may look at. Title and template are empty where they are not known."""

    operation: Operation
    title: str = ""
    template_id: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Strikes the calls in `on` whose title and template contain what is asked.

    Of these it strikes the `nth` (counted from 1; none given: each), after the first `after`, at most
    `times`, with that `probability`, drawn from `seed`.
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

    def concerns(self, call: Call) -> bool:
        """Whether it looks at this call at all."""
        asked = {call.operation} if call.operation is Operation.WEBHOOK else {call.operation, Operation.ANY}
        return bool(self.on & asked) and self.title in call.title and self.template_id in call.template_id


class _Armed:
    """A rule with what it has seen and struck so far."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.seen = 0
        self.struck = 0
        self._random = random.Random(rule.seed)  # noqa: S311 - chance that can be repeated is what is wanted

    def strikes(self) -> bool:
        rule = self.rule
        self.seen += 1
        if self.seen <= rule.after or (rule.times is not None and self.struck >= rule.times):
            return False
        if rule.nth and self.seen not in rule.nth:
            return False
        if self._random.random() >= rule.probability:
            return False
        self.struck += 1
        return True


class Faults:
    """The rules in force. The first that strikes a call decides; each counts the calls that it looks at."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._lock = threading.Lock()
        self._armed = [_Armed(rule) for rule in rules]

    def set(self, rules: Iterable[Rule]) -> None:
        """Put these in place of all others; none at all: everything is well again."""
        with self._lock:
            self._armed = [_Armed(rule) for rule in rules]

    def add(self, rules: Iterable[Rule]) -> None:
        """Put these behind the others."""
        with self._lock:
            self._armed.extend(_Armed(rule) for rule in rules)

    def counts(self) -> list[tuple[str, int, int]]:
        """Each rule's name, the calls that it looked at, and those that it struck."""
        with self._lock:
            return [(armed.rule.name, armed.seen, armed.struck) for armed in self._armed]

    def before_reading(self, call: Call) -> Rule | None:
        """The rule that strikes before anything of the body is read."""
        return self._first(call, early=True)

    def after_reading(self, call: Call) -> Rule | None:
        """The rule that strikes when the request is there, before or after it is processed."""
        return self._first(call, early=False)

    def _first(self, call: Call, *, early: bool) -> Rule | None:
        with self._lock:
            concerned = [
                armed
                for armed in self._armed
                if (armed.rule.fault.stage is Stage.BEFORE_READING) == early and armed.rule.concerns(call)
            ]
            # All are asked, so that each counts every call that it looks at.
            striking = [armed.rule for armed in concerned if armed.strikes()]
        return striking[0] if striking else None
