"""What the operating system reports about processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import system


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells it")
def test_zombie_process_is_not_running() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert system.is_running(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

        assert not system.is_running(process.pid)
    finally:
        process.communicate()
    assert not system.is_running(process.pid)
