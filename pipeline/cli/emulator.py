"""`pipeline emulator`: runs the vendor's API on this machine, making real media."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import FILE, OUTPUT, flag, verbosity_options
from pipeline.cli.parameters import NumberRange
from pipeline.cli.terminal import say
from pipeline.errors import Unfinished

if TYPE_CHECKING:
    from pipeline.jobs import JobKey


@click.command("emulator")
@flag("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="The address to listen on.")
@flag(
    "--port",
    default=0,
    show_default=True,
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="The port; 0 picks a free one.",
)
@flag(
    "--dir",
    "folder",
    type=FILE,
    default=".pipeline/emulator",
    show_default=True,
    metavar="DIR",
    help="The folder for its data.",
)
@flag(
    "--duration",
    default=2.0,
    show_default=True,
    type=NumberRange(0, 86400),
    metavar="SECONDS",
    help="How long a workflow takes.",
)
@flag(
    "--credits",
    "balance",
    type=click.IntRange(0),
    metavar="N",
    help="The credit balance (default: unlimited).",
)
@flag(
    "--size", default="640x360", show_default=True, metavar="WxH", help="The size of the images and videos."
)
@flag(
    "--faults",
    type=OUTPUT,
    metavar="FILE",
    help="A file of faults to inject (YAML or JSON).",
)
@flag("--key", metavar="KEY", help="The key to accept (default: any).")
@verbosity_options
def command(
    host: str,
    port: int,
    folder: str,
    duration: float,
    balance: int | None,
    size: str,
    faults: Path | None,
    key: JobKey | None,
) -> None:
    """Run the vendor's API on this machine until interrupted: the same calls, real media, no cost.

    The first line that it prints is its address. To use it, set VIMMERSE_BASE_URL to that address and
    VIMMERSE_API_KEY to anything.
    """
    # An optional extra that loads slowly.
    from pipeline.emulator.embedded import serve
    from pipeline.emulator.faultfile import read_faults
    from pipeline.emulator.settings import EmulatorSettings, Size

    rules = read_faults(faults, str(faults)) if faults is not None else ()
    home = Path(folder)
    try:
        home.mkdir(parents=True, exist_ok=True)
        settings = EmulatorSettings(
            folder=home, duration=duration, credits=balance, size=Size.parse(size), key=key, faults=rules
        )
        serve(host, port, settings, lambda url: say(f"The emulator answers at {url} (work in {folder}/)"))
    except OSError as error:
        raise Unfinished(f"{folder}: cannot be used: {error.strerror}") from error
