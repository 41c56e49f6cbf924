"""Machines that share a campaign through git, and can be lost with everything on them."""

import contextlib
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.campaigns import Content, Project, campaign
from support.processes import PROGRAM, until

# What CI would pass to --checkpoint: commit the changes and push them.
PUBLISH = (
    "git add -- *.results.json"
    " && (git diff --cached --quiet || git commit -qm results)"
    " && git push -q origin main"
)
_GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    **{f"GIT_{who}_NAME": "machine" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "machine@example.com" for who in ("AUTHOR", "COMMITTER")},
}


def git(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a git command in `folder`."""
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **_GIT},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=check,
    )


def with_markers_if_it_fails(driver: str) -> str:
    """The merge driver, as documented: git's own markers appear if it fails or is not found."""
    return f"{driver} || {{ git merge-file -L ours -L base -L theirs %A %O %B; exit 1; }}"


@dataclass(frozen=True, slots=True)
class Remote:
    """A bare repository that every machine clones."""

    folder: Path

    @classmethod
    def of(cls, folder: Path, files: dict[str, Content]) -> "Remote":
        """A remote with a campaign of `files`, and git's attributes for its results."""
        folder.mkdir(parents=True)
        git(folder, "init", "-q", "--bare", "--initial-branch=main")
        first = folder.with_name(f"{folder.name}-first")
        first.mkdir()
        git(first, "init", "-q", "--initial-branch=main")
        campaign(
            first, {".gitattributes": "*.results.json merge=pipeline\n", ".gitignore": "output/\n", **files}
        )
        git(first, "add", "-A")
        git(first, "commit", "-qm", "campaign")
        git(first, "push", "-q", str(folder), "main")
        shutil.rmtree(first)
        return cls(folder)

    def machine(self, folder: Path, name: str) -> "Machine":
        """A new machine: a fresh clone in `folder`, with the results' merge driver set up."""
        git(folder.parent, "clone", "-q", str(self.folder), str(folder))
        python, *program = PROGRAM
        driver = with_markers_if_it_fails(f"{python} {program[0]} '{program[1]}' merge %A %B --out %A -q")
        git(folder, "config", "merge.pipeline.driver", driver)
        return Machine(Project(folder, name))


@dataclass(frozen=True, slots=True)
class Machine:
    """A clone of the campaign."""

    project: Project

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its git commands."""
        return dict(_GIT)

    def commit(self) -> None:
        """Commit the results."""
        git(self.project.folder, "add", "--", self.project.results_file.name)
        git(self.project.folder, "commit", "-qm", "results")

    def push(self) -> None:
        """Push the commits."""
        git(self.project.folder, "push", "-q", "origin", "main")

    def pull(self) -> None:
        """Pull what others published, merging the results of both sides."""
        git(self.project.folder, "pull", "-q", "--no-rebase", "--no-edit", "origin", "main")

    def lose(self, process: int) -> None:
        """Lose the machine: `process` with everything that it started, and the disk.

        The processes that serve a push count as the remote's, so they are not killed: they are waited for.
        """
        # Stop all of them before killing any: a live process could still start one that outlives it.
        stopped: list[int] = []
        served: set[int] = set()
        while True:
            own, remote = _descendants(process)
            served |= remote
            running = [each for each in (process, *own) if each not in stopped]
            if not running:
                break
            for each in running:
                _signal(each, signal.SIGSTOP)
            stopped += running
        for each in stopped:
            _signal(each, signal.SIGKILL)
        until(lambda: not any(map(_is_alive, served)), "the remote to end what a lost machine had begun")
        shutil.rmtree(self.project.folder)


def _signal(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended by itself
        os.kill(process, number)


def _is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def _descendants(process: int) -> tuple[list[int], set[int]]:
    """All descendants of `process`, and separately those that serve a push, as a remote does."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    own: list[int] = []
    remote: set[int] = set()
    unseen = [(each, False) for each in parents.get(process, [])]
    while unseen:
        each, serves = unseen.pop()
        serves = serves or _serves_a_push(each)
        if serves:
            remote.add(each)
        else:
            own.append(each)
        unseen += [(child, serves) for child in parents.get(each, [])]
    return own, remote


def _serves_a_push(process: int) -> bool:
    try:
        return b"receive-pack" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False
