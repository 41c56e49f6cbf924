"""Observers of a run: `--events`, metrics, traces, the live page. Only the requested ones are loaded."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pipeline.cli.options import verbosity
from pipeline.cli.terminal import Closed, as_json_text, say, say_json_text
from pipeline.engine.reporter import Tally, tally_of
from pipeline.errors import ExitCode, InvalidInput, PipelineError, Unfinished, UsageError, reason_of
from pipeline.files import assert_replaces
from pipeline.operations.caps import caps_of
from pipeline.operations.clock import now
from pipeline.operations.run_note import NoteWriter
from pipeline.state.events import event_name

if TYPE_CHECKING:
    from pipeline.jobs import JobKey
    from pipeline.json_values import Json
    from pipeline.operations.campaign_state import CampaignState
    from pipeline.operations.outcome import Outcome
    from pipeline.operations.workspace import Workspace
    from pipeline.providers.base import Provider
    from pipeline.state.store import Change
    from pipeline.telemetry.metered_provider import CallMeter


class Events:
    """Writes changes that are on disk. A failed write is reported at the end: it must not end the run."""

    def __init__(self, target: str, file: TextIO | None) -> None:
        self._target = target
        self._file = file
        self._error: str | None = None

    def __call__(self, change: Change) -> None:
        if self._error is not None:
            return
        try:
            if self._file is None:
                say_json_text(as_json_text(as_json(change)))
            else:
                print(json.dumps(as_json(change), ensure_ascii=False), file=self._file, flush=True)
        except Closed as closed:
            self._error = closed.reason
        except OSError as error:
            self._error = reason_of(error)

    def assert_written(self) -> None:
        """Check that all events were written.

        Raises:
            Unfinished: one could not be written; the run itself was not affected.
        """
        if self._error is not None:
            raise Unfinished(f"--events {self._target}: cannot be written: {self._error}")


@contextmanager
def events_to(target: str) -> Iterator[Events]:
    """Open events that go to stdout (`-`), or are appended to a file.

    Raises:
        UsageError: the file cannot be opened, or is not a file of events.
    """
    if target == "-":
        yield Events(target, None)
        return
    try:
        # A pipe or a terminal has no content to protect, and reading it would block.
        if Path(target).is_file() or not Path(target).exists():
            assert_replaces(Path(target), _are_events, "a file of events")
        file = Path(target).open("a", encoding="utf-8")  # noqa: SIM115 - closed below
    except OSError as error:
        raise UsageError(f"--events {target}: {error.strerror}") from error
    try:
        yield Events(target, file)
    finally:
        with suppress(OSError):  # closing retries a failed write, which `assert_written` reports
            file.close()


def _are_events(head: bytes) -> bool:
    return re.match(rb'\{"at": *"[^"\n]*", *"purchase": *"', head) is not None


def as_json(change: Change) -> dict[str, Json]:
    """One change of one purchase."""
    after = change.after
    written: dict[str, Json] = {
        "at": change.at,
        "purchase": after.id,
        "key": after.key,
        "event": event_name(change.event) if change.event is not None else "Intended",
        "from": change.before.status.value if change.before is not None else None,
        "to": after.status.value,
        "reason": after.reason.value if after.reason else None,
        "workflow_id": after.workflow_id,
        "credits": after.credits,
        "error": after.error,
    }
    return {name: value for name, value in written.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Observers:
    """The callbacks of a run: its selection, each change, the tally of jobs, calls to the vendor, and the end.

    `on_unbought` are called at the end with the jobs that it leaves to the next run, and why.
    """

    on_change: tuple[Callable[[Change], None], ...] = ()
    on_tally: tuple[Callable[[Tally], None], ...] = ()
    provider_wrappers: tuple[Callable[[Provider], Provider], ...] = ()
    on_end: tuple[Callable[[ExitCode], None], ...] = ()
    on_selection: tuple[Callable[[Collection[JobKey] | None], None], ...] = ()
    on_unbought: tuple[Callable[[Mapping[JobKey, str]], None], ...] = ()

    def notify_selection(self, keys: Collection[JobKey] | None) -> None:
        """Pass on the keys that the run is limited to; None: all."""
        for callback in self.on_selection:
            callback(keys)

    def notify_unbought(self, unbought: Mapping[JobKey, str]) -> None:
        """Pass on why the run leaves these jobs to the next one."""
        for callback in self.on_unbought:
            callback(unbought)

    def notify_change(self, change: Change) -> None:
        """Pass on a change that is on disk."""
        for callback in self.on_change:
            callback(change)

    def notify_tally(self, tally: Tally) -> None:
        """Pass on the tally of jobs."""
        for callback in self.on_tally:
            callback(tally)

    def wrap_provider(self, provider: Provider) -> Provider:
        """The provider, with its calls observed."""
        for wrap in self.provider_wrappers:
            provider = wrap(provider)
        return provider

    def notify_end(self, code: ExitCode) -> None:
        """Pass on the exit code of the run.

        Raises:
            Unfinished: an observer cannot write its report.
        """
        for callback in self.on_end:
            callback(code)


@contextmanager
def observers(state: CampaignState, given: Mapping[str, Any]) -> Iterator[Observers]:
    """The observers that flags and the environment request.

    Raises:
        UsageError: an address or a file cannot be used, or an extra is missing.
    """
    workspace = state.workspace
    with ExitStack() as stack:
        limits = workspace.campaign.limits
        caps = caps_of(workspace.campaign, max_credits=given["max_credits"])
        in_flight = given["in_flight"] or limits.in_flight
        if workspace.shard is not None:
            in_flight = workspace.shard.share(in_flight)
        note = NoteWriter(workspace.run_note, state.store.run, caps.max_credits, now, in_flight)
        page = _page(stack, state, note, given) if given["serve"] else Observers()
        stack.callback(note.finish)
        metrics = (
            _metrics(stack, workspace, given) if given["metrics"] or given["metrics_file"] else Observers()
        )
        traces = _traces(workspace)
        found = Observers(
            on_change=(*metrics.on_change, *traces.on_change, *page.on_change),
            on_tally=metrics.on_tally,
            provider_wrappers=(*metrics.provider_wrappers, partial(_metered, meter=note)),
            on_end=(*metrics.on_end, *traces.on_end),
            on_selection=(note.select,),
            on_unbought=(note.leave,),
        )
        try:
            yield found
        except PipelineError as error:
            with suppress(Unfinished):
                found.notify_end(error.exit_code)
            raise


def final_tally(outcome: Outcome) -> Tally:
    """The tally of all jobs at the end, including those that were done before."""
    return tally_of(outcome.summary.jobs, credits_spent=outcome.spent)


def _metrics(stack: ExitStack, workspace: Workspace, given: Mapping[str, Any]) -> Observers:
    from pipeline.telemetry.run_metrics import RunMetrics

    metrics = RunMetrics(workspace.campaign.name, time.time())
    on_tally: list[Callable[[Tally], None]] = [metrics.on_tally]
    on_end: list[Callable[[ExitCode], None]] = [lambda code: metrics.on_end(code, time.time())]
    if given["metrics"]:
        from pipeline.telemetry.metrics_server import listening

        url = stack.enter_context(listening(given["metrics"], metrics.text))
        if not verbosity().quiet:
            say(f"metrics at {url}", err=True)
    if given["metrics_file"]:
        from pipeline.telemetry.metrics_file import MetricsFile

        file = MetricsFile(Path(given["metrics_file"]), metrics.text)
        on_tally.append(lambda _tally: file.refresh())
        on_end.append(lambda _code: file.finish())
    return Observers(
        on_change=(metrics.on_change,),
        on_tally=tuple(on_tally),
        provider_wrappers=(partial(_metered, meter=metrics),),
        on_end=tuple(on_end),
    )


def _metered(provider: Provider, meter: CallMeter) -> Provider:
    # Imported here, since most commands end before they call the vendor.
    from pipeline.telemetry.metered_provider import MeteredProvider

    return MeteredProvider(provider, meter)


def _page(stack: ExitStack, state: CampaignState, note: NoteWriter, given: Mapping[str, Any]) -> Observers:
    """The live page, for the duration of the run. The run continues if the page cannot be served."""
    from pipeline.cli.serve import page_of_run

    try:
        source, page = page_of_run(state, given["serve"], given["token_file"], lambda: note.note)
    except (InvalidInput, OSError) as error:
        say(f"warning: {reason_of(error)}; the run continues without its page", err=True)
        return Observers()
    try:
        url = stack.enter_context(page.in_background())
    except UsageError as error:
        say(f"warning: {error}; the run continues without its page", err=True)
        return Observers()
    say(f"The page is at {url}", err=True)
    if page.for_others:
        say(page.for_others, err=True)
    return Observers(on_change=(source.on_change,))


def _traces(workspace: Workspace) -> Observers:
    variables = workspace.environment.variables
    if not any(name.startswith("OTEL_") for name in variables):
        return Observers()
    from pipeline.telemetry.trace_settings import asks_for_traces, unusable

    if not asks_for_traces(variables):
        return Observers()
    if reason := unusable(variables):
        say(f"warning: {reason}", err=True)
        return Observers()
    try:
        from pipeline.telemetry.traces import Traces
    except ModuleNotFoundError:
        # The variables are often set for all programs of a cluster, so a run is not refused because of them.
        say("warning: OTEL_… asks for traces: pip install 'campaign-pipeline[otel]'", err=True)
        return Observers()
    traces = Traces(workspace.campaign.name, variables)

    def end(_code: ExitCode) -> None:
        if note := traces.finish():
            say(f"warning: {note}", err=True)

    return Observers(on_change=(traces.on_change,), on_end=(end,))
