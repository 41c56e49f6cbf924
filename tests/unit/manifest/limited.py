"""Runs hostile inputs in child processes, each limited to 1 GiB of memory and 5 s of CPU for its share."""

import json
import subprocess
import sys

_LIMITS = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
"""
_EACH = """
for case in json.load(sys.stdin):
    print(json.dumps(judge(case)), flush=True)
"""
_SHARE = 12


def outcomes(judge: str, cases: list[str]) -> dict[str, str]:
    """The outcome of each case by `judge`, Python code that defines `judge(case) -> str`.

    If a case kills its child, its outcome says so, and the cases after it in the same share have none.
    """
    found: dict[str, str] = {}
    for start in range(0, len(cases), _SHARE):
        found |= _of_share(judge, cases[start : start + _SHARE])
    return found


def _of_share(judge: str, cases: list[str]) -> dict[str, str]:
    command = [sys.executable, "-c", _LIMITS + judge + _EACH]
    child = subprocess.run(command, input=json.dumps(cases), capture_output=True, text=True, check=False)
    said = [json.loads(line) for line in child.stdout.splitlines()]
    if len(said) < len(cases):
        said.append(f"killed the process ({child.returncode}): {child.stderr[-2000:]}")
    return dict(zip(cases, said, strict=False))
