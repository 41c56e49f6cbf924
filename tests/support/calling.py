"""Calls of the command line, in this process: the same code as the command, without starting Python anew."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import called

KEY = "canary-9f3b71c2d8"
# Seconds after which whatever is waited for is waited for in vain.
PATIENCE = 30.0

# What would change how a command behaves, if the machine that runs the tests has it.
_FOREIGN = ("PIPELINE_", "VIMMERSE_", "GITHUB_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_COLOR", "AWS_")


def is_foreign(name: str) -> bool:
    """Whether a variable of the environment is none of the tests' business."""
    return name.upper().startswith(_FOREIGN)


def vendor_environment(url: str) -> dict[str, str]:
    """The environment in which a campaign talks to the vendor at `url`, asking often."""
    return {"VIMMERSE_BASE_URL": url, "VIMMERSE_API_KEY": KEY, "PIPELINE_POLL_INTERVAL": "0.1"}


def environment(url: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a process that talks to the vendor at `url` finds around it."""
    own = {name: value for name, value in os.environ.items() if not is_foreign(name)}
    return {**own, **vendor_environment(url), **(more or {})}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err

    @property
    def document(self) -> Any:
        """What it printed for scripts."""
        return json.loads(self.out)


class Pipeline:
    """The command line, with the vendor at `url`. Call it with a command and its arguments."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        for name, value in vendor_environment(url).items():
            monkeypatch.setenv(name, value)
        # How long is waited between two attempts proves nothing here; that it is tried again does.
        monkeypatch.setattr("pipeline.engine.calls.FIRST_BACKOFF", 0.01)
        monkeypatch.setattr("pipeline.engine.calls.LONGEST_BACKOFF", 0.05)

    def set(self, name: str, value: str | None) -> None:
        """Set a variable of the environment from now on; None: take it away."""
        if value is None:
            self._monkeypatch.delenv(name, raising=False)
        else:
            self._monkeypatch.setenv(name, value)

    def __call__(self, *arguments: str | Path) -> Ended:
        self._capsys.readouterr()
        code = called([str(argument) for argument in arguments])
        captured = self._capsys.readouterr()
        return Ended(int(code), captured.out, captured.err)
