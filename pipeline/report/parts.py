"""The parts of a job's key, from its row in the results, else guessed from the key itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pipeline.jobs import axis_text

if TYPE_CHECKING:
    from pipeline.json_values import Json

_NAMES = ("rule", "template", "image", "prompt", "take")


def parts_of(job: Mapping[str, Any], purchase: Mapping[str, Any] | None) -> dict[str, Json]:
    """Those of rule, template, image, prompt, axes (with values spelled as in the key) and take that `job` has.

    Old results have only the key. If it has one name after the template, the images of `purchase` decide whether that
    is an image or a prompt.
    """
    if "rule" in job:
        parts: dict[str, Json] = {name: job[name] for name in _NAMES if name in job}
        axes = {name: axis_text(value) for name, value in job.get("axes", {}).items()}
        return {**parts, "axes": {**axes}} if axes else parts
    has_image = bool(purchase and purchase.get("request", {}).get("images"))
    return _parts_of_key(job["key"], has_image=has_image)


def _parts_of_key(key: str, *, has_image: bool) -> dict[str, Json]:
    whole, _, take = key.partition("#")
    names: list[str] = []
    axes: dict[str, Json] = {}
    for part in whole.split("/"):
        name, equals, value = part.partition("=")
        if equals:
            axes[unquote(name)] = unquote(value)
        else:
            names.append(unquote(part))
    found: dict[str, Json] = dict(zip(("rule", "template"), names, strict=False))
    further = names[2:]
    if len(further) > 1 or has_image:
        found |= dict(zip(("image", "prompt"), further, strict=False))
    elif further:
        found["prompt"] = further[0]
    if axes:
        found["axes"] = axes
    if take.isdecimal():
        found["take"] = int(take)
    return found
