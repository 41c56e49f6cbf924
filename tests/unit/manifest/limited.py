"""Runs hostile inputs in child processes, each of which may take 1 GiB of memory and 5 s of CPU for its share."""

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
    """What `judge`, Python that defines `judge(case) -> str`, says of each case.

    Of a case that kills its child the outcome says so; those after it in the same share have none.
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
