"""The command for a machine of `ci.hosting`, but quick to start: each call is forked from the fork server.

What a script starts is a small client. It hands on its arguments, environment, folder, input and output, passes on
signals, and ends as the command does; if the client is killed, the command and what that has started are killed too.
"""

import atexit
import json
import socket
import sys
import tempfile
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from support.fork_server import Forked, ForkServer, the_fork_server

_CLIENT = """#!PYTHON -IS
import json, os, signal, socket, sys

passed_on = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
signal.pthread_sigmask(signal.SIG_BLOCK, passed_on)  # until there is a command to pass them on to
here = socket.socket(socket.AF_UNIX)
here.connect("SOCKET")
asked = {"arguments": sys.argv[1:], "around": dict(os.environ), "folder": os.getcwd()}
text = json.dumps(asked).encode() + b"\\n"
rest = text[socket.send_fds(here, [text], [0, 1, 2]):]
if rest:  # else nobody may be there any more: a quick command has ended
    here.sendall(rest)
answers = here.makefile()
number = int(answers.readline())

def pass_on(which, frame):
    try:
        os.kill(number, which)
    except ProcessLookupError:
        pass

for each in passed_on:
    signal.signal(each, pass_on)
signal.pthread_sigmask(signal.SIG_UNBLOCK, passed_on)
code = int(answers.readline())
if code < 0:
    if -code != signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


@cache
def forked_program() -> str:
    """The script that a machine has as its `pipeline`."""
    fork_server = the_fork_server()
    folder = tempfile.TemporaryDirectory(prefix="pipeline-")
    atexit.register(folder.cleanup)
    place = str(Path(folder.name) / "commands")
    asking = socket.socket(socket.AF_UNIX)
    asking.bind(place)
    asking.listen(64)
    threading.Thread(target=_serve, args=(asking, fork_server), daemon=True).start()
    return _CLIENT.replace("PYTHON", sys.executable).replace("SOCKET", place)


def _serve(asking: socket.socket, fork_server: ForkServer) -> None:
    while True:
        client, _ = asking.accept()
        threading.Thread(target=_run, args=(client, fork_server), daemon=True).start()


def _run(client: socket.socket, fork_server: ForkServer) -> None:
    with client:
        asked, streams = _read(client)
        forked = fork_server.fork_into(asked["arguments"], asked["around"], Path(asked["folder"]), streams)
        with suppress(OSError):
            client.sendall(b"%d\n" % forked.pid)
        client.setblocking(False)
        while (code := forked.poll()) is None:
            if _is_gone(client):
                _kill(forked)
            time.sleep(0.005)
        client.setblocking(True)
        with suppress(OSError):
            client.sendall(b"%d\n" % code)


def _read(client: socket.socket) -> tuple[Any, list[int]]:
    text, streams = b"", []
    while not text.endswith(b"\n"):
        read, came, _, _ = socket.recv_fds(client, 1 << 16, 3)
        text += read
        streams += came
    return json.loads(text), streams


def _is_gone(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _kill(forked: Forked) -> None:
    with suppress(psutil.Error):
        command = psutil.Process(forked.pid)
        command.suspend()
        for each in [*command.children(recursive=True), command]:
            with suppress(psutil.Error):
                each.kill()
