"""Finds out what a check does outside: files, wherever they are, the working folder, the environment, programs."""

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

    `files` are the paths that it opens for writing, or renames a file to, `folders` those that it changes to,
    `variables` those of the environment that it sets or, to an empty text, deletes, and `programs` the command lines
    of those that it starts.
    """

    files: set[str] = field(default_factory=set)
    folders: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    programs: list[str] = field(default_factory=list)

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
            case "os.unsetenv", (str() | bytes() as name,):
                self.variables[os.fsdecode(name)] = ""
            case "os.system", (command,):
                self.programs.append(_line(command))
            case "subprocess.Popen" | "os.exec" | "os.posix_spawn", (_, command, *_):
                self.programs.append(_line(command))
            case "os.spawn", (_, _, command, *_):
                self.programs.append(_line(command))


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


def _line(command: object) -> str:
    words = command if isinstance(command, list | tuple) else [command]
    return " ".join(os.fsdecode(each) for each in words if isinstance(each, str | bytes | os.PathLike))


def _absolute(path: str | bytes | os.PathLike[str]) -> str:
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - creates no Path for each open


def holding(paths: set[str], content: bytes) -> list[str]:
    """Those of `paths` that are regular files with `content` in them."""
    return [path for path in sorted(paths) if Path(path).is_file() and content in Path(path).read_bytes()]
