"""Writes the gallery: a folder that opens from disk, with or without its videos, or one file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from pipeline.errors import UsageError, printable
from pipeline.files import assert_replaces, make_folders, write_atomically
from pipeline.media.facts import join
from pipeline.paths import real_path
from pipeline.report.bundle import (
    assert_behind_no_link,
    assert_names_differ,
    assert_replaces_no_other,
    copies_of,
    hrefs_of,
    last_copies,
    others_in,
    put_copies,
)
from pipeline.report.data import build
from pipeline.report.earlier_page import EarlierPage, read_earlier_page
from pipeline.report.gallery_rows import SHORT_HASH
from pipeline.report.page import page

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.report.gallery_campaign import GalleryCampaign
    from pipeline.report.stills import MediaReader

_MARK = b'<meta name="generator" content="campaign-pipeline gallery"'


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPage:
    """The page that was written, and the number of its stills.

    `left` are the files beside it that it does not show, and that were not removed.
    """

    page: Path
    stills: int
    left: Sequence[Path] = ()


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
        UsageError: a page of another program is there, or a link leads out of the folder.
        OSError: it cannot be written.
    """
    folder = real_path(folder)
    index = folder / "index.html"
    earlier = read_earlier_page(index) if _is_ours(index) else EarlierPage(folder=folder)
    expendable = {digest[:SHORT_HASH] for source in sources for digest in source.expendable}
    copies = [copies_of(source, folder) if bundle else {} for source in sources]
    assert_behind_no_link(folder / "posters")
    if bundle:
        assert_names_differ(sources)
    for paths in copies:
        assert_replaces_no_other(paths, earlier, expendable)
    last = [last_copies(source, folder, earlier) for source in sources]
    hrefs = [
        {**hrefs_of(found, folder), **_linked(source, folder), **hrefs_of(paths, folder)}
        for source, found, paths in zip(sources, last, copies, strict=True)
    ]
    origins = () if bundle else _origins(sources)
    first = _page_data(sources, hrefs, reader, bundle=bundle)
    # What the next page may remove is known by the data of this one, so it names each file before that is put there.
    kept = {**_kept(folder, sources, reader), **_by_path(*last, *copies)}
    left = set(earlier.remove_others(kept, expendable, _originals_in(folder / "media", sources)))
    write_atomically(index, page(first, _title(sources), media_from=origins))
    for source, paths in zip(sources, copies, strict=True):
        put_copies(source, paths)
    made = _make(sources, reader, on_progress)
    stills = _put_stills(folder / "posters", sources)
    if made and (then := _page_data(sources, hrefs, reader, bundle=bundle)) != first:
        write_atomically(index, page(then, _title(sources), media_from=origins))
    if bundle:
        left |= others_in(folder, sources, kept)
    return WrittenPage(page=index, stills=len(stills), left=sorted(left))


def write_single(
    file: Path, sources: Sequence[GalleryCampaign], reader: MediaReader | None, *, on_progress: OnProgress
) -> WrittenPage:
    """Write one file with embedded stills and no videos.

    Raises:
        UsageError: another program's file is there, or the page of a folder, which knows what is in it.
        OSError: it cannot be written.
    """
    if _is_ours(file) and read_earlier_page(file).is_folder:
        raise UsageError(
            f"{printable(str(file))}: the page of a folder; choose another name for a single file"
        )
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


def _kept(folder: Path, sources: Sequence[GalleryCampaign], reader: MediaReader | None) -> dict[Path, str]:
    """By path, the short hashes of the files of this page that are not copies."""
    digests = {each for source in sources for each in _with_stills(source, makes=reader is not None)}
    originals = ((digest, path) for source in sources for digest, path in source.files.items())
    return {
        **{folder / "posters" / f"{digest[:SHORT_HASH]}.webp": digest[:SHORT_HASH] for digest in digests},
        **{real_path(path): digest[:SHORT_HASH] for digest, path in originals if isinstance(path, Path)},
    }


def _by_path(*files: Mapping[str, Path]) -> dict[Path, str]:
    """The short hash of each file, by its path."""
    return {path: digest[:SHORT_HASH] for each in files for digest, path in each.items()}


def _originals_in(folder: Path, sources: Sequence[GalleryCampaign]) -> list[Path]:
    """The output folders in `folder`: an earlier page may have taken what is there for its own copies."""
    outputs = [real_path(source.output) for source in sources if isinstance(source.output, Path)]
    return [output for output in outputs if output.is_relative_to(folder)]


def _origins(sources: Sequence[GalleryCampaign]) -> tuple[str, ...]:
    """The origins of signed links: the page may load media from these, and from no others."""
    links = (urlsplit(link) for source in sources for link in source.signed.values())
    return tuple(sorted({f"{link.scheme}://{link.netloc}" for link in links}))


def _linked(source: GalleryCampaign, folder: Path) -> dict[str, str]:
    """By SHA-256, the relative link from the page to each file, or its signed link."""
    here = {
        digest: _href(os.path.relpath(real_path(location), folder))
        for digest, location in source.files.items()
        if isinstance(location, Path)
    }
    return {**here, **source.signed}


def _href(path: str) -> str:
    """A relative path as a link. It begins with a dot, so that no name can pass for the scheme of a URL."""
    quoted = quote(path.replace(os.sep, "/"))
    return quoted if quoted.startswith("../") else f"./{quoted}"
