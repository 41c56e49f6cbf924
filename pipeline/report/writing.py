"""Writes the gallery: a folder that opens from disk, with or without its videos, or one file."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from pipeline.errors import UsageError, printable
from pipeline.files import assert_replaces, make_folders, write_atomically
from pipeline.media.facts import join
from pipeline.report.data import GalleryRecords, build
from pipeline.report.gallery_rows import SHORT_HASH
from pipeline.report.page import page

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.report.stills import MediaReader, StillCache
    from pipeline.schemes import OutputLocation

_MARK = b'<meta name="generator" content="campaign-pipeline gallery"'
_STILL_NAME = re.compile(rf"[0-9a-f]{{{SHORT_HASH}}}\.webp")
_SHOWN = ("video/", "image/")


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryCampaign:
    """One campaign of the page: its records, and the locations of its files by SHA-256.

    `shown` are the videos and images on the page, which may have a still; `signed` are, by SHA-256, links to files in
    an object store; `page_folder` is the default folder of its page; `unnameable` are paths of files that
    the page lacks, as this locale cannot name them.
    """

    name: str
    records: GalleryRecords
    output: OutputLocation
    page_folder: Path
    cache: StillCache
    files: Mapping[str, OutputLocation] = field(default_factory=dict)
    shown: frozenset[str] = frozenset()
    signed: Mapping[str, str] = field(default_factory=dict)
    unnameable: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPage:
    """The page that was written, and the number of its stills."""

    page: Path
    stills: int


OnProgress = Callable[[int, int], None]


def write_folder(
    folder: Path,
    sources: Sequence[GalleryCampaign],
    reader: MediaReader | None,
    *,
    bundle: bool,
    on_progress: OnProgress,
) -> WrittenPage:
    """Write the page into `folder`, then its stills; then the page again if the files added to its data.

    With `bundle`, the videos are put into it too. `on_progress` gets the number of files read, and their total.

    Raises:
        UsageError: a page of another program is there.
        OSError: it cannot be written.
    """
    index = folder / "index.html"
    again = _is_ours(index)
    hrefs = [_bundled(source, folder) if bundle else _linked(source, folder) for source in sources]
    origins = () if bundle else _origins(sources)
    first = _page_data(sources, hrefs, reader, bundle=bundle)
    write_atomically(index, page(first, _title(sources), media_from=origins))
    made = _make(sources, reader, on_progress)
    stills = _put_stills(folder / "posters", sources)
    if again:
        _remove_others(folder, stills, {href for each in hrefs for href in each.values()})
    if made and (then := _page_data(sources, hrefs, reader, bundle=bundle)) != first:
        write_atomically(index, page(then, _title(sources), media_from=origins))
    return WrittenPage(page=index, stills=len(stills))


def write_single(
    file: Path, sources: Sequence[GalleryCampaign], reader: MediaReader | None, *, on_progress: OnProgress
) -> WrittenPage:
    """Write one file with embedded stills and no videos.

    Raises:
        UsageError: another program's file is there.
        OSError: it cannot be written.
    """
    _is_ours(file)
    _make(sources, reader, on_progress)
    data = _page_data(sources, [dict.fromkeys(each.files, "") for each in sources], reader, videos=False)
    stills = {
        digest[:SHORT_HASH]: still
        for source in sources
        for digest in sorted(source.shown)
        if (still := source.cache.still(digest))
    }
    write_atomically(file, page(data, _title(sources), stills))
    return WrittenPage(page=file, stills=len(stills))


def _is_ours(path: Path) -> bool:
    """Whether a page of this tool is at `path`; False if nothing is.

    Raises:
        UsageError: something else is there, which must not be overwritten.
    """
    try:
        return assert_replaces(path, lambda head: _MARK in head[:4096], "a gallery")
    except OSError as error:
        raise UsageError(f"{printable(str(path))}: cannot be read: {error.strerror or error}") from error


def _title(sources: Sequence[GalleryCampaign]) -> str:
    return ", ".join(source.name for source in sources)


def _page_data(
    sources: Sequence[GalleryCampaign],
    hrefs: Sequence[Mapping[str, str]],
    reader: MediaReader | None,
    *,
    videos: bool = True,
    bundle: bool = False,
) -> dict[str, Json]:
    makes = reader is not None
    records = [
        replace(
            source.records,
            hrefs=files,
            stills=_with_stills(source, makes=makes),
            media=join(source.records.media, source.cache.facts),
        )
        for source, files in zip(sources, hrefs, strict=True)
    ]
    return build(records, makes_stills=makes, holds_videos=videos, is_bundle=bundle)


def _with_stills(source: GalleryCampaign, *, makes: bool) -> frozenset[str]:
    """The files that have a still, or are about to have one."""
    cache = source.cache
    return frozenset(
        digest
        for digest in source.shown
        if cache.has_still(digest) or (makes and digest in source.files and not cache.knows(digest))
    )


def _make(sources: Sequence[GalleryCampaign], reader: MediaReader | None, on_progress: OnProgress) -> int:
    """Read the files that were never read before; returns their number."""
    if reader is None:
        return 0
    new = [
        {
            digest: path
            for digest, path in source.files.items()
            if digest in source.shown and not source.cache.knows(digest)
        }
        for source in sources
    ]
    total, before = sum(map(len, new)), 0
    for source, files in zip(sources, new, strict=True):
        for number in source.cache.make(reader, files):
            on_progress(before + number, total)
        before += len(files)
    return total


def _put_stills(folder: Path, sources: Sequence[GalleryCampaign]) -> set[str]:
    names = set()
    make_folders(folder)
    for source in sources:
        for digest in sorted(filter(source.cache.has_still, source.shown)):
            name = f"{digest[:SHORT_HASH]}.webp"
            source.cache.put_into(digest, folder / name)
            names.add(name)
    return names


def _remove_others(folder: Path, stills: Iterable[str], hrefs: Iterable[str]) -> None:
    """Remove files of an earlier page that this page does not show: the folder may be about to be uploaded."""
    kept = {folder / "posters" / name for name in stills}
    kept |= {_bundle_path(folder, href) for href in hrefs if href.startswith("media/")}
    old = [path for path in (folder / "posters").glob("*.webp") if _STILL_NAME.fullmatch(path.name)]
    old += [path for path in (folder / "media").rglob("*") if path.is_file() or path.is_symlink()]
    for path in old:
        if path not in kept:
            path.unlink(missing_ok=True)
    for path in sorted((folder / "media").rglob("*"), reverse=True):
        with suppress(OSError):
            path.rmdir()


def _origins(sources: Sequence[GalleryCampaign]) -> tuple[str, ...]:
    """The origins of signed links: the page may load media from these, and from no others."""
    links = (urlsplit(link) for source in sources for link in source.signed.values())
    return tuple(sorted({f"{link.scheme}://{link.netloc}" for link in links}))


def _linked(source: GalleryCampaign, folder: Path) -> dict[str, str]:
    """By SHA-256, the relative link from the page to each file, or its signed link."""
    here = {
        digest: _href(os.path.relpath(location, folder))
        for digest, location in source.files.items()
        if isinstance(location, Path)
    }
    return {**here, **source.signed}


def _href(path: str) -> str:
    """A relative path as a link. It begins with a dot, so that no name can pass for the scheme of a URL."""
    quoted = quote(path.replace(os.sep, "/"))
    return quoted if quoted.startswith("../") else f"./{quoted}"


def _bundled(source: GalleryCampaign, folder: Path) -> dict[str, str]:
    """Put each file into `folder`, as a hard link if possible, else as a copy; returns the links by SHA-256."""
    hrefs = {}
    for digest, location in source.files.items():
        below = Path("media", source.name, _below(source.output, location))
        target = folder / below
        make_folders(target.parent)
        with source.cache.on_this_machine(location, digest) as path:
            _link_or_copy(path, target)
        hrefs[digest] = quote(below.as_posix())
    return hrefs


def _below(output: OutputLocation, location: OutputLocation) -> Path:
    if isinstance(location, Path) and isinstance(output, Path):
        return location.relative_to(output)
    return Path(str(location).removeprefix(f"{output}/"))


def _bundle_path(folder: Path, href: str) -> Path:
    return folder / unquote(href)


def _link_or_copy(path: Path, target: Path) -> None:
    with suppress(FileNotFoundError):
        if target.samefile(path):
            return
        target.unlink()
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)
