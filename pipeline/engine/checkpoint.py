"""Publishes what is known to where other machines find it, before anything is sent that it does not tell.

A machine that is lost then leaves one wave of purchases that nobody else would buy again; and a push that is
refused, as another machine was there first, is a lock between machines.
"""

import subprocess
from dataclasses import dataclass

from pipeline.errors import Unfinished, printable

# A push that hangs must not hold a run for ever.
PATIENCE = 600.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The operator's command; it has published when it ends with 0."""

    command: str

    def __call__(self) -> None:
        """Run the command.

        Raises:
            Unfinished: it did not end with 0, with the last line that it said.
        """
        try:
            # In a session of its own: a Ctrl-C is for us, and must not cut a push in two.
            ended = subprocess.run(  # noqa: S602 - a shell is what the operator was promised
                self.command,
                shell=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                timeout=PATIENCE,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unfinished(f"the checkpoint command did not end: {type(error).__name__}") from error
        if ended.returncode != 0:
            said = ended.stdout.decode(errors="replace").strip().splitlines()
            last = f": {printable(said[-1])}" if said else ""
            raise Unfinished(f"the checkpoint command failed with {ended.returncode}{last}")
