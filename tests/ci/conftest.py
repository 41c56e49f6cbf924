import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.campaigns import picture, spring

from ci.forked import forked_program
from ci.hosting import PROGRAM, Machine, Remote
from pipeline.emulator.embedded import Emulator
from pipeline.emulator.settings import EmulatorSettings

MANIFEST = "campaigns/spring.yaml"


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[Emulator]:
    """A fast vendor."""
    with Emulator(EmulatorSettings.tiny(tmp_path / "vendor")) as running:
        yield running


@pytest.fixture
def slow_vendor(tmp_path: Path) -> Iterator[Emulator]:
    """A vendor whose workflows take longer than any test."""
    with Emulator(EmulatorSettings.tiny(tmp_path / "slow", duration=3600)) as running:
        yield running


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    """A repository with a campaign of two jobs that buys them one after the other."""
    manifest = json.dumps(spring(limits={"in_flight": 1}), indent=2)
    return Remote.of(tmp_path, {MANIFEST: manifest.encode(), "campaigns/images/red.png": picture()})


@pytest.fixture
def machine(tmp_path: Path, remote: Remote, vendor: Emulator) -> Iterator[Callable[..., Machine]]:
    """Creates machines, each with its own checkout.

    Their `pipeline` is quick to start, as a test calls it twenty times, unless it has to be the `real` one.
    """
    made: list[Machine] = []

    def make(
        name: str = "one", url: str | None = None, branch: str = "main", *, real: bool = False
    ) -> Machine:
        (tmp_path / name).mkdir()
        program = PROGRAM if real else forked_program()
        made.append(Machine(tmp_path / name, remote.folder, url or vendor.url, branch, program))
        return made[-1]

    yield make
    for each in made:
        each.switch_off()
