"""The only reader of the environment and of the terminal's nature: what it says is passed on as values."""

import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from pipeline.operations.environment import Environment


def read_environment() -> "Environment":
    """What the operator set around this process, and how it was called, for whoever finds the state locked."""
    # Imported here, as it brings the providers along: `--help` and `expand` need only to know the terminal.
    from pipeline.operations.environment import Environment

    return Environment(os.environ, " ".join(["pipeline", *sys.argv[1:]])[:500])


def is_terminal(stream: TextIO) -> bool:
    """Whether a person sees `stream` at once."""
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def wants_colour(stream: TextIO, *, no_color: bool) -> bool:
    """Colour only for a terminal, and never where it is not wanted (https://no-color.org)."""
    plain = no_color or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return not plain and is_terminal(stream)


def is_github() -> bool:
    """Whether GitHub Actions reads what we print, and takes some of it for commands."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def failure() -> tuple[int, str] | None:
    """`PIPELINE_FAIL_AT`, for tests: `17:kill` dies at the 17th failpoint; `raise` and `full` fail there."""
    number, _, kind = os.environ.get("PIPELINE_FAIL_AT", "").partition(":")
    return (int(number), kind) if number.isdigit() and kind in {"kill", "raise", "full"} else None
