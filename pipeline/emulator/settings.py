"""The settings of an emulator: where its work is kept, how long a workflow takes, its prices, its faults."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.emulator.faults import FaultRule
    from pipeline.emulator.templates import EmulatedTemplate

_SMALLEST, _LARGEST = 16, 4096


@dataclass(frozen=True, slots=True)
class Size:
    """A frame in pixels; both sides are even, as H.264 with 4:2:0 requires."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `640x360`.

        Raises:
            UsageError: it is not such a size, is odd, or out of bounds.
        """
        found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
        sides = [int(side) for side in found.groups()] if found else []
        if not sides or any(side % 2 or not _SMALLEST <= side <= _LARGEST for side in sides):
            raise UsageError(
                f"size {text[:40]!r}: expected WIDTHxHEIGHT such as 640x360, "
                f"even numbers from {_SMALLEST} to {_LARGEST}"
            )
        return cls(*sides)

    def with_aspect_ratio(self, aspect_ratio: str) -> Size:
        """This size in that aspect ratio (`16:9`, `9:16`, `1:1`), with the same sides; unchanged for any other."""
        long, short = max(self.width, self.height), min(self.width, self.height)
        return {"16:9": Size(long, short), "9:16": Size(short, long), "1:1": Size(short, short)}.get(
            aspect_ratio, self
        )


@dataclass(frozen=True, slots=True)
class EmulatorSettings:
    """The settings of an emulator.

    `folder` is where its work is kept; `duration` the least seconds that each workflow takes; `credits` the
    initial balance, None for an unlimited one; `key` the only key that is accepted, None for any;
    `renderers` the number of threads that make media; `webhook_pauses` the seconds before each further attempt
    to send a webhook; `templates` what a campaign describes beyond the vendor's own templates.
    """

    folder: Path
    duration: float = 2.0
    credits: int | None = None
    size: Size = Size(640, 360)
    frames_per_second: int = 24
    key: str | None = None
    faults: tuple[FaultRule, ...] = ()
    renderers: int = 1
    webhook_pauses: tuple[float, ...] = (1.0, 5.0, 30.0)
    templates: tuple[EmulatedTemplate, ...] = ()

    @classmethod
    def tiny(
        cls,
        folder: Path,
        duration: float = 0.0,
        credits: int | None = None,  # noqa: A002 - the vendor's word
        templates: tuple[EmulatedTemplate, ...] = (),
    ) -> Self:
        """Settings for tests: clips of a few small frames, made in milliseconds; workflows that end immediately."""
        return cls(
            folder,
            duration,
            credits,
            Size(64, 36),
            frames_per_second=2,
            webhook_pauses=(0.01, 0.02, 0.03),
            templates=templates,
        )
