"""Refuses a state's folder, or files in it, that came with the repository, as in a stranger's pull request."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import InvalidInput, printable
from pipeline.operations.git import ask_git
from pipeline.operations.shown_paths import shown_path
from pipeline.paths import leads_nowhere, project_of, real_path

# What git needs to start and to find its settings.
_OF_GIT = frozenset({"HOME", "PATH", "SYSTEMROOT", "XDG_CONFIG_HOME"})
# Whatever the operator's shell sets for how git matches paths. Some systems ignore the case of a folder's name.
_PATHS_AS_THEY_ARE = {"GIT_LITERAL_PATHSPECS": "0", "GIT_ICASE_PATHSPECS": "1"}


class StateFolderRefused(InvalidInput):
    """The folder of the state cannot be used as it is; the manifest may be valid."""


def refuse_committed(folder: Path, variables: Mapping[str, str]) -> None:
    """Check that git tracks nothing of `folder`, that of a state, and that it is no link into `.git`.

    A link would decide where this machine writes, and a state which purchases it believes to be its own. A link
    that the operator has made, for another disk, is followed. Git gets only its own of the operator's `variables`.

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
    if not (project_of(real_path(folder.parent)) / ".git").exists():
        return
    committed = _committed(folder, variables)
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


def _committed(folder: Path, variables: Mapping[str, str]) -> str | None:
    """What git tracks first of `folder`, beside it; empty: nothing but its `.gitignore`; None: git cannot tell."""
    own = {name: value for name, value in variables.items() if name in _OF_GIT or name.startswith("GIT_")}
    try:
        ended = ask_git(folder.parent, {**own, **_PATHS_AS_THEY_ARE}, "ls-files", "-z", "--", folder.name)
    except (OSError, subprocess.SubprocessError):
        return None
    tracked = (name for name in ended.stdout.split("\0") if name and name != f"{folder.name}/.gitignore")
    return next(tracked, "") if ended.returncode == 0 else None


def _link_in(folder: Path) -> Path | None:
    try:
        with os.scandir(folder) as entries:
            return next((Path(each) for each in entries if each.is_symlink()), None)
    except OSError:
        return None  # not a folder, or one that cannot be read: whoever needs it says so
