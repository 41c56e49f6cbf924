"""Puts copies of a campaign's files into the folder of its page, over nothing but copies that a page put there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from pipeline.errors import UsageError, printable
from pipeline.files import make_folders, sha256_of
from pipeline.paths import real_path
from pipeline.report.gallery_rows import SHORT_HASH

if TYPE_CHECKING:
    from pipeline.report.earlier_page import EarlierPage
    from pipeline.report.gallery_campaign import GalleryCampaign
    from pipeline.schemes import OutputLocation


def assert_names_differ(sources: Sequence[GalleryCampaign]) -> None:
    """Check that no campaign's copies would be put in the place of another's.

    Raises:
        UsageError: two have the same name.
    """
    names = [source.name for source in sources]
    if double := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(
            f"--bundle: two of these campaigns are called '{printable(double)}', and their videos "
            "would be put in one place; make a bundle of each, with an --out of its own"
        )


def copies_of(source: GalleryCampaign, folder: Path) -> dict[str, Path]:
    """By SHA-256, the path below `folder` at which a bundle puts a copy of each file, if it does not lie there."""
    top = folder / "media" / source.name
    paths = {digest: top / _below(source.output, location) for digest, location in source.files.items()}
    return {digest: path for digest, path in paths.items() if not _is_at(source.files[digest], path)}


def last_copies(source: GalleryCampaign, folder: Path, earlier: EarlierPage) -> dict[str, Path]:
    """By SHA-256, the copies that an earlier page made of what is shown, if no original of it can be found now."""
    top = folder / "media" / source.name
    made = {copy.digest: path for path, copy in earlier.unchanged() if path.is_relative_to(top)}
    gone = source.shown - source.files.keys() - source.expendable
    return {digest: made[digest[:SHORT_HASH]] for digest in gone if digest[:SHORT_HASH] in made}


def hrefs_of(copies: Mapping[str, Path], folder: Path) -> dict[str, str]:
    """By SHA-256, the link from the page to each copy."""
    return {digest: quote(path.relative_to(folder).as_posix()) for digest, path in copies.items()}


def assert_behind_no_link(folder: Path) -> None:
    """Check that nothing put into `folder`, of which the page's own folder is a real path, would lie elsewhere.

    Raises:
        UsageError: a link leads there.
    """
    if real_path(folder) != folder:
        raise UsageError(
            f"{printable(str(folder))}: a link leads elsewhere, and nothing is written there; "
            "remove it, or choose another folder"
        )


def assert_replaces_no_other(
    copies: Mapping[str, Path], earlier: EarlierPage, expendable: Collection[str]
) -> None:
    """Check that no copy would replace a file that is not one, or the last copy of another.

    `expendable` are the short hashes of files of which a copy may go.

    Raises:
        UsageError: it would, or a link leads out of the folder.
        OSError: a file cannot be read.
    """
    made = dict(earlier.unchanged())
    for digest, path in copies.items():
        assert_behind_no_link(path.parent)
        if not os.path.lexists(path):
            continue
        if path in made:
            if made[path].digest in {digest[:SHORT_HASH], *expendable}:
                continue
            reason = "the only copy here of another file, so it is not overwritten; move it away first"
        elif not path.is_symlink() and path.is_file() and sha256_of(path) == digest:
            continue
        else:
            reason = "not a copy that a gallery made, so it is not overwritten; choose another folder"
        raise UsageError(f"{printable(str(path))}: {reason}")


def put_copies(source: GalleryCampaign, copies: Mapping[str, Path]) -> None:
    """Put a copy of each file at its path, as a hard link if possible."""
    for digest, target in copies.items():
        make_folders(target.parent)
        with source.cache.on_this_machine(source.files[digest], digest) as path:
            _link_or_copy(path, target)


def others_in(folder: Path, sources: Sequence[GalleryCampaign], kept: Collection[Path]) -> set[Path]:
    """The files where a bundle has the copies of these campaigns that are not `kept`: they are handed on with it."""
    tops = (folder / "media" / source.name for source in sources)
    return {path for top in tops for path in top.rglob("*") if path.is_file() and path not in kept}


def _is_at(location: OutputLocation, path: Path) -> bool:
    return isinstance(location, Path) and real_path(location) == real_path(path)


def _below(output: OutputLocation, location: OutputLocation) -> Path:
    if isinstance(location, Path) and isinstance(output, Path):
        return location.relative_to(output)
    return Path(str(location).removeprefix(f"{output}/"))


def _link_or_copy(path: Path, target: Path) -> None:
    with suppress(FileNotFoundError):
        if target.samefile(path):
            return
    target.unlink(missing_ok=True)
    try:
        os.link(path, target)
    except OSError:
        # Whole or not at all: what an interruption leaves half written would not be known as a copy.
        temporary = target.with_name(f".{target.name[:40]}.tmp")
        temporary.unlink(missing_ok=True)
        try:
            shutil.copyfile(path, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
