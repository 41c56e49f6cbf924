"""Runs a command, passes on the signals of a cancelled job, and tells the steps that follow how it ended.

A shell would not do: what it starts beside itself hears no Ctrl-C, and what takes its place can tell nothing.
"""

import os
import signal
import subprocess
import sys
from types import FrameType

_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(command: list[str]) -> int:
    """Run it to its end; with its exit code."""
    if not command:
        print("usage: forward.py COMMAND [ARGUMENT]…", file=sys.stderr)
        return 64
    early: list[int] = []
    begun: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if begun:
            begun[0].send_signal(number)
        else:
            early.append(number)

    for each in _PASSED_ON:
        signal.signal(each, pass_on)
    begun.append(subprocess.Popen(command))  # noqa: S603 - the script beside this one says what
    for number in early:
        begun[0].send_signal(number)
    code = begun[0].wait()
    code = code if code >= 0 else 128 - code
    if outputs := os.environ.get("GITHUB_OUTPUT"):
        with open(outputs, "a", encoding="utf-8") as file:  # noqa: PTH123 - as short as it can be
            file.write(f"exit-code={code}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
