"""Fetches one list of files of a purchase, and matches each with the recorded ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import record_limits
from pipeline.engine.listing import matched, matched_by_url, recorded_from, url_to_record
from pipeline.media.optional import read_facts
from pipeline.providers.base import Downloaded, DownloadFailed, Media, Provider, VendorError
from pipeline.purchases import Output, Step

if TYPE_CHECKING:
    from pipeline.media.facts import MediaFacts


@dataclass(frozen=True, slots=True)
class Wanted:
    """The files to fetch, as recorded so far, in the recorded order.

    `beside` is the path that temporary files are named after. `with_steps`: the media of steps are wanted too.
    `is_open`: further files that the vendor lists are fetched and recorded as well. `here` are the slots of the files
    that were fetched before and are here, so they are not fetched again.
    """

    beside: Path
    outputs: tuple[Output, ...]
    steps: tuple[Step, ...] = ()
    with_steps: bool = False
    is_open: bool = True
    here: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """One file that was completely fetched to `temporary`, and its media facts, if they can be read here.

    `still` is an image of it, empty if it has none to show; None if none was made.
    """

    temporary: Path
    downloaded: Downloaded
    media: MediaFacts | None = None
    still: bytes | None = field(default=None, repr=False)


@dataclass
class Allowance:
    """The bytes that may still be fetched: a vendor that lists ever more files must not fill the disk."""

    left: int

    def spend(self, size: int) -> None:
        """Count the bytes of a file that arrived.

        Raises:
            DownloadFailed: as `assert_room`.
        """
        self.assert_room(size)
        self.left -= size

    def assert_room(self, size: int) -> None:
        """Check that `size` more bytes may be fetched.

        Raises:
            DownloadFailed: they would exceed the limit.
        """
        if size > self.left:
            most = f"{record_limits.LARGEST_PURCHASE:,} bytes"
            raise DownloadFailed(f"its files exceed {most}, the most for one purchase", lasting=True)


@dataclass(eq=False)
class FileList:
    """One list of files, in the recorded order, while it is being fetched.

    `files` are the fetched files, by their index in this list; `others` are fetched files that match no entry so far,
    and `copies` those that match one that was fetched before, both by their index in the response. `here` are the
    indexes of the files that need not be fetched, `failures` what kept files of the last response from being fetched,
    by their index there.
    """

    provider: Provider
    wanted: Wanted
    allowance: Allowance
    name: str
    recorded: Sequence[Output]
    files: dict[int, FetchedFile] = field(default_factory=dict, init=False)
    others: dict[int, FetchedFile] = field(default_factory=dict, init=False)
    copies: dict[int, FetchedFile] = field(default_factory=dict, init=False)
    failures: dict[int, DownloadFailed] = field(default_factory=dict, init=False)
    problem: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.outputs = list(self.recorded)
        slots = (f"{self.name}/{index}" for index in range(len(self.outputs)))
        self.here = {index for index, slot in enumerate(slots) if slot in self.wanted.here}

    def fetch_missing(self, listed: Sequence[Media]) -> None:
        """Fetch what is missing from the urls that a response lists."""
        self.failures.clear()
        try:
            self._fetch_missing(listed)
        except DownloadFailed as failure:
            self.failures[-1] = failure  # it concerns them all

    def drop(self) -> None:
        """Remove everything that was fetched."""
        for file in self.files.values():
            file.temporary.unlink(missing_ok=True)
        self._drop_others()

    def _fetch_missing(self, listed: Sequence[Media]) -> None:
        by_url = matched_by_url(self.outputs, listed)
        pairs = {
            ours: theirs
            for ours, theirs in matched(self.outputs, listed).items()
            # A file that was fetched before is not fetched again if its url matches; an equal size alone proves
            # nothing.
            if not self._has(ours) or ours in by_url
        }
        fetched_before = {
            index: output.sha256 for index, output in enumerate(self.outputs) if self._has(index)
        }
        skipped = {theirs for ours, theirs in pairs.items() if ours in fetched_before}
        unmatched = sorted(set(range(len(self.outputs))) - pairs.keys())
        self._drop_others()
        self.allowance.assert_room(sum(each.size or 0 for n, each in enumerate(listed) if n not in skipped))
        temporaries = list(self._temporaries(listed))
        for ours, theirs in sorted(pairs.items()):
            if ours in fetched_before:
                continue
            file = self._download(theirs, listed[theirs], temporaries[theirs])
            if file is None:
                continue
            if self._is(ours, file) and file.downloaded.sha256 not in fetched_before.values():
                self._put(ours, listed[theirs], file)
            else:
                self.others[theirs] = file
        if self._missing() or self.wanted.is_open:
            self._fetch_others(listed, temporaries, set(range(len(listed))) - set(pairs.values()))
        if any(file.downloaded.sha256 in fetched_before.values() for file in self.others.values()):
            # An earlier response listed this file under another url, so urls may now point to other files than
            # before.
            self._fetch_others(listed, temporaries, skipped)
            unmatched += sorted(fetched_before)
        self._assign_by_hash(listed, [*unmatched, *self._missing()])
        self._assign_in_order(listed, pairs)
        self._assign_copies(listed, pairs)
        self._drop_others()
        self.problem = self._problem(pairs)

    def _fetch_others(
        self, listed: Sequence[Media], temporaries: Sequence[Path], indexes: Iterable[int]
    ) -> None:
        for theirs in sorted(indexes):
            if (file := self._download(theirs, listed[theirs], temporaries[theirs])) is not None:
                self.others[theirs] = file

    def _assign_by_hash(self, listed: Sequence[Media], indexes: Sequence[int]) -> None:
        """Match by hash the files that url and size did not match, with entries whose hash is known."""
        free = [index for index in dict.fromkeys(indexes) if self.outputs[index].sha256 is not None]
        for theirs, file in sorted(self.others.items()):
            index = next((each for each in free if self._is(each, file)), None)
            if index is None:
                continue
            free.remove(index)
            del self.others[theirs]
            if self._has(index):  # another response listed it under another url
                self.copies[theirs] = file
            else:
                self._put(index, listed[theirs], file)

    def _assign_in_order(self, listed: Sequence[Media], pairs: Mapping[int, int]) -> None:
        """Give the remaining files, in order, to entries that were never fetched; append the rest."""
        free = [
            index
            for index in self._missing()
            # A file that is listed, but did not arrive, keeps its place.
            if self.outputs[index].sha256 is None and pairs.get(index) not in self.failures
        ]
        for theirs, file in sorted(self.others.items()):
            index = free.pop(0) if free else None
            if index is None and self.wanted.is_open and len(self.outputs) < record_limits.MAX_MEDIA:
                index = len(self.outputs)
                self.outputs.append(recorded_from(listed[theirs]))
            if index is not None:
                del self.others[theirs]
                self._put(index, listed[theirs], file)
        # What the others were called may be another file by now, which has taken a place already.
        unmatched = sorted((self.failures.keys() & set(range(len(listed)))) - set(pairs.values()))
        for index, theirs in zip(free, unmatched, strict=False):
            self.outputs[index] = recorded_from(listed[theirs])

    def _assign_copies(self, listed: Sequence[Media], pairs: Mapping[int, int]) -> None:
        """Fill entries whose file is that of another entry: both were recorded, under different urls.

        Only if all files of the response arrived: otherwise the file of the entry may be among the others.
        """
        if self.failures:
            return
        for index in self._missing():
            theirs = pairs.get(index)
            if theirs in self.copies and self.outputs[index].sha256 is None:
                self._put(index, listed[theirs], self.copies.pop(theirs))

    def _problem(self, pairs: Mapping[int, int]) -> str | None:
        missing = self._missing()
        if not missing:
            return None
        slot = f"{self.name}/{missing[0]}"
        if missing[0] in pairs:
            return f"the vendor's {slot} is not the file that was downloaded before"
        return f"the vendor no longer lists this file ({slot})"

    def _missing(self) -> list[int]:
        return [index for index in range(len(self.outputs)) if not self._has(index)]

    def _has(self, index: int) -> bool:
        """Whether this file was fetched, now or before."""
        return index in self.files or index in self.here

    def _is(self, index: int, file: FetchedFile) -> bool:
        """Whether `file` can be the recorded one: an entry that was fetched before has a hash to compare."""
        return self.outputs[index].sha256 in (None, file.downloaded.sha256)

    def _put(self, index: int, media: Media, file: FetchedFile) -> None:
        self.files[index] = file
        sent = file.downloaded
        self.outputs[index] = Output(sent.content_type, url_to_record(media), sent.sha256, sent.bytes)

    def _drop_others(self) -> None:
        for files in (self.others, self.copies):
            for file in files.values():
                file.temporary.unlink(missing_ok=True)
            files.clear()

    def _download(self, theirs: int, media: Media, temporary: Path) -> FetchedFile | None:
        """Fetch one file; None if it did not arrive, which is noted in `failures` and does not affect others."""
        fetched = (self.files, self.others, self.copies)
        here = {file.temporary for files in fetched for file in files.values()}
        while temporary in here:
            temporary = temporary.with_name(f"{temporary.name}+")
        # The provider enforces the limit while the file arrives, as its size may be unknown; `spend` checks it again.
        try:
            downloaded = self.provider.download(replace(media, most=self.allowance.left), temporary)
        except VendorError as error:
            if not isinstance(error, DownloadFailed):
                error = DownloadFailed(str(error), error.after)
            self.failures[theirs] = error
            return None
        try:
            self.allowance.spend(downloaded.bytes)
        except DownloadFailed as failure:
            temporary.unlink(missing_ok=True)
            self.failures[theirs] = failure
            return None
        # Read in this thread, because reading takes time and would block the coordinator.
        return FetchedFile(temporary, downloaded, _media_of(temporary, downloaded))

    def _temporaries(self, listed: Sequence[Media]) -> Iterator[Path]:
        """The path that each file is fetched to, derived from its url, because its index may change."""
        seen: dict[str, int] = {}
        for media in listed:
            url = url_to_record(media)
            seen[url] = seen.get(url, 0) + 1
            told_of = f"{self.name} {seen[url]} {url}".encode("utf-8", "replace")
            name = f"{self.wanted.beside.name}-{hashlib.sha256(told_of).hexdigest()[:16]}"
            yield self.wanted.beside.with_name(name)


def _media_of(path: Path, downloaded: Downloaded) -> MediaFacts | None:
    is_media = downloaded.content_type.startswith(("image/", "video/", "audio/"))
    return read_facts(path) if is_media else None
