"""The output folder of one campaign: files are put in place without harming what is not ours."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from pipeline import failpoints
from pipeline.artifacts.base import NotOurs, Sender, Sending, StoredObject, Upload
from pipeline.artifacts.file_index import FileIndex
from pipeline.artifacts.file_names import Named, named
from pipeline.artifacts.inventory import Inventory, aside, fetched
from pipeline.artifacts.opening import open_files
from pipeline.jobs import Job
from pipeline.purchases import Purchase, PurchaseId
from pipeline.schemes import OutputLocation
from pipeline.state.store import PlacedFile


class OutputFolder:
    """Puts files in their places below `location`. `inventory` is what lies there, `index` what is remembered of it.

    What a file is called is durable only after `sync`. `scratch` is a folder of this machine for temporary files,
    where they cannot lie beside their places.
    """

    def __init__(
        self,
        location: OutputLocation,
        placed: Iterable[PlacedFile],
        purchases: Mapping[PurchaseId, Purchase],
        scratch: Path = Path(),
    ) -> None:
        self.location = location
        self._files = open_files(location, scratch)
        self.index = FileIndex(self._files, placed, purchases)
        self.inventory = Inventory(location, self.index)

    def assert_writable(self) -> None:
        """Make sure that files can be put here, before any is bought.

        Raises:
            InvalidInput: they cannot, and will not by themselves.
            Unfinished: there is no room now.
        """
        self._files.assert_writable()

    def sync(self) -> None:
        """Make durable what files are called now. To be done before the state calls any of them done.

        Raises:
            Unfinished: that cannot be.
        """
        self._files.sync()

    def temporary_folder(self, path: str) -> Path:
        """The folder of this machine for the temporary files of what is to lie at `path`.

        Raises:
            NotOurs: the way there leads elsewhere.
            Unfinished: the folder cannot be made.
        """
        return self._files.temporary_folder(path)

    def sending(self, uploads: Sequence[Upload]) -> Sending | None:
        """A call that sends files ahead, in any thread or process; None where that is quick enough.

        What it brings is to be given to `sent`, before the files are installed.
        """
        return self._files.sending(uploads)

    @property
    def sender(self) -> Sender | None:
        """A call that sends files from another machine; None where they are put from this one."""
        return self._files.sender

    def sent(self, found: Mapping[str, StoredObject]) -> None:
        """Note what files that were sent ahead have met."""
        self._files.sent(found)

    def clear(self, path: str) -> None:
        """Make room at `path`: a file of this campaign that lies there gets another name.

        Raises:
            NotOurs: what lies there is no file of this campaign.
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
        self._files.move(path, other, digest)
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
                temporary.unlink(missing_ok=True)  # it may be another machine that has sent it
            else:
                self.clear(path)
                self._files.put(Upload(temporary, path, digest))
        except NotOurs:
            temporary.unlink(missing_ok=True)
            raise
        self.index.add_hash(digest, purchase_id)
        self.index.remember(path, purchase_id, slot, digest)

    def remove(self, purchase: Purchase, wanted: Collection[str]) -> None:
        """Delete the files of `purchase` that lie here, whole, under any of their names.

        Not at a path that is `wanted`: a job's file there may have the same bytes.
        """
        files = list(named(purchase, purchase.path, steps=True))
        hashes = {file.output.sha256 for file in files} - {None}
        others = {path for digest in hashes for path in self.index.paths_of(digest)}
        # Also where another machine has set it aside, in a store that both use.
        own = {path for file in files for path in (file.path, aside(file.path, purchase.id))}
        for path in sorted((others | own) - set(wanted)):
            digest = self.index.digest(path)
            if digest is not None and self.index.purchase_id(path, digest) == purchase.id:
                self._files.delete(path, digest)
                self.index.forget(path)

    def put(self, job: Job, purchase: Purchase, needed: Mapping[str, str | None]) -> bool:
        """Put the files of `purchase` where `job` wants them, from wherever they lie on this machine.

        `needed` has, by path, the hash of what is to lie there for a job: such a file is copied, and so is one
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
        digest = file.output.sha256 or ""
        self._files.copy(source, file.path, digest)
        self.index.remember(file.path, purchase.id, file.slot, digest)
