"""Refuses a state's folder, or files in it, that came with the repository, as in a stranger's pull request."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InvalidInput, printable
from pipeline.operations.shown_paths import shown_path
from pipeline.paths import leads_nowhere, real_path

if TYPE_CHECKING:
    from pipeline.operations.git import GitIndex


class StateFolderRefused(InvalidInput):
    """The folder of the state cannot be used as it is; the manifest may be valid."""


def refuse_committed(folder: Path, index: GitIndex) -> None:
    """Check that git tracks nothing of `folder`, that of a state, and that it is no link into `.git`.

    A link would decide where this machine writes, and a state which purchases it believes to be its own. A link
    that the operator has made, for another disk, is followed.

    Raises:
        StateFolderRefused: it is a link to nothing; git tracks something there; or there are links, and git cannot
            tell whose they are.
    """
    if not os.path.lexists(folder):
        return
    is_link = os.path.islink(folder)  # noqa: PTH114 - unlike pathlib's, this accepts a name that is too long
    shown = printable(shown_path(folder))
    if is_link and not os.path.exists(folder):  # noqa: PTH110 - as above
        raise StateFolderRefused(leads_nowhere(printable(shown_path(folder))))
    if is_link and ".git" in real_path(folder).parts:
        raise StateFolderRefused(f"{shown} is a link into .git, where nothing else may be written; remove it")
    committed = _committed(folder, index)
    if committed and is_link:
        raise StateFolderRefused(
            f"{shown} is a link that is committed to git, so whoever wrote it would decide where this machine keeps "
            f"its records; remove it from git: 'git rm {shown}'"
        )
    if committed:
        raise StateFolderRefused(
            f"{printable(shown_path(folder.parent / committed))} is committed to git, so whoever wrote it would "
            f"decide what this machine takes for its own records; remove it from git: 'git rm -r {shown}', or with "
            "--cached to keep the files if this machine has made them"
        )
    # Without git, as in a container, the folder that an earlier run has made is used, and no link.
    link = folder if is_link else _link_in(folder)
    if committed is None and link is not None:
        raise StateFolderRefused(
            f"{printable(shown_path(link))} is a link, and git cannot say whether it came with the repository; "
            f"make it a {'folder' if link.is_dir() else 'file'}"
        )


def _committed(folder: Path, index: GitIndex) -> str | None:
    """What git tracks first of `folder`, beside it; empty: nothing but its `.gitignore`; None: git cannot tell."""
    entries = index.entries(folder)
    if entries is None:
        return None
    return next((each.name for each in entries if each.name != f"{folder.name}/.gitignore"), "")


def _link_in(folder: Path) -> Path | None:
    try:
        with os.scandir(folder) as entries:
            return next((Path(each) for each in entries if each.is_symlink()), None)
    except OSError:
        return None  # not a folder, or one that cannot be read: whoever needs it says so
