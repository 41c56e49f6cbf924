"""The program's first module: a Ctrl-C while the rest is loading ends it silently, since nothing has begun."""

import os
import signal
from typing import NoReturn

# The exit code of an interrupt. Not imported: imports of this module load before it can handle a Ctrl-C.
_INTERRUPTED = 130


def main() -> NoReturn:
    """Load the command line and run it."""
    # Python's own handler would print a traceback from a half-imported module. An ignored signal stays ignored.
    handles_interrupt = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if handles_interrupt:
        signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    from pipeline.cli.main import main as run

    if handles_interrupt:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()
