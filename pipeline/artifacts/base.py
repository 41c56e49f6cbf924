"""The interface behind the output folder: a store of files, in a local folder or in an object store."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pipeline.errors import Unfinished

if TYPE_CHECKING:
    from pipeline.schemes import OutputLocation


class NotOurs(Unfinished):
    """A file that this campaign did not make is in the place of a result; it is left alone."""


class StoredStamp(NamedTuple):
    """Identifies a version of a file without reading it."""

    bytes: int
    mtime_ns: int


class Upload(NamedTuple):
    """A complete local file, the path at which to store it, and its SHA-256 in hex."""

    temporary: Path
    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as the server describes it. `sha256` is in hex; None if the server has none or was not asked."""

    bytes: int
    etag: str
    modified: int
    sha256: str | None = None

    @property
    def stamp(self) -> StoredStamp:
        """Its time has only whole seconds, so the rest is made from its ETag, which depends on the bytes."""
        digits = int(hashlib.sha256(self.etag.encode()).hexdigest()[:8], 16)
        return StoredStamp(self.bytes, self.modified * 10**9 + digits % 10**9)


EarlyUpload = Callable[[], Mapping[str, StoredObject]]
# Uploads files from the machine on which it is called, given a folder there for temporary files. Can be pickled.
RemoteUploader = Callable[[Path, Sequence[Upload]], Mapping[str, StoredObject]]


class FileStore(Protocol):
    """Stores files by their path below `location`. It overwrites only its own files.

    Each call may raise `Unfinished` if it cannot be done now, and `InvalidInput` if it never can.
    """

    @property
    def location(self) -> OutputLocation:
        """The folder or the address in an object store that all paths are relative to."""
        ...

    def assert_writable(self) -> None:
        """Make sure, before anything is bought, that files can be stored here."""
        ...

    def sync(self) -> None:
        """Make the current names of the files durable."""
        ...

    def assert_nameable(self, path: str) -> None:
        """Make sure that a file here can be called `path`: if none can, nothing is ever seen there.

        Raises:
            Unfinished: this machine's locale has no bytes for the name.
        """
        ...

    def prefetch(self, paths: Iterable[str]) -> None:
        """Prefetch what is stored at `paths`, which will be looked up one by one."""
        ...

    def stamp(self, path: str) -> StoredStamp | None:
        """The stamp of the file at `path`; None if there is none."""
        ...

    def digest(self, path: str) -> str | None:
        """The SHA-256 of the file at `path`, or a value that is not a hash if it has none; None for no file."""
        ...

    def is_taken(self, path: str) -> bool:
        """Whether anything is at `path`."""
        ...

    def temporary_folder(self, path: str) -> Path:
        """The local folder for the temporary files of the file to be stored at `path`."""
        ...

    def early_upload(self, uploads: Sequence[Upload]) -> EarlyUpload | None:
        """A call that uploads files ahead, in any thread or process; None if `put` is quick enough.

        It returns what is at each path afterwards, which is passed to `note_uploaded`.
        """
        ...

    @property
    def remote_uploader(self) -> RemoteUploader | None:
        """A call that uploads files from another machine; None if they must be put from this one."""
        ...

    def note_uploaded(self, found: Mapping[str, StoredObject]) -> None:
        """Note the outcome of files that were uploaded ahead."""
        ...

    def put(self, upload: Upload) -> None:
        """Move a file from its temporary folder to its path, which was cleared before.

        Raises:
            NotOurs: another file has appeared there, or the path leads out of `location`.
        """
        ...

    def move(self, path: str, other: str, digest: str) -> None:
        """Rename the file at `path`, whose hash is `digest`, to `other`, which was cleared before."""
        ...

    def copy(self, path: str, other: str, digest: str) -> None:
        """Copy the file at `path`, whose hash is `digest`, to `other`, which was cleared before."""
        ...

    def delete(self, path: str, digest: str) -> None:
        """Delete the file at `path`, whose hash is `digest`, if it is still there."""
        ...


# Below the folder of a manifest: copies of files in an object store, each kept only while it is read.
COPIES = Path(".pipeline", "copies")

# Seconds after which a temporary file counts as abandoned: several commands may share a folder.
_ABANDONED = 24 * 60 * 60


def make_scratch(folder: Path) -> Path:
    """Make the folder if it is missing: accessible only to its owner, and ignored by git.

    Raises:
        Unfinished: it cannot be created.
    """
    try:
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / ".gitignore").write_bytes(b"*\n")
    except OSError as error:
        raise Unfinished(f"{folder}: cannot be created: {error.strerror}") from error
    _sweep(folder)
    return folder


@cache
def _sweep(folder: Path) -> None:
    """Remove, once per process, temporary files of killed commands: each may be as large as a video."""
    for leftover in folder.glob(".*.tmp"):
        with suppress(OSError):
            if time.time() - leftover.lstat().st_mtime > _ABANDONED:
                leftover.unlink()
