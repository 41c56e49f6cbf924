"""Finds out which files a check writes, wherever they are: a search of a whole working folder could take minutes."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND
_noted: list[set[str]] = []


@contextmanager
def written_files() -> Iterator[set[str]]:
    """The paths that this process opens for writing, or renames a file to, from now on; not those of children."""
    _listen()
    paths: set[str] = set()
    _noted.append(paths)
    try:
        yield paths
    finally:
        _noted.remove(paths)


@cache
def _listen() -> None:
    """Begin to listen, once: Python has no way to end it."""
    sys.addaudithook(_note)


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if not _noted:
        return
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
        path = arguments[0]
    elif event == "os.rename":
        path = arguments[1]
    else:
        return
    if isinstance(path, str | bytes | os.PathLike):
        for paths in _noted:
            paths.add(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100 - creates no Path for each open


def holding(paths: set[str], content: bytes) -> list[str]:
    """Those of `paths` that are regular files with `content` in them."""
    return [path for path in sorted(paths) if Path(path).is_file() and content in Path(path).read_bytes()]
