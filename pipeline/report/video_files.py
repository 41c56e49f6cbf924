"""Locates the files of a campaign by its results manifest, on disk or in an object store."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pipeline.artifacts.file_names import named
from pipeline.artifacts.inventory import aside
from pipeline.paths import real_path, status_at
from pipeline.schemes import ObjectUrl

if TYPE_CHECKING:
    from pipeline.purchases import Purchase

Location = TypeVar("Location", Path, ObjectUrl)


def located(
    jobs: Iterable[Mapping[str, Any]], purchases: Iterable[Purchase], folder: Path, output: Path
) -> dict[str, Path]:
    """By SHA-256, the path below `output` of each fetched file; files that are not here are left out.

    `folder` is the manifest's. A file counts as here if a regular file of its size is at one of its paths; its bytes
    are not read. The results may be a stranger's, so no path and no link may lead out of `output`.
    """
    return _located(jobs, purchases, _FolderLookup(output, folder))


def located_in_store(
    jobs: Iterable[Mapping[str, Any]],
    purchases: Iterable[Purchase],
    output: ObjectUrl,
    sizes: Mapping[str, int],
) -> dict[str, ObjectUrl]:
    """As `located`, for an object store below `output` whose objects have these `sizes`, by path."""
    return _located(jobs, purchases, _StoreLookup(output, sizes))


def _located(
    jobs: Iterable[Mapping[str, Any]], purchases: Iterable[Purchase], lookup: _FileLookup[Location]
) -> dict[str, Location]:
    found: dict[str, Location] = {}
    claimed: dict[Location, str] = {}
    for job in jobs:
        for file in job.get("outputs", ()):
            location = lookup.named(file["path"])
            if "sha256" in file and lookup.has(location, file.get("bytes")):
                found.setdefault(file["sha256"], location)
                claimed[location] = file["sha256"]
    for digest, size, path in _other_paths(purchases, found):
        location = lookup.below(path)
        if digest not in found and claimed.get(location, digest) == digest and lookup.has(location, size):
            found[digest] = location
    return found


def is_within(path: Path, output: Path) -> bool:
    """Whether a regular file is at `path` below `output`, not hidden and behind no link."""
    return _FolderLookup(output, output).has(path, None)


def _other_paths(
    purchases: Iterable[Purchase], found: Collection[str]
) -> Iterator[tuple[str, int | None, str]]:
    """The paths at which the files of each purchase were put, and those to which they were set aside."""
    for purchase in purchases:
        outputs = (*purchase.outputs, *(each for step in purchase.steps for each in step.outputs))
        if all(each.sha256 is None or each.sha256 in found for each in outputs):
            continue
        for file in named(purchase, purchase.path or purchase.id, steps=True):
            digest = file.output.sha256
            if digest is not None and digest not in found:
                yield digest, file.output.bytes, file.path
                if digest not in found:  # the caller adds each file that it finds
                    yield digest, file.output.bytes, aside(file.path, purchase.id)


class _FileLookup(Protocol[Location]):
    """Looks for files below one location."""

    def named(self, path: str) -> Location:
        """The location of the file that the results call `path`."""
        ...

    def below(self, path: str) -> Location:
        """The location of the file at `path` below the output."""
        ...

    def has(self, location: Location, size: int | None) -> bool:
        """Whether a file of that size is there, below the output and not hidden."""
        ...


class _StoreLookup:
    """Looks for files in the listing of an object store."""

    def __init__(self, output: ObjectUrl, sizes: Mapping[str, int]) -> None:
        self._output = output
        self._sizes = {output / path: size for path, size in sizes.items()}

    def named(self, path: str) -> ObjectUrl:
        return self._output / path.removeprefix(f"{self._output}/")

    def below(self, path: str) -> ObjectUrl:
        return self._output / path

    def has(self, location: ObjectUrl, size: int | None) -> bool:
        return location in self._sizes and (size is None or self._sizes[location] == size)


class _FolderLookup:
    """Looks for files below one folder."""

    def __init__(self, output: Path, folder: Path) -> None:
        self._output = output
        self._folder = folder
        self._real = str(real_path(output))
        self._folders: dict[Path, bool] = {}

    def named(self, path: str) -> Path:
        return Path(os.path.normpath(self._folder / path))

    def below(self, path: str) -> Path:
        return self._output / path

    def has(self, path: Path, size: int | None) -> bool:
        """Whether a regular file of that size is at `path`, inside the folder, not hidden and behind no link."""
        if path.name.startswith("."):
            return False
        if not self._is_open(path.parent):
            return False
        status = status_at(path)
        if status is None:
            return False
        return stat.S_ISREG(status.st_mode) and (size is None or status.st_size == size)

    def _is_open(self, folder: Path) -> bool:
        """Whether `folder` is inside, not hidden and behind no link; cached, since most folders have many files."""
        if folder not in self._folders:
            self._folders[folder] = self._is_inside(folder)
        return self._folders[folder]

    def _is_inside(self, folder: Path) -> bool:
        if not folder.is_relative_to(self._output):
            return False
        if any(part.startswith(".") for part in folder.relative_to(self._output).parts):
            return False
        real = str(real_path(folder))
        return real == self._real or real.startswith(self._real + os.sep)
