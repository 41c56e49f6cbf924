"""Questions to git, which a stranger's repository may try to answer with programs of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

_TIMEOUT = 10.0


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
