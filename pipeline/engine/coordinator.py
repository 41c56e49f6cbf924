"""The coordinator: one loop that owns the schedule and the state, and hands calls to an executor.

Each turn collects the results of calls, commits them in one transaction, and only then starts what follows. There is
no thread per job: a few threads handle thousands of workflows in flight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pipeline.engine.calls import DRAIN_TIMEOUT, CallPool, Clock
from pipeline.errors import AccountError, ExitCode, PipelineError

if TYPE_CHECKING:
    from pipeline.engine.create import Creator
    from pipeline.engine.journal import Journal
    from pipeline.engine.reporter import Reporter, RunReport, Stop

# Seconds between two results manifests, and between two updates of the progress display.
PUBLISH_INTERVAL = 30.0
SHOW_INTERVAL = 0.5


class CallSource(Protocol):
    """A part of the engine that has calls to make."""

    def due_at(self) -> float | None:
        """When it may next have a call to start, in monotonic seconds; None: not before another call ends."""
        ...

    def start_next(self) -> bool:
        """Start the next call that is due; False if none is."""
        ...


@dataclass(kw_only=True, eq=False, slots=True)
class Coordinator:
    """Runs until nothing is left to do, or a stop is requested.

    `creator` and `other_sources` have calls to make. Creates go first: under a rate limit, the polls of thousands of
    workflows would leave none for them. Creates cannot starve the polls, as the number in flight is limited. At fixed
    intervals the results manifest is written, and `show` is called.
    """

    clock: Clock
    calls: CallPool
    journal: Journal
    creator: Creator
    other_sources: Sequence[CallSource]
    stop: Stop
    reporter: Reporter
    report: RunReport
    show: Callable[[], object]
    _halted: bool = field(default=False, init=False)
    _next_show: float = field(default=0.0, init=False)
    _next_publish: float = field(default=0.0, init=False)

    def run(self) -> None:
        """Run until nothing is left to do or a stop is requested; never raises for what the vendor does."""
        self.stop.on_request(self.calls.wake)
        self._next_publish = self.clock.monotonic() + PUBLISH_INTERVAL
        try:
            while self._has_more():
                self._turn(self._seconds_to_wait())
        finally:
            # In any case: the response to a call under way may name a workflow that is paid for.
            self._drain()

    def _has_more(self) -> bool:
        if self._halted or self.stop.code is not None:
            return False
        return not self.calls.is_empty or bool(self._due())

    def _seconds_to_wait(self) -> float:
        """Seconds until the next scheduled work that no call triggers."""
        due = [self._next_publish]
        if not self.calls.is_full:
            ready_at = self.calls.ready_at()
            due += [max(at, ready_at) for at in self._due()]
        return max(0.0, min(due) - self.clock.monotonic())

    def _due(self) -> list[float]:
        sources: tuple[CallSource, ...] = (self.creator, *self.other_sources)
        return [at for source in sources if (at := source.due_at()) is not None]

    def _turn(self, seconds: float) -> None:
        try:
            self.calls.collect(seconds)
            # Start polls and downloads before the commit, which takes as long as the disk needs. Creates wait for it:
            # the results just collected may forbid them.
            self._start_calls(*self.other_sources)
            self.journal.flush()
            self._start_calls(self.creator, *self.other_sources)
            self.creator.close_wave()
            # The calls just started may have added intents: commit them, then publish them.
            self.journal.flush()
            self.creator.publish_wave()
        except AccountError as error:
            self._halt(ExitCode.ACCOUNT, str(error))
        except PipelineError as error:
            self._halt(error.exit_code, str(error))
        self._report_periodically()

    def _halt(self, code: ExitCode, note: str) -> None:
        """End the run: nothing more can be done in it."""
        self._halted = True
        self.creator.queue.stop(code, note)

    def _start_calls(self, *sources: CallSource) -> None:
        self._halted = self._halted or ExitCode.ACCOUNT in self.report.codes
        while not self.calls.is_full and not self._halted and self.stop.code is None:
            if self.calls.ready_at() > self.clock.monotonic():
                return
            if not any(source.start_next() for source in sources):
                return

    def _drain(self) -> None:
        """Collect the calls that are still under way: each may have bought something."""
        limit = None if self.stop.code is None else self.clock.monotonic() + DRAIN_TIMEOUT
        self.creator.queue.end()
        self._collect(0.0)
        if self.stop.code is not None and not self.calls.is_empty:
            self.reporter.warn(
                "stopping: nothing more is sent; waiting for the requests in flight, "
                f"at most {DRAIN_TIMEOUT:.0f} seconds"
            )
        while not self.calls.is_empty:
            if limit is not None and self.clock.monotonic() >= limit:
                self.report.add_reason(ExitCode.UNFINISHED, "some requests did not finish in time")
                return
            self._collect(1.0)
            limit = limit or (None if self.stop.code is None else self.clock.monotonic() + DRAIN_TIMEOUT)

    def _collect(self, seconds: float) -> None:
        try:
            try:
                self.calls.collect(seconds)
            finally:
                # Even after an error: an earlier result may name a workflow that is paid for.
                self.creator.withdraw()
                self.journal.flush()
        except PipelineError as error:
            self._halt(error.exit_code, str(error))

    def _report_periodically(self) -> None:
        now = self.clock.monotonic()
        if now >= self._next_show:
            self._next_show = now + SHOW_INTERVAL
            self.show()
        if now >= self._next_publish:
            self._next_publish = now + PUBLISH_INTERVAL
            self.creator.publish_results()
