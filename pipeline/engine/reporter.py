"""Reports the progress of a run and how it ended, and asks it to stop."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.errors import ExitCode
from pipeline.jobs import JobKey
from pipeline.json_values import Json
from pipeline.purchases import PENDING, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Progress of the jobs this run has work for; what was done before it is not among them.

    `unknown` are creates with an unknown outcome, `credits` what this run has spent. `time_left` estimates the
    seconds until the last one ends, None where nothing is known yet; it is a function, as only a bar asks for it.
    """

    done: int = 0
    under_way: int = 0
    waiting: int = 0
    failed: int = 0
    unknown: int = 0
    credits: int = 0
    time_left: Callable[[], float | None] = field(default=lambda: None, compare=False, repr=False)

    @property
    def total(self) -> int:
        """Jobs that this run has, or had, something to do for."""
        return self.ended + self.under_way + self.waiting

    @property
    def ended(self) -> int:
        """Jobs that this run will do nothing more for."""
        return self.done + self.failed + self.unknown


def tally_of(
    counts: Mapping[str, int],
    *,
    accepted: Collection[str] = (),
    credits_spent: int = 0,
    time_left: Callable[[], float | None] = lambda: None,
) -> Tally:
    """The tally of so many jobs of each status; `accepted` are those under way with which a run is to leave a job."""
    under_way = (Status.SUBMITTING, Status.SUBMITTED, Status.SUCCEEDED)
    return Tally(
        done=sum(counts.get(each, 0) for each in (Status.DONE, *accepted)),
        under_way=sum(counts.get(each, 0) for each in under_way if each not in accepted),
        waiting=counts.get(PENDING, 0),
        failed=counts.get(Status.FAILED, 0),
        unknown=counts.get(Status.ATTENTION, 0),
        credits=credits_spent,
        time_left=time_left,
    )


class Reporter(Protocol):
    """Tells people how a run goes."""

    def show(self, tally: Tally) -> None:
        """The jobs stand like this now."""
        ...

    def report(self, key: JobKey, what: str) -> None:
        """Something happened to a job."""
        ...

    def warn(self, message: str) -> None:
        """Something that a person should know."""
        ...


@dataclass
class RunReport:
    """The end of a run, besides the state: why it stopped, and what only this run knows.

    `codes` are the reasons for an exit code that cannot be read off the jobs. `inputs` has, by key, why a
    job could not be made a request; `blocked`, by key, what lies where its file should go; `media`, by SHA-256, what
    the files that it fetched hold, empty where that cannot be read.
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
