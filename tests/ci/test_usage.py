"""The programs of the workflows, called in a wrong way, say how they are called."""

import subprocess
import sys

import pytest

from ci.hosting import ROOT, bare_environment


@pytest.mark.parametrize(
    "arguments",
    [
        ("plans.py",),
        ("plans.py", "--field"),
        ("plans.py", "--field", "campaign"),
        ("plans.py", "plans", "more"),
        ("forward.py",),
        ("forward.py", "true", ";"),
        ("release.py",),
        ("release.py", "--help"),
        ("release.py", "v1.2.3", "v1.2.4"),
    ],
    ids=" ".join,
)
def test_wrong_arguments_are_a_usage_error(arguments: tuple[str, ...]) -> None:
    program, *given = arguments

    ended = subprocess.run(
        [sys.executable, "-I", "-S", ROOT / "ci" / program, *given],
        env=bare_environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (64, "")
    assert ended.stderr.startswith("usage: ")
    assert program in ended.stderr
