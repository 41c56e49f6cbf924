"""Calls of the command line in this process: the same code as the command, without starting Python."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import called
from pipeline.engine.in_flight import InFlight, TrackedPurchase

KEY = "canary-9f3b71c2d8"
# Seconds after which a wait has failed.
PATIENCE = 30.0
# The shortest interval between two polls that the command takes, in seconds.
OFTEN = 0.1

# Variables that would change the behaviour of a command if the machine that runs the tests has them.
_FOREIGN = ("PIPELINE_", "VIMMERSE_", "GITHUB_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_COLOR", "AWS_")


def is_foreign(name: str) -> bool:
    """Whether an environment variable must be hidden from the tests."""
    return name.upper().startswith(_FOREIGN)


def vendor_environment(url: str) -> dict[str, str]:
    """The environment for a campaign that talks to the vendor at `url` and polls often."""
    return {"VIMMERSE_BASE_URL": url, "VIMMERSE_API_KEY": KEY, "PIPELINE_POLL_INTERVAL": str(OFTEN)}


def environment(url: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The whole environment of a process that talks to the vendor at `url`."""
    own = {name: value for name, value in os.environ.items() if not is_foreign(name)}
    return {**own, **vendor_environment(url), **(more or {})}


@dataclass(frozen=True, slots=True)
class Ended:
    """The exit code of a command, and its output."""

    code: int
    out: str
    err: str

    @property
    def output(self) -> str:
        return self.out + self.err

    @property
    def document(self) -> Any:
        """The JSON that it printed."""
        return json.loads(self.out)


_pause = InFlight._pause


def _shorter_pause(in_flight: InFlight, tracked: TrackedPurchase, now: float) -> float:
    """A tenth of it where polls are as frequent as can be: what such a test proves is not that a run waits."""
    seconds = _pause(in_flight, tracked, now)
    return seconds / 10 if in_flight.max_poll_interval <= OFTEN else seconds


class Pipeline:
    """The command line, with the vendor at `url`. Call it with a command and its arguments."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        for name, value in vendor_environment(url).items():
            monkeypatch.setenv(name, value)
        # The tests check that calls are retried, not how long the pauses are.
        monkeypatch.setattr("pipeline.engine.calls.FIRST_BACKOFF", 0.01)
        monkeypatch.setattr("pipeline.engine.calls.LONGEST_BACKOFF", 0.05)
        monkeypatch.setattr("pipeline.engine.in_flight.InFlight._pause", _shorter_pause)

    def set(self, name: str, value: str | None) -> None:
        """Set an environment variable from now on; None removes it."""
        if value is None:
            self._monkeypatch.delenv(name, raising=False)
        else:
            self._monkeypatch.setenv(name, value)

    def __call__(self, *arguments: str | Path) -> Ended:
        self._capsys.readouterr()
        code = called([str(argument) for argument in arguments])
        captured = self._capsys.readouterr()
        return Ended(int(code), captured.out, captured.err)
