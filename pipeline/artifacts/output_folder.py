"""The output folder of one campaign: puts files in place without harming files that are not ours."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import failpoints
from pipeline.artifacts.base import EarlyUpload, NotOurs, RemoteUploader, StoredObject, Upload
from pipeline.artifacts.file_index import FileIndex
from pipeline.artifacts.file_names import NamedFile, is_outside, named
from pipeline.artifacts.inventory import Inventory, aside, fetched
from pipeline.artifacts.store_access import open_files
from pipeline.errors import Unfinished

if TYPE_CHECKING:
    from pipeline.jobs import Job
    from pipeline.purchases import Purchase, PurchaseId
    from pipeline.schemes import OutputLocation
    from pipeline.state.store import PlacedFile


class OutputFolder:
    """Puts files in place below `location`. `inventory` is what is there, `index` what is remembered of it.

    The name of a file is durable only after `sync`. `scratch` is a local folder for temporary files, used if they
    cannot be beside their final paths. `published` and `stems` are those of the inventory, read only if needed.
    `record` has the state remember where a file is about to be moved: if the move is killed, it is still found.
    """

    def __init__(
        self,
        location: OutputLocation,
        placed: Iterable[PlacedFile],
        purchases: Mapping[PurchaseId, Purchase],
        scratch: Path = Path(),
        published: Callable[[], Mapping[str, Collection[str]]] = dict,
        stems: Callable[[], Mapping[PurchaseId, Collection[str]]] = dict,
        record: Callable[[Sequence[PlacedFile]], object] = lambda _placed: None,
    ) -> None:
        self.location = location
        self._files = open_files(location, scratch)
        self.index = FileIndex(self._files, placed, purchases)
        self.inventory = Inventory(location, self.index, purchases, published, stems)
        self._record = record

    def assert_writable(self) -> None:
        """Make sure, before anything is bought, that files can be stored here.

        Raises:
            InvalidInput: they cannot, and a retry will not help.
            Unfinished: they cannot now, as there is no space.
        """
        self._files.assert_writable()

    def sync(self) -> None:
        """Make the current names of the files durable. Must be called before the state records any of them as done.

        Raises:
            Unfinished: that fails.
        """
        self._files.sync()

    def temporary_folder(self, path: str) -> Path:
        """The local folder for the temporary files of the file to be stored at `path`.

        Raises:
            NotOurs: the path leads out of the output folder.
            Unfinished: the folder cannot be created.
        """
        return self._files.temporary_folder(path)

    def early_upload(self, uploads: Sequence[Upload]) -> EarlyUpload | None:
        """A call that uploads files ahead, in any thread or process; None if `install` is quick enough.

        Its result must be passed to `note_uploaded` before the files are installed.
        """
        return self._files.early_upload(uploads)

    @property
    def remote_uploader(self) -> RemoteUploader | None:
        """A call that uploads files from another machine; None if they must be put from this one."""
        return self._files.remote_uploader

    def note_uploaded(self, found: Mapping[str, StoredObject]) -> None:
        """Note the outcome of files that were uploaded ahead."""
        self._files.note_uploaded(found)

    def clear(self, path: str) -> None:
        """Make room at `path`: a file of this campaign that is there gets another name.

        Raises:
            NotOurs: the file there is not of this campaign.
        """
        if not self._files.is_taken(path):
            return
        digest = self.index.digest(path)
        purchase_id = self.index.purchase_id(path, digest)
        if digest is None or purchase_id is None:
            raise NotOurs(
                f"{self.location / path}: not a file of this campaign, so it is not overwritten; move it away "
                "(see docs/reference/errors.md#file-in-the-way)"
            )
        elsewhere = aside(path, purchase_id)
        if self.index.digest(elsewhere) != digest:
            self.clear(elsewhere)
        self._rename(path, elsewhere, digest)

    def _rename(self, path: str, other: str, digest: str) -> None:
        expected = self.index.expect_moved(path, other, digest)
        if expected is not None:
            self._record([expected])
        self._files.move(path, other, digest)
        self.index.moved(path, other, digest)

    def is_free(self, files: Iterable[NamedFile], purchase_id: PurchaseId) -> bool:
        """Whether no file of another purchase is at the path of any of these files."""
        taken = ((file.path, self.index.digest(file.path)) for file in files)
        return all(self.index.purchase_id(path, digest) in {None, purchase_id} for path, digest in taken)

    def holds(self, purchase: Purchase, file: NamedFile) -> bool:
        """Whether a file that was fetched before is here, under any name."""
        digest = file.output.sha256
        return digest is not None and (
            self.index.digest(file.path) == digest or self.inventory.find(purchase, file) is not None
        )

    def install(self, temporary: Path, path: str, purchase_id: PurchaseId, slot: str, digest: str) -> None:
        """Move a file that was just fetched to `temporary`, in this folder, to `path`.

        A file with the same bytes that is there already is as good: a run may have died after the rename and
        before recording it.

        Raises:
            NotOurs: another file is there; the fetched file is removed, as it can be fetched again.
        """
        try:
            failpoints.reach("before rename")
            if self.index.digest(path) == digest:
                temporary.unlink(missing_ok=True)  # another machine may have uploaded it
            else:
                self.clear(path)
                self._files.put(Upload(temporary, path, digest))
        except NotOurs:
            temporary.unlink(missing_ok=True)
            raise
        self.index.add_hash(digest, purchase_id)
        self.index.remember(path, purchase_id, slot, digest)

    def remove(self, purchase: Purchase, needed: Mapping[str, str | None]) -> bool:
        """Delete the files of `purchase` that are here and whole, under any of their names; whether there was one.

        `needed` has, by path, the hash of the file that a job wants there, None if it is not known yet. Such a file
        stays, as it may have the same bytes.

        Raises:
            Unfinished: one cannot be deleted, or looked for under its name.
        """
        found = self.files_of(purchase, needed)
        for path, digest in found.items():
            self._files.delete(path, digest)
            self.index.forget(path)
        return bool(found)

    def files_of(self, purchase: Purchase, needed: Mapping[str, str | None]) -> dict[str, str]:
        """The files that `remove` would delete: the hash of each, by path.

        Raises:
            Unfinished: one cannot be looked for under its name.
        """
        found = {}
        for path in sorted(self._possible_paths(purchase)):
            digest = self.index.digest(path)
            is_needed = path in needed and needed[path] in (None, digest)
            if digest is not None and not is_needed and self.index.purchase_id(path, digest) == purchase.id:
                found[path] = digest
        return found

    def _possible_paths(self, purchase: Purchase) -> set[str]:
        """Every path at which a file of `purchase` may be."""
        stems = self.inventory.stems(purchase)
        files = [file for stem in stems for file in named(purchase, stem, steps=True)]
        others = {
            path
            for digest in {file.output.sha256 for file in files}
            if digest is not None
            for path in (*self.index.paths_of(digest), *self.inventory.published_paths(digest))
        }
        # Also the path to which another machine that uses the same store has set it aside.
        own = {path for file in files for path in (file.path, aside(file.path, purchase.id))}
        for file in files:
            if file.output.sha256 is not None:
                self._files.assert_nameable(file.path)
        return {path for path in others | own if not is_outside(path)}

    def note_files_of(self, purchases: Iterable[Purchase]) -> None:
        """Note the files of `purchases` that are here, at paths that only the results or a job may name."""
        nameable: list[Purchase] = []
        paths: set[str] = set()
        for purchase in purchases:
            with suppress(Unfinished):  # `remove` reports what cannot be looked for under its name
                paths |= self._possible_paths(purchase)
                nameable.append(purchase)
        self.index.prefetch(sorted(paths))
        for purchase in nameable:
            slots = {file.output.sha256: file.slot for file in named(purchase, purchase.path, steps=True)}
            for path, digest in self.files_of(purchase, {}).items():
                self.index.note(path, purchase.id, slots[digest], digest)

    def remove_files(self, files: Mapping[str, str]) -> None:
        """Delete files, by path, each only if it still has the hash given for it."""
        for path, digest in files.items():
            if self.index.digest(path) == digest:
                self._files.delete(path, digest)
                self.index.forget(path)

    def announce(self, wanted: Iterable[tuple[Job, Purchase]]) -> None:
        """Record where `put` is about to move files, of many jobs at once: each move by itself takes longer."""
        expected = (
            self.index.expect(file.path, purchase.id, file.slot, file.output.sha256)
            for job, purchase in wanted
            for file in fetched(purchase, job)
            # What is noted of a file that is still there is not forgotten.
            if file.output.sha256 is not None and self.index.digest(file.path) is None
        )
        self._record([each for each in expected if each is not None])

    def put(self, job: Job, purchase: Purchase, needed: Mapping[str, str | None]) -> bool:
        """Put the files of `purchase` where `job` wants them, from wherever they are on this machine.

        `needed` has, by path, the hash of the file that a job wants there: such a file is copied, and so is one
        that another purchase brought; any other is moved. Returns False if bytes are not here and have to be
        fetched.

        Raises:
            NotOurs: another file is there.
            Unfinished: it cannot be written.
        """
        complete = True
        for file in fetched(purchase, job):
            digest = file.output.sha256
            if digest is not None and self.index.digest(file.path) == digest:
                self.index.note(file.path, purchase.id, file.slot, digest)
                continue
            if self.inventory.find(purchase, file) is None:
                complete = False
                continue
            self.clear(file.path)
            # Only now: if the ids of two purchases begin alike, that may have moved the file, too.
            # Rather one that can be moved: a copy of another would leave it behind, where nothing needs it any more.
            spare = self.inventory.find_spare(purchase, file, needed)
            source = spare or self.inventory.find(purchase, file)
            if source is None:
                complete = False
            elif spare is None:
                self._copy(source, file, purchase)
            else:
                self._rename(source, file.path, digest or "")
        return complete

    def _copy(self, source: str, file: NamedFile, purchase: Purchase) -> None:
        digest = file.output.sha256 or ""
        self._files.copy(source, file.path, digest)
        self.index.remember(file.path, purchase.id, file.slot, digest)
