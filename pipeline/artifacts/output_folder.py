"""The output folder of one campaign: files are put in place without harming what is not ours."""

import contextlib
import errno
import os
import stat
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from pipeline import failpoints
from pipeline.artifacts.file_index import FileIndex
from pipeline.artifacts.file_names import Named, named
from pipeline.artifacts.inventory import Inventory, aside, fetched
from pipeline.errors import InvalidInput, Unfinished
from pipeline.files import assert_takes_files, open_temporary, sync_folder
from pipeline.jobs import Job
from pipeline.purchases import Purchase, PurchaseId
from pipeline.state.store import PlacedFile

_BLOCK = 1 << 20
# How the name of a copy begins until it is whole.
_COPY = ".copy."


class NotOurs(Unfinished):
    """Something lies where a result should go that this campaign did not make; it is left alone."""


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return (status.st_dev, status.st_ino)


class OutputFolder:
    """Puts files in their places below `folder`. `inventory` is what lies there, `index` what is remembered of it.

    What a file is called is durable only after `sync`.
    """

    def __init__(
        self, folder: Path, placed: Iterable[PlacedFile], purchases: Mapping[PurchaseId, Purchase]
    ) -> None:
        self.folder = folder
        self.index = FileIndex(folder, placed, purchases)
        self.inventory = Inventory(folder, self.index)
        self._unsynced: set[Path] = set()
        self._checked: dict[Path, tuple[int, int]] = {}

    def assert_writable(self) -> None:
        """Make sure that files can be put here, before any is bought.

        Raises:
            InvalidInput: they cannot, and will not by themselves.
            Unfinished: there is no room now.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            assert_takes_files(self.folder, _COPY)
        except OSError as error:
            reason = f"{self.folder}: nothing can be put there ({error.strerror}), so nothing is bought"
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise Unfinished(f"{reason}; make room and run again") from error
            raise InvalidInput(
                f"{reason}; make it a folder of yours, or name another with --output"
            ) from error

    def sync(self) -> None:
        """Make durable what files are called now. To be done before the state calls any of them done.

        Raises:
            Unfinished: that cannot be.
        """
        while self._unsynced:
            folder = self._unsynced.pop()
            try:
                sync_folder(folder)
            except FileNotFoundError:
                continue  # deleted under the run, with its files: those are missing, and fetched again
            except OSError as error:
                raise Unfinished(f"{folder}: cannot be written: {error.strerror}") from error

    def target(self, path: str) -> Path:
        """Where `path` is on disk, its folder made; it stays inside the output folder.

        Raises:
            NotOurs: a link in the way leads out of the output folder, or a file lies where its folder should.
            Unfinished: its folder cannot be made.
        """
        target = self.folder / path
        if self._is_checked(target.parent):
            return target
        # Asked before anything is made: no folder either may appear behind a link.
        if not target.parent.resolve().is_relative_to(self.folder.resolve()):
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

    def clear(self, path: str) -> None:
        """Make room at `path`: a file of this campaign that lies there gets another name.

        Raises:
            NotOurs: what lies there is no file of this campaign.
        """
        target = self.target(path)
        if not os.path.lexists(target):
            return
        digest = self.index.digest(path)
        purchase_id = self.index.purchase_id(path, digest)
        if digest is None or purchase_id is None:
            raise NotOurs(
                f"{target}: not a file of this campaign, so it is not overwritten; move it away "
                "(see docs/reference/errors.md#file-in-the-way)"
            )
        elsewhere = aside(path, purchase_id)
        if self.index.digest(elsewhere) != digest:
            self.clear(elsewhere)
        self._rename(path, elsewhere, digest)

    def _rename(self, path: str, other: str, digest: str) -> None:
        source, target = self.target(path), self.target(other)
        try:
            source.replace(target)
        except OSError as error:
            raise Unfinished(f"{target}: cannot be written: {error.strerror}") from error
        self._unsynced.add(target.parent)
        self.index.moved(path, other, digest)

    def install(self, temporary: Path, path: str, purchase_id: PurchaseId, slot: str, digest: str) -> None:
        """Put a file that was just fetched to `temporary`, in this folder, in its place.

        A file with the same bytes that lies there already is as good: a run may have died after the
        rename and before it could note it.

        Raises:
            NotOurs: something else lies there; the fetched file is removed, as it can be fetched again.
        """
        try:
            failpoints.reach("before rename")
            if self.index.digest(path) == digest:
                temporary.unlink()
            else:
                self.clear(path)
                target = self.target(path)
                temporary.replace(target)
                self._unsynced.add(target.parent)
                failpoints.reach("after rename")
        except NotOurs:
            temporary.unlink(missing_ok=True)
            raise
        self.index.add_hash(digest, purchase_id)
        self.index.remember(path, purchase_id, slot, digest)

    def remove(self, purchase: Purchase, wanted: Collection[str]) -> None:
        """Delete the files of `purchase` that lie here, whole, under any of their names.

        Not at a path that is `wanted`: a job's file there may have the same bytes.
        """
        hashes = {file.output.sha256 for file in named(purchase, purchase.path, steps=True)} - {None}
        others = {path for digest in hashes for path in self.index.paths_of(digest)}
        own = {file.path for file in named(purchase, purchase.path, steps=True)}
        for path in sorted((others | own) - set(wanted)):
            if self.index.purchase_id(path, self.index.digest(path)) == purchase.id:
                (self.folder / path).unlink(missing_ok=True)
                self.index.forget(path)

    def put(self, job: Job, purchase: Purchase, needed: Mapping[str, str | None]) -> bool:
        """Put the files of `purchase` where `job` wants them, from wherever they lie on this machine.

        `needed` tells by path the hash of what is to lie there for a job: such a file is copied, and so is one
        that another purchase brought; any other is moved. Returns False where bytes are not here (they are to
        be fetched).

        Raises:
            NotOurs: something else lies there.
            Unfinished: it cannot be written.
        """
        complete = True
        for file in fetched(purchase, job):
            digest = file.output.sha256
            if self.index.digest(file.path) == digest:
                if not self.index.has(file.path):
                    self.index.remember(file.path, purchase.id, file.slot, digest or "")
                continue
            source = self.inventory.find(purchase, file)
            if source is None:
                complete = False
                continue
            self.clear(file.path)
            if needed.get(source) == digest or self.index.purchase_id(source, digest) != purchase.id:
                self._copy(source, file, purchase)
            else:
                self._rename(source, file.path, digest or "")
        return complete

    def _copy(self, source: str, file: Named, purchase: Purchase) -> None:
        target = self.target(file.path)
        for leftover in target.parent.glob(f"{_COPY}*.tmp"):
            leftover.unlink(missing_ok=True)
        descriptor, temporary = open_temporary(target.parent, _COPY)
        try:
            with os.fdopen(descriptor, "wb") as copy, (self.folder / source).open("rb") as original:
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
        self.index.remember(file.path, purchase.id, file.slot, file.output.sha256 or "")
