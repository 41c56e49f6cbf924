"""Publishes the records for other machines, before any create is sent that is not in them.

A machine that is lost then leaves one wave of purchases that no other machine would buy again; and a push that is
refused, as another machine was there first, is a lock between machines.
"""

import contextlib
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from pipeline import failpoints, system
from pipeline.engine.calls import CallPool, result_of
from pipeline.engine.reporter import RunReport
from pipeline.errors import PipelineError, Unfinished, printable, reason_of
from pipeline.schemes import without_secrets

# Seconds that the command may take: a push that hangs must not hold a run for ever.
TIMEOUT = 600.0
# What the command ends with when it has joined others' records and wants to be run again (sysexits: EX_TEMPFAIL).
JOINED = 75
MOST_JOINS = 3
# What a command that only publishes has no need of, nor the hooks of a git that it calls.
SECRETS = frozenset({"VIMMERSE_API_KEY", "PIPELINE_WEBHOOK_SECRET", "PIPELINE_STATE", "PGPASSWORD"})


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The operator's command; it has published when it ends with 0.

    `inputs` are the files that say what is bought, relative to the project's root. PIPELINE_INPUTS names a file that
    lists them, each ended by a NUL: a variable could not hold the names of thousands of images.
    Of `environment` it is given all but the vendor's key, the secret of the webhooks, what may hold the password of a
    team's state, and `keys`, the variables that hold the key of another provider.
    """

    command: str
    inputs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    keys: frozenset[str] = frozenset()
    _process: "_Process" = field(default_factory=lambda: _Process(), init=False, repr=False, compare=False)

    def __call__(self) -> None:
        """Run the command; again, where it has joined what another machine published and says so.

        Raises:
            Unfinished: it did not end with 0, with the last line that it said.
        """
        try:
            with tempfile.NamedTemporaryFile(prefix="pipeline-inputs-") as listed:
                listed.writelines(f"{each}\0".encode() for each in self.inputs)
                listed.flush()
                secrets = SECRETS | self.keys
                given = {name: value for name, value in self.environment.items() if name not in secrets}
                given["PIPELINE_INPUTS"] = listed.name
                for _ in range(1 + MOST_JOINS):
                    code, output = self._process.run(self.command, given)
                    if code != JOINED:
                        break
        except subprocess.TimeoutExpired as error:
            raise Unfinished(f"the checkpoint command did not end within {TIMEOUT:g} seconds") from error
        except OSError as error:
            raise Unfinished(f"the checkpoint command cannot be started: {reason_of(error)}") from error
        if code != 0:
            said = output.decode(errors="replace").strip().splitlines()
            last = f": {printable(without_secrets(said[-1]))}" if said else ""
            see = "docs/reference/errors.md#failed-checkpoint"
            raise Unfinished(f"the checkpoint command failed with exit code {code}{last} (see {see})")

    def end(self) -> None:
        """End the command for good: where it runs, with all that it started.

        It joins what others published into the results, so they may be written only where it no longer runs.
        """
        self._process.end()


class _Process:
    """The process of a command, which another thread may end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_ended = False
        self._running: subprocess.Popen[bytes] | None = None

    def run(self, command: str, environment: Mapping[str, str]) -> tuple[int, bytes]:
        """Run a command to its end; with what it ends, and what it says.

        Raises:
            OSError, subprocess.TimeoutExpired: it could not be started, or took too long and was ended.
            Unfinished: `end` was called before it began.
        """
        with self._start(command, environment) as process:
            try:
                output, _ = process.communicate(timeout=TIMEOUT)
            except BaseException:
                # Without it, what it has started would still push, and hold its output open.
                _kill(process)
                raise
        return process.returncode, output

    def _start(self, command: str, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        with self._lock:
            if self._is_ended:
                raise Unfinished("the checkpoint command was stopped, because the run is ending")
            # In a session of its own: a Ctrl-C is for us, and must not cut a push in two.
            self._running = subprocess.Popen(  # noqa: S602 - a shell is what the operator was promised
                command,
                shell=True,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            return self._running

    def end(self) -> None:
        """End it where it runs, and let none begin."""
        with self._lock:
            self._is_ended = True
            if self._running is not None:
                _kill(self._running)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End a process and what is in its group. Of one that has ended the number may be another's by now."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            system.kill_group(process.pid)
        process.wait()


class Publication(Protocol):
    """The results of what was on disk when it was made. The run continues while they are written."""

    def write(self) -> None:
        """Write the results manifest; any thread may, one at a time.

        Raises:
            PipelineError: it cannot be written.
        """
        ...

    def note(self) -> None:
        """Have the state remember what was written.

        Raises:
            PipelineError: the state takes nothing any more.
        """
        ...


class NoPublication:
    """For what writes no results."""

    def write(self) -> None:
        """Nothing is written."""

    def note(self) -> None:
        """Nothing is remembered."""


@dataclass(kw_only=True, eq=False, slots=True)
class WavePublisher:
    """Has the results manifest written and, where there is a `checkpoint`, published. One at a time.

    `publication` gives the results of what is on disk. A thread works them out and writes them, as that takes long
    where there are many jobs.
    """

    calls: CallPool
    checkpoint: Checkpoint | None
    publication: Callable[[], Publication]
    report: RunReport

    is_busy: bool = field(default=False, init=False)
    _writing: "Future[None] | None" = field(default=None, init=False)

    @property
    def has_checkpoint(self) -> bool:
        """Whether creates wait until their intents are published."""
        return self.checkpoint is not None

    def begin(self, on_done: Callable[[str | None], None]) -> None:
        """Write the results and have them published, as no more than one command at a time may.

        `on_done` learns why nothing more may be sent, or None. Without a command that they could not be written
        forbids nothing, so it is only reported.
        """
        self.is_busy = True
        if self.checkpoint is not None:
            failpoints.reach("wave written")
        try:
            publication = self.publication()
        except PipelineError as error:
            self._end(on_done, error)
        else:
            self._writing = self.calls.submit_background(
                partial(self._written, publication, on_done), publication.write
            )

    def end(self) -> None:
        """Cancel a publication that has not begun, and wait for one that has: the last results come after it."""
        if self._writing is not None and not self._writing.cancel():
            wait([self._writing])

    def _written(
        self, publication: Publication, on_done: Callable[[str | None], None], future: "Future[None]"
    ) -> None:
        problem: PipelineError | None = None
        try:
            future.result()
            publication.note()
        except PipelineError as error:
            problem = error
        if self.checkpoint is None or problem is not None:
            # The results that the command would publish lack what is about to be sent.
            self._end(on_done, problem)
        else:
            self.calls.submit_background(partial(self._published, on_done), self.checkpoint)

    def _published(self, on_done: Callable[[str | None], None], future: "Future[None]") -> None:
        failpoints.reach("wave published")
        result = result_of(future)
        self._end(on_done, result if isinstance(result, PipelineError) else None)

    def _end(self, on_done: Callable[[str | None], None], problem: PipelineError | None) -> None:
        self.is_busy = False
        if problem is not None and self.checkpoint is None:
            self.report.stop(problem.exit_code, str(problem))
            problem = None
        on_done(None if problem is None else str(problem))
