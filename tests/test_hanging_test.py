"""A test that waits for ever fails the gate, which names it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

HANGS = """
import threading

def test_before(): pass
def test_hangs(): threading.Event().wait()
def test_after(): pass
"""


def test_hanging_test_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "test_three.py").write_text(HANGS)
    settings = f"-c {ROOT / 'pyproject.toml'} --rootdir {tmp_path} -o faulthandler_timeout=5"

    command = [sys.executable, "-m", "pytest", *settings.split(), "-p", "no:cacheprovider", "-n", "1", "."]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)

    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "crashed while running 'test_three.py::test_hangs'" in ended.stdout
    assert "1 failed, 2 passed" in ended.stdout
