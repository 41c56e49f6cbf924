"""Makes stills and media facts in the background: each video is read once, then the page is updated."""

from __future__ import annotations

import queue
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.report.stills import MediaReader, StillCache
    from pipeline.schemes import OutputLocation


class Stills(Collection[str]):
    """The files that have a still, by SHA-256. Without a `reader`, only stills of other commands are shown."""

    def __init__(self, cache: StillCache, reader: MediaReader | None) -> None:
        self._cache = cache
        self._reader = reader
        self._wanted: queue.SimpleQueue[Mapping[str, OutputLocation] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._lock = threading.Lock()
        self._unread = 0  # batches of files
        self._all_read = threading.Event()
        self._all_read.set()
        self.made = 0

    @property
    def facts(self) -> Mapping[str, Mapping[str, Json]]:
        """The known media facts, by SHA-256."""
        return dict(self._cache.facts)

    def __contains__(self, digest: object) -> bool:
        return isinstance(digest, str) and self._cache.has_still(digest)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def still(self, digest: str) -> bytes:
        """The still of a file; empty if there is none."""
        return self._cache.still(digest)

    def want(self, files: Mapping[str, OutputLocation]) -> None:
        """Have those of `files` read that were never read before."""
        new = {digest: path for digest, path in files.items() if not self._cache.knows(digest)}
        if not new or self._reader is None or self._stopped:
            return
        self._count(1)
        self._wanted.put(new)
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._make, args=(self._reader,), name="stills", daemon=True
            )
            self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait until all wanted files are read, for at most `seconds`."""
        self._all_read.wait(seconds)

    def close(self) -> None:
        """Stop reading files."""
        self._stopped = True
        self._wanted.put(None)

    def _make(self, reader: MediaReader) -> None:
        while (files := self._wanted.get()) is not None:
            try:
                self._make_of(reader, files)
            except PipelineError:
                # A file that cannot be fetched must not keep others from being read.
                for digest in [each for each in files if not self._cache.knows(each)]:
                    with suppress(PipelineError):
                        self._make_of(reader, {digest: files[digest]})
            finally:
                self._count(-1)

    def _make_of(self, reader: MediaReader, files: Mapping[str, OutputLocation]) -> None:
        with suppress(OSError, ValueError):
            for _ in self._cache.make(reader, files):
                self.made += 1
                if self._stopped:
                    return

    def _count(self, more: int) -> None:
        with self._lock:
            self._unread += more
            if self._unread:
                self._all_read.clear()
            else:
                self._all_read.set()
