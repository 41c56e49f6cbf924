"""Colours of output, independent of where it goes: to a terminal, a file or a pull request."""

from collections.abc import Callable
from typing import Literal

Colour = Literal["green", "yellow", "red", "cyan", "dim", "plain"]
Paint = Callable[[str, Colour], str]


def unpainted(text: str, _colour: Colour) -> str:
    """Add no colour: for files, pipes and `NO_COLOR`."""
    return text
