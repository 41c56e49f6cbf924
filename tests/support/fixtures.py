"""Fixtures for tests of commands: a vendor on loopback, a campaign, and the command line."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.emulator.embedded import Emulator
from pipeline.emulator.settings import EmulatorSettings
from support.calling import Pipeline, is_foreign
from support.campaigns import Project, campaign
from support.fork_server import ForkServer, the_fork_server
from support.processes import Running, environment


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[Emulator]:
    """The vendor: an emulator that makes tiny media immediately, with its own ledger and faults for each test."""
    with Emulator(EmulatorSettings.tiny(tmp_path / "vendor")) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, in an environment without our variables."""
    for name in [name for name in os.environ if is_foreign(name)]:
        monkeypatch.delenv(name)
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def project(folder: Path) -> Project:
    """A campaign of two jobs in the working folder."""
    return campaign(folder)


@pytest.fixture
def pipeline(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], vendor: Emulator
) -> Pipeline:
    """The command line, talking to `vendor`."""
    return Pipeline(monkeypatch, capsys, vendor.url)


@pytest.fixture
def offline(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Pipeline:
    """The command line without a key, and with a vendor that nobody can reach."""
    line = Pipeline(monkeypatch, capsys, "http://127.0.0.1:9")
    line.set("VIMMERSE_API_KEY", None)
    return line


@pytest.fixture
def start(folder: Path, vendor: Emulator) -> Iterator[Callable[..., Running]]:
    """Starts a command as a separate process, which ends with the test at the latest."""
    running: list[Running] = []

    def begin(*arguments: str | Path, url: str | None = None, **more: str) -> Running:
        running.append(Running(arguments, environment(url or vendor.url, more), folder))
        return running[-1]

    yield begin
    for each in running:
        each.kill()


@pytest.fixture(scope="session")
def fork_server() -> ForkServer:
    """The fork server, which forks commands."""
    return the_fork_server()
