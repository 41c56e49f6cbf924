"""Finds out what a check changes outside: files, wherever they are, the working folder, the environment."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND


@dataclass(eq=False)
class SideEffects:
    """What this process does, but not its children.

    `files` are the paths that it opens for writing, or renames a file to, `folders` those that it changes to, and
    `variables` those of the environment that it sets.
    """

    files: set[str] = field(default_factory=set)
    folders: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    def note(self, event: str, arguments: tuple[object, ...]) -> None:
        """Note an event of Python's audit, if it is one of these."""
        match event, arguments:
            case "open", (str() | bytes() | os.PathLike() as path, _, int(flags)) if flags & _WRITES:
                self.files.add(_absolute(path))
            case "os.rename", (_, str() | bytes() | os.PathLike() as path, *_):
                self.files.add(_absolute(path))
            case "os.chdir", (folder,):
                self.folders.append(str(folder))
            case "os.putenv", (str() | bytes() as name, str() | bytes() as value):
                self.variables[os.fsdecode(name)] = os.fsdecode(value)


_noted: list[SideEffects] = []


@contextmanager
def side_effects() -> Iterator[SideEffects]:
    """What this process does from now on."""
    _listen()
    effects = SideEffects()
    _noted.append(effects)
    try:
        yield effects
    finally:
        _noted.remove(effects)


@cache
def _listen() -> None:
    """Begin to listen, once: Python has no way to end it."""
    sys.addaudithook(_note)


def _note(event: str, arguments: tuple[object, ...]) -> None:
    for effects in _noted:
        effects.note(event, arguments)


def _absolute(path: str | bytes | os.PathLike[str]) -> str:
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - creates no Path for each open


def holding(paths: set[str], content: bytes) -> list[str]:
    """Those of `paths` that are regular files with `content` in them."""
    return [path for path in sorted(paths) if Path(path).is_file() and content in Path(path).read_bytes()]
