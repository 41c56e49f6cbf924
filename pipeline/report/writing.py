"""Writes the gallery: a folder that opens from disk, a folder with its videos inside, or one file."""

import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pipeline.errors import UsageError, printable
from pipeline.files import assert_replaces, make_folders, write_atomically
from pipeline.json_values import Json
from pipeline.media.facts import join
from pipeline.report.data import GalleryRecords, build
from pipeline.report.page import page
from pipeline.report.rows import SHORT_HASH
from pipeline.report.stills import MediaReader, StillCache
from pipeline.schemes import OutputLocation

_MARK = b'<meta name="generator" content="campaign-pipeline gallery"'
_STILL_NAME = re.compile(rf"[0-9a-f]{{{SHORT_HASH}}}\.webp")
_SHOWN = ("video/", "image/")


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryCampaign:
    """One campaign of the page: its records, and where its files lie, by SHA-256. `shown` are those with a still.

    `signed` are, by SHA-256 too, links to files in an object store; `page_folder` is where its page goes by itself.
    """

    name: str
    records: GalleryRecords
    output: OutputLocation
    page_folder: Path
    cache: StillCache
    files: Mapping[str, OutputLocation] = field(default_factory=dict)
    shown: frozenset[str] = frozenset()
    signed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPage:
    """The page that was written, and how many stills belong to it."""

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
    """Write the page into `folder`, then its stills; once more where the files add what was not known before.

    With `bundle` the videos go into it too. `on_progress` is called with the number of stills made, and of how many.

    Raises:
        UsageError: another's page lies there.
        OSError: it cannot be written.
    """
    index = folder / "index.html"
    again = _is_ours(index)
    hrefs = [_bundled(source, folder) if bundle else _linked(source, folder) for source in sources]
    origins = () if bundle else _origins(sources)
    first = _page_data(sources, hrefs, reader)
    write_atomically(index, page(first, _title(sources), media_from=origins))
    made = _make(sources, reader, on_progress)
    stills = _put_stills(folder / "posters", sources)
    if again:
        _remove_others(folder, stills, {href for each in hrefs for href in each.values()})
    if made and (then := _page_data(sources, hrefs, reader)) != first:
        write_atomically(index, page(then, _title(sources), media_from=origins))
    return WrittenPage(page=index, stills=len(stills))


def write_single(
    file: Path, sources: Sequence[GalleryCampaign], reader: MediaReader | None, *, on_progress: OnProgress
) -> WrittenPage:
    """Write one file with the stills inside and no videos.

    Raises:
        UsageError: another's file lies there.
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
    """Whether a page of this tool lies at `path`; False where nothing does.

    Raises:
        UsageError: something else does, which is not to be written over.
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
    return build(records, makes_stills=makes, holds_videos=videos)


def _with_stills(source: GalleryCampaign, *, makes: bool) -> frozenset[str]:
    """The files that have a still, or are about to have one."""
    cache = source.cache
    return frozenset(
        digest
        for digest in source.shown
        if cache.has_still(digest) or (makes and digest in source.files and not cache.knows(digest))
    )


def _make(sources: Sequence[GalleryCampaign], reader: MediaReader | None, on_progress: OnProgress) -> int:
    """Read the files that were never read before, and how many those were."""
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
    """Remove what an earlier page of this folder showed and this one does not: it may be about to be uploaded."""
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
    """The servers that signed links lead to: the page may load media from these, and from no other."""
    links = (urlsplit(link) for source in sources for link in source.signed.values())
    return tuple(sorted({f"{link.scheme}://{link.netloc}" for link in links}))


def _linked(source: GalleryCampaign, folder: Path) -> dict[str, str]:
    """By hash: the way from the page to where each file lies, or the link that was signed for it."""
    here = {
        digest: _href(os.path.relpath(location, folder))
        for digest, location in source.files.items()
        if isinstance(location, Path)
    }
    return {**here, **source.signed}


def _href(path: str) -> str:
    """A relative path as a link. It begins with a dot, so that no name can pass for the scheme of a url."""
    quoted = quote(path.replace(os.sep, "/"))
    return quoted if quoted.startswith("../") else f"./{quoted}"


def _bundled(source: GalleryCampaign, folder: Path) -> dict[str, str]:
    """The campaign with each file put into the folder: a hard link where the system can, else a copy."""
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
