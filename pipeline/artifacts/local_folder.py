"""Stores files in a local folder."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from stat import S_ISREG

from pipeline import failpoints
from pipeline.artifacts.base import EarlyUpload, NotOurs, RemoteUploader, StoredObject, StoredStamp, Upload
from pipeline.artifacts.file_names import is_outside
from pipeline.errors import InvalidInput, Unfinished
from pipeline.files import (
    assert_takes_files,
    in_the_way,
    make_folders,
    open_temporary,
    sha256_of,
    sync_folder,
)
from pipeline.paths import real_path, status_at, unencodable

_BLOCK = 1 << 20
# The prefix of a copy's name until it is whole.
_COPY = ".copy."


def _identity(folder: str) -> tuple[int, int]:
    status = os.stat(folder)  # noqa: PTH116 - called for each file, and making a Path costs more than the call
    return (status.st_dev, status.st_ino)


class LocalFolder:
    """Stores files below `location`. The name of a file is durable only after `sync`.

    Internally, paths are strings: `pathlib` would cost more than the operations themselves.
    """

    def __init__(self, location: Path) -> None:
        self.location = location
        self._root = str(location)
        self._unsynced: set[str] = set()
        self._checked: dict[str, tuple[int, int]] = {}

    def assert_writable(self) -> None:
        try:
            make_folders(self.location)
            assert_takes_files(self.location, _COPY)
        except OSError as error:
            reason = f"{self.location}: no file can be stored there ({error.strerror}), so nothing is bought"
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise Unfinished(f"{reason}; free some space and run again") from error
            raise InvalidInput(
                f"{reason}; make it writable for you, or name another with --output"
            ) from error

    def sync(self) -> None:
        while self._unsynced:
            folder = self._unsynced.pop()
            try:
                sync_folder(folder)
            except FileNotFoundError:
                continue  # deleted during the run, with its files, which are then fetched again
            except OSError as error:
                raise Unfinished(f"{folder}: cannot be written: {error.strerror}") from error

    def assert_nameable(self, path: str) -> None:
        if (why := unencodable(path)) is not None:
            raise Unfinished(f"{self._on_disk(path)}: {why}")

    def prefetch(self, paths: Iterable[str]) -> None:
        """Do nothing: each look-up is quick by itself."""

    def stamp(self, path: str) -> StoredStamp | None:
        status = self._status(path)
        return None if status is None else StoredStamp(status.st_size, status.st_mtime_ns)

    def digest(self, path: str) -> str | None:
        status = self._status(path)
        if status is None or not S_ISREG(status.st_mode):
            return None
        try:
            return sha256_of(Path(self._on_disk(path)))
        except OSError:
            return None

    def is_taken(self, path: str) -> bool:
        self._ensure_folder(path)
        return os.path.lexists(self._on_disk(path))

    def temporary_folder(self, path: str) -> Path:
        """The folder of `path` itself, made if missing, so that a rename can put the file in place."""
        return Path(self._ensure_folder(path))

    def early_upload(self, uploads: Sequence[Upload]) -> EarlyUpload | None:
        del uploads
        return None

    @property
    def remote_uploader(self) -> RemoteUploader | None:
        return None

    def note_uploaded(self, found: Mapping[str, StoredObject]) -> None:
        """Do nothing: no file is uploaded ahead."""

    def put(self, upload: Upload) -> None:
        folder = self._ensure_folder(upload.path)
        target = self._on_disk(upload.path)
        try:
            upload.temporary.replace(target)
        except OSError as error:
            raise Unfinished(f"{target}: cannot be written: {error.strerror}") from error
        self._unsynced.add(folder)
        failpoints.reach("after rename")

    def move(self, path: str, other: str, digest: str) -> None:
        del digest
        self._ensure_folder(path)
        folder, target = self._ensure_folder(other), self._on_disk(other)
        try:
            os.replace(self._on_disk(path), target)  # noqa: PTH105 - as above
        except OSError as error:
            raise Unfinished(f"{target}: cannot be written: {error.strerror}") from error
        self._unsynced.add(folder)

    def copy(self, path: str, other: str, digest: str) -> None:
        del digest
        folder, target = Path(self._ensure_folder(other)), Path(self._on_disk(other))
        for leftover in folder.glob(f"{_COPY}*.tmp"):
            leftover.unlink(missing_ok=True)
        descriptor, temporary = open_temporary(folder, _COPY)
        try:
            with os.fdopen(descriptor, "wb") as copy, Path(self._on_disk(path)).open("rb") as original:
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
        self._unsynced.add(str(folder))

    def delete(self, path: str, digest: str) -> None:
        del digest
        target = self.location / path
        try:
            target.unlink(missing_ok=True)
        except OSError as error:
            raise Unfinished(f"{target}: cannot be deleted: {error.strerror}") from error
        self._delete_empty_folders(target)

    def _delete_empty_folders(self, deleted: Path) -> None:
        """Delete the folders that a deleted file leaves empty, but never the output folder itself or a link."""
        for folder in deleted.parents:
            if folder == self.location:
                return
            try:
                folder.rmdir()
            except OSError:  # not empty, or not a folder of ours
                return

    def _on_disk(self, path: str) -> str:
        """Where `path` is on disk."""
        joined = f"{self._root}/{path}"
        return os.path.normpath(joined) if is_outside(path) else joined

    def _status(self, path: str) -> os.stat_result | None:
        """The status of what is at `path`; None also if that leads out of this folder, and from there over a link.

        Where the output folder was before, there may be a link to anything now.
        """
        status = status_at(self._on_disk(path))
        if status is None or not is_outside(path):
            return status
        steps = path.split("/")
        out, down = steps[: steps.count("..")], steps[steps.count("..") :]
        above = Path(os.path.normpath(self.location.joinpath(*out)))
        return status if real_path(above.joinpath(*down)) == real_path(above).joinpath(*down) else None

    def _ensure_folder(self, path: str) -> str:
        """The folder of `path` on disk, made if missing, and checked to be inside the output folder.

        Raises:
            NotOurs: a link on the way leads out of the output folder, or a file is in the place of a folder.
            Unfinished: its folder cannot be created, or no file can have that name here.
        """
        self.assert_nameable(path)
        folder = self._on_disk(path).rpartition("/")[0]
        try:
            self._make(folder)
        except (FileExistsError, NotADirectoryError) as error:
            found = in_the_way(Path(folder))
            raise NotOurs(f"{found}: not a folder, so nothing is stored there; move it away") from error
        except OSError as error:
            raise Unfinished(f"{folder}: cannot be created: {error.strerror}") from error
        return folder

    def _make(self, folder: str) -> None:
        """Make a folder and its parents; none of them may be behind a link that leads out of the output folder."""
        unchecked: list[str] = []
        while not self._is_checked(folder):
            unchecked.append(folder)
            if folder == self._root:
                break
            folder = folder.rpartition("/")[0]
        for each in reversed(unchecked):
            if each == self._root:
                make_folders(self.location)
            else:
                self._make_in_checked(each)
            self._checked[each] = _identity(each)

    def _make_in_checked(self, folder: str) -> None:
        try:
            os.mkdir(folder)  # noqa: PTH102 - as above
        except FileExistsError:
            there = Path(folder)
            if not there.resolve().is_relative_to(self.location.resolve()):
                shown = folder.removeprefix(f"{self._root}/")
                raise NotOurs(f"{shown}: a link leads out of the output folder; it is left alone") from None
            if not there.is_dir():
                raise

    def _is_checked(self, folder: str) -> bool:
        """Whether it still is the folder that was checked to be inside the output folder."""
        found = self._checked.get(folder)
        try:
            return found is not None and found == _identity(folder)
        except OSError:
            return False
