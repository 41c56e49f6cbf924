"""Globs over the project's files: the same files in the same order on every system, never hidden ones."""

import os
import re
import unicodedata
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from pipeline import paths

_MAGIC = frozenset("*?[")
_BRACES = re.compile(r"\{([^{},]*),([^{},]*)[^{}]*\}|\{([^{}.]+)\.\.([^{}.]+)\}")
_MAX_LOOKED_AT = 200_000


def has_magic(pattern: str) -> bool:
    """Whether a path is a pattern rather than a name."""
    return not _MAGIC.isdisjoint(pattern)


def braces_hint(pattern: str, instead: str) -> str:
    """The hint for a pattern with `{a,b}` or `{a..c}` that matches nothing; `instead` is what to do."""
    found = _BRACES.search(pattern)
    if found is None:
        return ""
    ends = (each for each in found.groups() if each is not None)
    one, other = (pattern[: found.start()] + each + pattern[found.end() :] for each in ends)
    if found[3] is not None and len(found[3]) == len(found[4]) == 1:
        span = f"{pattern[: found.start()]}[{found[3]}-{found[4]}]{pattern[found.end() :]}"
        return f": braces are not a pattern here; write {span}"
    return f": braces are not a pattern here; {instead}, {one} and {other}"


def pattern_hint(path: str) -> str:
    """The hint for a path of a missing file that is written as a pattern, where only names are read."""
    if "*" in path or "?" in path:
        return f": this is a name, not a pattern; write the image set as {{glob: '{path}'}}"
    return braces_hint(path, "list both")


def matching(pattern: str, base: Path, root: Path) -> list[str]:
    """The paths relative to `base` of the files that match, sorted. `**` crosses folders.

    Raises:
        ValueError: the pattern leads out of the project or to hidden files, would look at too many files, or
            matches one whose name is not UTF-8.
    """
    parts = _parts(pattern)
    first = next((index for index, part in enumerate(parts) if has_magic(part)), len(parts))
    if ".." in parts[first:]:
        raise ValueError("'..' is allowed only at the start of a pattern")
    paths.refuse_hidden(PurePosixPath(pattern))
    paths.readable(pattern if pattern.startswith("/") else "/".join(parts[:first]), base, root)
    found = set(_Walk(root.resolve()).files(base, parts))
    for path in found:
        paths.check_name(path)
    return sorted(found, key=lambda path: unicodedata.normalize("NFC", path))


def _parts(pattern: str) -> list[str]:
    parts: list[str] = []
    for part in pattern.split("/"):
        # Two `**` in a row mean the same as one, but would walk everything twice.
        if part not in ("", ".") and not (part == "**" and parts[-1:] == ["**"]):
            parts.append(part)
    return parts


class _Walk:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._looked_at = 0

    def files(self, folder: Path, parts: list[str], prefix: str = "") -> Iterator[str]:
        if not parts:
            return
        part, *rest = parts
        if part == "**":
            yield from self.files(folder, rest or ["*"], prefix)
            for entry in self._entries(folder):
                # A link to a folder may form a circle.
                if entry.is_dir(follow_symlinks=False):
                    yield from self.files(folder / entry.name, parts, f"{prefix}{entry.name}/")
        elif has_magic(part):
            wanted = unicodedata.normalize("NFC", part)
            for entry in self._entries(folder):
                if fnmatchcase(unicodedata.normalize("NFC", entry.name), wanted):
                    yield from self._below(folder / entry.name, rest, f"{prefix}{entry.name}")
        else:
            yield from self._below(folder / part, rest, f"{prefix}{part}")

    def _below(self, path: Path, rest: list[str], name: str) -> Iterator[str]:
        # Unlike pathlib, these treat what cannot be reached as absent.
        if rest:
            if os.path.isdir(path) and self._is_open(path):  # noqa: PTH112
                yield from self.files(path, rest, f"{name}/")
        elif os.path.exists(path) and not os.path.isdir(path):  # noqa: PTH110, PTH112
            yield name

    def _is_open(self, folder: Path) -> bool:
        """Whether a folder may be listed; the target of a linked file is checked when it is read."""
        if not folder.is_symlink():
            return True
        real = paths.real_path(folder)
        if not real.is_relative_to(self._root):
            return False
        return not any(part.startswith(".") for part in real.relative_to(self._root).parts)

    def _entries(self, folder: Path) -> Iterator[os.DirEntry[str]]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            return
        self._looked_at += len(entries)
        if self._looked_at > _MAX_LOOKED_AT:
            raise ValueError(
                f"this pattern would look at more than {_MAX_LOOKED_AT:,} files; name a folder further down"
            )
        yield from (entry for entry in entries if not entry.name.startswith("."))
