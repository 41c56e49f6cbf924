"""What an earlier page put into its folder, by its own data: nothing else is removed or replaced there."""

from __future__ import annotations

import json
import re
import stat
import zlib
from base64 import b64decode
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from pipeline.files import read_limited, sha256_of
from pipeline.paths import real_path, status_at
from pipeline.report.gallery_rows import SHORT_HASH

_DATA = re.compile(rb' id="data">([^<]*)<')
_SHORT_HASH = re.compile(rf"[0-9a-f]{{{SHORT_HASH}}}")
# No page comes near this; the data of a stranger's must not fill the memory.
_LARGEST = 1 << 28


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copy:
    """A copy of a file: the short hash of its content, and its size if known."""

    digest: str
    size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierPage:
    """The videos and stills that a page of ours put into `folder`, by path.

    `is_folder` is whether it is the page of a folder, not a single file.
    """

    folder: Path
    is_folder: bool = False
    videos: Mapping[Path, _Copy] = field(default_factory=dict)
    stills: frozenset[Path] = frozenset()

    def unchanged(self) -> Iterator[tuple[Path, _Copy]]:
        """The copies that are still there as they were put, behind no link."""
        for path, copy in self.videos.items():
            if _is_within(path, self.folder) and _has(path, copy):
                yield path, copy

    def remove_others(
        self, kept: Mapping[Path, str], expendable: Collection[str], originals: Collection[Path]
    ) -> list[Path]:
        """Remove what is not `kept`, as the folder may be about to be uploaded; returns the copies that are left.

        `kept` has the short hash of each file by path. What has changed since, is behind a link, is in one of the
        folders `originals`, or is not `expendable` (by short hash) is left alone.
        """
        for path in self.stills.difference(kept):
            if _is_within(path, self.folder):
                path.unlink()
        left = []
        for path, copy in self.unchanged():
            if kept.get(path) == copy.digest:
                continue
            if copy.digest in expendable and not any(path.is_relative_to(each) for each in originals):
                path.unlink()
                _remove_empty(path.parent, self.folder)
            else:
                left.append(path)
        return left


def read_earlier_page(index: Path) -> EarlierPage:
    """What the page at `index` put into its folder; nothing if its data cannot be read. It may be a stranger's."""
    folder = index.parent
    try:
        found = _DATA.search(read_limited(index, _LARGEST))
        packed = b64decode(found[1], validate=True) if found else b""
        data = json.loads(zlib.decompressobj().decompress(packed, _LARGEST))
    except (OSError, ValueError, zlib.error, RecursionError):
        return EarlierPage(folder=folder)
    videos: dict[Path, _Copy] = {}
    stills = set()
    for name, file in _files_in(data):
        digest, size, href = file.get("id"), file.get("bytes"), file.get("href")
        if not isinstance(digest, str) or not _SHORT_HASH.fullmatch(digest):
            continue
        stills.add(folder / "posters" / f"{digest}.webp")
        if isinstance(href, str) and (below := _bundled_at(href, name)):
            videos[folder / below] = _Copy(digest=digest, size=size if isinstance(size, int) else None)
    is_folder = isinstance(data, dict) and data.get("videos") is True
    return EarlierPage(folder=folder, is_folder=is_folder, videos=videos, stills=frozenset(stills))


def _files_in(data: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The files of each campaign, with its name."""
    campaigns = data.get("campaigns") if isinstance(data, dict) else None
    for campaign in campaigns if isinstance(campaigns, list) else ():
        files = campaign.get("files") if isinstance(campaign, dict) else None
        for file in files if isinstance(files, list) else ():
            if isinstance(file, dict):
                yield str(campaign.get("name")), file


def _bundled_at(href: str, campaign: str) -> PurePosixPath | None:
    """The path of a file that a bundle put into the folder, by its link; links to other files begin with a dot."""
    path = PurePosixPath(unquote(href))
    is_inside = path.parts[:2] == ("media", campaign) and ".." not in path.parts
    return path if is_inside and len(path.parts) > 2 else None


def _is_within(path: Path, folder: Path) -> bool:
    """Whether a regular file is at `path`, below `folder` and behind no link."""
    status = status_at(path)
    if status is None or not stat.S_ISREG(status.st_mode) or not path.is_relative_to(folder):
        return False
    return real_path(path.parent) == real_path(folder) / path.parent.relative_to(folder)


def _has(path: Path, copy: _Copy) -> bool:
    """Whether the file at `path` is that copy. Its size tells as much as is needed of a file that we put there."""
    try:
        if copy.size is not None:
            return path.stat().st_size == copy.size
        return sha256_of(path)[:SHORT_HASH] == copy.digest
    except OSError:
        return False


def _remove_empty(folder: Path, top: Path) -> None:
    """Remove `folder` and those above it, below `top`, that are empty."""
    with suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent
