"""`pipeline verify`: do manifest, state, results and files agree?"""

from collections.abc import Iterator
from pathlib import Path

import click

from pipeline.artifacts.inventory import fetched
from pipeline.artifacts.output_folder import OutputFolder
from pipeline.cli.context import open_workspace
from pipeline.cli.options import CampaignFlags, campaign_options, flag, manifest_argument, verbosity
from pipeline.cli.terminal import say, untrusted_block
from pipeline.errors import ExitCode, printable
from pipeline.operations.campaign_state import CampaignState, open_campaign
from pipeline.operations.workspace import shown_path
from pipeline.purchases import Status
from pipeline.results.build import build
from pipeline.results.verify import differences

_LONGEST = 2000


@click.command("verify")
@manifest_argument
@flag("--files", is_flag=True, help="Also hash every file on this machine.")
@campaign_options
def command(manifest: Path, files: bool, **flags: object) -> int:
    """Check that MANIFEST, its state and its results agree; ends with 1 and every difference if not."""
    workspace = open_workspace(manifest, CampaignFlags.of(flags))
    with open_campaign(workspace, writable=False) as state:
        found = [*_records(state), *(_files(state) if files else ())]
    with untrusted_block():
        for line in found:
            say(printable(line, _LONGEST))
    if not verbosity().quiet:
        say(f"{len(found):,} difference(s)." if found else "Manifest, state and results agree.")
    return ExitCode.FAILED if found else ExitCode.OK


def _records(state: CampaignState) -> Iterator[str]:
    name = state.workspace.results_name
    if state.published is None:
        if state.records.purchases:
            yield f"{name}: missing; `pipeline results` writes it"
        return
    told = state.published.published
    wanted = build(state.workspace.heading(), state.assignment, state.records, state.decisions, {}, told)
    yield from differences(state.published.document, wanted)


def _files(state: CampaignState) -> Iterator[str]:
    # Without what the state remembers of times and sizes, the bytes themselves decide.
    outputs = OutputFolder(state.workspace.output, (), state.records.purchases)
    for job in state.jobs:
        purchase = state.assignment.by_key.get(job.key)
        if purchase is None or purchase.status is not Status.DONE:
            continue
        for file in fetched(purchase, job):
            digest = outputs.index.digest(file.path)
            if digest != file.output.sha256:
                problem = "missing" if digest is None else "not what was fetched"
                yield f"{shown_path(state.workspace.output / file.path)}: {problem}"
