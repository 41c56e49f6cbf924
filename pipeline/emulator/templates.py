"""The emulator's knowledge of the vendor's templates: their steps, their results, their prices.

It has its own table rather than the client's catalogue, as otherwise it would share the client's mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.json_values import Json


class Flow(StrEnum):
    """A step, by its name in `completions`."""

    CROP = "crop_to_content"
    GRAY = "replace_alpha_with_gray"
    UPSCALE = "upscale"
    ANIMATE = "create_media"
    OVERLAY = "video_overlay"
    RESTYLE = "image_to_image"
    SONG = "create_song"


class Needs(StrEnum):
    """The input that a create needs."""

    IMAGE = "image"
    VIDEO = "video"
    NOTHING = "nothing"


# The price, in the emulator, of a template whose price is not known.
NOMINAL_CREDITS = 100

_PREVIEW = (Flow.RESTYLE, Flow.ANIMATE)


@dataclass(frozen=True, slots=True)
class EmulatedTemplate:
    """One template: `credits` is its price, None if it is not known."""

    id: str
    steps: tuple[Flow, ...] = _PREVIEW
    needs: Needs = Needs.IMAGE
    credits: int | None = None
    options: tuple[str, ...] = ("aspect_ratio",)

    def steps_for(self, options: Mapping[str, Json]) -> tuple[Flow, ...]:
        """The steps of one workflow: a workflow that makes only an image has no animation."""
        if options.get("pipeline_mode") == "image" and Flow.RESTYLE in self.steps:
            return (Flow.RESTYLE,)
        return self.steps

    @property
    def price(self) -> int:
        return NOMINAL_CREDITS if self.credits is None else self.credits


_OVERLAY_OPTIONS = ("background_urls", "prompt", "motion_type", "duration", "last_frame_support")
_SCENE_OPTIONS = ("aspect_ratio", "pipeline_mode")

_ALL = (
    EmulatedTemplate(
        "overlay_gray_5443",
        (Flow.CROP, Flow.GRAY, Flow.UPSCALE, Flow.ANIMATE, Flow.OVERLAY),
        options=_OVERLAY_OPTIONS,
    ),
    EmulatedTemplate(
        "overlay_gray_5442", (Flow.CROP, Flow.GRAY, Flow.ANIMATE, Flow.OVERLAY), options=_OVERLAY_OPTIONS
    ),
    EmulatedTemplate("overlay_only_1025", (Flow.OVERLAY,), Needs.VIDEO, options=("background_urls",)),
    *(
        EmulatedTemplate(f"vim_{scene}", options=_SCENE_OPTIONS)
        for scene in (
            "new_year_2026",
            "dancing_santa",
            "birthday",
            "ces_show",
            "amazonia",
            "arctic",
            "sketch_me",
            "product_showcase",
        )
    ),
    EmulatedTemplate(
        "vim_instagramframeescape_0226", options=("aspect_ratio", "user_name", "job_description")
    ),
    EmulatedTemplate("vim_dreamcareer_0226", options=("image_description", "aspect_ratio")),
    EmulatedTemplate("each_explodedloop_0226", credits=100, options=("prompt", "aspect_ratio")),
    EmulatedTemplate(
        "each_ugcproduct_0226",
        credits=320,
        options=("product_name", "target_audience", "product_image", "voice", "aspect_ratio"),
    ),
    EmulatedTemplate("each_moonwalk_0226", credits=150),
    EmulatedTemplate("each_funnydance_0226", credits=200),
    EmulatedTemplate(
        id="each_createsong_0226",
        steps=(Flow.SONG,),
        needs=Needs.NOTHING,
        credits=10,
        options=("genre_style", "song_theme"),
    ),
)

TEMPLATES: Mapping[str, EmulatedTemplate] = {template.id: template for template in _ALL}

_FAMILY = re.compile(r"(overlay|vim|each)_[a-z0-9_]{1,80}")


_STEPS = {"image": (Flow.RESTYLE,), "video": _PREVIEW, "audio": (Flow.SONG,)}


def described(template_id: str, gives: str | None) -> EmulatedTemplate:
    """A template that is not in the table, by what is said of it: `gives` is `image`, `video`, `audio` or None."""
    return EmulatedTemplate(template_id, _STEPS.get(gives or "", _PREVIEW), Needs.NOTHING)


def find(template_id: str, others: Sequence[EmulatedTemplate]) -> EmulatedTemplate | None:
    """The template of that id, or one for an id that looks like the vendor's own; else None.

    The vendor adds templates often, and a campaign with a new one should be rehearsed too: `others` are those that it
    describes.
    """
    if template_id in TEMPLATES:
        return TEMPLATES[template_id]
    own = next((each for each in others if each.id == template_id), None)
    return described(template_id, None) if own is None and _FAMILY.fullmatch(template_id) else own
