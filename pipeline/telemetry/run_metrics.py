"""The metrics of one run. Their number does not grow with the number of jobs."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from pipeline import __version__
from pipeline.state.events import Finished, event_name
from pipeline.telemetry.exposition import Figures, Histogram
from pipeline.telemetry.timestamps import seconds_between

if TYPE_CHECKING:
    from pipeline.engine.reporter import Tally
    from pipeline.errors import ExitCode
    from pipeline.state.store import Change

# Bounds in seconds: of a call, up to a long download; of a workflow, up to an hour.
_CALL_BOUNDS = (0.1, 0.5, 1, 2.5, 10, 60, 300)
_WORKFLOW_BOUNDS = (10, 30, 60, 120, 300, 600, 1800, 3600)


class RunMetrics:
    """The metrics of one campaign's run. Safe to use from many threads."""

    def __init__(self, campaign: str, started: float) -> None:
        self._common = {"campaign": campaign}
        self._lock = Lock()
        # The number of all calls of the vendor.
        self.calls = 0
        build = Figures("pipeline_build_info", "gauge", "Always 1; the label is the version.", "version")
        build.set(1, __version__)
        start = Figures("pipeline_run_start_timestamp_seconds", "gauge", "When the run started.")
        start.set(started)
        self._end = Figures("pipeline_run_end_timestamp_seconds", "gauge", "When the run ended.")
        self._exit_code = Figures("pipeline_run_exit_code", "gauge", "The exit code of the run.")
        self._jobs = Figures("pipeline_jobs", "gauge", "Jobs of the run by status.", "status")
        self._spent = Figures("pipeline_run_spent_credits", "gauge", "Credits that the run has spent.")
        self._events = Figures(
            "pipeline_purchase_events_total", "counter", "Steps in the life of purchases.", "event"
        )
        self._calls = Figures(
            "pipeline_provider_calls_total", "counter", "Calls to the vendor.", "operation outcome"
        )
        self._bytes = Figures("pipeline_downloaded_bytes_total", "counter", "Bytes downloaded.")
        self._call_times = Histogram(
            "pipeline_provider_call_duration_seconds",
            "How long calls to the vendor took.",
            _CALL_BOUNDS,
            "operation",
        )
        self._workflow_times = Histogram(
            "pipeline_workflow_duration_seconds", "From the create to the success.", _WORKFLOW_BOUNDS
        )
        self._families: tuple[Figures | Histogram, ...] = (
            *(build, start, self._end, self._exit_code, self._jobs, self._spent),
            *(self._events, self._calls, self._bytes, self._call_times, self._workflow_times),
        )

    def on_change(self, change: Change) -> None:
        """Count a step that is on disk."""
        with self._lock:
            self._events.add(1, event_name(change.event) if change.event is not None else "Intended")
            took = seconds_between(change.after.bought_at, change.at)
            if isinstance(change.event, Finished) and took is not None:
                self._workflow_times.observe(took)

    def on_tally(self, tally: Tally) -> None:
        """Set the current counts of jobs."""
        with self._lock:
            for status in ("done", "under_way", "waiting", "failed", "unknown"):
                self._jobs.set(getattr(tally, status), status)
            self._spent.set(tally.credits)

    def on_call(self, operation: str, outcome: str, seconds: float) -> None:
        """Count one call of the vendor."""
        with self._lock:
            self.calls += 1
            self._calls.add(1, operation, outcome)
            self._call_times.observe(seconds, operation)

    def on_download(self, size: int) -> None:
        """Count a downloaded file of `size` bytes."""
        with self._lock:
            self._bytes.add(size)

    def on_end(self, code: ExitCode, ended: float) -> None:
        """Record how the run ended, and when."""
        with self._lock:
            self._exit_code.set(int(code))
            self._end.set(ended)

    def text(self) -> str:
        """All metrics, as Prometheus reads them."""
        with self._lock:
            lines = [line for family in self._families for line in family.lines(self._common)]
        return "\n".join([*lines, ""])
