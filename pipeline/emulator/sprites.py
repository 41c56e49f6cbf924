"""Pictures in motion, the same for the same request, shifted by fractions of a pixel so that slow motion is smooth.

Resizing a part of a picture is several times as fast as transforming all of it; it is most of the cost of a clip.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Self

from PIL import Image, ImageChops

if TYPE_CHECKING:
    from pipeline.emulator.drawing import Patch, Picture


@dataclass(frozen=True, slots=True)
class Pose:
    """The position of a picture: enlarged by `zoom` about the middle, then moved by shares of the frame."""

    zoom: float = 1.0
    right: float = 0.0
    down: float = 0.0


@dataclass(frozen=True, slots=True)
class Motion:
    """A motion from one pose to another, with a sway on the way."""

    start: Pose
    end: Pose
    sway: float = 0.0

    def at(self, share: float) -> Pose:
        """The pose when `share` (0 to 1) of the clip is over."""
        eased = (1 - math.cos(math.pi * share)) / 2
        swaying = self.sway * math.sin(2 * math.pi * share)
        return Pose(
            _between(self.start.zoom, self.end.zoom, eased),
            _between(self.start.right, self.end.right, eased) + swaying,
            _between(self.start.down, self.end.down, eased),
        )


_MOTIONS = {
    "zoom_in": Motion(Pose(1.0), Pose(1.12)),
    "zoom_out": Motion(Pose(1.12), Pose(1.0)),
    "left": Motion(Pose(1.08, 0.035), Pose(1.08, -0.035)),
    "right": Motion(Pose(1.08, -0.035), Pose(1.08, 0.035)),
    "sway": Motion(Pose(1.03), Pose(1.07), sway=0.02),
    "static": Motion(Pose(), Pose()),
}
_WORDS = {
    "out": "zoom_out",
    "in": "zoom_in",
    "zoom": "zoom_in",
    "left": "left",
    "right": "right",
    "pan": "right",
    "static": "static",
    "none": "static",
    "sway": "sway",
}
_AUTOMATIC = ("zoom_in", "sway", "left", "zoom_out", "right")

DRIFT = Motion(Pose(1.14, 0.03), Pose(1.14, -0.03))


def motion_named(word: str, seed: int) -> Motion:
    """The motion that `word` names (`pan-left`); `seed` chooses one for `Auto` and unknown words."""
    parts = word.lower().replace("_", " ").replace("-", " ").split()
    for known, motion in _WORDS.items():
        if known in parts:
            return _MOTIONS[motion]
    return _MOTIONS[_AUTOMATIC[seed % len(_AUTOMATIC)]]


def _between(start: float, end: float, share: float) -> float:
    return start + (end - start) * share


Box = tuple[int, int, int, int]

# Empty pixels around a sprite. Two suffice to soften its edge, and rounding takes up to one.
_BORDER = 3


def drifted(ground: Picture, pose: Pose) -> Picture:
    """`ground` in a pose that leaves no edge of the frame empty."""
    width, height = ground.size
    left, top = _source_of(0, width, pose.zoom, pose.right), _source_of(0, height, pose.zoom, pose.down)
    right = _source_of(width, width, pose.zoom, pose.right)
    bottom = _source_of(height, height, pose.zoom, pose.down)
    box = (max(left, 0.0), max(top, 0.0), min(right, width), min(bottom, height))
    return ground.resize(ground.size, Image.Resampling.BILINEAR, box=box)


@dataclass(frozen=True, slots=True)
class Sprite:
    """The non-empty part of a frame, which is all that has to be moved."""

    frame_size: tuple[int, int]
    picture: Picture
    origin: tuple[int, int]

    @classmethod
    def of(cls, frame: Picture, box: Box | None = None) -> Self:
        """The content of `frame`, or of the part of it in `box`."""
        box = box or content_box(frame)
        return cls(frame_size=frame.size, picture=frame.crop(box), origin=box[:2])

    def blended(self, other: Sprite, share: float) -> Sprite:
        """A blend of this sprite with `share` of `other`, which has the same box."""
        return replace(self, picture=Image.blend(self.picture, other.picture, share))

    def posed(self, pose: Pose) -> Patch:
        """The sprite in a pose, cut at the frame's edges, and its position in the frame."""
        spans = [
            _span(origin, length, frame, pose.zoom, shift)
            for origin, length, frame, shift in zip(
                self.origin, self.picture.size, self.frame_size, (pose.right, pose.down), strict=True
            )
        ]
        (x, width, left, right), (y, height, top, bottom) = spans
        box = (left, top, right, bottom)
        return self.picture.resize((width, height), Image.Resampling.BILINEAR, box=box), (x, y)


def content_box(*frames: Picture) -> Box:
    """The box around the content of all `frames`, with an empty border to soften its edge."""
    alphas = [frame.getchannel("A") for frame in frames]
    left, top, right, bottom = reduce(ImageChops.lighter, alphas).getbbox() or (0, 0, 1, 1)
    return left - _BORDER, top - _BORDER, right + _BORDER, bottom + _BORDER


def _source_of(position: float, length: int, zoom: float, shift: float) -> float:
    """The source of the pixel at `position` of a side that is enlarged about its middle, then shifted."""
    return (position - length / 2 - shift * length) / zoom + length / 2


def _span(origin: int, length: int, frame: int, zoom: float, shift: float) -> tuple[int, int, float, float]:
    """For one side of a sprite: its first pixel and length in the frame, and the part of the sprite shown there."""
    first, last = (
        (edge - frame / 2) * zoom + frame / 2 + shift * frame for edge in (origin, origin + length)
    )
    # Whole pixels inside the sprite: rounding removes only its empty border.
    start = min(max(math.ceil(first), 0), frame - 1)
    end = max(min(math.floor(last), frame), start + 1)
    low, high = (_source_of(edge, frame, zoom, shift) - origin for edge in (start, end))
    return start, end - start, max(low, 0.0), min(high, length)
