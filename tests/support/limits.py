"""Commands under limits: on the size of files, on resources, or on a superuser's right to write anywhere."""

import os
import resource
import subprocess
import sys
from pathlib import Path

from support.calling import Ended
from support.processes import PATIENCE, PROGRAM, environment

# Gives something up, then becomes the command. Without these two capabilities, permissions bind a superuser too.
_LIMITED = """
import os, resource, sys
kind, limit = getattr(resource, sys.argv[1]), int(sys.argv[2])
resource.setrlimit(kind, (limit, limit))
os.execv(sys.argv[3], sys.argv[3:])
"""
_BOUND = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
    dropped = ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    assert dropped == 0 or os.geteuid() != 0
os.execv(sys.argv[1], sys.argv[1:])
"""


def leave_room(process: int, room: int) -> None:
    """From now on `process` cannot write any file beyond `room` bytes; what is in a file already stays."""
    _, most = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (room, most))


def crowded(room: int, *arguments: str | Path, url: str, folder: Path) -> Ended:
    """Run a command that cannot write any file beyond `room` bytes."""
    return limited("RLIMIT_FSIZE", room, *arguments, url=url, folder=folder)


def limited(kind: str, limit: int, *arguments: str | Path, url: str, folder: Path) -> Ended:
    """Run a command with at most `limit` of one of the system's resources (`RLIMIT_NOFILE`, `RLIMIT_AS`)."""
    return _ended([_LIMITED, kind, str(limit)], arguments, url, folder)


def bound(*arguments: str | Path, url: str, folder: Path) -> Ended:
    """Run a command to which permissions apply, whoever runs the tests."""
    return _ended([_BOUND], arguments, url, folder)


def _ended(first: list[str], arguments: tuple[str | Path, ...], url: str, folder: Path) -> Ended:
    program = [sys.executable, "-c", *first, *PROGRAM, *map(str, arguments)]
    done = subprocess.run(
        program,
        cwd=folder,
        env={**environment(url), "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)
