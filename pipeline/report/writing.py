"""Writes the gallery: a folder that opens from disk, with or without its videos, or one file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from pipeline.errors import UsageError, printable
from pipeline.files import assert_replaces, make_folders, sha256_of, write_atomically
from pipeline.media.facts import join
from pipeline.paths import real_path
from pipeline.report.data import GalleryRecords, build
from pipeline.report.earlier_page import EarlierPage, read_earlier_page
from pipeline.report.gallery_rows import SHORT_HASH
from pipeline.report.page import page

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.report.stills import MediaReader, StillCache
    from pipeline.schemes import OutputLocation

_MARK = b'<meta name="generator" content="campaign-pipeline gallery"'


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
    earlier = read_earlier_page(index) if _is_ours(index) else EarlierPage(folder=folder)
    copies = [_copies(source, folder) if bundle else {} for source in sources]
    _assert_not_of_others(copies, earlier)
    hrefs = [
        {**_linked(source, folder), **_hrefs_of(paths, folder)}
        for source, paths in zip(sources, copies, strict=True)
    ]
    origins = () if bundle else _origins(sources)
    first = _page_data(sources, hrefs, reader, bundle=bundle)
    # What the next page may remove is known by the data of this one, so it names each file before that is put there.
    earlier.remove_others(_put_by(folder, sources, copies, reader), _originals_in(folder / "media", sources))
    write_atomically(index, page(first, _title(sources), media_from=origins))
    for source, paths in zip(sources, copies, strict=True):
        _put_copies(source, paths)
    made = _make(sources, reader, on_progress)
    stills = _put_stills(folder / "posters", sources)
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


def _put_by(
    folder: Path,
    sources: Sequence[GalleryCampaign],
    copies: Sequence[Mapping[str, Path]],
    reader: MediaReader | None,
) -> set[Path]:
    """The files that this page puts into its folder."""
    digests = {each for source in sources for each in _with_stills(source, makes=reader is not None)}
    return {
        *(path for paths in copies for path in paths.values()),
        *(folder / "posters" / f"{digest[:SHORT_HASH]}.webp" for digest in digests),
    }


def _originals_in(folder: Path, sources: Sequence[GalleryCampaign]) -> list[Path]:
    """The output folders in `folder`: an earlier page may have taken what is there for its own copies."""
    outputs = [source.output for source in sources if isinstance(source.output, Path)]
    return [output for output in outputs if output.is_relative_to(folder)]


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


def _copies(source: GalleryCampaign, folder: Path) -> dict[str, Path]:
    """By SHA-256, the path below `folder` at which a bundle puts a copy of each file, if it does not lie there."""
    top = folder / "media" / source.name
    paths = {digest: top / _below(source.output, location) for digest, location in source.files.items()}
    return {digest: path for digest, path in paths.items() if not _is_at(source.files[digest], path)}


def _is_at(location: OutputLocation, path: Path) -> bool:
    return isinstance(location, Path) and real_path(location) == real_path(path)


def _hrefs_of(copies: Mapping[str, Path], folder: Path) -> dict[str, str]:
    return {digest: quote(path.relative_to(folder).as_posix()) for digest, path in copies.items()}


def _below(output: OutputLocation, location: OutputLocation) -> Path:
    if isinstance(location, Path) and isinstance(output, Path):
        return location.relative_to(output)
    return Path(str(location).removeprefix(f"{output}/"))


def _assert_not_of_others(copies: Sequence[Mapping[str, Path]], earlier: EarlierPage) -> None:
    """Check that no copy would replace a file that is not one.

    Raises:
        UsageError: it would.
        OSError: a file cannot be read.
    """
    for digest, path in (each for paths in copies for each in paths.items()):
        if path in earlier.videos or not os.path.lexists(path):
            continue
        if not path.is_file() or sha256_of(path) != digest:
            reason = "not a copy that a gallery made, so it is not overwritten; choose another folder"
            raise UsageError(f"{printable(str(path))}: {reason}")


def _put_copies(source: GalleryCampaign, copies: Mapping[str, Path]) -> None:
    """Put a copy of each file at its path, as a hard link if possible."""
    for digest, target in copies.items():
        make_folders(target.parent)
        with source.cache.on_this_machine(source.files[digest], digest) as path:
            _link_or_copy(path, target)


def _link_or_copy(path: Path, target: Path) -> None:
    with suppress(FileNotFoundError):
        if target.samefile(path):
            return
    target.unlink(missing_ok=True)
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)
