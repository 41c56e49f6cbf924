"""`status --watch`: shows the progress of a run in another terminal, as that terminal shows it."""

import sys
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import closing
from typing import NoReturn

from pipeline.cli.environment import can_redraw
from pipeline.cli.options import verbosity
from pipeline.cli.progress import BarReporter, LineReporter
from pipeline.cli.terminal import SECONDS_BETWEEN_LOOKS, say
from pipeline.jobs import JobKey
from pipeline.operations.campaign_state import CampaignState
from pipeline.operations.watch import Watch, together
from pipeline.operations.workspace import Workspace
from pipeline.state.lock import Holder


def watch(
    workspaces: Iterable[Workspace], select: Callable[[CampaignState], Collection[JobKey] | None]
) -> NoReturn:
    """Show the progress of these campaigns' runs until interrupted. `select` returns the keys to show; None: all."""
    watches = {workspace.campaign.name: Watch(workspace, select) for workspace in workspaces}
    runs: dict[str, Holder | None] = {}
    with closing(_reporter()) as reporter:
        while True:
            for name, each in watches.items():
                changes = each.look()
                if name not in runs or runs[name] != each.run:
                    runs[name] = each.run
                    reporter.warn(f"{name}: {_run_line(each.run)}")
                    changes = changes or each.problems()
                for key, what in changes:
                    reporter.report(key, what)
            reporter.show(together([each.tally() for each in watches.values()]))
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _reporter() -> BarReporter | LineReporter:
    if can_redraw(sys.stdout):
        return BarReporter(sys.stdout, verbose=verbosity().verbose > 0)
    return LineReporter(say, quiet=verbosity().quiet)


def _run_line(run: Holder | None) -> str:
    return (
        "no run is under way"
        if run is None
        else f"a run has been under way since {run.since[:19]}Z (pid {run.pid})"
    )
