"""An emulator that makes tiny media immediately."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from emulator.calls import Client
from pipeline.emulator.embedded import Emulator
from pipeline.emulator.settings import EmulatorSettings


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with Emulator(EmulatorSettings.tiny(tmp_path / "work")) as running:
        yield running


@pytest.fixture
def client(emulator: Emulator) -> Client:
    return Client(emulator)


@pytest.fixture
def picture(tmp_path: Path) -> bytes:
    """A PNG with a red block on a transparent ground."""
    image = Image.new("RGBA", (60, 40))
    image.paste((210, 40, 40, 255), (20, 10, 40, 30))
    path = tmp_path / "picture.png"
    image.save(path)
    return path.read_bytes()
