"""How a picture moves in its frame: gently, and the same for the same request."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a picture is: enlarged by `zoom` about the middle, then moved by shares of the frame."""

    zoom: float = 1.0
    right: float = 0.0
    down: float = 0.0


@dataclass(frozen=True, slots=True)
class Motion:
    """From one pose to another, with a sway on the way."""

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
    """The motion that `word` asks for (`pan-left`); `seed` chooses for `Auto` and what is not known."""
    parts = word.lower().replace("_", " ").replace("-", " ").split()
    for known, motion in _WORDS.items():
        if known in parts:
            return _MOTIONS[motion]
    return _MOTIONS[_AUTOMATIC[seed % len(_AUTOMATIC)]]


def _between(start: float, end: float, share: float) -> float:
    return start + (end - start) * share
