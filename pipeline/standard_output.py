"""The standard output of a command, to which only the command itself writes.

Plug-ins print, and so do the programs that they start. Scripts read JSON, events or a table there, and one line of
another origin would spoil them.
"""

import os
import sys
from contextlib import suppress
from typing import TextIO


class _Reserved:
    """Whether this process is a command, and its standard output once code from outside is loaded."""

    is_command = False
    kept: TextIO | None = None


def stdout() -> TextIO:
    """The stream for the output of a command."""
    return sys.stdout if _Reserved.kept is None else _Reserved.kept


def reserve_stdout() -> None:
    """Reserve standard output for this command; a program that calls pipeline as a library keeps its own."""
    _Reserved.is_command = True


def divert_prints() -> None:
    """Send what code from outside prints to stderr, and so its child processes; call this before it is loaded."""
    if not _Reserved.is_command or _Reserved.kept is not None:
        return
    printed = sys.stdout
    with suppress(OSError, ValueError):
        printed.flush()
    descriptor = printed.fileno()
    _Reserved.kept = open(  # noqa: PTH123, SIM115 - a stream, kept to the end
        os.dup(descriptor), "w", encoding=printed.encoding, errors=printed.errors
    )
    os.dup2(sys.stderr.fileno(), descriptor)
    sys.stdout = sys.stderr
