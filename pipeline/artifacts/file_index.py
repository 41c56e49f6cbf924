"""What is remembered of the output folder: which file lies where, and whose each is."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from pipeline.files import sha256_of
from pipeline.purchases import Purchase, PurchaseId
from pipeline.state.store import PlacedFile


class FileIndex:
    """By path and by hash, the files of one campaign.

    `placed` is what the state remembers of this machine. It is believed only where size and time of the file
    still agree; otherwise the bytes decide.
    """

    def __init__(
        self, folder: Path, placed: Iterable[PlacedFile], purchases: Mapping[PurchaseId, Purchase]
    ) -> None:
        self._folder = folder
        self._placed: dict[str, PlacedFile] = {}
        self._paths: dict[str, set[str]] = {}
        for each in placed:
            self._take_note(each)
        self._owners: dict[str, PurchaseId] = {}
        self._news: dict[str, PlacedFile] = {}
        self._removed: set[str] = set()
        for purchase in purchases.values():
            self.know(purchase)

    def know(self, purchase: Purchase) -> None:
        """Take note of the hashes of a purchase's files: these are ours."""
        outputs = (*purchase.outputs, *(output for step in purchase.steps for output in step.outputs))
        for output in outputs:
            if output.sha256 is not None:
                self.own(output.sha256, purchase.id)

    def own(self, digest: str, purchase_id: PurchaseId) -> None:
        """Take note that `purchase_id` brought these bytes; who did so first stays their owner."""
        self._owners.setdefault(digest, purchase_id)

    def news(self) -> tuple[list[PlacedFile], list[str]]:
        """What the state should remember since this was last asked: files put in place, and paths left."""
        placed, removed = list(self._news.values()), sorted(self._removed)
        self._news.clear()
        self._removed.clear()
        return placed, removed

    def digest(self, path: str) -> str | None:
        """The hash of the regular file at `path`, None where there is none."""
        target = self._folder / path
        try:
            stat = target.lstat()
            remembered = self._placed.get(path)
            if remembered and (remembered.bytes, remembered.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
                return remembered.sha256
            return sha256_of(target) if target.is_file() and not target.is_symlink() else None
        except OSError:
            return None

    def has(self, path: str) -> bool:
        """Whether a file of ours is noted at `path`."""
        return path in self._placed

    def paths_of(self, digest: str | None) -> Collection[str]:
        """Where files with these bytes were put."""
        return self._paths.get(digest or "", ())

    def is_ours(self, digest: str) -> bool:
        """Whether a purchase brought a file with these bytes."""
        return digest in self._owners

    def purchase_id(self, path: str, digest: str | None) -> PurchaseId | None:
        """Whose file with these bytes lies at `path`, None for nobody's; several may have brought the same bytes."""
        placed = self._placed.get(path)
        if digest in self._owners and placed is not None and placed.sha256 == digest:
            return placed.purchase
        return self._owners.get(digest or "")

    def remember(self, path: str, purchase_id: PurchaseId, slot: str, digest: str) -> None:
        """Take note of a file that lies at `path` now."""
        stat = (self._folder / path).stat()
        placed = PlacedFile(path, purchase_id, slot, digest, stat.st_size, stat.st_mtime_ns)
        self._drop_note(path)
        self._take_note(placed)
        self._news[path] = placed
        self._removed.discard(path)

    def moved(self, path: str, other: str, digest: str) -> None:
        """Take note that the file that lay at `path` lies at `other` now."""
        purchase_id, noted = self.purchase_id(path, digest), self._placed.get(path)
        self.forget(path)
        self.remember(other, purchase_id or PurchaseId(""), noted.slot if noted is not None else "", digest)

    def forget(self, path: str) -> None:
        """Take note that nothing of ours lies at `path` any more."""
        self._drop_note(path)
        self._news.pop(path, None)
        self._removed.add(path)

    def _take_note(self, placed: PlacedFile) -> None:
        self._placed[placed.path] = placed
        self._paths.setdefault(placed.sha256, set()).add(placed.path)

    def _drop_note(self, path: str) -> None:
        placed = self._placed.pop(path, None)
        if placed is not None:
            self._paths[placed.sha256].discard(path)
