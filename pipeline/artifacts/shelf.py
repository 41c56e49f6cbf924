"""The output folder of one campaign: what lies where, put in place without harming what is not ours."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from pipeline import failpoints
from pipeline.artifacts.names import Named, named, set_aside
from pipeline.errors import InvalidInput, Unfinished
from pipeline.files import sha256_of, sync_folder
from pipeline.jobs import Job
from pipeline.planning.actions import Presence
from pipeline.purchases import Purchase, Status
from pipeline.serving import Serving
from pipeline.state.store import PlacedFile


class NotOurs(Unfinished):
    """Something lies where a result should go that this campaign did not make; it is left alone."""


class Shelf:
    """What lies in the output folder, as far as it matters to the campaign.

    `placed` is what the state remembers of this machine. It is believed only where size and time of the file
    still agree; otherwise the bytes decide. `moved` and `removed` gather what the state should remember next.
    """

    def __init__(self, folder: Path, placed: Iterable[PlacedFile], purchases: Mapping[str, Purchase]) -> None:
        self.folder = folder
        self._placed: dict[str, PlacedFile] = {}
        self._paths: dict[str, set[str]] = {}
        for each in placed:
            self._take_note(each)
        self._owners: dict[str, str] = {}
        self.moved: dict[str, PlacedFile] = {}
        self.removed: set[str] = set()
        for purchase in purchases.values():
            self.know(purchase)

    def know(self, purchase: Purchase) -> None:
        """Take note of the hashes of a purchase's files: these are ours."""
        outputs = (*purchase.outputs, *(output for step in purchase.steps for output in step.outputs))
        for output in outputs:
            if output.sha256 is not None:
                self._owners.setdefault(output.sha256, purchase.id)

    def news(self) -> tuple[list[PlacedFile], list[str]]:
        """What the state should remember since this was last asked: files put in place, and paths left."""
        moved, removed = list(self.moved.values()), sorted(self.removed)
        self.moved.clear()
        self.removed.clear()
        return moved, removed

    def files_of(self, purchase: Purchase) -> dict[str, tuple[tuple[Path, str, str], ...]]:
        """By output (`result`, or a step's name): path, hash and type of each file that is here, whole."""
        slots = {"result": [(f"result/{n}", output) for n, output in enumerate(purchase.outputs)]}
        for number, step in enumerate(purchase.steps):
            slots[step.flow] = [(f"steps/{number}/{n}", output) for n, output in enumerate(step.outputs)]
        found: dict[str, tuple[tuple[Path, str, str], ...]] = {}
        for name, files in slots.items():
            here = [(self.find(purchase, Named("", slot, output)), output) for slot, output in files]
            found[name] = tuple(
                (self.folder / path, output.sha256 or "", output.content_type)
                for path, output in here
                if path
            )
        return found

    def survey(self, serving: Serving) -> dict[str, Presence]:
        """By key of each job that is done: where its files are."""
        return {
            job.name: self.presence(job, purchase)
            for job in serving.jobs
            if (purchase := serving.by_key.get(job.name)) is not None and purchase.status is Status.DONE
        }

    def presence(self, job: Job, purchase: Purchase) -> Presence:
        """Where the files of `purchase` are, that serves `job`: the worst of them says it."""
        found = {self._presence(purchase, file) for file in fetched(purchase, job)}
        order = (Presence.ALTERED, Presence.MISSING, Presence.ELSEWHERE)
        return next((each for each in order if each in found), Presence.IN_PLACE)

    def _presence(self, purchase: Purchase, file: Named) -> Presence:
        digest = self.digest(file.path)
        if digest == file.output.sha256:
            return Presence.IN_PLACE
        if digest is not None and digest not in self._owners:
            return Presence.ALTERED
        return Presence.MISSING if self.find(purchase, file) is None else Presence.ELSEWHERE

    def digest(self, path: str) -> str | None:
        """The hash of the regular file at `path`, None where there is none."""
        target = self.folder / path
        try:
            stat = target.lstat()
            remembered = self._placed.get(path)
            if remembered and (remembered.bytes, remembered.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
                return remembered.sha256
            return sha256_of(target) if target.is_file() and not target.is_symlink() else None
        except OSError:
            return None

    def holds(self, purchase: Purchase) -> bool:
        """Whether everything that a finished purchase brought is on this machine, wherever it lies."""
        if purchase.status is not Status.DONE:
            return False
        files = [file for file in named(purchase, purchase.path) if file.output.sha256 is not None]
        return all(
            self.digest(f.path) == f.output.sha256 or self.find(purchase, f) is not None for f in files
        )

    def lacks(self, purchase: Purchase) -> bool:
        """Whether a file of a finished purchase that serves no job is missing here; one that was altered is not."""
        if purchase.status is not Status.DONE:
            return False
        found = {
            self._presence(purchase, file)
            for stem in (purchase.path, set_aside(purchase.path, purchase.id))
            for file in named(purchase, stem)
            if file.output.sha256 is not None
        }
        return Presence.MISSING in found and Presence.ALTERED not in found

    def find(self, purchase: Purchase, file: Named) -> str | None:
        """Another path where the bytes of `file` lie, whole, on this machine."""
        for path in dict.fromkeys(self._candidates(purchase, file)):
            if path != file.path and self.digest(path) == file.output.sha256:
                return path
        return None

    def _candidates(self, purchase: Purchase, file: Named) -> Iterator[str]:
        yield from sorted(self._paths.get(file.output.sha256 or "", ()))
        for stem in (purchase.path, set_aside(purchase.path, purchase.id)):
            for other in named(purchase, stem, steps=True):
                if other.slot == file.slot:
                    yield other.path
                    yield _aside(other.path, purchase.id)

    def assert_writable(self) -> None:
        """Make sure that files can be put here, before any is bought.

        Raises:
            InvalidInput: they cannot, and will not by themselves.
            Unfinished: there is no room now.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                return
        except OSError as error:
            reason = f"{self.folder}: nothing can be put there ({error.strerror}), so nothing is bought"
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise Unfinished(f"{reason}; make room and run again") from error
            raise InvalidInput(
                f"{reason}; make it a folder of yours, or name another with --output"
            ) from error

    def target(self, path: str) -> Path:
        """Where `path` is on disk, its folder made; it stays inside the output folder.

        Raises:
            NotOurs: a link in the way leads out of the output folder, or a file lies where its folder should.
            Unfinished: its folder cannot be made.
        """
        target = self.folder / path
        # Asked before anything is made: no folder either may appear behind a link.
        if not target.parent.resolve().is_relative_to(self.folder.resolve()):
            raise NotOurs(f"{path}: a link leads out of the output folder; it is left alone")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise NotOurs(f"{target.parent}: not a folder, so nothing is put there; move it away") from error
        except OSError as error:
            raise Unfinished(f"{target.parent}: cannot be made: {error.strerror}") from error
        return target

    def clear(self, path: str) -> None:
        """Make room at `path`: a file of this campaign that lies there gets another name.

        Raises:
            NotOurs: what lies there is no file of this campaign.
        """
        target = self.target(path)
        if not os.path.lexists(target):
            return
        digest = self.digest(path)
        owner = self._owner(path, digest)
        if digest is None or owner is None:
            raise NotOurs(f"{target}: not a file of this campaign, so it is not overwritten; move it away")
        aside = _aside(path, owner)
        if self.digest(aside) != digest:
            self.clear(aside)
        self._rename(path, aside, digest)

    def _owner(self, path: str, digest: str | None) -> str | None:
        """Whose file with these bytes lies at `path`, None for nobody's; several may have brought the same bytes."""
        placed = self._placed.get(path)
        if digest in self._owners and placed is not None and placed.sha256 == digest:
            return placed.purchase
        return self._owners.get(digest or "")

    def _rename(self, path: str, other: str, digest: str) -> None:
        source, target = self.target(path), self.target(other)
        known = self._placed.get(path)
        try:
            source.replace(target)
        except OSError as error:
            raise Unfinished(f"{target}: cannot be written: {error.strerror}") from error
        sync_folder(target.parent)
        self.forget(path)
        if known is None:
            self.remember(other, self._owners[digest], "", digest)
        else:
            self.remember(other, known.purchase, known.slot, digest)

    def settle(self, fresh: Path, path: str, purchase: str, slot: str, digest: str) -> None:
        """Put a file that was just fetched to `fresh` in its place.

        A file with the same bytes that lies there already is as good: a run may have died after the
        rename and before it could note it.

        Raises:
            NotOurs: something else lies there; the fetched file is removed, as it can be fetched again.
        """
        try:
            failpoints.reach("before rename")
            if self.digest(path) == digest:
                fresh.unlink()
            else:
                self.clear(path)
                fresh.replace(self.target(path))
                sync_folder(fresh.parent)
                failpoints.reach("after rename")
        except NotOurs:
            fresh.unlink(missing_ok=True)
            raise
        self._owners.setdefault(digest, purchase)
        self.remember(path, purchase, slot, digest)

    def remember(self, path: str, purchase: str, slot: str, digest: str) -> None:
        """Take note of a file that lies at `path` now."""
        stat = (self.folder / path).stat()
        placed = PlacedFile(path, purchase, slot, digest, stat.st_size, stat.st_mtime_ns)
        self._drop_note(path)
        self._take_note(placed)
        self.moved[path] = placed
        self.removed.discard(path)

    def forget(self, path: str) -> None:
        """Take note that nothing of ours lies at `path` any more."""
        self._drop_note(path)
        self.moved.pop(path, None)
        self.removed.add(path)

    def _take_note(self, placed: PlacedFile) -> None:
        self._placed[placed.path] = placed
        self._paths.setdefault(placed.sha256, set()).add(placed.path)

    def _drop_note(self, path: str) -> None:
        placed = self._placed.pop(path, None)
        if placed is not None:
            self._paths[placed.sha256].discard(path)

    def remove(self, purchase: Purchase, wanted: Collection[str]) -> None:
        """Delete the files of `purchase` that lie here, whole, under any of their names.

        Not at a path that is `wanted`: a job's file there may have the same bytes.
        """
        hashes = {file.output.sha256 for file in named(purchase, purchase.path, steps=True)} - {None}
        others = {path for digest in hashes if digest is not None for path in self._paths.get(digest, ())}
        own = {file.path for file in named(purchase, purchase.path, steps=True)}
        for path in sorted((others | own) - set(wanted)):
            if self._owner(path, self.digest(path)) == purchase.id:
                (self.folder / path).unlink(missing_ok=True)
                self.forget(path)

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
            if self.digest(file.path) == digest:
                if file.path not in self._placed:
                    self.remember(file.path, purchase.id, file.slot, digest or "")
                continue
            source = self.find(purchase, file)
            if source is None:
                complete = False
                continue
            self.clear(file.path)
            if needed.get(source) == digest or self._owner(source, digest) != purchase.id:
                self._copy(source, file, purchase)
            else:
                self._rename(source, file.path, digest or "")
        return complete

    def _copy(self, source: str, file: Named, purchase: Purchase) -> None:
        target = self.target(file.path)
        for leftover in target.parent.glob(".copy.*.tmp"):
            leftover.unlink(missing_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".copy.", suffix=".tmp")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as copy, (self.folder / source).open("rb") as original:
                shutil.copyfileobj(original, copy)
                copy.flush()
                os.fsync(copy.fileno())
            shutil.copymode(self.folder / source, temporary)
            failpoints.reach("copied")
            temporary.replace(target)
        except OSError as error:
            raise Unfinished(f"{target}: cannot be written: {error.strerror}") from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        sync_folder(target.parent)
        self.remember(file.path, purchase.id, file.slot, file.output.sha256 or "")


def _aside(path: str, owner: str) -> str:
    """Where a file of `owner` goes when another purchase takes `path` over."""
    pure = PurePosixPath(path)
    return str(pure.with_name(f"{set_aside(pure.stem, owner)}{pure.suffix}"))


def fetched(purchase: Purchase, job: Job) -> Iterator[Named]:
    """The files of `purchase` that `job` wants and that were fetched once, so that their hash is known."""
    return (file for file in named(purchase, job.path, job.steps) if file.output.sha256 is not None)


def needed(serving: Serving) -> dict[str, str | None]:
    """By path: the hash of the file that a job wants there, None where it is not known yet."""
    return {
        file.path: file.output.sha256
        for job in serving.jobs
        if (purchase := serving.by_key.get(job.name)) is not None
        for file in named(purchase, job.path, job.steps)
    }
