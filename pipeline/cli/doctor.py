"""`pipeline doctor`: checks that this machine is ready for a run. Buys nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.context import campaign_here, open_workspace
from pipeline.cli.options import (
    CampaignFlags,
    campaign_options,
    flag,
    format_option,
    manifest_argument,
    verbosity,
)
from pipeline.cli.terminal import paint_for, say, say_json
from pipeline.errors import ExitCode, InvalidInput
from pipeline.operations.doctor import examine
from pipeline.operations.doctor_checks import CHECKS, CheckResult, CheckStatus, ignored
from pipeline.standard_output import stdout

if TYPE_CHECKING:
    from pipeline.operations.workspace import Workspace
    from pipeline.planning.paint import Colour

_COLOURS: dict[CheckStatus, Colour] = {
    CheckStatus.OK: "green",
    CheckStatus.WARNING: "yellow",
    CheckStatus.ERROR: "red",
}


@click.command("doctor")
@manifest_argument
@flag(
    "--ignore",
    multiple=True,
    type=click.Choice(CHECKS),
    metavar="CHECK",
    help="Count an error of this check as a warning.",
)
@format_option("text", "json")
@campaign_options
def command(manifest: Path | None, ignore: tuple[str, ...], output_format: str, **flags: object) -> int:
    """Check that this machine has everything a run of MANIFEST needs, and say what to do if not.

    Buys nothing and writes nothing; asks the vendor only for its health. Exits with 0, or with the code of the
    first error that a run would meet.
    """
    manifest = manifest or campaign_here()
    paint = paint_for(stdout(), no_color=verbosity().no_color)
    results: list[CheckResult] = []
    for found in examine(manifest, _read(manifest, CampaignFlags.of(flags))):
        each = ignored(found) if found.check in ignore else found
        results.append(each)
        # Printed as they are found, since the vendor may be slow.
        if output_format == "text" and not (verbosity().quiet and each.status is CheckStatus.OK):
            say(f"{paint(f'{each.status:8}', _COLOURS[each.status])}{each.check:10}{each.message}")
    code = next((each.code for each in results if each.code), ExitCode.OK)
    if output_format == "json":
        say_json(
            {
                "exit_code": int(code),
                "checks": [
                    {"check": each.check, "verdict": each.status.value, "message": each.message}
                    for each in results
                ],
            }
        )
    elif not verbosity().quiet:
        say(f"A run would end with exit code {int(code)}." if code else "Ready for a run.")
    return code


def _read(manifest: Path, flags: CampaignFlags) -> Workspace | InvalidInput:
    try:
        return open_workspace(manifest, flags)
    except InvalidInput as error:
        return error
