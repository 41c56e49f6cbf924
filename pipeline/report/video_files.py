"""Locates the files of a campaign by its results manifest, on disk or in an object store."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from pipeline.artifacts.file_names import named, set_aside
from pipeline.artifacts.inventory import aside
from pipeline.files import has_lfs_pointer
from pipeline.paths import real_path, status_at
from pipeline.schemes import ObjectUrl

if TYPE_CHECKING:
    from pipeline.purchases import Output, Purchase

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


class Foreign(NamedTuple):
    """The files, by SHA-256, that are not here and in whose place is a file of nobody's making.

    An `altered` one is left alone: `collect` fetches it only once that file is gone. Where Git LFS left one of the
    `pointers`, at this path, `git lfs pull` brings the file.
    """

    altered: frozenset[str]
    pointers: Mapping[str, Path]


def foreign(
    jobs: Iterable[Mapping[str, Any]],
    purchases: Collection[Purchase],
    files: Collection[str],
    folder: Path,
    output: Path,
) -> Foreign:
    """What is in the place of those files that are not among the `files` that are here.

    With `purchases`, all of the campaign are meant, as files of one may be in the place of another's. Only sizes are
    compared.
    """
    lookup = _FolderLookup(output, folder)
    known = {each.bytes for purchase in purchases for each in _outputs(purchase)}
    places = [
        (file["sha256"], lookup.named(file["path"]))
        for job in jobs
        for file in job.get("outputs", ())
        if "sha256" in file
    ]
    places += [(digest, lookup.below(path)) for digest, _, path in _other_paths(purchases, files)]
    others = [
        (digest, location)
        for digest, location in places
        if digest not in files and (size := lookup.size_at(location)) is not None and size not in known
    ]
    pointers = {digest: location for digest, location in others if has_lfs_pointer(location)}
    return Foreign(frozenset(digest for digest, _ in others if digest not in pointers), pointers)


def _located(
    jobs: Iterable[Mapping[str, Any]], purchases: Iterable[Purchase], lookup: _FileLookup[Location]
) -> dict[str, Location]:
    found: dict[str, Location] = {}
    claimed: dict[Location, str] = {}

    def is_at(location: Location, size: int | None) -> bool:
        there = lookup.size_at(location)
        return there is not None and size in (None, there)

    for job in jobs:
        for file in job.get("outputs", ()):
            location = lookup.named(file["path"])
            if "sha256" in file and is_at(location, file.get("bytes")):
                found.setdefault(file["sha256"], location)
                claimed[location] = file["sha256"]
    listed = list(purchases)
    for is_part in (False, True):
        for digest, size, path in _other_paths((p for p in listed if p.is_partly_fetched is is_part), found):
            location = lookup.below(path)
            if digest not in found and claimed.get(location, digest) == digest and is_at(location, size):
                found[digest] = location
        # What is found of whole takes is no file of a part.
        claimed |= {location: digest for digest, location in found.items()}
    return found


def is_within(path: Path, output: Path) -> bool:
    """Whether a regular file is at `path` below `output`, not hidden and behind no link."""
    return _FolderLookup(output, output).size_at(path) is not None


def _other_paths(
    purchases: Iterable[Purchase], found: Collection[str]
) -> Iterator[tuple[str, int | None, str]]:
    """The paths at which the files of each purchase were put, and those to which they were set aside."""
    for purchase in purchases:
        if all(each.sha256 is None or each.sha256 in found for each in _outputs(purchase)):
            continue
        stem = purchase.path or purchase.id
        own = list(named(purchase, stem, steps=True))
        # A purchase that served no job when it was fetched has this name for all of its files.
        unserved = named(purchase, set_aside(stem, purchase.id), steps=True)
        for file, other in zip(own, unserved, strict=True):
            paths = [file.path, aside(file.path, purchase.id), other.path]
            if purchase.is_partly_fetched:
                # An earlier take with files of the same size may be in its place until it is whole.
                paths = [*paths[1:], paths[0]]
            digest = file.output.sha256
            for path in paths:
                if digest is not None and digest not in found:  # the caller adds each file that it finds
                    yield digest, file.output.bytes, path


def _outputs(purchase: Purchase) -> Iterator[Output]:
    yield from purchase.outputs
    for step in purchase.steps:
        yield from step.outputs


class _FileLookup(Protocol[Location]):
    """Looks for files below one location."""

    def named(self, path: str) -> Location:
        """The location of the file that the results call `path`."""
        ...

    def below(self, path: str) -> Location:
        """The location of the file at `path` below the output."""
        ...

    def size_at(self, location: Location) -> int | None:
        """The size of the file there, if one is, below the output and not hidden."""
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

    def size_at(self, location: ObjectUrl) -> int | None:
        return self._sizes.get(location)


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

    def size_at(self, path: Path) -> int | None:
        """The size of the regular file at `path`, if one is, inside the folder, not hidden and behind no link."""
        if path.name.startswith("."):
            return None
        if not self._is_open(path.parent):
            return None
        status = status_at(path)
        return status.st_size if status is not None and stat.S_ISREG(status.st_mode) else None

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
