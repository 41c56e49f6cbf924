"""`status --watch`: shows the progress of a run in another terminal, as that terminal shows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from contextlib import closing
from typing import TYPE_CHECKING, NoReturn

from pipeline.cli.options import verbosity
from pipeline.cli.process_environment import can_redraw
from pipeline.cli.progress import BarReporter, LineReporter
from pipeline.cli.terminal import SECONDS_BETWEEN_LOOKS, say
from pipeline.operations.watch import Watch, together
from pipeline.standard_output import stdout

if TYPE_CHECKING:
    from pipeline.jobs import JobKey
    from pipeline.operations.campaign_state import CampaignState
    from pipeline.operations.workspace import Workspace
    from pipeline.state.lock import Holder


def watch(
    workspaces: Iterable[Workspace], select: Callable[[CampaignState], Collection[JobKey] | None]
) -> NoReturn:
    """Show the progress of these campaigns' runs until interrupted. `select` returns the keys to show; None: all."""
    watches = {workspace.campaign.name: Watch(workspace, select) for workspace in workspaces}
    runs: dict[str, tuple[Holder, ...]] = {}
    with closing(_reporter()) as reporter:
        while True:
            for name, each in watches.items():
                changes = each.look()
                if name not in runs or runs[name] != each.runs:
                    runs[name] = each.runs
                    reporter.warn(f"{name}: {_run_line(each.runs)}")
                    changes = changes or each.problems()
                for key, what in changes:
                    reporter.report(key, what)
            reporter.show(together([each.tally() for each in watches.values()]))
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _reporter() -> BarReporter | LineReporter:
    if can_redraw(stdout()):
        return BarReporter(stdout(), verbose=verbosity().verbose > 0)
    return LineReporter(say, quiet=verbosity().quiet)


def _run_line(runs: tuple[Holder, ...]) -> str:
    if not runs:
        return "no run is under way"
    since, pids = f"{runs[0].since[:19]}Z", ", ".join(str(run.pid) for run in runs)
    if len(runs) == 1:
        return f"a run has been under way since {since} (pid {pids})"
    return f"{len(runs)} runs are under way, the first since {since} (pids {pids})"
