"""Where the files of a campaign lie on this machine, told by its results manifest and a look at the disk."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.artifacts.file_names import named
from pipeline.artifacts.inventory import aside
from pipeline.purchases import Purchase


def located(
    jobs: Iterable[Mapping[str, Any]], purchases: Iterable[Purchase], folder: Path, output: Path
) -> dict[str, Path]:
    """By SHA-256: where a file that was fetched once lies below `output`. One that is not here is left out.

    `folder` is the manifest's. A file counts as here when a regular file of its size lies at one of its paths; its
    bytes are not read. The results may come from a stranger, so no path and no link leads out of `output`.
    """
    look = _Look(output)
    found: dict[str, Path] = {}
    claimed: dict[Path, str] = {}
    for job in jobs:
        for file in job.get("outputs", ()):
            path = Path(os.path.normpath(folder / file["path"]))
            if "sha256" in file and look.has(path, file.get("bytes")):
                found.setdefault(file["sha256"], path)
                claimed[path] = file["sha256"]
    for digest, size, path in _other_folders(purchases, found, output):
        if digest not in found and claimed.get(path, digest) == digest and look.has(path, size):
            found[digest] = path
    return found


def is_within(path: Path, output: Path) -> bool:
    """Whether a regular file lies at `path` below `output`, not hidden and behind no link."""
    return _Look(output).has(path, None)


def _other_folders(
    purchases: Iterable[Purchase], found: Mapping[str, Path], output: Path
) -> Iterator[tuple[str, int | None, Path]]:
    """Where the files of each purchase were to go, and where they go when another takes their place."""
    for purchase in purchases:
        outputs = (*purchase.outputs, *(each for step in purchase.steps for each in step.outputs))
        if all(each.sha256 is None or each.sha256 in found for each in outputs):
            continue
        for file in named(purchase, purchase.path or purchase.id, steps=True):
            if file.output.sha256 is not None:
                for path in (file.path, aside(file.path, purchase.id)):
                    yield file.output.sha256, file.output.bytes, output / path


class _Look:
    """Looks for files below one folder."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._real = os.path.realpath(output)
        self._folders: dict[Path, bool] = {}

    def has(self, path: Path, size: int | None) -> bool:
        """Whether a regular file of that size is at `path`, inside the folder, not hidden and behind no link."""
        if not path.is_relative_to(self._output):
            return False
        if any(part.startswith(".") for part in PurePosixPath(path.relative_to(self._output)).parts):
            return False
        if not self._is_inside(path.parent):
            return False
        try:
            status = path.lstat()
        except (OSError, ValueError):
            return False
        return stat.S_ISREG(status.st_mode) and (size is None or status.st_size == size)

    def _is_inside(self, folder: Path) -> bool:
        if folder not in self._folders:
            real = os.path.realpath(folder)
            self._folders[folder] = real == self._real or real.startswith(self._real + os.sep)
        return self._folders[folder]
