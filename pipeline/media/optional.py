"""Reads media files where the extra `media` is installed, and does without where it is not."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from pipeline.media.facts import UNREADABLE, MediaFacts


def facts_reader() -> Callable[[Path], MediaFacts | None] | None:
    """The function that reads a file; None without the extra `media`, whose libraries are loaded here."""
    try:
        from pipeline.media.read import facts_of
    except ImportError:
        return None
    return facts_of


def can_read() -> bool:
    """Whether what reads a file is installed; nothing is loaded for that."""
    return all(find_spec(name) is not None for name in (f"{__package__}.read", "av", "PIL"))


def read_still(path: Path) -> bytes | None:
    """A still of the file at `path` as WebP, empty where it shows nothing; None where nothing can make one here."""
    try:
        from pipeline.media.read import still_of
    except ImportError:
        return None
    return still_of(path) or b""


def read_facts(path: Path) -> MediaFacts | None:
    """The facts of the file at `path`, or `UNREADABLE`; None where nothing is installed to read it."""
    reader = facts_reader()
    if reader is None:
        return None
    try:
        return reader(path) or UNREADABLE
    except Exception:  # noqa: BLE001 - whatever a library says of a vendor's bytes, they are paid for and are kept
        return UNREADABLE
