"""The standard streams, where some were closed before the command began."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def fill_in_streams() -> bool:
    """Put a stream that leads nowhere where stdin or stderr is closed; False where stdout is.

    Left closed, its number would be that of the next file that is opened, such as the state: and then
    whatever is written for people by something that knows only numbers would go into that file.
    """
    has_stdout = sys.stdout is not None
    # In the order of their numbers, as each opening takes the lowest that is free.
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - a stream, kept to the end
    if not has_stdout:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - as above
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - as above
    return has_stdout


@contextmanager
def stderr_restored() -> Iterator[None]:
    """Within it, `--log-format` may replace stderr with another stream."""
    before = sys.stderr
    try:
        yield
    finally:
        if sys.stderr is not before:
            sys.stderr.close()
            sys.stderr = before
