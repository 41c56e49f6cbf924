"""The index of the output folder: where each file is, and which purchase it came from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import Unfinished
from pipeline.files import has_lfs_pointer
from pipeline.purchases import Purchase, PurchaseId
from pipeline.state.store import PlacedFile

if TYPE_CHECKING:
    from pipeline.artifacts.base import FileStore, StoredStamp


class FileIndex:
    """The files of one campaign, by path and by hash.

    `placed` is what the state remembers of this machine. It is trusted only if the size and time of the file
    still match; otherwise the bytes decide.
    """

    def __init__(
        self, files: FileStore, placed: Iterable[PlacedFile], purchases: Mapping[PurchaseId, Purchase]
    ) -> None:
        self._files = files
        self._placed: dict[str, PlacedFile] = {}
        self._paths: dict[str, set[str]] = {}
        # Files hashed since, by path: size, time and hash. Unchanged bytes are hashed once.
        self._hashed: dict[str, tuple[int, int, str]] = {}
        self._purchase_by_hash: dict[str, PurchaseId] = {}
        self._changed: dict[str, PlacedFile] = {}
        self._removed: set[str] = set()
        # Of several purchases that brought the same bytes, one that is not deleted counts: it needs its file.
        for purchase in sorted(purchases.values(), key=lambda each: each.deleted):
            self.add_purchase(purchase)
        for each in placed:
            self._add(each)
            # A run may have died, or the copy of another machine won the join, before the purchase had its hash.
            if each.purchase in purchases:
                self.add_hash(each.sha256, each.purchase)

    def add_purchase(self, purchase: Purchase) -> None:
        """Note the hashes of a purchase's files, as these are ours."""
        outputs = (*purchase.outputs, *(output for step in purchase.steps for output in step.outputs))
        for output in outputs:
            if output.sha256 is not None:
                self.add_hash(output.sha256, purchase.id)

    def add_hash(self, digest: str, purchase_id: PurchaseId) -> None:
        """Note that `purchase_id` brought these bytes; of several purchases that did, the first counts."""
        self._purchase_by_hash.setdefault(digest, purchase_id)

    def changes(self) -> tuple[list[PlacedFile], list[str]]:
        """The changes that the state does not have yet: files put in place, and paths that are empty now."""
        return list(self._changed.values()), sorted(self._removed)

    def forget_changes(self) -> None:
        """Drop the changes, once the state has them."""
        self._changed.clear()
        self._removed.clear()

    def prefetch(self, paths: Iterable[str]) -> None:
        """Find out what is at each of `paths`."""
        paths = list(paths)
        self._files.prefetch(
            path for path in paths if self._known_digest(path, self._files.stamp(path)) is None
        )
        for path in paths:
            self.digest(path)

    def digest(self, path: str) -> str | None:
        """The hash of the regular file at `path`; None if there is none."""
        digest, remembered = self._digest(path), self._placed.get(path)
        if remembered is not None and digest != remembered.sha256:
            # A search for these bytes need not check this path again: many files may have the same bytes.
            self._paths[remembered.sha256].discard(path)
        if digest in self._purchase_by_hash or (remembered is not None and digest == remembered.sha256):
            # Whatever its name, a search for these bytes finds this path.
            self._paths.setdefault(digest or "", set()).add(path)
        return digest

    def _digest(self, path: str) -> str | None:
        stamp = self._files.stamp(path)
        if stamp is None:
            return None
        if known := self._known_digest(path, stamp):
            return known
        digest = self._files.digest(path)
        if digest is not None:
            self._hashed[path] = (stamp.bytes, stamp.mtime_ns, digest)
        return digest

    def _known_digest(self, path: str, stamp: StoredStamp | None) -> str | None:
        """The recorded hash of a file that has not been touched since."""
        remembered, hashed = self._placed.get(path), self._hashed.get(path)
        if remembered and (remembered.bytes, remembered.mtime_ns) == stamp:
            return remembered.sha256
        return hashed[2] if hashed and hashed[:2] == stamp else None

    def has(self, path: str) -> bool:
        """Whether a file of ours is noted at `path`."""
        return path in self._placed

    def placed_paths(self) -> set[str]:
        """Every path at which a file of ours is noted."""
        return set(self._placed)

    def paths_of(self, digest: str | None) -> Collection[str]:
        """The paths at which files with these bytes were put."""
        return self._paths.get(digest or "", ())

    def is_ours(self, digest: str) -> bool:
        """Whether a purchase brought a file with these bytes."""
        return digest in self._purchase_by_hash

    def is_lfs_pointer(self, path: str) -> bool:
        """Whether Git LFS left a pointer at `path` in place of the file itself."""
        location = self._files.location / path
        return isinstance(location, Path) and has_lfs_pointer(location)

    def purchase_id(self, path: str, digest: str | None) -> PurchaseId | None:
        """The purchase that brought the file with these bytes at `path`; None if none did.

        Several may have brought the same bytes.
        """
        placed = self._placed.get(path)
        if digest in self._purchase_by_hash and placed is not None and placed.sha256 == digest:
            return placed.purchase
        return self._purchase_by_hash.get(digest or "")

    def remember(self, path: str, purchase_id: PurchaseId, slot: str, digest: str) -> None:
        """Note the file that is at `path` now."""
        stamp = self._files.stamp(path)
        if stamp is None:
            raise Unfinished(f"{self._files.location / path}: was deleted during the run; run again")
        placed = PlacedFile(
            path=path,
            purchase=purchase_id,
            slot=slot,
            sha256=digest,
            bytes=stamp.bytes,
            mtime_ns=stamp.mtime_ns,
        )
        self._discard(path)
        self._add(placed)
        self._changed[path] = placed
        self._removed.discard(path)

    def note(self, path: str, purchase_id: PurchaseId, slot: str, digest: str) -> None:
        """Note the file with these bytes that was found at `path`, unless that is known."""
        placed = self._placed.get(path)
        if placed is None or placed.sha256 != digest:
            self.remember(path, purchase_id, slot, digest)
        elif path in self._hashed:  # it was touched since, or was only expected
            self.remember(path, placed.purchase, placed.slot, digest)

    def expect(self, path: str, purchase_id: PurchaseId, slot: str, digest: str) -> PlacedFile | None:
        """Note that such a file is about to be at `path`; returns what is to be recorded, None if it is known."""
        placed = self._placed.get(path)
        if placed is not None and placed.sha256 == digest:
            return None
        self._discard(path)
        self._removed.discard(path)
        # No file has that size, so the bytes decide until the file was seen there.
        expected = PlacedFile(path=path, purchase=purchase_id, slot=slot, sha256=digest, bytes=-1, mtime_ns=0)
        self._add(expected)
        return expected

    def expect_moved(self, path: str, other: str, digest: str) -> PlacedFile | None:
        """Note that the file at `path` is about to be at `other`; returns as `expect`."""
        placed = self._placed.get(path)
        slot = placed.slot if placed is not None else ""
        return self.expect(other, self.purchase_id(path, digest) or PurchaseId(""), slot, digest)

    def moved(self, path: str, other: str, digest: str) -> None:
        """Note that the file was moved from `path` to `other`."""
        purchase_id, placed = self.purchase_id(path, digest), self._placed.get(path)
        self.forget(path)
        slot = placed.slot if placed is not None else ""
        self.remember(other, purchase_id or PurchaseId(""), slot, digest)

    def forget(self, path: str) -> None:
        """Note that no file of ours is at `path` any more."""
        self._discard(path)
        self._changed.pop(path, None)
        self._removed.add(path)

    def _add(self, placed: PlacedFile) -> None:
        self._placed[placed.path] = placed
        self._paths.setdefault(placed.sha256, set()).add(placed.path)

    def _discard(self, path: str) -> None:
        placed, hashed = self._placed.pop(path, None), self._hashed.pop(path, None)
        if placed is not None:
            self._paths[placed.sha256].discard(path)
        if hashed is not None:
            self._paths.get(hashed[2], set()).discard(path)
