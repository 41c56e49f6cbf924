"""The coordinator: one loop that owns the schedule and the state, and hands calls to an executor.

Each turn collects the results of calls, commits them in one transaction, and only then starts what follows. There is
no thread per job: a few threads handle thousands of workflows in flight.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pipeline.engine.calls import DRAIN_TIMEOUT, CallPool, Clock
from pipeline.errors import AccountError, ExitCode, PipelineError

if TYPE_CHECKING:
    from pipeline.engine.create import Creator
    from pipeline.engine.journal import Journal
    from pipeline.engine.reporter import Listeners, RunReport, Stop

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
    listeners: Listeners
    report: RunReport
    show: Callable[[], object]
    _halted: bool = field(default=False, init=False)
    _error: Exception | None = field(default=None, init=False)
    _shown_at: float = field(default=float("-inf"), init=False)
    _has_news: bool = field(default=True, init=False)
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

    @property
    def _is_ending(self) -> bool:
        """Whether nothing more is to be started."""
        return self._halted or self.stop.code is not None or self.listeners.error is not None

    def _has_more(self) -> bool:
        if self._is_ending:
            return False
        return not self.calls.is_empty or bool(self._due())

    def _seconds_to_wait(self) -> float:
        """Seconds until the next scheduled work that no call triggers."""
        due = [self._next_publish, self._next_show()]
        if not self.calls.is_full:
            ready_at = self.calls.ready_at()
            due += [max(at, ready_at) for at in self._due()]
        return max(0.0, min(due) - self.clock.monotonic())

    def _due(self) -> list[float]:
        sources: tuple[CallSource, ...] = (self.creator, *self.other_sources)
        return [at for source in sources if (at := source.due_at()) is not None]

    def _next_show(self) -> float:
        """When to show the tally again: soon if something has happened, else only for a countdown."""
        after = SHOW_INTERVAL if self._has_news else self.listeners.redraw_interval
        return math.inf if after is None else self._shown_at + after

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
        while not self.calls.is_full and not self._is_ending:
            if self.calls.ready_at() > self.clock.monotonic():
                return
            if not any(source.start_next() for source in sources):
                return

    def _drain(self) -> None:
        """Collect the calls that are still under way: each may have bought something.

        An error that is a bug is raised only at the end, as the calls after it may have bought something too.
        """
        limit = None if self.stop.code is None else self.clock.monotonic() + DRAIN_TIMEOUT
        self.creator.queue.end()
        self._collect(0.0)
        if self.stop.code is not None and not self.calls.is_empty:
            self.listeners.warn(
                "stopping: nothing more is sent; waiting for the requests in flight, "
                f"at most {DRAIN_TIMEOUT:.0f} seconds"
            )
        while not self.calls.is_empty:
            if limit is not None and self.clock.monotonic() >= limit:
                self.report.add_reason(ExitCode.UNFINISHED, "some requests did not finish in time")
                break
            self._collect(1.0)
            limit = limit or (None if self.stop.code is None else self.clock.monotonic() + DRAIN_TIMEOUT)
        if self._error is not None:
            raise self._error

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
        except Exception as error:  # noqa: BLE001 - a bug, which `_drain` raises once nothing can be lost
            self._error = self._error or error

    def _report_periodically(self) -> None:
        now = self.clock.monotonic()
        if now >= self._shown_at + SHOW_INTERVAL:
            self._shown_at, self._has_news = now, False
            self.show()
        else:
            self._has_news = True
        if now >= self._next_publish:
            self._next_publish = now + PUBLISH_INTERVAL
            self.creator.publish_results()
