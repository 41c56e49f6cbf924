"""Folders of this machine for files that do not stay: on their way to an object store, or fetched from one."""

import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from pipeline.errors import Unfinished

# Below the folder of a manifest: copies of what lies in an object store, each for as long as it is read.
COPIES = Path(".pipeline", "copies")

# Seconds after which nobody uses a temporary file any more: several commands may share a folder.
_ABANDONED = 24 * 60 * 60


def make_scratch(folder: Path) -> Path:
    """The folder, made where it is missing: its owner's alone, and ignored by git.

    Raises:
        Unfinished: it cannot be made.
    """
    try:
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / ".gitignore").write_bytes(b"*\n")
    except OSError as error:
        raise Unfinished(f"{folder}: cannot be made: {error.strerror}") from error
    _sweep(folder)
    return folder


@cache
def _sweep(folder: Path) -> None:
    """Remove, once in a process, temporary files of commands that were killed: each may be as large as a video."""
    for leftover in folder.glob(".*.tmp"):
        with suppress(OSError):
            if time.time() - leftover.lstat().st_mtime > _ABANDONED:
                leftover.unlink()
