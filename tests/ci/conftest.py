import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.campaigns import picture, spring

from ci.hosting import Machine, Remote
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
    """Creates machines, each with its own checkout."""
    made: list[Machine] = []

    def make(name: str = "one", url: str | None = None, branch: str = "main") -> Machine:
        (tmp_path / name).mkdir()
        made.append(Machine(tmp_path / name, remote.folder, url or vendor.url, branch))
        return made[-1]

    yield make
    for each in made:
        each.switch_off()
