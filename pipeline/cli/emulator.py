"""`pipeline emulator`: the vendor's API on this machine, making real media."""

from pathlib import Path

import click

from pipeline.cli.options import flag, verbosity_options
from pipeline.cli.terminal import say
from pipeline.errors import Unfinished
from pipeline.jobs import JobKey


@click.command("emulator")
@flag("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@flag("--port", default=0, type=click.IntRange(0, 65535), help="The port; 0: any that is free.")
@flag("--dir", "folder", default=".pipeline/emulator", show_default=True, help="Where its work is kept.")
@flag("--duration", default=2.0, type=click.FloatRange(0, 86400), help="Seconds that a workflow takes.")
@flag("--credits", "balance", type=click.IntRange(0), help="The balance; else it never ends.")
@flag("--size", default="640x360", show_default=True, metavar="WxH", help="The size of what it makes.")
@flag("--faults", type=click.Path(path_type=Path), metavar="FILE", help="What goes wrong (YAML or JSON).")
@flag("--key", help="The only key that is taken; else any.")
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
    """Be the vendor's API until interrupted: the same calls, real images and videos, no cost.

    The first line that is printed, once it answers, holds its address. Campaigns talk to it with
    VIMMERSE_BASE_URL set to that address and any VIMMERSE_API_KEY.
    """
    # An extra, and heavy.
    from pipeline.emulator.embedded import serve
    from pipeline.emulator.faultfile import read_faults
    from pipeline.emulator.settings import Settings, Size

    rules = read_faults(faults, str(faults)) if faults is not None else ()
    home = Path(folder)
    try:
        home.mkdir(parents=True, exist_ok=True)
        settings = Settings(
            folder=home, duration=duration, credits=balance, size=Size.parse(size), key=key, faults=rules
        )
        serve(host, port, settings, lambda url: say(f"The emulator answers at {url} (work in {folder}/)"))
    except OSError as error:
        raise Unfinished(f"{folder}: cannot be used: {error.strerror}") from error
