"""Where the files of one campaign are, for its live page.

Those that are missing are looked for; the others are checked in turn.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.paths import status_at
from pipeline.report.video_files import foreign, located, located_in_store
from pipeline.schemes import ObjectUrl, OutputLocation
from pipeline.serve.stored_videos import StoredVideos

if TYPE_CHECKING:
    from pipeline.operations.workspace import Workspace
    from pipeline.purchases import Output, Purchase, PurchaseId
    from pipeline.serve.stills import Stills

# Seconds between two looks for missing files, which `collect` may fetch without any change to the records; and the
# largest share of time spent on looking, since a clone may lack thousands.
_LOOK_AGAIN = 2.0
_LOOKING_SHARE = 1 / 50
# How many purchases have their files checked at each look: all of them in turn, as somebody may delete a single file.
# Few, as reviews wait meanwhile, and a network's file system answers slowly.
_CHECKED_AT_ONCE = 200

JobDocuments = Iterable[Mapping[str, Any]]


class FoundFiles:
    """By SHA-256, the location of each file that is here, its link on the page, and the files that are altered.

    `pointers` are those in whose place Git LFS left a pointer. `stored` lists an object store, in which files are
    neither altered nor checked.
    """

    def __init__(self, workspace: Workspace, number: int, stills: Stills) -> None:
        self.locations: dict[str, OutputLocation] = {}
        self.hrefs: dict[str, str] = {}
        self.altered: set[str] = set()
        self.pointers: set[str] = set()
        self.stored = StoredVideos(workspace.output) if isinstance(workspace.output, ObjectUrl) else None
        self.workspace = workspace
        self._number = number
        self._stills = stills
        self._sizes_seen: Mapping[str, int] = {}
        # After a rename, only these have the paths of files.
        self._jobs: dict[str, Mapping[str, Any]] = {}
        self._purchases: dict[PurchaseId, Purchase] = {}
        self._missing: dict[PurchaseId, Purchase] = {}
        self._unchecked: list[PurchaseId] = []
        self._look_again_at = 0.0

    def find(self, jobs: Collection[Mapping[str, Any]], purchases: Mapping[PurchaseId, Purchase]) -> None:
        """Look for the files of these jobs and purchases, which are new or have changed."""
        self._jobs |= {each["key"]: each for each in jobs}
        self._purchases |= purchases
        self._find(jobs, purchases.values())
        missing = {each: purchase for each, purchase in purchases.items() if self._lacks_files(purchase)}
        self._missing |= missing
        if missing and self.stored is not None:
            self.stored.want(refresh=True)
        self._look_for_foreign(jobs, missing)

    def forget(self, keys: Iterable[str]) -> None:
        """Look for no files of these jobs any more, which are gone."""
        for key in keys:
            self._jobs.pop(key, None)

    def look_anew(self) -> None:
        """Take all files for missing until they are found again."""
        self.locations.clear()
        self.hrefs.clear()
        self._note_missing()
        self._look_again_at = 0.0

    def look(self) -> bool:
        """Look again at what is here and what is missing, if it is time to; whether anything has changed."""
        if time.monotonic() < self._look_again_at:
            return False
        began = time.thread_time()
        has_lost = self._check_some()
        has_found = bool(self._missing) and self._find_missing()
        pause = max(_LOOK_AGAIN, (time.thread_time() - began) / _LOOKING_SHARE)
        self._look_again_at = time.monotonic() + pause
        return has_lost or has_found

    def _find(self, jobs: JobDocuments, purchases: Iterable[Purchase]) -> bool:
        """Locate the files of these; returns whether any new file was found."""
        found = self._located(jobs, purchases)
        new = {digest: path for digest, path in found.items() if digest not in self.locations}
        self.locations |= new
        self.hrefs |= {digest: f"videos/{self._number}/{digest}" for digest in new}
        self._stills.want(new)
        return bool(new)

    def _located(self, jobs: JobDocuments, purchases: Iterable[Purchase]) -> Mapping[str, OutputLocation]:
        output = self.workspace.output
        if isinstance(output, Path):
            return located(jobs, purchases, self.workspace.campaign.manifest.parent, output)
        if self.stored is None:
            return {}  # the output moved to a store while the page is served: a restart opens it
        self._sizes_seen = self.stored.sizes
        return located_in_store(jobs, purchases, self.stored.url, self._sizes_seen)

    def _find_missing(self) -> bool:
        if self.stored is not None:
            self.stored.want(refresh=False)
            if self.stored.sizes is self._sizes_seen:
                return False
        if not self._find(self._jobs_of(self._missing), self._missing.values()):
            return False
        for purchase_id in [
            each
            for each, purchase in self._missing.items()
            if all(file.sha256 in self.locations for file in purchase.outputs if file.sha256 is not None)
        ]:
            del self._missing[purchase_id]
        return True

    def _check_some(self) -> bool:
        """Check the files of some purchases, and forget those that were deleted or changed.

        Returns whether there are any, or what is in the place of files has changed.
        """
        self._unchecked = self._unchecked or list(self._purchases)
        some = [self._purchases[each] for each in self._unchecked[-_CHECKED_AT_ONCE:]]
        del self._unchecked[-_CHECKED_AT_ONCE:]
        gone = [file for purchase in some for file in purchase.outputs if self._is_gone(file)]
        for file in gone:
            self.locations.pop(file.sha256 or "", None)
            self.hrefs.pop(file.sha256 or "", None)
        were_foreign = (self.altered.copy(), self.pointers.copy())
        if gone or any(were_foreign):
            self._note_missing()
        return bool(gone) or were_foreign != (self.altered, self.pointers)

    def _is_gone(self, file: Output) -> bool:
        """Whether a file that was found at its location is not there any more; only its size is compared."""
        location = self.locations.get(file.sha256 or "")
        if not isinstance(location, Path):
            return False
        status = status_at(location)
        if status is None or not stat.S_ISREG(status.st_mode):
            return True
        return file.bytes is not None and status.st_size != file.bytes

    def _note_missing(self) -> None:
        """Take stock of what is missing or altered, after files were forgotten."""
        self._missing = {
            each: purchase for each, purchase in self._purchases.items() if self._lacks_files(purchase)
        }
        self.altered.clear()
        self.pointers.clear()
        self._look_for_foreign(self._jobs_of(self._missing), self._missing)

    def _jobs_of(self, purchases: Collection[PurchaseId]) -> list[Mapping[str, Any]]:
        """The documents of the jobs that these purchases serve."""
        return [each for each in self._jobs.values() if each.get("purchase") in purchases]

    def _look_for_foreign(self, jobs: JobDocuments, purchases: Mapping[PurchaseId, Purchase]) -> None:
        output = self.workspace.output
        if isinstance(output, Path) and purchases:
            folder = self.workspace.campaign.manifest.parent
            others = foreign(jobs, self._purchases.values(), self.locations, folder, output)
            self.altered |= others.altered
            self.pointers.update(others.pointers)

    def _lacks_files(self, purchase: Purchase) -> bool:
        return any(each.sha256 is not None and each.sha256 not in self.locations for each in purchase.outputs)
