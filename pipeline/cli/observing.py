"""Metrics and traces of a run: what is asked for is loaded, and nothing else."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli.options import verbosity
from pipeline.cli.terminal import say
from pipeline.engine.reporter import Tally, tally_of
from pipeline.errors import ExitCode, InvalidInput, PipelineError, Unfinished, UsageError
from pipeline.operations.campaign_state import CampaignState
from pipeline.operations.caps import caps_of
from pipeline.operations.outcome import Outcome
from pipeline.operations.run_note import NoteWriter
from pipeline.operations.workspace import Workspace
from pipeline.providers.base import Provider
from pipeline.state.store import Change

if TYPE_CHECKING:
    from pipeline.telemetry.metered_provider import CallMeter


@dataclass(frozen=True, slots=True)
class Observers:
    """Who hears what of a run: each step, how the jobs stand, calls of the vendor, and the end."""

    on_change: tuple[Callable[[Change], None], ...] = ()
    on_tally: tuple[Callable[[Tally], None], ...] = ()
    around_provider: tuple[Callable[[Provider], Provider], ...] = ()
    on_end: tuple[Callable[[ExitCode], None], ...] = ()

    def changed(self, change: Change) -> None:
        """Tell a step that is on disk."""
        for hear in self.on_change:
            hear(change)

    def stands(self, tally: Tally) -> None:
        """Tell how the jobs stand."""
        for hear in self.on_tally:
            hear(tally)

    def watched(self, provider: Provider) -> Provider:
        """The provider, with its calls heard."""
        for around in self.around_provider:
            provider = around(provider)
        return provider

    def ends(self, code: ExitCode) -> None:
        """Tell how the run ends.

        Raises:
            Unfinished: a report of it cannot be written.
        """
        for hear in self.on_end:
            hear(code)


@contextmanager
def observers(state: CampaignState, given: Mapping[str, Any]) -> Iterator[Observers]:
    """Those that flags and the environment ask for.

    Raises:
        UsageError: an address or a file cannot be used, or an extra is missing.
    """
    workspace = state.workspace
    with ExitStack() as stack:
        caps = caps_of(workspace.campaign.limits, max_credits=given["max_credits"])
        note = NoteWriter(workspace.run_note, state.store.run, caps.max_credits)
        page = _page(stack, state, note, given) if given["serve"] else Observers()
        stack.callback(note.finish)
        metrics = (
            _metrics(stack, workspace, given) if given["metrics"] or given["metrics_file"] else Observers()
        )
        traces = _traces(workspace)
        found = Observers(
            on_change=(*metrics.on_change, *traces.on_change, *page.on_change),
            on_tally=metrics.on_tally,
            around_provider=(*metrics.around_provider, partial(_metered, meter=note)),
            on_end=(*metrics.on_end, *traces.on_end),
        )
        try:
            yield found
        except PipelineError as error:
            with suppress(Unfinished):
                found.ends(error.exit_code)
            raise


def final_tally(outcome: Outcome) -> Tally:
    """How all jobs stand at the end, also those that were done before."""
    counts = Counter(stand.status for stand in outcome.jobs.values())
    return tally_of(counts, credits_spent=outcome.spent)


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
        around_provider=(partial(_metered, meter=metrics),),
        on_end=tuple(on_end),
    )


def _metered(provider: Provider, meter: "CallMeter") -> Provider:
    # Imported here, as most commands end before anything is called.
    from pipeline.telemetry.metered_provider import MeteredProvider

    return MeteredProvider(provider, meter)


def _page(stack: ExitStack, state: CampaignState, note: NoteWriter, given: Mapping[str, Any]) -> Observers:
    """The live page of the run, for as long as it lasts. That it cannot be had keeps no run from going on."""
    from pipeline.cli.serve import page_of_run

    try:
        source, page = page_of_run(state, given["serve"], given["token_file"], lambda: note.note)
    except (InvalidInput, OSError) as error:
        say(f"warning: {error}; the run continues without its page", err=True)
        return Observers()
    try:
        url = stack.enter_context(page.in_background())
    except UsageError as error:
        say(f"warning: {error}; the run continues without its page", err=True)
        return Observers()
    say(f"The page is at {url}", err=True)
    return Observers(on_change=(source.on_change,))


def _traces(workspace: Workspace) -> Observers:
    variables = workspace.environment.variables
    if not any(name.startswith("OTEL_") for name in variables):
        return Observers()
    from pipeline.telemetry.asked_traces import asks_for_traces, unusable

    if not asks_for_traces(variables):
        return Observers()
    if reason := unusable(variables):
        say(f"warning: {reason}", err=True)
        return Observers()
    try:
        from pipeline.telemetry.traces import Traces
    except ModuleNotFoundError:
        # The variables are often set for all programs of a cluster: no reason to refuse a run.
        say("warning: OTEL_… asks for traces: pip install 'campaign-pipeline[otel]'", err=True)
        return Observers()
    traces = Traces(workspace.campaign.name, variables)

    def end(_code: ExitCode) -> None:
        if note := traces.finish():
            say(f"warning: {note}", err=True)

    return Observers(on_change=(traces.on_change,), on_end=(end,))
