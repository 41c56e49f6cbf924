"""A Ctrl-C while the program is loading: nothing has begun, and no traceback of half-imported modules is shown."""

import subprocess
import sys

import pytest
from support.processes import PATIENCE

# Interrupts in the middle of the imports, as an early Ctrl-C does.
INTERRUPTED = """
import os, signal, sys
{before}
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "pipeline.cli.main":
            os.kill(os.getpid(), signal.SIGINT)
        return None
sys.meta_path.insert(0, Interrupting())
sys.argv = ["pipeline", "--version"]
from pipeline.cli.start import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize(
    ("before", "code", "says"),
    [("", 130, ""), ("signal.signal(signal.SIGINT, signal.SIG_IGN)", 0, "pipeline, version")],
    ids=["heard", "ignored, as below nohup"],
)
def test_ctrl_c_while_loading_exits_quietly(before: str, code: int, says: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(before=before)],
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (code, "")
    assert ended.stdout.startswith(says)


def test_ctrl_c_works_as_usual_after_loading() -> None:
    code = """
import signal, sys
import pipeline.cli.main as loaded
loaded.main = lambda: print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
from pipeline.cli.start import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert ended.stdout == "True\n"
