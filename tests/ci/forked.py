"""The command for a machine of `ci.hosting`, but quick to start: each call is forked from the fork server.

What a script starts is a small client. It hands on its arguments, environment, folder, input and output, passes on
signals, and ends as the command does; if the client is killed, the command and what that has started are killed too.
"""

import atexit
import marshal
import os
import socket
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil
from support.fork_server import Forked, ForkServer, the_fork_server

# Of the interpreter's own modules only: to import those around them would take twice as long as all the rest.
_CLIENT = """#!PYTHON -IS
import _signal, _socket, marshal, posix, sys

passed_on = {_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP}
_signal.pthread_sigmask(_signal.SIG_BLOCK, passed_on)  # until there is a command to pass them on to
here = _socket.socket(_socket.AF_UNIX)
here.connect("COMMANDS")
text = marshal.dumps((sys.argv[1:], posix.environ, posix.getcwd()))
text = len(text).to_bytes(4, "big") + text
streams = b"".join(each.to_bytes(4, sys.byteorder) for each in range(3))
sent = here.sendmsg([text], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
if text[sent:]:  # else nobody may be there any more: a quick command has ended
    here.sendall(text[sent:])

answers = b""
def answer():
    global answers
    while b"\\n" not in answers:
        read = here.recv(64)
        if not read:
            posix._exit(70)
        answers += read
    line, answers = answers.split(b"\\n", 1)
    return int(line)

def pass_on(which, frame):
    try:
        posix.kill(number, which)
    except ProcessLookupError:
        pass

number = answer()
for each in passed_on:
    _signal.signal(each, pass_on)
_signal.pthread_sigmask(_signal.SIG_UNBLOCK, passed_on)
code = answer()
if code < 0:
    if -code != _signal.SIGKILL:
        _signal.signal(-code, _signal.SIG_DFL)
    posix.kill(posix.getpid(), -code)
posix._exit(code)
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
    return _CLIENT.replace("PYTHON", sys.executable).replace("COMMANDS", place)


def _serve(asking: socket.socket, fork_server: ForkServer) -> None:
    while True:
        client, _ = asking.accept()
        threading.Thread(target=_run, args=(client, fork_server), daemon=True).start()


def _run(client: socket.socket, fork_server: ForkServer) -> None:
    with client, suppress(OSError):
        text, streams, _, _ = socket.recv_fds(client, 1 << 16, 3)
        while len(text) < 4 or len(text) < 4 + int.from_bytes(text[:4], "big"):
            more = client.recv(1 << 16)
            if not more:  # it was killed before it had asked
                return
            text += more
        arguments, around, folder = marshal.loads(text[4:])
        named = {os.fsdecode(name): os.fsdecode(value) for name, value in around.items()}
        forked = fork_server.fork_into(arguments, named, Path(folder), streams)
        with suppress(OSError):
            client.sendall(b"%d\n" % forked.pid)
        while forked.poll() is None:
            # What a client sends after its request is that it is gone.
            if forked.rest(client.fileno()):
                _kill(forked)
                forked.wait()
        client.sendall(b"%d\n" % forked.wait())


def _kill(forked: Forked) -> None:
    with suppress(psutil.Error):
        command = psutil.Process(forked.pid)
        command.suspend()
        for each in [*command.children(recursive=True), command]:
            with suppress(psutil.Error):
                each.kill()
