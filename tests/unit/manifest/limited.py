"""Runs hostile inputs in a child process that may take 1 GiB of memory and 5 s of CPU, for all together."""

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


def outcomes(judge: str, cases: list[str]) -> dict[str, str]:
    """What `judge`, Python that defines `judge(case) -> str`, says of each case.

    A case that kills the child has no outcome, and neither has any after it.
    """
    child = subprocess.run(
        [sys.executable, "-c", _LIMITS + judge + _EACH],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
    )
    said = [json.loads(line) for line in child.stdout.splitlines()]
    if len(said) < len(cases):
        said.append(f"killed the process ({child.returncode}): {child.stderr[-2000:]}")
    return dict(zip(cases, said, strict=False))
