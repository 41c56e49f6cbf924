"""Colours of output, whatever it goes to: terminals, files and pull requests differ."""

from collections.abc import Callable
from typing import Literal

Colour = Literal["green", "yellow", "red", "cyan", "dim", "plain"]
Paint = Callable[[str, Colour], str]


def unpainted(text: str, _colour: Colour) -> str:
    """No colour: for files, pipes and `NO_COLOR`."""
    return text
