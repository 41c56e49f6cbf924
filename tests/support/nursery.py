"""Commands as processes that are forked rather than started: a run then costs a tenth, so hundreds can be killed.

The nursery has all the code loaded and no thread; each child of it is the real command, from its arguments and
environment to its exit. Real starts, with their own interpreter, are `support.processes`.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar

from support.calling import Ended
from support.processes import PATIENCE, environment

T = TypeVar("T")
R = TypeVar("R")

_LOADED = """
import json, os, sys
import pipeline.cli.collect, pipeline.cli.main, pipeline.cli.run, pipeline.cli.run_command, pipeline.cli.terminal
import pipeline.engine.calls, pipeline.engine.checkpoint, pipeline.engine.runner
import pipeline.operations.provider, pipeline.providers.vimmerse, pipeline.state.opening

# How long is waited between two attempts proves nothing here; that it is tried again does.
pipeline.engine.calls.FIRST_BACKOFF = 0.01
pipeline.engine.calls.LONGEST_BACKOFF = 0.05

for line in sys.stdin:
    asked = json.loads(line)
    if "ended" in asked:
        print(os.waitstatus_to_exitcode(os.waitpid(asked["ended"], 0)[1]), flush=True)
        continue
    streams = [os.open(asked[name], os.O_RDWR | os.O_CREAT, 0o600) for name in ("in", "out", "err")]
    child = os.fork()
    if child == 0:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.environ.clear()
        os.environ.update(asked["around"])
        os.chdir(asked["folder"])
        sys.argv = ["pipeline", *asked["arguments"]]
        pipeline.cli.main.main()
    for stream in streams:
        os.close(stream)
    print(child, flush=True)
"""


class Nursery:
    """Starts commands, one after another. It ends with its `with`; so do they, at the latest."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LOADED],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate(timeout=PATIENCE)

    def start(self, *arguments: str | Path, url: str, folder: Path, said: Path, **more: str) -> "Child":
        """Start a command in `folder` that talks to the vendor at `url`; what it says is kept in `said`."""
        out, err = said.with_suffix(".out"), said.with_suffix(".err")
        number = self.ask(
            {
                "arguments": [str(argument) for argument in arguments],
                "around": environment(url, more),
                "folder": str(folder),
                "in": os.devnull,
                "out": str(out),
                "err": str(err),
            }
        )
        return Child(self, number, out, err)

    def ask(self, request: Mapping[str, Any]) -> int:
        """One question, one number."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


class Child:
    """A command that runs."""

    def __init__(self, nursery: Nursery, number: int, out: Path, err: Path) -> None:
        self._nursery = nursery
        self.number = number
        self._out = out
        self._err = err

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal. Until `ended` is asked for it is there to take it, dead or alive."""
        os.kill(self.number, number)

    def ended(self) -> Ended:
        """Wait for its end; one that hangs is killed, so that it is told what it said."""
        patience = threading.Timer(2 * PATIENCE, self.signal, [signal.SIGKILL])
        patience.start()
        code = self._nursery.ask({"ended": self.number})
        patience.cancel()
        return Ended(code, self._out.read_text(errors="replace"), self._err.read_text(errors="replace"))


class Ward:
    """So many nurseries, for as many trials at once. They end with its `with`."""

    def __init__(self, number: int = 4) -> None:
        self._number = number
        self._free: SimpleQueue[Nursery] = SimpleQueue()

    def __enter__(self) -> Self:
        with ExitStack() as held:
            for _ in range(self._number):
                self._free.put(held.enter_context(Nursery()))
            self._held = held.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held.close()

    def each(self, trial: Callable[[T, Nursery], R], of: Iterable[T]) -> list[R]:
        """What `trial` returns for each of them; the first that raises is raised when all have ended."""

        def lent(one: T) -> R:
            nursery = self._free.get()
            try:
                return trial(one, nursery)
            finally:
                self._free.put(nursery)

        with ThreadPoolExecutor(self._number) as hands:
            return list(hands.map(lent, of))
