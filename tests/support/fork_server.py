"""Commands as forked processes: a run then costs a tenth of a fresh start, so hundreds can be killed.

The fork server has all code loaded and no threads; each of its children is the real command, from its arguments and
environment to its exit. For real starts, with their own interpreter, see `support.processes.PROGRAM`.
"""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import IO, Any, TypeVar

from support.calling import PATIENCE, Ended, environment

T = TypeVar("T")
R = TypeVar("R")

# What a command imports late, and what it computes only once, such as the checks of its schemas: here that is done
# once, instead of once in every child.
_LOADED = """
import gc, importlib, json, os, pathlib, pkgutil, socket, sys
import decimal, fractions, gzip, mmap
import av, boto3, psycopg, uvicorn
import pipeline.artifacts.s3, pipeline.emulator.embedded, pipeline.media.read, pipeline.providers.vimmerse
import pipeline.cli.main, pipeline.documents.schema_findings, pipeline.engine.calls, pipeline.manifest.load
from PIL import Image

Image.init()
for each in pkgutil.iter_modules(pipeline.cli.__path__, "pipeline.cli."):
    importlib.import_module(each.name)
pipeline.manifest.load.load(pathlib.Path(sys.argv[2]))

channel = socket.socket(fileno=int(sys.argv[1]))
gc.freeze()
while True:
    text, streams = b"", []
    while not text.endswith(b"\\n"):
        read, came, _, _ = socket.recv_fds(channel, 1 << 16, 3)
        if not read:  # nobody is there to ask for more
            os._exit(0)
        text += read
        streams += came
    asked = json.loads(text)
    if "ended" in asked:
        number, status = os.waitpid(asked["ended"], os.WNOHANG)
        answer = os.waitstatus_to_exitcode(status) if number else None
    else:
        answer = os.fork()
        if answer == 0:
            channel.close()
            for number, stream in enumerate(streams, start=3 - len(streams)):  # without an input, that is empty
                os.dup2(stream, number)
                os.close(stream)
            os.environ.clear()
            os.environ.update(asked["around"])
            os.chdir(asked["folder"])
            sys.argv = ["pipeline", *asked["arguments"]]
            if asked["soon"]:
                # How long is waited between two attempts proves nothing there; that it is tried again does.
                pipeline.engine.calls.FIRST_BACKOFF = 0.01
                pipeline.engine.calls.LONGEST_BACKOFF = 0.05
            pipeline.cli.main.main()
    for stream in streams:
        os.close(stream)
    channel.sendall(json.dumps(answer).encode() + b"\\n")
"""


_MANIFEST = Path(__file__).parents[2] / "examples" / "quickstart" / "campaign.yaml"


class Forked:
    """A forked command, with the part of `subprocess.Popen` that the tests use."""

    def __init__(
        self,
        fork_server: "ForkServer",
        number: int,
        stdout: IO[str] | None = None,
        stderr: IO[str] | None = None,
    ) -> None:
        self._fork_server = fork_server
        self.pid = number
        self.stdout = stdout
        self.stderr = stderr
        self.returncode: int | None = None
        # A vendor's thread may signal it while the test waits for its end; its exit code can be read only once.
        self._asking = threading.RLock()

    def poll(self) -> int | None:
        with self._asking:
            if self.returncode is None:
                self.returncode = self._fork_server.code(self.pid)
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + (PATIENCE if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("pipeline", deadline)
            self.rest()
        return code

    def rest(self, *others: int) -> bool:
        """Wait a moment for its end, or for one of these open files; whether one of those can be read.

        To ask for its exit code all the time would take from its own time, and from that of all others.
        """
        with self._asking:
            if self.poll() is not None:
                return False
            ends = [os.pidfd_open(self.pid)] if sys.platform == "linux" else []
        found, _, _ = select.select([*others, *ends], [], [], 1.0 if ends else 0.005)
        for end in ends:
            os.close(end)
        return any(each in found for each in others)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        texts = ["", ""]

        def read(number: int, stream: IO[str]) -> None:
            texts[number] = stream.read()

        streams = [each for each in enumerate((self.stdout, self.stderr)) if each[1] and not each[1].closed]
        readers = [threading.Thread(target=read, args=each, daemon=True) for each in streams]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader, (_, stream) in zip(readers, streams, strict=True):
            reader.join(PATIENCE)
            assert stream is not None
            stream.close()
        return texts[0], texts[1]

    def send_signal(self, number: int) -> None:
        with self._asking:
            if self.poll() is None:  # until its exit code was read, the process id is valid, dead or alive
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """Starts commands. It ends with the process that created it."""

    def __init__(self) -> None:
        self.around = dict(os.environ)
        self._channel, other = socket.socketpair()
        self._answers = self._channel.makefile("rb")
        self._asking = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LOADED, str(other.fileno()), str(_MANIFEST)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[other.fileno()],
        )
        other.close()

    def close(self) -> None:
        """Start no more commands; running ones continue."""
        self._answers.close()
        self._channel.close()
        self._process.wait(PATIENCE)

    def fork(self, arguments: Sequence[str | Path], around: Mapping[str, str], folder: Path | None) -> Forked:
        """Start a command whose streams are read from pipes."""
        (out, to_out), (err, to_err) = os.pipe(), os.pipe()
        number = self._begin(arguments, around, folder, (to_out, to_err), soon=False)
        stdout, stderr = (open(each, encoding="utf-8", errors="backslashreplace") for each in (out, err))  # noqa: PTH123, SIM115
        return Forked(self, number, stdout, stderr)

    def fork_into(
        self, arguments: Sequence[str], around: Mapping[str, str], folder: Path, streams: Sequence[int]
    ) -> Forked:
        """Start a command with these open files as its input and outputs; it retries soon."""
        return Forked(self, self._begin(arguments, around, folder, streams, soon=True))

    def start(self, *arguments: str | Path, url: str, folder: Path, log: Path, **more: str) -> "Child":
        """Start a command in `folder` that talks to the vendor at `url`; `log` names where its output is kept."""
        kept = log.with_suffix(".out"), log.with_suffix(".err")
        streams = [os.open(each, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600) for each in kept]
        number = self._begin(arguments, environment(url, more), folder, streams, soon=True)
        return Child(Forked(self, number), *kept)

    def code(self, number: int) -> int | None:
        """The exit code of a command; None while it runs."""
        return self._ask({"ended": number})

    def _begin(
        self,
        arguments: Sequence[str | Path],
        around: Mapping[str, str],
        folder: Path | None,
        streams: Sequence[int],
        *,
        soon: bool,
    ) -> int:
        number = self._ask(
            {
                "arguments": [str(argument) for argument in arguments],
                "around": dict(around),
                "folder": str(folder or Path.cwd()),
                "soon": soon,
            },
            streams,
        )
        assert number is not None
        for each in streams:
            os.close(each)
        return number

    def _ask(self, request: Mapping[str, Any], streams: Sequence[int] = ()) -> int | None:
        with self._asking:
            text = json.dumps(request).encode() + b"\n"
            sent = socket.send_fds(self._channel, [text], streams)
            self._channel.sendall(text[sent:])
            line = self._answers.readline()
        assert line, "the process that commands are forked from has ended"
        answer: int | None = json.loads(line)
        return answer


class Child:
    """A running command."""

    def __init__(self, process: Forked, out: Path, err: Path) -> None:
        self._process = process
        self._out = out
        self._err = err

    @property
    def number(self) -> int:
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        self._process.send_signal(number)

    def ended(self) -> Ended:
        """Wait for its end; a command that hangs is killed, so that its output can be reported."""
        try:
            code = self._process.wait(2 * PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait(PATIENCE)
        return Ended(code, self._out.read_text(errors="replace"), self._err.read_text(errors="replace"))


def each(trial: Callable[[T], R], of: Iterable[T], at_once: int) -> list[R]:
    """The results of `trial` for each of them; the first exception is raised when all have ended."""
    with ThreadPoolExecutor(at_once) as hands:
        return list(hands.map(trial, of))


@cache
def the_fork_server() -> ForkServer:
    """The single fork server of this process, as it takes a second to load."""
    opened = ForkServer()
    atexit.register(opened.close)
    return opened
