"""`pipeline verify`: do manifest, state, results and files agree?"""

from collections.abc import Iterator
from pathlib import Path

import click

from pipeline.artifacts.contents import fetched
from pipeline.artifacts.shelf import Shelf
from pipeline.cli.options import CampaignFlags, campaign_options, flag, manifest_argument, manner
from pipeline.cli.scene import scene
from pipeline.cli.terminal import say, untrusted_block
from pipeline.errors import ExitCode, printable
from pipeline.operations.known import Known, known
from pipeline.operations.scene import shown_path
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
    place = scene(manifest, CampaignFlags.of(flags))
    with known(place, writable=False) as facts:
        found = [*_records(facts), *(_files(facts) if files else ())]
    with untrusted_block():
        for line in found:
            say(printable(line, _LONGEST))
    if not manner().quiet:
        say(f"{len(found):,} difference(s)." if found else "Manifest, state and results agree.")
    return ExitCode.FAILED if found else ExitCode.OK


def _records(facts: Known) -> Iterator[str]:
    name = facts.scene.results_name
    if facts.published is None:
        if facts.records.purchases:
            yield f"{name}: missing; `pipeline results` writes it"
        return
    told = facts.published.published
    wanted = build(facts.scene.heading(), facts.serving, facts.records, facts.decisions, {}, told)
    yield from differences(facts.published.document, wanted)


def _files(facts: Known) -> Iterator[str]:
    # Without what the state remembers of times and sizes, the bytes themselves decide.
    shelf = Shelf(facts.scene.output, (), facts.records.purchases)
    for job in facts.jobs:
        purchase = facts.serving.by_key.get(job.name)
        if purchase is None or purchase.status is not Status.DONE:
            continue
        for file in fetched(purchase, job):
            digest = shelf.notes.digest(file.path)
            if digest != file.output.sha256:
                state = "missing" if digest is None else "not what was fetched"
                yield f"{shown_path(facts.scene.output / file.path)}: {state}"
