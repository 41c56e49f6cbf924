"""The emulator as a whole: starting, stopping, dying, and starting again."""

import subprocess
import sys
from pathlib import Path

import pytest
import requests

from emulator.calls import Client
from pipeline.emulator.embedded import Emulator
from pipeline.emulator.settings import EmulatorSettings
from pipeline.errors import UsageError

SERVE = """
import sys
from pathlib import Path
from pipeline.emulator.embedded import serve
from pipeline.emulator.settings import EmulatorSettings, Size
settings = EmulatorSettings(Path(sys.argv[1]), duration=0, size=Size(64, 36), frames_per_second=2)
serve("127.0.0.1", 0, settings, lambda url: print(url, flush=True))
"""


def test_emulator_stops_at_the_end_of_its_block(tmp_path: Path) -> None:
    with Emulator(EmulatorSettings.tiny(tmp_path)) as emulator:
        assert requests.get(f"{emulator.url}/health", timeout=10).json() == {"status": "ok"}

    with pytest.raises(requests.ConnectionError):
        requests.get(f"{emulator.url}/health", timeout=10)


def test_error_names_the_port_in_use(tmp_path: Path) -> None:
    with Emulator(EmulatorSettings.tiny(tmp_path / "1")) as first:
        port = int(first.url.rpartition(":")[2])
        with (
            pytest.raises(UsageError, match=f"127.0.0.1:{port}"),
            Emulator(EmulatorSettings.tiny(tmp_path / "2"), port),
        ):
            pytest.fail("two of them on one port")


def test_new_emulator_on_the_same_folder_has_earlier_purchases(tmp_path: Path, picture: bytes) -> None:
    with Emulator(EmulatorSettings.tiny(tmp_path)) as before:
        made = Client(before).made("overlay_gray_5442", files=[picture])
    with Emulator(EmulatorSettings.tiny(tmp_path)) as after:
        client = Client(after)
        found = client.get(made["id"]).json()["data"]

        assert found["processing_status"] == "success"
        assert found["result"][0]["url"].startswith(after.url)
        assert requests.get(found["result"][0]["url"], timeout=10).status_code == 200
        # A chain continues too, with the url from before the restart.
        relay = client.made("overlay_only_1025", image_urls=[made["completions"][2]["result"][0]["url"]])
        assert relay["processing_status"] == "success"
        assert len(after.ledger.bought) == 2


def test_killed_emulator_loses_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        data = {"image_urls": "https://cdn.example.com/a.png", "title": "kept"}
        answer = requests.post(f"{url}/workflow", data=data, headers={"X-Api-Key": "k"}, timeout=10)
        process.kill()

    with Emulator(EmulatorSettings.tiny(tmp_path)) as emulator:
        workflow = Client(emulator).finished(answer.json()["data"]["id"])
    assert (workflow["title"], workflow["processing_status"]) == ("kept", "success")


def test_command_ends_on_interrupt(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.terminate()

        assert process.wait(timeout=20) != 0


def test_missing_libraries_are_named_with_the_install_command() -> None:
    # As if the extra were not installed.
    program = """
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "av" else found(name, package)
from pipeline.errors import PipelineError
try:
    import pipeline.emulator.settings
except PipelineError as error:
    print(error)
"""
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )

    assert told.stdout == "the emulator needs av: pip install 'campaign-pipeline[emulator]'\n"
