"""Local images: found inside the project, told by their content, and hashed once.

The vendor gets the bytes, so what is not plainly an image never leaves this machine.
"""

import hashlib
import os
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from pipeline import files
from pipeline.errors import did_you_mean
from pipeline.jobs import LocalFile
from pipeline.manifest.image_formats import check_image

LARGEST = 25 * 1000 * 1000


@dataclass(slots=True)
class Images:
    """The local images of one campaign. Each distinct file is read once.

    `folder` is the manifest's, which the paths of files are relative to; `root` the project's.
    """

    folder: Path
    root: Path
    _hashes: dict[Path, str] = field(default_factory=dict)

    @property
    def read(self) -> Collection[Path]:
        """The real paths of those found so far."""
        return self._hashes.keys()

    def local(self, path: str, base: Path) -> LocalFile:
        """The image that a file in `base` names.

        Raises:
            ValueError: it is missing, not inside the project, or no image that the vendor takes.
        """
        real = files.readable(path, base, self.root)
        relative = Path(os.path.relpath(real, self.folder)).as_posix()
        files.check_name(relative)
        if real not in self._hashes:
            self._hashes[real] = _hash_of_image(real, path)
        return LocalFile(unicodedata.normalize("NFC", relative), self._hashes[real])


def _missing(real: Path, path: str) -> str:
    """Says that a file is missing, and which one beside it is meant perhaps."""
    folder = real.parent
    try:
        beside = [entry.name for entry in os.scandir(folder)]
    except OSError:
        return f"there is no such file: {path}"
    near = did_you_mean(real.name, (name for name in beside if not name.startswith(".")))
    return f"there is no such file: {path}{near}"


def _hash_of_image(real: Path, path: str) -> str:
    try:
        with os.fdopen(files.open_regular(real), "rb") as file:
            content = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(_missing(real, path)) from None
    except OSError as error:
        reason = "it is a folder" if real.is_dir() else error.strerror or "not a regular file"
        raise ValueError(f"{path} cannot be read: {reason}") from None
    if not content:
        raise ValueError(f"{path} is empty")
    if files.is_lfs_pointer(content):
        raise ValueError(
            f"{path} is a Git LFS pointer, not the image itself; download it with 'git lfs pull'"
        )
    if len(content) > LARGEST:
        raise ValueError(f"{path} is larger than 25 MB, the most that the vendor takes")
    try:
        check_image(content)
    except ValueError as error:
        raise ValueError(f"{path} is {error}") from None
    return hashlib.sha256(content).hexdigest()
