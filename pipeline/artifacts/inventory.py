"""The files of purchases in the output folder: read, never changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pipeline.artifacts.file_names import NamedFile, is_outside, located, named, path_in_slot, set_aside
from pipeline.planning.plan import FOREIGN, Presence
from pipeline.purchases import Purchase, PurchaseId, Status

if TYPE_CHECKING:
    from pipeline.artifacts.file_index import FileIndex
    from pipeline.assignment import Assignment
    from pipeline.jobs import Job, JobKey
    from pipeline.schemes import OutputLocation


class Inventory:
    """The files in the output folder that matter to the campaign.

    Files of the `purchases` may be under each other's names, at the `stems` of jobs that a purchase serves or was
    bought for, and, if another machine moved them, at the `published` paths: those at which the results last saw
    files, by hash. Those where the output folder was before are found, too, but never count as spare.
    """

    def __init__(
        self,
        location: OutputLocation,
        index: FileIndex,
        purchases: Mapping[PurchaseId, Purchase],
        published: Callable[[], Mapping[str, Collection[str]]] = dict,
        stems: Callable[[], Mapping[PurchaseId, Collection[str]]] = dict,
    ) -> None:
        self._location = location
        self._index = index
        self._purchases = purchases
        self._read_published = published
        self._find_stems = stems
        # The stems at which it was found out what is there; None once that is known of every stem.
        self._stems: set[str] | None = set()

    @cached_property
    def _published(self) -> Mapping[str, Collection[str]]:
        return self._read_published()

    @cached_property
    def _stems_by_purchase(self) -> Mapping[PurchaseId, Collection[str]]:
        return self._find_stems()

    def stems(self, purchase: Purchase) -> list[str]:
        """The stems under which its files may be: the first, that of a file set aside, and those of its jobs."""
        first = (purchase.path, set_aside(purchase.path, purchase.id))
        return [*dict.fromkeys((*first, *sorted(self._stems_by_purchase.get(purchase.id, ()))))]

    def published_paths(self, digest: str) -> Collection[str]:
        """The paths at which the results last saw a file with these bytes."""
        return self._published.get(digest, ())

    def files_of(self, purchase: Purchase) -> dict[str, tuple[tuple[OutputLocation, str, str], ...]]:
        """By output (`result`, or the name of a step): path, hash and type of each file that is here and whole."""
        slots = {"result": [(f"result/{n}", output) for n, output in enumerate(purchase.outputs)]}
        for number, step in enumerate(purchase.steps):
            slots[step.flow] = [(f"steps/{number}/{n}", output) for n, output in enumerate(step.outputs)]
        found: dict[str, tuple[tuple[OutputLocation, str, str], ...]] = {}
        for name, files in slots.items():
            here = [(self.find(purchase, NamedFile("", slot, output)), output) for slot, output in files]
            found[name] = tuple(
                (located(self._location, path), output.sha256 or "", output.content_type)
                for path, output in here
                if path
            )
        return found

    def survey(self, assignment: Assignment) -> dict[JobKey, Presence]:
        """The presence of the files of each job that is done, by its key."""
        done = [
            (job.key, purchase, list(fetched(purchase, job)))
            for job in assignment.jobs
            if (purchase := assignment.by_key.get(job.key)) is not None and purchase.status is Status.DONE
        ]
        self.prefetch(file.path for _, _, files in done for file in files)
        if self._stems is not None:
            self._stems.update(job.path for job in assignment.jobs if job.key in assignment.by_key)
        return {key: self._worst(purchase, files) for key, purchase, files in done}

    def altered(self, purchase: Purchase, job: Job) -> list[str]:
        """The paths at which a file of `job`, which `purchase` serves, was replaced by bytes of no purchase.

        One of them may be a Git LFS pointer.
        """
        files = fetched(purchase, job)
        return [file.path for file in files if self._presence(purchase, file) in FOREIGN]

    def prefetch(self, paths: Iterable[str]) -> None:
        """Find out from the bytes what is at each of `paths`: files may have each other's names."""
        self._index.prefetch(paths)

    def _worst(self, purchase: Purchase, files: Iterable[NamedFile]) -> Presence:
        """The worst presence among the files of `purchase`."""
        found = {self._presence(purchase, file) for file in files}
        worst_first = (Presence.ALTERED, Presence.POINTER, Presence.MISSING, Presence.ELSEWHERE)
        return next((each for each in worst_first if each in found), Presence.IN_PLACE)

    def _presence(self, purchase: Purchase, file: NamedFile) -> Presence:
        digest = self._index.digest(file.path)
        if digest is not None and digest == file.output.sha256:
            # Another machine, or a person, may have put it there.
            self._index.note(file.path, purchase.id, file.slot, digest)
            return Presence.IN_PLACE
        if digest is not None and not self._index.is_ours(digest):
            return Presence.POINTER if self._index.is_lfs_pointer(file.path) else Presence.ALTERED
        return Presence.MISSING if self.find(purchase, file) is None else Presence.ELSEWHERE

    def missing(self, purchases: Collection[Purchase]) -> list[Purchase]:
        """The purchases that have not ended, or have files that are not on this machine."""
        self.prefetch(file.path for purchase in purchases for file in named(purchase, purchase.path))
        return [each for each in purchases if not self._holds(each)]

    def _holds(self, purchase: Purchase) -> bool:
        """Whether every file of a finished purchase is on this machine, at any path."""
        if purchase.status is not Status.DONE:
            return False
        files = [file for file in named(purchase, purchase.path) if file.output.sha256 is not None]
        return all(
            self._index.digest(f.path) == f.output.sha256 or self.find(purchase, f) is not None for f in files
        )

    def lacks(self, purchase: Purchase) -> bool:
        """Whether a file of a finished purchase that serves no job is missing here; False if one was altered."""
        if purchase.status is not Status.DONE:
            return False
        found = {
            self._presence(purchase, file)
            for stem in (purchase.path, set_aside(purchase.path, purchase.id))
            for file in named(purchase, stem)
            if file.output.sha256 is not None
        }
        return Presence.MISSING in found and not found & FOREIGN

    def find(self, purchase: Purchase, file: NamedFile) -> str | None:
        """Another path on this machine with the whole bytes of `file`; None if its hash is not known yet."""
        if file.output.sha256 is None:
            return None
        found = self._found(purchase, file)
        if found is None and self._stems is not None:
            self._look_everywhere(self._stems)
            found = self._found(purchase, file)
        return found

    def _found(self, purchase: Purchase, file: NamedFile) -> str | None:
        for path in self._candidates(purchase, file):
            if path != file.path and self._index.digest(path) == file.output.sha256:
                return path
        return None

    def _look_everywhere(self, known: Collection[str]) -> None:
        """Find out once what is at the paths of all purchases: a file may be under the old name of another job."""
        self._stems = None
        others = (each for each in self._purchases.values() if each.path not in known)
        own = {file.path for each in others for file in named(each, each.path, steps=True)}
        self.prefetch(sorted(own.union(self._index.placed_paths(), *self._published.values())))

    def find_spare(self, purchase: Purchase, file: NamedFile, needed: Mapping[str, str | None]) -> str | None:
        """As `find`, but a path of this purchase at which no job needs these bytes, by the hashes in `needed`."""
        digest, own = file.output.sha256, list(self._own_paths(purchase, file))
        for path in (*own, *sorted(self._index.paths_of(digest))):
            if is_outside(path):
                continue
            # After a loss of the state, the bytes alone do not tell which of several purchases brought a file.
            is_known = path in own or path in self.published_paths(digest or "")
            is_unclaimed = is_known and not self._index.has(path)
            is_own = is_unclaimed or self._index.purchase_id(path, digest) == purchase.id
            is_spare = is_own and needed.get(path) != digest
            if is_spare and path != file.path and self._index.digest(path) == digest:
                return path
        return None

    def spare_copies(
        self,
        assignment: Assignment,
        deleted: Collection[PurchaseId] = (),
        keys: Collection[JobKey] | None = None,
    ) -> dict[str, str]:
        """The files that no job needs of purchases that serve one: the hash of each, by path.

        Of `keys`, if these are given, only those of purchases that serve one of them, or were bought for one.

        Each is a copy of a file that a job has in its place. What another purchase brought too stays, as that may
        have no other copy; those that are `deleted` soon do not count.
        """
        wanted = needed(assignment)
        serving = {each.id for each in assignment.by_key.values()}
        chosen = {
            each.id
            for key, each in assignment.by_key.items()
            if keys is None or key in keys or each.key in keys
        }
        others = [
            each
            for each in assignment.matcher.records.purchases.values()
            if each.id not in serving and not each.deleted and each.id not in deleted
        ]
        kept = {digest for each in others for digest in _hashes(each)}
        paths = sorted(self._index.placed_paths() | _own_paths(assignment.by_key.values()))
        self.prefetch([*wanted, *paths])
        whole = {digest for path, digest in wanted.items() if self._index.digest(path) == digest} - {None}
        unwanted = (path for path in paths if path not in wanted and not is_outside(path))
        found = ((path, self._index.digest(path)) for path in unwanted)
        return {
            path: digest
            for path, digest in found
            if digest is not None
            and digest in whole - kept
            and self._index.purchase_id(path, digest) in chosen
        }

    def _candidates(self, purchase: Purchase, file: NamedFile) -> Iterator[str]:
        yield from sorted(self._index.paths_of(file.output.sha256))
        yield from self._own_paths(purchase, file)

    def _own_paths(self, purchase: Purchase, file: NamedFile) -> Iterator[str]:
        """Where the file was put first, where a job wants it, and where it is set aside."""
        for stem in self.stems(purchase):
            if (path := path_in_slot(purchase, stem, file.slot)) is not None:
                yield path
                yield aside(path, purchase.id)


def aside(path: str, purchase_id: PurchaseId) -> str:
    """The path to which a file of `purchase_id` is moved when another purchase takes over `path`."""
    pure = PurePosixPath(path)
    return str(pure.with_name(f"{set_aside(pure.stem, purchase_id)}{pure.suffix}"))


def fetched(purchase: Purchase, job: Job) -> Iterator[NamedFile]:
    """The files of `purchase` that `job` wants and that were fetched before, so that their hash is known."""
    return (file for file in named(purchase, job.path, job.steps) if file.output.sha256 is not None)


def needed(assignment: Assignment) -> dict[str, str | None]:
    """The hash of the file that a job wants at each path; None if it is not known yet."""
    return {
        file.path: file.output.sha256
        for job in assignment.jobs
        if (purchase := assignment.by_key.get(job.key)) is not None
        for file in named(purchase, job.path, job.steps)
    }


def _hashes(purchase: Purchase) -> set[str | None]:
    outputs = (*purchase.outputs, *(output for step in purchase.steps for output in step.outputs))
    return {output.sha256 for output in outputs}


def _own_paths(purchases: Iterable[Purchase]) -> set[str]:
    """Where the files of purchases were put first, and where they are set aside."""
    return {
        path
        for purchase in purchases
        for file in named(purchase, purchase.path, steps=True)
        for path in (file.path, aside(file.path, purchase.id))
    }
