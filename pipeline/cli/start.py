"""Where the program starts: until it is loaded, a Ctrl-C ends it without a word, as nothing has begun."""

import os
import signal
from typing import NoReturn

# That of an interrupt, which is not imported: what this module imports is loaded before a Ctrl-C is heard.
_INTERRUPTED = 130


def main() -> NoReturn:
    """Load the command line and run it."""
    # Python's own handler would tell of a half-imported module in a traceback. One that is ignored stays so.
    is_heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_heard:
        signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    from pipeline.cli.main import main as run

    if is_heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()
