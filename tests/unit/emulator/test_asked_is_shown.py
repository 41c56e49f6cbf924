"""The media shows what was requested: the prompt, the other options, the take. Fetched over HTTP and decoded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from emulator.calls import Client
from pipeline.emulator import captions
from pipeline.emulator.clips import read_clip
from pipeline.emulator.drawing import Picture
from pipeline.emulator.embedded import Emulator
from pipeline.emulator.settings import EmulatorSettings, Size
from pipeline.emulator.templates import TEMPLATES

READABLE = Size(320, 180)


@pytest.fixture
def readable(tmp_path: Path) -> Iterator[Client]:
    """A client of an emulator whose frames are large enough for text."""
    settings = EmulatorSettings(tmp_path, duration=0, size=READABLE, frames_per_second=2)
    with Emulator(settings) as emulator:
        yield Client(emulator)


def content_of(workflow: Any) -> bytes:
    """The bytes of its result."""
    [file] = workflow["result"]
    return requests.get(file["url"], timeout=10).content


def first_frame(folder: Path, content: bytes) -> Picture:
    path = folder / "film.mp4"
    path.write_bytes(content)
    return next(read_clip(path))


@pytest.mark.parametrize("template", TEMPLATES)
def test_different_prompt_option_or_take_gives_a_different_video(client: Client, template: str) -> None:
    asked: list[dict[str, Any]] = [
        {"prompt": "walks", "x": 1},
        {"prompt": "dances", "x": 1},
        {"prompt": "walks", "x": 2},
        {"prompt": "walks", "x": 1},
    ]

    films = [content_of(client.made(template, options=options)) for options in asked]

    assert len(set(films)) == len(asked)


@pytest.mark.parametrize("template", ["overlay_gray_5442", "overlay_gray_5443", "vim_arctic"])
def test_each_step_that_depends_on_the_prompt_differs(client: Client, template: str) -> None:
    def steps(prompt: str) -> dict[str, bytes]:
        workflow = client.made(template, options={"prompt": prompt, "motion_type": "left"})
        return {
            step["flow"]: requests.get(step["result"][0]["url"], timeout=10).content
            for step in workflow["completions"]
        }

    walks, dances = steps("walks"), steps("dances")

    same = {flow for flow in walks if walks[flow] == dances[flow]}
    # These steps do only what their names say, whatever the prompt.
    assert same == {"crop_to_content", "replace_alpha_with_gray", "upscale"} & walks.keys()


def test_same_request_gives_the_same_video_on_any_machine(tmp_path: Path) -> None:
    films = set()
    for folder in ("one", "two"):
        with Emulator(EmulatorSettings.tiny(tmp_path / folder)) as emulator:
            made = Client(emulator).made("vim_arctic", title=folder, options={"a": 1, "b": [2]})
            films.add(content_of(made))

    assert len(films) == 1


@pytest.mark.parametrize("ratio", ["16:9", "9:16", "1:1"])
@pytest.mark.parametrize("template", ["overlay_gray_5442", "each_explodedloop_0226"])
def test_prompt_and_take_are_readable_in_the_video(
    readable: Client, tmp_path: Path, template: str, ratio: str
) -> None:
    options = {"prompt": "Shoes jump over a puddle", "aspect_ratio": ratio}
    readable.made(template, options=options)
    frame = first_frame(tmp_path, content_of(readable.made(template, options=options)))

    size = READABLE.with_aspect_ratio(ratio)
    assert frame.size == (size.width, size.height)
    note = f"{template.replace('_', ' ')} · aspect_ratio {ratio}"
    [(foot, below)] = captions.foot(size, "Shoes jump over a puddle", note).patches
    (take, corner), *_ = captions.badges(size, [], "take 2", (0, 0, 0)).patches
    (other, _), *_ = captions.badges(size, [], "take 1", (0, 0, 0)).patches
    assert likeness(frame, foot, below) > 0.7
    assert likeness(frame, take, corner) > 0.7
    assert likeness(frame, take, corner) > likeness(frame, other, corner)


def likeness(frame: Picture, patch: Picture, position: tuple[int, int]) -> float:
    """How well light and dark in the frame match the letters of the patch at that position: from -1 to 1."""
    x, y = position
    seen = frame.crop((x, y, x + patch.width, y + patch.height)).convert("L").tobytes()
    drawn = patch.convert("RGB").convert("L").tobytes()
    mean_seen, mean_drawn = sum(seen) / len(seen), sum(drawn) / len(drawn)
    pairs = [(one - mean_seen, other - mean_drawn) for one, other in zip(seen, drawn, strict=True)]
    spread = sum(one * one for one, _ in pairs) * sum(other * other for _, other in pairs)
    return float(sum(one * other for one, other in pairs) / spread**0.5)


def test_video_made_from_a_video_shows_the_prompt_of_the_first_too(
    readable: Client, tmp_path: Path, picture: bytes
) -> None:
    prompt = "Shoes jump over a puddle"
    first = readable.made("overlay_gray_5442", files=[picture], options={"prompt": prompt})
    animated = next(step for step in first["completions"] if step["flow"] == "create_media")

    chained = readable.made("overlay_only_1025", image_urls=[animated["result"][0]["url"]])

    [(foot, position)] = captions.foot(READABLE, prompt, "overlay gray 5442 · take 1").patches
    assert likeness(first_frame(tmp_path, content_of(chained)), foot, position) > 0.7


def test_take_numbers_continue_after_restart_and_deletion(tmp_path: Path) -> None:
    with Emulator(EmulatorSettings.tiny(tmp_path)) as emulator:
        client = Client(emulator)
        first, second = (client.made("vim_arctic", title=title) for title in ("any", "other"))
        films = {content_of(each) for each in (first, second)}
        emulator.store.delete(first["id"])
    with Emulator(EmulatorSettings.tiny(tmp_path)) as emulator:
        films.add(content_of(Client(emulator).made("vim_arctic")))
        takes = [entry.take for entry in emulator.ledger.bought]

    assert takes == [1, 2, 3]
    assert len(films) == 3


def test_failed_create_does_not_count_as_a_take(client: Client) -> None:
    client.emulator.fail({"on": "create", "nth": 1, "do": {"status": 500}})
    client.create()
    client.create()

    assert [entry.take for entry in client.emulator.ledger.entries] == [None, 1]
