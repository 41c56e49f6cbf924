"""What a run is told, what it tells while it goes on, and what it ends with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.errors import ExitCode
from pipeline.jobs import JobKey, Json
from pipeline.purchases import Status
from pipeline.state.store import Caps


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How a run goes about it.

    `max_poll_interval` is the longest wait, in seconds, between two polls of one workflow. `concurrency` bounds
    the calls under way, `rate` (None: not at all) the requests a second, `in_flight` the workflows that are bought
    and not ended. Without `wait` a run only
    buys, without `download` it leaves the files at the vendor. `fail_fast` ends buying with the first failure;
    with `canary` one job of each template goes first, the rest of that template when it has succeeded.
    """

    concurrency: int = 8
    in_flight: int = 50
    rate: float | None = None
    max_poll_interval: float = 30.0
    caps: Caps = Caps()
    report_errors: bool = False
    wait: bool = True
    download: bool = True
    fail_fast: bool = False
    canary: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """Where the jobs of a run stand; `credits` is what this run has spent."""

    total: int
    by_status: Mapping[str, int]
    credits: int

    @property
    def ended(self) -> int:
        """Jobs that this run will do nothing more for."""
        return sum(self.by_status.get(each, 0) for each in (Status.DONE, Status.FAILED, Status.ATTENTION))


class Reporter(Protocol):
    """Tells people how a run goes."""

    def show(self, tally: Tally) -> None:
        """The jobs stand like this now."""
        ...

    def tell(self, key: JobKey, what: str) -> None:
        """Something happened to a job."""
        ...

    def warn(self, message: str) -> None:
        """Something that a person should know."""
        ...


@dataclass
class RunReport:
    """What a run ends with, besides the state: why it stopped, and what only this run knows.

    `codes` are the reasons for an exit code that cannot be read off the jobs. `inputs` tells, by key, why a
    job could not be made a request; `blocked`, by key, what lies where its file should go; `media`, by SHA-256, what
    the files that it fetched hold.
    """

    codes: set[ExitCode] = field(default_factory=set)
    inputs: dict[JobKey, str] = field(default_factory=dict)
    blocked: dict[JobKey, str] = field(default_factory=dict)
    media: dict[str, Mapping[str, Json]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def stop(self, code: ExitCode, note: str) -> None:
        """Note one reason to stop, once."""
        self.codes.add(code)
        if note not in self.notes:
            self.notes.append(note)


class Stop:
    """A request from outside to stop: a signal. Safe to call from a signal handler."""

    def __init__(self) -> None:
        self.code: ExitCode | None = None
        self._wake: Callable[[], None] | None = None

    def on_request(self, wake: Callable[[], None]) -> None:
        """Have `wake` called when a stop is asked for; it must be safe in a signal handler."""
        self._wake = wake

    def request(self, code: ExitCode) -> None:
        """Ask for a stop, to end with `code`; the first one counts."""
        if self.code is None:
            self.code = code
        if self._wake is not None:
            self._wake()
