"""The progress of a run, how it ended, and requests to stop it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pipeline.engine.durations import TimeLeft
from pipeline.purchases import PENDING, Status

if TYPE_CHECKING:
    from pipeline.errors import ExitCode
    from pipeline.jobs import JobKey
    from pipeline.json_values import Json
    from pipeline.purchases import PurchaseId
    from pipeline.state.store import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Progress of the jobs that this run has work for, without those done before it.

    `unknown` counts creates with an unknown outcome; `credits` is what this run has spent, and `unpriced` the
    number of its purchases with an unknown price. `time_left` estimates the time until the last job ends, with the
    names of templates; it is a function because only a progress bar needs it.
    """

    done: int = 0
    under_way: int = 0
    waiting: int = 0
    failed: int = 0
    unknown: int = 0
    credits: int = 0
    unpriced: int = 0
    time_left: Callable[[], TimeLeft] = field(default=TimeLeft, compare=False, repr=False)

    @property
    def total(self) -> int:
        """Number of jobs that this run has, or had, work for."""
        return self.ended + self.under_way + self.waiting

    @property
    def ended(self) -> int:
        """Number of jobs that this run has nothing more to do for."""
        return self.done + self.failed + self.unknown


def tally_of(
    counts: Mapping[str, int],
    *,
    accepted: Collection[str] = (),
    credits_spent: int = 0,
    unpriced: int = 0,
    time_left: Callable[[], TimeLeft] = TimeLeft,
) -> Tally:
    """The tally of `counts` of jobs by status; a job whose status is in `accepted` counts as done in this run."""
    under_way = (Status.SUBMITTING, Status.SUBMITTED, Status.SUCCEEDED)
    return Tally(
        done=sum(counts.get(each, 0) for each in (Status.DONE, *accepted)),
        under_way=sum(counts.get(each, 0) for each in under_way if each not in accepted),
        waiting=counts.get(PENDING, 0),
        failed=counts.get(Status.FAILED, 0),
        unknown=counts.get(Status.ATTENTION, 0),
        credits=credits_spent,
        unpriced=unpriced,
        time_left=time_left,
    )


class Reporter(Protocol):
    """Shows people the progress of a run."""

    @property
    def redraw_interval(self) -> float | None:
        """Seconds after which to show the tally again though nothing happened: for a countdown. None: never."""
        ...

    def show(self, tally: Tally) -> None:
        """Show the current tally."""
        ...

    def report(self, key: JobKey, what: str) -> None:
        """Report what happened to a job."""
        ...

    def warn(self, message: str) -> None:
        """Report something that a person should know."""
        ...


class Listeners:
    """Tells the `reporter` and `on_change` what happens in a run; none of their errors gets into the engine.

    An error raised within a turn would keep the workflow ids of other creates, already paid for, from being recorded.
    The first error is kept as `error`, and whoever raised one is told nothing more.
    """

    def __init__(self, reporter: Reporter, on_change: Callable[[Change], None]) -> None:
        self.error: BaseException | None = None
        self._reporter: Reporter | None = reporter
        self._on_change: Callable[[Change], None] | None = on_change

    @property
    def redraw_interval(self) -> float | None:
        return None if self._reporter is None else self._reporter.redraw_interval

    def show(self, tally: Tally) -> None:
        self._tell(lambda reporter: reporter.show(tally))

    def report(self, key: JobKey, what: str) -> None:
        self._tell(lambda reporter: reporter.report(key, what))

    def warn(self, message: str) -> None:
        self._tell(lambda reporter: reporter.warn(message))

    def on_change(self, change: Change) -> None:
        """Pass on a change that is on disk."""
        try:
            if self._on_change is not None:
                self._on_change(change)
        except BaseException as error:  # noqa: BLE001 - also `sys.exit` in a callback: it is raised later
            self._on_change = None
            self._keep(error)

    def raise_error(self) -> None:
        """Raise the first error of a listener, if there was one, now that everything is recorded."""
        if self.error is not None:
            raise self.error

    def _tell(self, what: Callable[[Reporter], None]) -> None:
        try:
            if self._reporter is not None:
                what(self._reporter)
        except BaseException as error:  # noqa: BLE001 - as above
            self._reporter = None
            self._keep(error)

    def _keep(self, error: BaseException) -> None:
        self.error = self.error or error


@dataclass
class RunReport:
    """What is known about a run besides the state: why it stopped, and what only this run has found out.

    `codes` are exit codes with reasons other than the jobs' statuses. `inputs` has, by key, why a job's request could
    not be prepared; `blocked`, by key, why its files could not be put in place; `media`, by SHA-256, the media facts
    of the files that it fetched, empty if they cannot be read. `without_result` are jobs whose workflow the vendor
    calls finished, without a result that can be used; `without_workflow` are purchases whose files are not
    here and whose workflow the vendor no longer has. `unbought` has, by key, why a job was left to the next run.
    """

    codes: set[ExitCode] = field(default_factory=set)
    without_result: set[JobKey] = field(default_factory=set)
    without_workflow: set[PurchaseId] = field(default_factory=set)
    inputs: dict[JobKey, str] = field(default_factory=dict)
    blocked: dict[JobKey, str] = field(default_factory=dict)
    unbought: dict[JobKey, str] = field(default_factory=dict)
    media: dict[str, Mapping[str, Json]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add_reason(self, code: ExitCode, note: str) -> None:
        """Add an exit code and its reason; one that is repeated, even without what followed from it, is kept once."""
        self.codes.add(code)
        if not any(each == note or each.startswith(f"{note};") for each in self.notes):
            self.notes.append(note)


class Stop:
    """A request from outside to stop: a signal. Safe to call from a signal handler."""

    def __init__(self) -> None:
        self.code: ExitCode | None = None
        self._wake: Callable[[], None] | None = None

    def on_request(self, wake: Callable[[], None]) -> None:
        """Call `wake` when a stop is requested; it must be safe in a signal handler."""
        self._wake = wake

    def request(self, code: ExitCode) -> None:
        """Request a stop with exit code `code`; the first request counts."""
        if self.code is None:
            self.code = code
        if self._wake is not None:
            self._wake()
