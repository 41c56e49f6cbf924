"""Makes the media of a workflow, step by step, as far as that can be done on this machine."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image

from pipeline.emulator import drawing
from pipeline.emulator.clips import read_clip, write_clip, write_song
from pipeline.emulator.drawing import Picture
from pipeline.emulator.motion import DRIFT, Motion, motion_named
from pipeline.emulator.settings import Size
from pipeline.emulator.templates import Flow, Template
from pipeline.emulator.workflow import File, Step, Workflow
from pipeline.jobs import Json

Opener = Callable[[str], Path | None]
"""Gives the file behind an input or a url where it is the emulator's own; nothing is ever fetched."""

_SHORTEST, _LONGEST, _USUAL = 1.0, 10.0, 2.5
_TEXT_OPTIONS = ("prompt", "image_description", "product_name", "song_theme", "job_description", "user_name")


@dataclass(frozen=True, slots=True)
class Canvas:
    """What clips look like."""

    size: Size
    frames_per_second: int


def render(
    workflow: Workflow, template: Template, canvas: Canvas, folder: Path, open_own: Opener
) -> tuple[Step, ...]:
    """Make every step's file in `folder`; the last is the result. The same request gives the same bytes.

    Raises:
        Unreadable: an input is damaged.
        OSError: a file could not be written.
    """
    return Rendering(workflow, canvas, folder, open_own).run(template.steps_for(workflow.options))


class Rendering:
    """One workflow being made."""

    def __init__(self, workflow: Workflow, canvas: Canvas, folder: Path, open_own: Opener) -> None:
        self._workflow = workflow
        self._folder = folder
        self._open = open_own
        self._size = canvas.size.with_aspect_ratio(self._option("aspect_ratio"))
        self._rate = canvas.frames_per_second
        self._frames = max(round(_seconds(workflow.options.get("duration")) * self._rate), 2)
        self._seed = drawing.seed_of(f"{workflow.template_id} {workflow.options}")

    def run(self, flows: tuple[Flow, ...]) -> tuple[Step, ...]:
        if flows == (Flow.SONG,):
            return (self._song(),)
        if Flow.RESTYLE in flows:
            return tuple(self._preview(flows))
        if flows == (Flow.OVERLAY,):
            return (self._overlay_clip(),)
        return tuple(self._overlay(flows))

    # The overlay templates: their real steps.

    def _overlay(self, flows: tuple[Flow, ...]) -> Iterator[Step]:
        pictures = [drawing.crop_to_content(picture) for picture in self._pictures()]
        yield self._picture(Flow.CROP, pictures[0])
        yield self._picture(Flow.GRAY, drawing.replace_alpha(pictures[0]))
        if Flow.UPSCALE in flows:
            pictures = [drawing.upscale(picture) for picture in pictures]
            yield self._picture(Flow.UPSCALE, drawing.replace_alpha(pictures[0]))
        layers = [drawing.layer(picture, self._size) for picture in pictures]
        motion = motion_named(self._option("motion_type"), self._seed)
        gray = drawing.plain(self._size, drawing.GRAY)
        yield self._clip(Flow.ANIMATE, (_over(gray, each) for each in self._moving(layers, motion)))
        shadowed = [drawing.with_shadow(each) for each in layers]
        yield self._clip(
            Flow.OVERLAY,
            (
                _over(ground, each)
                for ground, each in zip(self._backgrounds(), self._moving(shadowed, motion), strict=False)
            ),
        )

    def _overlay_clip(self) -> Step:
        source = self._workflow.inputs[0]
        path = self._open(source)
        if path is not None and path.suffix == ".mp4":
            frames: Iterator[Picture] = self._looped(path)
        else:
            frames = self._unseen(source)
        cards = (self._card(frame) for frame in frames)
        return self._clip(
            Flow.OVERLAY,
            (_over(ground, card) for ground, card in zip(self._backgrounds(), cards, strict=False)),
        )

    def _card(self, frame: Picture) -> Picture:
        """A frame of a video to be laid over a background: its subject, or else the whole, smaller."""
        cut = drawing.without_gray(frame)
        return cut if cut.getchannel("A").getextrema()[0] == 0 else drawing.layer(cut, self._size, 0.78)

    def _moving(self, layers: list[Picture], motion: Motion) -> Iterator[Picture]:
        """The layers in motion; of two, the first turns into the second."""
        first, last = layers[0], layers[-1]
        for share in self._shares():
            layer = first if first is last else Image.blend(first, last, share)
            yield drawing.posed(layer, motion.at(share))

    def _backgrounds(self) -> Iterator[Picture]:
        """A frame of the background for each frame of the clip; several take their turns."""
        urls = [url for url in self._option("background_urls").split(",") if url] or [""]
        turns = [self._background(url) for url in urls]
        for number in range(self._frames):
            yield next(turns[number * len(turns) // self._frames])

    def _background(self, url: str) -> Iterator[Picture]:
        path = self._open(url) if url else None
        if path is not None and path.suffix == ".mp4":
            yield from self._looped(path)
        elif path is not None and path.suffix != ".wav":
            yield from self._drifting(drawing.covering(drawing.read_picture(path), self._size))
        else:
            yield from self._unseen(url)

    def _unseen(self, url: str) -> Iterator[Picture]:
        """In the place of what is not fetched: a landscape, and the url."""
        ground = drawing.landscape(self._size, drawing.seed_of(url))
        note = drawing.labels(self._size, [_short(url)] if url else [], "emulated background")
        return (_over(frame, note) for frame in self._drifting(ground))

    def _drifting(self, ground: Picture) -> Iterator[Picture]:
        return (drawing.posed(ground, DRIFT.at(share)) for share in self._shares())

    def _looped(self, path: Path) -> Iterator[Picture]:
        while True:
            for frame in read_clip(path):
                yield drawing.covering(frame.convert("RGBA"), self._size)

    # All other templates: an honest preview.

    def _preview(self, flows: tuple[Flow, ...]) -> Iterator[Step]:
        pictures = self._pictures()
        if "sketch" in self._workflow.template_id:
            pictures = [drawing.sketched(picture) for picture in pictures]
            ground = drawing.plain(self._size, drawing.PAPER)
        else:
            ground = drawing.landscape(self._size, drawing.seed_of(self._workflow.template_id))
        layers = [drawing.with_shadow(drawing.layer(picture, self._size, 0.8)) for picture in pictures]
        note = drawing.labels(self._size, self._story(), "emulated preview")
        yield self._picture(Flow.RESTYLE, _over(_over(ground, layers[0]), note))
        if Flow.ANIMATE in flows:
            motion = motion_named(self._option("motion_type"), self._seed)
            moving = zip(self._drifting(ground), self._moving(layers, motion), strict=True)
            yield self._clip(Flow.ANIMATE, (_over(_over(below, above), note) for below, above in moving))

    def _song(self) -> Step:
        path = self._folder / f"{Flow.SONG}.wav"
        write_song(path, self._seed, self._frames / self._rate)
        return Step(Flow.SONG, (File.at(path),))

    def _story(self) -> list[str]:
        told = next((self._option(name) for name in _TEXT_OPTIONS if self._option(name)), "")
        label = self._workflow.template_id.replace("_", " ")
        return [told, label] if told else [label]

    def _pictures(self) -> list[Picture]:
        sources = self._workflow.inputs[:2] or ("",)
        return [self._picture_of(source) for source in sources]

    def _picture_of(self, source: str) -> Picture:
        path = self._open(source) if source else None
        if path is not None and path.suffix == ".mp4":
            return next(read_clip(path)).convert("RGBA")
        if path is not None:
            return drawing.read_picture(path)
        ground = drawing.landscape(self._size, drawing.seed_of(source))
        # The url stands at the top, as a preview writes its own lines at the foot.
        note = drawing.labels(self._size, [], _short(source)[-48:] or "no image")
        return _over(ground, note).convert("RGBA")

    # Files

    def _picture(self, flow: Flow, picture: Picture) -> Step:
        path = self._folder / f"{flow}.png"
        picture.save(path, "PNG", compress_level=1)
        return Step(flow, (File.at(path),))

    def _clip(self, flow: Flow, frames: Iterator[Picture]) -> Step:
        path = self._folder / f"{flow}.mp4"
        write_clip(path, self._size, self._rate, frames)
        return Step(flow, (File.at(path),))

    def _shares(self) -> Iterator[float]:
        return (number / (self._frames - 1) for number in range(self._frames))

    def _option(self, name: str) -> str:
        value = self._workflow.options.get(name)
        return value if isinstance(value, str) else ""


def _over(ground: Picture, layer: Picture) -> Picture:
    """`layer` laid on `ground`, which stays as it is."""
    frame = ground.copy()
    frame.paste(layer, (0, 0), layer)
    return frame


def _seconds(value: Json) -> float:
    """The length that the option `duration` asks for, which may be a number or text."""
    try:
        asked = float(value) if isinstance(value, int | float | str) else _USUAL
    except ValueError:
        asked = _USUAL
    return _USUAL if math.isnan(asked) else min(max(asked, _SHORTEST), _LONGEST)


def _short(url: str) -> str:
    """A url without what is secret or long in it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "an unreadable url"
    return f"{host}{parts.path}" if host else url
