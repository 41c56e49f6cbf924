"""Reads media files if the extra `media` is installed, and does without it otherwise."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from pipeline.media.facts import UNREADABLE, MediaFacts


def facts_reader() -> Callable[[Path], MediaFacts | None] | None:
    """Load the libraries of the extra `media` and return the function that reads a file; None without the extra."""
    try:
        from pipeline.media.read import facts_of
    except ImportError:
        return None
    return facts_of


def can_read() -> bool:
    """Whether the extra `media` is installed; loads none of its libraries."""
    return all(find_spec(name) is not None for name in (f"{__package__}.read", "av", "PIL"))


def read_still(path: Path) -> bytes | None:
    """A still of the file at `path` as WebP, empty if it shows nothing; None without the extra."""
    try:
        from pipeline.media.read import still_of
    except ImportError:
        return None
    return still_of(path) or b""


def read_facts(path: Path) -> MediaFacts | None:
    """The facts of the file at `path`, or `UNREADABLE`; None without the extra."""
    reader = facts_reader()
    if reader is None:
        return None
    try:
        return reader(path) or UNREADABLE
    except Exception:  # noqa: BLE001 - whatever a library raises, the vendor's bytes are paid for and kept
        return UNREADABLE
