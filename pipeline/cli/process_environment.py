"""The only reader of the environment and of the terminal's properties; passes both on as values."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from pipeline.operations.environment import Environment


def read_environment() -> Environment:
    """The operator's environment, and the command line, which others see if they find the state locked."""
    # Imported here, since it loads the providers: `--help` and `expand` need only the terminal.
    from pipeline.operations.environment import Environment
    from pipeline.schemes import without_addresses

    command = without_addresses(" ".join(["pipeline", *sys.argv[1:]]))
    return Environment(os.environ, command[:500])


def program() -> str:
    """The word that calls this program: its name if the search path has it, else its path."""
    called = Path(sys.argv[0])
    if called.name != "pipeline" or not called.exists():
        return "pipeline"
    candidates = [Path(folder, called.name) for folder in os.get_exec_path()]
    found = next((each for each in candidates if os.access(each, os.X_OK)), None)
    return called.name if found is not None and found.samefile(called) else os.path.relpath(called)


def is_terminal(stream: TextIO) -> bool:
    """Whether `stream` is a terminal."""
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def can_redraw(stream: TextIO) -> bool:
    """Whether output on `stream` can be redrawn; a terminal of type `dumb` shows plain lines only."""
    return os.environ.get("TERM") != "dumb" and is_terminal(stream)


def columns_of(stream: TextIO) -> int | None:
    """The width of the terminal behind `stream`; None if there is none, or its width is unknown."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or None if stream.isatty() else None
    except (OSError, ValueError):  # closed, or a terminal that reports no size
        return None


def wants_colour(stream: TextIO, *, no_color: bool) -> bool:
    """Whether to use colour: only on a terminal, and never if it is not wanted (https://no-color.org)."""
    plain = no_color or bool(os.environ.get("NO_COLOR"))
    return not plain and can_redraw(stream)


def is_github() -> bool:
    """Whether GitHub Actions reads the output, in which it obeys workflow commands."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def failure() -> tuple[int, str] | None:
    """`PIPELINE_FAIL_AT`, for tests: `17:kill` dies at the 17th failpoint; `raise` and `full` fail there."""
    number, _, kind = os.environ.get("PIPELINE_FAIL_AT", "").partition(":")
    return (int(number), kind) if number.isdigit() and kind in {"kill", "raise", "full"} else None
