"""The program's first module: while the rest is loaded, a Ctrl-C ends it silently, as nothing has begun."""

import os
import signal
from typing import NoReturn

# That of an interrupt, which is not imported: what this module imports is loaded before a Ctrl-C is handled.
_INTERRUPTED = 130


def main() -> NoReturn:
    """Load the command line and run it."""
    # Python's own handler would print a traceback from a half-imported module. An ignored signal stays ignored.
    is_heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_heard:
        signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    from pipeline.cli.main import main as run

    if is_heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()
