"""Questions to git, which a stranger's repository may try to answer with programs of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.paths import project_of, real_path

_TIMEOUT = 10.0
# What git needs to start and to find its settings.
_OF_GIT = frozenset({"HOME", "PATH", "SYSTEMROOT", "XDG_CONFIG_HOME"})
# Whatever the operator's shell sets for how git matches paths. Some systems ignore the case of a folder's name.
_PATHS_AS_THEY_ARE = {"GIT_LITERAL_PATHSPECS": "0", "GIT_ICASE_PATHSPECS": "1"}


def ask_git(folder: Path, variables: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """The result of a git command that only reads, in `folder`; `variables` have no secrets.

    Raises:
        OSError, subprocess.SubprocessError: git cannot be started, or takes too long.
    """
    # A repository's own settings may name programs to run; this is the only such setting that these commands obey.
    command = ("git", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments)
    return subprocess.run(  # noqa: S603 - no shell, and paths of our own
        command,
        env=dict(variables),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=_TIMEOUT,
    )


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A file that git tracks, by its name relative to the folder that was asked for.

    `is_unmerged`: a merge, a rebase or the like ended in a conflict there that nobody has resolved.
    """

    name: str
    is_unmerged: bool


class GitIndex:
    """What git's index has of `paths`. For each folder of theirs, git is started once, when that is first asked for.

    Git gets only its own of the operator's `variables`.
    """

    def __init__(self, paths: Iterable[Path], variables: Mapping[str, str]) -> None:
        self._names: dict[Path, list[str]] = {}
        for each in paths:
            self._names.setdefault(each.parent, []).append(each.name)
        self._variables = {
            **{
                name: value for name, value in variables.items() if name in _OF_GIT or name.startswith("GIT_")
            },
            **_PATHS_AS_THEY_ARE,
        }
        self._found: dict[Path, Sequence[IndexEntry] | None] = {}

    def entries(self, path: Path) -> Sequence[IndexEntry] | None:
        """Those at `path`, one of the paths, or below it; None if git cannot tell. Without a repository, none."""
        folder = path.parent
        if folder not in self._found:
            self._found[folder] = self._ask(folder)
        found = self._found[folder]
        if found is None:
            return None
        name = path.name.casefold()
        return [
            each
            for each in found
            if each.name.casefold() == name or each.name.casefold().startswith(f"{name}/")
        ]

    def _ask(self, folder: Path) -> Sequence[IndexEntry] | None:
        if not (project_of(real_path(folder)) / ".git").exists():
            return ()
        # No name is taken for one of git's patterns that begin with a colon.
        names = (f"./{name}" for name in self._names[folder])
        try:
            ended = ask_git(folder, self._variables, "ls-files", "-z", "--stage", "--", *names)
        except (OSError, subprocess.SubprocessError):
            return None
        if ended.returncode != 0:
            return None
        rows = (row.partition("\t") for row in ended.stdout.split("\0") if row)
        return [IndexEntry(name, is_unmerged=not staged.endswith(" 0")) for staged, _, name in rows]
