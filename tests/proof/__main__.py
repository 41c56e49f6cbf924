"""Takes the protections out of the code, one at a time, and sees their tests fail; `make proof`.

Works on copies of the checkout. Words given as arguments select the protections in whose function or test one of
them stands. Then the modules that decide over money are mutated. Ends with 1 if there is a protection without which
its test still passes, or a mutant that no test notices, and with 2 if a word selects nothing.
"""

import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from proof.checkout import copy_of_the_checkout
from proof.mutants import MODULES, survivors
from proof.protections import Protection, protections

# Seconds after which tests that wait for something in vain have failed too.
PATIENCE = 180.0
AT_ONCE = 2


def why_unproved(protection: Protection) -> str | None:
    """What shows that `protection` may be missing unnoticed; None where its test fails without it."""
    with tempfile.TemporaryDirectory() as folder:
        root = copy_of_the_checkout(Path(folder).resolve())
        path = root / protection.file
        path.write_text(protection.taken_out(path.read_text()))
        command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", protection.test]
        code, said = ended(["env", f"PYTHONPATH={root}", *command], root)
    if code == 1 or code is None:
        return None
    # Anything but 0 is no test that failed, but code or tests that cannot be loaded: this proves nothing.
    return "it passes without it" if code == 0 else f"pytest ended with {code}\n{said[-2000:]}"


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


def main() -> int:
    words = sys.argv[1:]
    names = [*MODULES, *(name for each in protections() for name in (each.function, each.test))]
    for word in words:
        if not any(word in name for name in names):
            print(f"error: '{word}' selects no protection and no module", file=sys.stderr)
            return 2
    chosen = [
        each
        for each in protections()
        if not words or any(word in each.function or word in each.test for word in words)
    ]
    unproved = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for protection, why in zip(chosen, pool.map(why_unproved, chosen), strict=True):
            print(
                f"{'NOT PROVED' if why else 'proved'}: {protection.function} `{protection.statement}`",
                flush=True,
            )
            if why is not None:
                print(f"    {protection.test}: {why}", flush=True)
                unproved += 1
    print(f"{len(chosen) - unproved} of {len(chosen)} protections proved: without them their tests fail")
    survived = 0
    for module in (each for each in MODULES if not words or any(word in each for word in words)):
        found = list(survivors(module))
        survived += len(found)
        print(f"{module}: {len(found)} mutants survive", *found, sep="\n", flush=True)
    return 1 if unproved or survived else 0


if __name__ == "__main__":
    sys.exit(main())
