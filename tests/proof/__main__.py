"""Takes the protections out of the code, one at a time, and sees their tests fail; `make proof`.

Works on copies of the checkout. Words given as arguments select the protections in whose `against` or files one
of them stands. Ends with 1 if there is a protection without which one of its tests still passes.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from proof.protections import ROOT, Protection, protections

# Seconds after which tests that wait for something in vain have failed too.
PATIENCE = 180.0
AT_ONCE = 2


def copy_of_the_checkout(folder: Path) -> Path:
    """Every file that git knows or does not ignore, as it is now."""
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists() or (ROOT / name).is_symlink():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


def still_passing(protection: Protection) -> list[str]:
    """The tests of `protection` that do not fail without it."""
    with tempfile.TemporaryDirectory() as folder:
        root = copy_of_the_checkout(Path(folder).resolve())
        for edit in protection.edits:
            edit.apply(root)
        command = [sys.executable, "-m", "pytest", "-q", "-rf", "-p", "no:cacheprovider", *protection.tests]
        code, said = ended(["env", f"PYTHONPATH={root}", *command], root)
    if code is None:
        return []
    if code not in {0, 1}:
        # Not a test that failed, but code or tests that cannot be loaded: this proves nothing.
        return [f"{test} (pytest ended with {code})\n{said[-2000:]}" for test in protection.tests]
    failed = re.findall(r"^FAILED (.+)", said, re.MULTILINE)
    return [test for test in protection.tests if not any(_is(test, line) for line in failed)]


def ended(command: list[str], folder: Path) -> tuple[int | None, str]:
    """How a command ended and what it said; None where it waits for something in vain, and is killed with its kin."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None, ""
    return process.returncode, said


def _is(test: str, line: str) -> bool:
    """Whether a line of pytest's summary is about `test`; one without parameters stands for any of its cases."""
    return line.startswith(test) and line[len(test) :][:1] in ("", " ", "[")


def main() -> int:
    words = sys.argv[1:]
    chosen = [
        each
        for each in protections()
        if not words
        or any(word in each.against or any(word in edit.file for edit in each.edits) for word in words)
    ]
    unproved = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for protection, passing in zip(chosen, pool.map(still_passing, chosen), strict=True):
            print(f"{'NOT PROVED' if passing else 'proved'}: {protection.against}", flush=True)
            for test in passing:
                print(f"    passes without it: {test}", flush=True)
            unproved += bool(passing)
    print(f"{len(chosen) - unproved} of {len(chosen)} protections proved: without them their tests fail")
    return 1 if unproved else 0


if __name__ == "__main__":
    sys.exit(main())
