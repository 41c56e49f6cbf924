"""Whether git keeps what a campaign must not lose: its manifest and its results."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from pipeline.engine.checkpoint import SECRETS
from pipeline.errors import printable
from pipeline.operations.finding import Finding, warned
from pipeline.operations.provider import key_variables
from pipeline.operations.workspace import Workspace

_PATIENCE = 10.0


def told_by_git(workspace: Workspace) -> Finding:
    """What git says of the records of a campaign. A run needs no git, so this is a warning at most."""
    if workspace.emulated:
        return Finding(check="git", message="not needed for a rehearsal")
    folder = workspace.campaign.manifest.parent
    if not (workspace.campaign.root / ".git").exists():
        return warned(
            "git",
            "the manifest is not in a git repository, so other machines cannot know what was bought; run git init",
        )
    try:
        return _told(folder, workspace)
    except (OSError, subprocess.SubprocessError):
        return warned("git", "git cannot be asked; install it to keep the results in the repository")


def _told(folder: Path, workspace: Workspace) -> Finding:
    results, shown = workspace.results, printable(workspace.results_name)
    if not results.is_relative_to(workspace.campaign.root):
        return Finding(check="git", message=f"{shown} is outside the repository")
    secrets = SECRETS | key_variables(workspace.campaign.provider.name)
    variables = {
        name: value for name, value in workspace.environment.variables.items() if name not in secrets
    }
    if _git(folder, variables, "check-ignore", "--quiet", str(results)).returncode == 0:
        return warned("git", f"{shown} is ignored: remove it from .gitignore and commit it")
    if not results.exists():
        return Finding(check="git", message=f"ready; commit {shown} after the first run")
    changed = _git(folder, variables, "status", "--porcelain", "--", str(results))
    if changed.returncode != 0:
        return warned("git", f"git does not say: {printable(changed.stderr.strip(), 200)}")
    if changed.stdout:
        return warned("git", f"{shown} is not committed; add, commit and push it")
    return Finding(check="git", message=f"{shown} is committed")


def _git(folder: Path, variables: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    # A repository's own settings may name programs to run; of the two commands used, only this one would.
    command = ("git", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments)
    return subprocess.run(  # noqa: S603 - no shell, and paths of our own
        command,
        env=dict(variables),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=_PATIENCE,
    )
