"""Makes the media of a workflow, step by step, as far as this machine can."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.emulator import captions, drawing
from pipeline.emulator.captions import Caption, note_of, request_seed, short_url, text_of
from pipeline.emulator.clips import read_clip, write_clip, write_song
from pipeline.emulator.sprites import DRIFT, Motion, Sprite, content_box, drifted, motion_named
from pipeline.emulator.templates import EmulatedTemplate, Flow
from pipeline.emulator.workflow import File, Step, Workflow

if TYPE_CHECKING:
    from pipeline.emulator.drawing import Patch, Picture
    from pipeline.emulator.settings import Size
    from pipeline.json_values import Json

Opener = Callable[[str], Path | None]
"""Gives the file behind an input or a url where it is the emulator's own; nothing is ever fetched."""

_MIN_SECONDS, _MAX_SECONDS, _DEFAULT_SECONDS = 1.0, 10.0, 2.5


@dataclass(frozen=True, slots=True)
class Canvas:
    """The size, length and frame rate of clips."""

    size: Size
    frames_per_second: int


def render(
    workflow: Workflow, template: EmulatedTemplate, canvas: Canvas, folder: Path, open_own: Opener
) -> tuple[Step, ...]:
    """Make every step's file in `folder`; the last is the result.

    The same template, options, images and take give the same bytes; another prompt, option or take gives others.

    Raises:
        Unreadable: an input is damaged.
        OSError: a file could not be written.
    """
    return Rendering(workflow=workflow, canvas=canvas, folder=folder, open_own=open_own).run(
        template.steps_for(workflow.options)
    )


class Rendering:
    """One workflow being made."""

    def __init__(self, workflow: Workflow, canvas: Canvas, folder: Path, open_own: Opener) -> None:
        self._workflow = workflow
        self._folder = folder
        self._open = open_own
        self._size = canvas.size.with_aspect_ratio(self._option("aspect_ratio"))
        self._rate = canvas.frames_per_second
        self._frames = max(round(_seconds(workflow.options.get("duration")) * self._rate), 2)
        self._seed = request_seed(workflow)
        self._tag = f"take {workflow.take}"

    def run(self, flows: tuple[Flow, ...]) -> tuple[Step, ...]:
        """Make the files of `flows`, in this order."""
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
        # Only a foot, which is cut out of the gray together with the subject: a video made from this one shows it
        # beside its own lines at the top.
        caption = self._strip() + self._foot(self._tag)
        yield self._clip(
            Flow.ANIMATE,
            (caption.draw_on(_over(gray.copy(), patch)) for patch in self._moving(layers, motion)),
        )
        shadowed = [drawing.with_shadow(each) for each in layers]
        caption = self._strip() + self._foot()
        frames = zip(self._backgrounds(caption), self._moving(shadowed, motion), strict=False)
        yield self._clip(
            Flow.OVERLAY, (note.draw_on(_over(ground, patch)) for (ground, note), patch in frames)
        )

    def _overlay_clip(self) -> Step:
        source = self._workflow.inputs[0]
        path = self._open(source)
        if path is not None and path.suffix == ".mp4":
            frames: Iterator[Picture] = self._looped(path)
        else:
            note = self._name_on_picture(source)
            frames = (note.draw_on(frame) for frame in self._placeholder(source))
        cards = (self._card(frame) for frame in frames)
        pairs = zip(self._backgrounds(self._strip(at_top=True), note_of(self._workflow)), cards, strict=False)
        return self._clip(
            Flow.OVERLAY, (note.draw_on(_over(ground, (card, (0, 0)))) for (ground, note), card in pairs)
        )

    def _card(self, frame: Picture) -> Picture:
        """A video frame to be laid over a background: its subject, or else the whole frame, smaller."""
        cut = drawing.without_gray(frame)
        return cut if cut.getchannel("A").getextrema()[0] == 0 else drawing.layer(cut, self._size, 0.78)

    def _moving(self, layers: list[Picture], motion: Motion) -> Iterator[Patch]:
        """The layers in motion; the first of two turns into the second."""
        box = content_box(*layers)
        first, last = Sprite.of(layers[0], box), Sprite.of(layers[-1], box)
        for share in self._shares():
            sprite = first if len(layers) == 1 else first.blended(last, share)
            yield sprite.posed(motion.at(share))

    def _backgrounds(self, caption: Caption, *notes: str) -> Iterator[tuple[Picture, Caption]]:
        """The background of each frame of the clip, several in turn, and `caption` with that background's badges."""
        urls = [url for url in self._option("background_urls").split(",") if url] or [""]
        turns = (number * len(urls) // self._frames for number in range(self._frames))
        for turn, frames in groupby(turns):
            background = self._background(urls[turn])
            badges = self._badges("emulated overlay", *self._name_of(urls[turn]), *notes)
            for _ in frames:
                yield next(background), caption + badges

    def _background(self, url: str) -> Iterator[Picture]:
        path = self._open(url) if url else None
        if path is not None and path.suffix == ".mp4":
            return self._looped(path)
        if path is not None and path.suffix != ".wav":
            return self._drifting(drawing.covering(drawing.read_picture(path), self._size))
        return self._placeholder(url)

    def _placeholder(self, url: str) -> Iterator[Picture]:
        """A landscape in place of a background that is not fetched, with its url on a badge."""
        seed = drawing.seed_of(url)
        return self._drifting(drawing.landscape(self._size, palette=seed, seed=seed))

    def _name_of(self, url: str) -> list[str]:
        return [short_url(url)] if url and self._open(url) is None else []

    def _drifting(self, ground: Picture) -> Iterator[Picture]:
        return (drifted(ground, DRIFT.at(share)) for share in self._shares())

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
            palette = drawing.seed_of(self._workflow.template_id)
            ground = drawing.landscape(self._size, palette=palette, seed=self._seed)
        layers = [drawing.with_shadow(drawing.layer(picture, self._size, 0.8)) for picture in pictures]
        caption = self._strip() + self._badges("emulated preview") + self._foot()
        yield self._picture(Flow.RESTYLE, caption.draw_on(_over(ground.copy(), (layers[0], (0, 0)))))
        if Flow.ANIMATE in flows:
            motion = motion_named(self._option("motion_type"), self._seed)
            pairs = zip(self._drifting(ground), self._moving(layers, motion), strict=True)
            yield self._clip(Flow.ANIMATE, (caption.draw_on(_over(below, patch)) for below, patch in pairs))

    def _song(self) -> Step:
        path = self._folder / f"{Flow.SONG}.wav"
        write_song(path, self._seed, self._frames / self._rate)
        return Step(flow=Flow.SONG, files=(File.at(path),))

    def _pictures(self) -> list[Picture]:
        sources = self._workflow.inputs[:2] or ("",)
        return [self._picture_of(source) for source in sources]

    def _picture_of(self, source: str) -> Picture:
        path = self._open(source) if source else None
        if path is not None and path.suffix == ".mp4":
            return next(read_clip(path)).convert("RGBA")
        if path is not None:
            return drawing.read_picture(path)
        seed = drawing.seed_of(source)
        picture = drawing.landscape(self._size, palette=seed, seed=seed)
        return self._name_on_picture(source).draw_on(picture).convert("RGBA")

    # Words

    def _name_on_picture(self, source: str) -> Caption:
        """The name of an input that is not fetched, for the picture in its place."""
        return captions.title(self._size, short_url(source) or "no image")

    def _foot(self, *more: str) -> Caption:
        return captions.foot(self._size, text_of(self._workflow), note_of(self._workflow, *more))

    def _badges(self, *left: str) -> Caption:
        return captions.badges(self._size, left, self._tag, captions.strip_colour(self._seed))

    def _strip(self, *, at_top: bool = False) -> Caption:
        return captions.strip(self._size, self._seed, at_top=at_top)

    def _option(self, name: str) -> str:
        value = self._workflow.options.get(name)
        return value if isinstance(value, str) else ""

    # Files

    def _picture(self, flow: Flow, picture: Picture) -> Step:
        path = self._folder / f"{flow}.png"
        picture.save(path, "PNG", compress_level=1)
        return Step(flow=flow, files=(File.at(path),))

    def _clip(self, flow: Flow, frames: Iterable[Picture]) -> Step:
        path = self._folder / f"{flow}.mp4"
        write_clip(path, self._size, self._rate, frames)
        return Step(flow=flow, files=(File.at(path),))

    def _shares(self) -> Iterator[float]:
        return (number / (self._frames - 1) for number in range(self._frames))


def _over(ground: Picture, patch: Patch) -> Picture:
    """Draw `patch` on `ground`, which is changed and returned."""
    picture, position = patch
    ground.paste(picture, position, picture)
    return ground


def _seconds(value: Json) -> float:
    """The length that the option `duration` asks for, which may be a number or text."""
    try:
        asked = float(value) if isinstance(value, int | float | str) else _DEFAULT_SECONDS
    except (ValueError, OverflowError):
        asked = _DEFAULT_SECONDS
    return _DEFAULT_SECONDS if math.isnan(asked) else min(max(asked, _MIN_SECONDS), _MAX_SECONDS)
