"""Refuses a link in place of the state's folder that came with the repository, as in a stranger's pull request."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import InvalidInput, printable
from pipeline.operations.git import ask_git
from pipeline.operations.shown_paths import shown_path
from pipeline.paths import project_of, real_path

# What git needs to start and to find its settings.
_OF_GIT = frozenset({"HOME", "PATH", "SYSTEMROOT", "XDG_CONFIG_HOME"})


def refuse_link(folder: Path, variables: Mapping[str, str]) -> None:
    """Check that `folder`, that of a state, is no link that git tracks or that leads into `.git`.

    Such a link would decide where this machine writes. One that the operator has made, for another disk, is followed.
    `variables` are those of the operator, of which git gets only its own.

    Raises:
        InvalidInput: it is one, or git cannot tell.
    """
    if not os.path.islink(folder):  # noqa: PTH114 - unlike pathlib's, this accepts a name that is too long
        return
    shown = printable(shown_path(folder))
    if ".git" in real_path(folder).parts:
        raise InvalidInput(f"{shown} is a link into .git, where nothing else may be written; remove it")
    if not (project_of(real_path(folder.parent)) / ".git").exists():
        return
    own = {name: value for name, value in variables.items() if name in _OF_GIT or name.startswith("GIT_")}
    try:
        code = ask_git(folder.parent, own, "ls-files", "--error-unmatch", "--", folder.name).returncode
    except (OSError, subprocess.SubprocessError):
        code = None
    if code == 0:
        raise InvalidInput(
            f"{shown} is a link that is committed to git, so whoever wrote it would decide where this machine keeps "
            f"its records; remove it from git: 'git rm {shown}'"
        )
    if code != 1:
        raise InvalidInput(
            f"{shown} is a link, and git cannot say whether it came with the repository; make it a folder"
        )
