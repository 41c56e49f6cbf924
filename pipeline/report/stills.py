"""Makes stills and media facts of files in parallel, and caches them by hash, so that each file is read once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts.store_access import on_this_machine
from pipeline.files import make_folders
from pipeline.media.facts import MediaFacts, as_json

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.schemes import OutputLocation

_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaReader:
    """Functions that read media: the still of a file as WebP, and its media facts; None if it cannot be read."""

    still_of: Callable[[Path], bytes | None]
    facts_of: Callable[[Path], MediaFacts | None]


class StillCache:
    """Stills and media facts by SHA-256, in a folder; if it is not writable, in memory only.

    A file that cannot be shown gets an empty still, so that it is not tried again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stills: dict[str, bytes] = {}
        self._known = _names_in(folder / "stills")
        self._facts = _read_facts(folder / "facts.json")
        self._changed = False

    @property
    def facts(self) -> Mapping[str, Mapping[str, Json]]:
        """The media facts of every file that was read."""
        return self._facts

    def knows(self, digest: str) -> bool:
        """Whether the file was read before."""
        return digest in self._known or digest in self._stills

    def still(self, digest: str) -> bytes:
        """The still of a file; empty if there is none."""
        if digest in self._stills:
            return self._stills[digest]
        if digest not in self._known:
            return b""
        try:
            return self._path(digest).read_bytes()
        except OSError:
            return b""

    def has_still(self, digest: str) -> bool:
        """Whether the file has a still that is not empty."""
        if digest in self._stills:
            return bool(self._stills[digest])
        if digest not in self._known:
            return False
        try:
            return self._path(digest).stat().st_size > 0
        except OSError:
            return False

    def put_into(self, digest: str, target: Path) -> None:
        """Put the still at `target` unless something is there; as a hard link to the cache if possible.

        Raises:
            OSError: it cannot be written.
        """
        if os.path.lexists(target):  # through a link, it would be written to another place
            return
        if digest not in self._stills:
            with suppress(OSError):
                os.link(self._path(digest), target)
                return
        target.write_bytes(self.still(digest))

    def add(self, digest: str, still: bytes) -> None:
        """Add the still of a file that was made elsewhere; empty if the file has no picture."""
        if not self.knows(digest):
            self._keep(digest, still, None)

    def make(self, reader: MediaReader, files: Mapping[str, OutputLocation]) -> Iterator[int]:
        """Read `files` in parallel; yields the number done after each."""
        with ThreadPoolExecutor(min(_AT_ONCE, os.cpu_count() or 1)) as pool:
            made = pool.map(lambda each: self._read(reader, *each), files.items())
            for number, (digest, still, facts) in enumerate(made, start=1):
                self._keep(digest, still, facts)
                yield number
        self._save_facts()

    def on_this_machine(self, location: OutputLocation, digest: str) -> AbstractContextManager[Path]:
        """A file to be read within this context; from an object store, a copy is fetched.

        Raises:
            Unfinished, InvalidInput: it cannot be fetched.
        """
        return on_this_machine(location, digest, self._folder / "copies")

    def _read(
        self, reader: MediaReader, digest: str, location: OutputLocation
    ) -> tuple[str, bytes | None, MediaFacts | None]:
        with self.on_this_machine(location, digest) as path:
            facts = reader.facts_of(path)
            return digest, reader.still_of(path) if facts is not None else None, facts

    def _keep(self, digest: str, still: bytes | None, facts: MediaFacts | None) -> None:
        if facts is not None:
            self._facts[digest] = as_json(facts)
            self._changed = True
        try:
            self._write(self._path(digest), still or b"")
            self._known.add(digest)
        except OSError:
            self._stills[digest] = still or b""

    def _save_facts(self) -> None:
        if self._changed:
            text = json.dumps(dict(sorted(self._facts.items())), separators=(",", ":"))
            with suppress(OSError):
                self._write(self._folder / "facts.json", text.encode())

    def _write(self, path: Path, content: bytes) -> None:
        """Write the file atomically; it is not synced, since one lost in a power cut is made again."""
        if not path.parent.is_dir():
            make_folders(path.parent)
            (self._folder / ".gitignore").write_bytes(b"*\n")
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        unfinished.write_bytes(content)
        unfinished.replace(path)

    def _path(self, digest: str) -> Path:
        return self._folder / "stills" / f"{digest}.webp"


def _names_in(folder: Path) -> set[str]:
    try:
        return {entry.name.removesuffix(".webp") for entry in os.scandir(folder)}
    except OSError:
        return set()


def _read_facts(path: Path) -> dict[str, Mapping[str, Json]]:
    """The cached facts; none if the cache cannot be read."""
    try:
        kept = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return {name: entry for name, entry in _items(kept) if isinstance(entry, dict)}


def _items(kept: object) -> Iterable[tuple[str, object]]:
    return kept.items() if isinstance(kept, dict) else ()
