"""Publishes the records for other machines; a create is sent only after its intent is published.

If a machine is lost, at most one wave of purchases is in doubt, and no other machine buys it again. A push is refused
if another machine pushed first, which serves as a lock between machines.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from pipeline import failpoints, system
from pipeline.engine.calls import CallPool, result_of
from pipeline.errors import PipelineError, Unfinished, printable, reason_of
from pipeline.schemes import without_secrets

if TYPE_CHECKING:
    from pipeline.engine.reporter import RunReport

# Seconds that the command may take: a push that hangs must not block a run for ever.
TIMEOUT = 600.0
# Exit code of a command that joined other machines' records and needs to run again (sysexits: EX_TEMPFAIL).
JOINED = 75
MAX_JOINS = 3
# Secrets that a command that publishes does not need, and neither do the git hooks that it triggers.
SECRETS = frozenset({"VIMMERSE_API_KEY", "PIPELINE_WEBHOOK_SECRET", "PIPELINE_STATE", "PGPASSWORD"})


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The operator's command; exit code 0 means that it has published.

    `inputs` are the files that determine what is bought, relative to the project's root. PIPELINE_INPUTS names a file
    that lists them, each terminated by a NUL: a variable could not hold the names of thousands of images. The command
    gets `environment` without `SECRETS` (the vendor's key, the webhook secret, and what may hold the password of a
    team's state) and without `keys`, the variables that hold other providers' keys.
    """

    command: str
    inputs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    keys: frozenset[str] = frozenset()
    _process: _Process = field(default_factory=lambda: _Process(), init=False, repr=False, compare=False)

    def __call__(self) -> None:
        """Run the command; repeat it while it reports (`JOINED`) that it joined what another machine published.

        Raises:
            Unfinished: it did not end with 0; the message quotes the last line of its output.
        """
        try:
            with tempfile.NamedTemporaryFile(prefix="pipeline-inputs-") as listed:
                listed.writelines(f"{each}\0".encode(errors="surrogateescape") for each in self.inputs)
                listed.flush()
                secrets = SECRETS | self.keys
                given = {name: value for name, value in self.environment.items() if name not in secrets}
                given["PIPELINE_INPUTS"] = listed.name
                for _ in range(1 + MAX_JOINS):
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
        """Kill the command and all processes that it started, and refuse to start it again.

        It may write to the results, so nobody else may write them while it runs.
        """
        self._process.end()


class _Process:
    """The process of a command; another thread may end it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_ended = False
        self._running: subprocess.Popen[bytes] | None = None

    def run(self, command: str, environment: Mapping[str, str]) -> tuple[int, bytes]:
        """Run a command to its end, and return its exit code and output.

        Raises:
            OSError, subprocess.TimeoutExpired: it could not be started, or took too long and was ended.
            Unfinished: `end` was called before it began.
        """
        with self._start(command, environment) as process:
            try:
                output, _ = process.communicate(timeout=TIMEOUT)
            except BaseException:
                # Otherwise its child processes would continue to push, and keep its output open.
                _kill(process)
                raise
        return process.returncode, output

    def _start(self, command: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._is_ended:
                raise Unfinished("the checkpoint command was stopped, because the run is ending")
            # In a session of its own: Ctrl-C is meant for this process, and must not interrupt a push.
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
        """Kill the process if it is running, and refuse to start another."""
        with self._lock:
            self._is_ended = True
            if self._running is not None:
                _kill(self._running)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its group, unless it has ended: then its id may belong to another process."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            system.kill_group(process.pid)
        process.wait()


class Publication(Protocol):
    """The results as of what was on disk when this was created. The run continues while they are written."""

    def write(self) -> None:
        """Write the results manifest, from any thread, but only one at a time.

        Raises:
            PipelineError: it cannot be written.
        """
        ...

    def note(self) -> None:
        """Record in the state what was written.

        Raises:
            PipelineError: the state cannot be written.
        """
        ...


class NoPublication:
    """For callers that write no results."""

    def write(self) -> None:
        pass

    def note(self) -> None:
        pass


@dataclass(kw_only=True, eq=False, slots=True)
class WavePublisher:
    """Has the results manifest written and, with a `checkpoint`, published; one at a time.

    `publication` returns the results as of what is on disk. A background thread computes and writes them, because
    that takes long with many jobs.
    """

    calls: CallPool
    checkpoint: Checkpoint | None
    publication: Callable[[], Publication]
    report: RunReport

    is_busy: bool = field(default=False, init=False)
    _writing: Future[None] | None = field(default=None, init=False)

    @property
    def has_checkpoint(self) -> bool:
        """Whether creates wait until their intents are published."""
        return self.checkpoint is not None

    def begin(self, on_done: Callable[[str | None], None]) -> None:
        """Start to write and publish the results; not to be called while `is_busy`.

        `on_done` gets the reason why nothing more may be sent, or None. Without a checkpoint, a failure to write the
        results is only reported: creates do not depend on it.
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
        """Cancel a publication that has not begun, and wait for one that has: the last results are written next."""
        if self._writing is not None and not self._writing.cancel():
            wait([self._writing])

    def _written(
        self, publication: Publication, on_done: Callable[[str | None], None], future: Future[None]
    ) -> None:
        problem: PipelineError | None = None
        try:
            future.result()
            publication.note()
        except PipelineError as error:
            problem = error
        if self.checkpoint is None or problem is not None:
            # If writing failed, the command would publish results without the intents of this wave.
            self._end(on_done, problem)
        else:
            self.calls.submit_background(partial(self._checkpoint_ended, on_done), self.checkpoint)

    def _checkpoint_ended(self, on_done: Callable[[str | None], None], future: Future[None]) -> None:
        failpoints.reach("wave published")
        result = result_of(future)
        self._end(on_done, result if isinstance(result, PipelineError) else None)

    def _end(self, on_done: Callable[[str | None], None], problem: PipelineError | None) -> None:
        self.is_busy = False
        if problem is not None and self.checkpoint is None:
            self.report.add_reason(problem.exit_code, str(problem))
            problem = None
        on_done(None if problem is None else str(problem))
