"""Files in a folder of this machine."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from stat import S_ISREG

from pipeline import failpoints
from pipeline.artifacts.base import NotOurs, Sending, Stamp, StoredObject, Upload
from pipeline.errors import InvalidInput, Unfinished
from pipeline.files import assert_takes_files, open_temporary, sha256_of, sync_folder

_BLOCK = 1 << 20
# How the name of a copy begins until it is whole.
_COPY = ".copy."


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return (status.st_dev, status.st_ino)


class LocalFolder:
    """Holds files below `location`. What a file is called is durable only after `sync`."""

    def __init__(self, location: Path) -> None:
        self.location = location
        self._unsynced: set[Path] = set()
        self._checked: dict[Path, tuple[int, int]] = {}

    def assert_writable(self) -> None:
        try:
            self.location.mkdir(parents=True, exist_ok=True)
            assert_takes_files(self.location, _COPY)
        except OSError as error:
            reason = f"{self.location}: nothing can be put there ({error.strerror}), so nothing is bought"
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise Unfinished(f"{reason}; make room and run again") from error
            raise InvalidInput(
                f"{reason}; make it a folder of yours, or name another with --output"
            ) from error

    def sync(self) -> None:
        while self._unsynced:
            folder = self._unsynced.pop()
            try:
                sync_folder(folder)
            except FileNotFoundError:
                continue  # deleted under the run, with its files: those are missing, and fetched again
            except OSError as error:
                raise Unfinished(f"{folder}: cannot be written: {error.strerror}") from error

    def look_at(self, paths: Iterable[str]) -> None:
        """Nothing is learnt sooner here than when it is asked for."""

    def stamp(self, path: str) -> Stamp | None:
        try:
            status = os.lstat(
                f"{self.location}/{path}"
            )  # asked of every file, and a `Path` costs more than that
        except OSError:
            return None
        return Stamp(status.st_size, status.st_mtime_ns)

    def digest(self, path: str) -> str | None:
        target = self.location / path
        try:
            return sha256_of(target) if S_ISREG(target.lstat().st_mode) else None
        except OSError:
            return None

    def is_taken(self, path: str) -> bool:
        return os.path.lexists(self._target(path))

    def temporary_folder(self, path: str) -> Path:
        """Beside it, so that it can be renamed; its folder made."""
        return self._target(path).parent

    def sending(self, uploads: Sequence[Upload]) -> Sending | None:
        del uploads
        return None

    def sent(self, found: Mapping[str, StoredObject]) -> None:
        """Nothing is sent ahead."""

    def put(self, upload: Upload) -> None:
        target = self._target(upload.path)
        upload.temporary.replace(target)
        self._unsynced.add(target.parent)
        failpoints.reach("after rename")

    def move(self, path: str, other: str, digest: str) -> None:
        del digest
        source, target = self._target(path), self._target(other)
        try:
            source.replace(target)
        except OSError as error:
            raise Unfinished(f"{target}: cannot be written: {error.strerror}") from error
        self._unsynced.add(target.parent)

    def copy(self, path: str, other: str, digest: str) -> None:
        del digest
        target = self._target(other)
        for leftover in target.parent.glob(f"{_COPY}*.tmp"):
            leftover.unlink(missing_ok=True)
        descriptor, temporary = open_temporary(target.parent, _COPY)
        try:
            with os.fdopen(descriptor, "wb") as copy, (self.location / path).open("rb") as original:
                while block := original.read(_BLOCK):
                    copy.write(block)
                mode = stat.S_IMODE(os.fstat(original.fileno()).st_mode)
                copy.flush()
                os.fsync(copy.fileno())
            temporary.chmod(mode)
            failpoints.reach("copied")
            temporary.replace(target)
        except OSError as error:
            raise Unfinished(f"{target}: cannot be written: {error.strerror}") from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        self._unsynced.add(target.parent)

    def delete(self, path: str, digest: str) -> None:
        del digest
        (self.location / path).unlink(missing_ok=True)

    def _target(self, path: str) -> Path:
        """Where `path` is on disk, its folder made; it stays inside the output folder.

        Raises:
            NotOurs: a link in the way leads out of the output folder, or a file lies where its folder should.
            Unfinished: its folder cannot be made.
        """
        target = self.location / path
        if self._is_checked(target.parent):
            return target
        # Asked before anything is made: no folder either may appear behind a link.
        if not target.parent.resolve().is_relative_to(self.location.resolve()):
            raise NotOurs(f"{path}: a link leads out of the output folder; it is left alone")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._checked[target.parent] = _identity(target.parent)
        except (FileExistsError, NotADirectoryError) as error:
            raise NotOurs(f"{target.parent}: not a folder, so nothing is put there; move it away") from error
        except OSError as error:
            raise Unfinished(f"{target.parent}: cannot be made: {error.strerror}") from error
        return target

    def _is_checked(self, folder: Path) -> bool:
        """Whether it still is the folder that was found to lie in the output folder."""
        try:
            return folder in self._checked and self._checked[folder] == _identity(folder)
        except OSError:
            return False
