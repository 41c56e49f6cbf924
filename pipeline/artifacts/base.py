"""The port behind the output folder: a store of files, in a folder of this machine or in an object store."""

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

from pipeline.errors import Unfinished
from pipeline.schemes import OutputLocation


class NotOurs(Unfinished):
    """Something lies where a result should go that this campaign did not make; it is left alone."""


class Stamp(NamedTuple):
    """Identifies a version of a file without reading it."""

    bytes: int
    mtime_ns: int


class Upload(NamedTuple):
    """A file of this machine that is whole, where it is to lie, and its SHA-256 in hex."""

    temporary: Path
    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as the server describes it. `sha256` is in hex, None where the server keeps none or was not asked."""

    bytes: int
    etag: str
    modified: int
    sha256: str | None = None

    @property
    def stamp(self) -> Stamp:
        """Its time has whole seconds; the rest of a stamp is made from its tag, which follows the bytes."""
        digits = int(hashlib.sha256(self.etag.encode()).hexdigest()[:8], 16)
        return Stamp(self.bytes, self.modified * 10**9 + digits % 10**9)


Sending = Callable[[], Mapping[str, StoredObject]]
# Sends files from wherever it is called, with a folder there for temporary ones: plain data, for any machine.
Sender = Callable[[Path, Sequence[Upload]], Mapping[str, StoredObject]]


class FileStore(Protocol):
    """Holds files by their path below `location`. It overwrites its own files only.

    Each call may raise `Unfinished`, where it cannot be done now, and `InvalidInput`, where it never can.
    """

    @property
    def location(self) -> OutputLocation:
        """Where they lie."""
        ...

    def assert_writable(self) -> None:
        """Make sure that files can be put here, before any is bought."""
        ...

    def sync(self) -> None:
        """Make durable what files are called now."""
        ...

    def look_at(self, paths: Iterable[str]) -> None:
        """Learn what lies at `paths`, which will be asked for one by one."""
        ...

    def stamp(self, path: str) -> Stamp | None:
        """The stamp of the file at `path`, None where there is none."""
        ...

    def digest(self, path: str) -> str | None:
        """The SHA-256 of the file at `path`, or what is the hash of no file; None where no file is."""
        ...

    def is_taken(self, path: str) -> bool:
        """Whether anything lies at `path`."""
        ...

    def temporary_folder(self, path: str) -> Path:
        """The folder of this machine for the temporary files of what is to lie at `path`."""
        ...

    def sending(self, uploads: Sequence[Upload]) -> Sending | None:
        """A call that sends files ahead, in any thread or process; None where `put` is quick enough.

        It returns what lies at each path then, which is passed to `sent`.
        """
        ...

    @property
    def sender(self) -> Sender | None:
        """A call that sends files from another machine; None where they are put from this one."""
        ...

    def sent(self, found: Mapping[str, StoredObject]) -> None:
        """Note the outcome of files that were sent ahead."""
        ...

    def put(self, upload: Upload) -> None:
        """Take a file from its temporary folder into its place, which was cleared.

        Raises:
            NotOurs: something else has come to lie there, or the way there leads elsewhere.
        """
        ...

    def move(self, path: str, other: str, digest: str) -> None:
        """Give the file at `path`, whose hash is `digest`, another name, which was cleared."""
        ...

    def copy(self, path: str, other: str, digest: str) -> None:
        """Put a copy of the file at `path`, whose hash is `digest`, where room was made."""
        ...

    def delete(self, path: str, digest: str) -> None:
        """Delete the file at `path`, whose hash is `digest`, if it is still there."""
        ...


# Below the folder of a manifest: copies of what lies in an object store, each for as long as it is read.
COPIES = Path(".pipeline", "copies")

# Seconds after which a temporary file is no longer in use: several commands may share a folder.
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
