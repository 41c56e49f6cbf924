"""Runs commands, passes on the signals of a cancelled job, and tells the steps that follow how they ended.

    forward.py COMMAND [ARGUMENT]… [';' COMMAND [ARGUMENT]…]…   the next one only if the one before ended with 0

A shell would not do: what it starts beside itself hears no Ctrl-C, and what takes its place can tell nothing.

An interrupt is passed on as SIGTERM, which is as orderly: a terminal has sent Ctrl-C to the command as well, and to
hear it twice means to end at once.
"""

import os
import signal
import subprocess
import sys
from types import FrameType

_PASSED_ON_AS = {
    signal.SIGINT: signal.SIGTERM,
    signal.SIGTERM: signal.SIGTERM,
    signal.SIGHUP: signal.SIGHUP,
}
_INTERRUPTED, _TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


def main(arguments: list[str]) -> int:
    """Run them to their end; with the exit code of the last one that began."""
    commands = _commands(arguments)
    if not all(commands):
        print("usage: forward.py COMMAND [ARGUMENT]… [';' COMMAND [ARGUMENT]…]…", file=sys.stderr)
        return 64
    code = _run(commands)
    if outputs := os.environ.get("GITHUB_OUTPUT"):
        with open(outputs, "a", encoding="utf-8") as file:  # noqa: PTH123 - as short as it can be
            file.write(f"exit-code={code}\n")
    return code


def _commands(arguments: list[str]) -> list[list[str]]:
    commands: list[list[str]] = [[]]
    for each in arguments:
        if each == ";":
            commands.append([])
        else:
            commands[-1].append(each)
    return commands


def _run(commands: list[list[str]]) -> int:
    received: list[int] = []
    begun: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if begun:
            begun[-1].send_signal(_PASSED_ON_AS[signal.Signals(number)])

    for each in _PASSED_ON_AS:
        signal.signal(each, pass_on)
    code = 0
    for command in commands:
        if received:
            return 128 + received[0]
        begun.append(subprocess.Popen(command))  # noqa: S603 - the script beside this one says what
        # Those that came while it began; to hear one of them twice changes nothing.
        for number in received:
            begun[-1].send_signal(_PASSED_ON_AS[signal.Signals(number)])
        code = begun[-1].wait()
        code = code if code >= 0 else 128 - code
        if code:
            break
    return _INTERRUPTED if code == _TERMINATED and signal.SIGINT in received else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
