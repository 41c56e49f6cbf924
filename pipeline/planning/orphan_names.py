"""Reads the names of a job that has left the manifest from the key and the request of its purchase."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from pipeline.jobs import Coordinates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.jobs import JobKey
    from pipeline.purchases import Purchase

# How many names without an axis a key has: rule and template; with an image or a prompt; with both.
_NEITHER, _ONE, _BOTH = 2, 3, 4


def possible_coordinates(purchase: Purchase) -> tuple[Coordinates, ...]:
    """All that the key can stand for.

    Usually one; several if the key has a name of which the request does not tell whether it is an image or a prompt;
    none if the key is not one that this tool writes. An axis value is a string, whatever it was in the manifest.
    """
    return tuple(
        each
        for each in _of_key(purchase.key)
        if each.key == purchase.key and _agrees_with_request(each, purchase)
    )


def _of_key(key: JobKey) -> Iterator[Coordinates]:
    body, _, take = key.partition("#")
    parts = body.split("/")
    names = [unquote(part) for part in parts if "=" not in part]
    pairs = [part.partition("=") for part in parts if "=" in part]
    axes = tuple((unquote(name), unquote(value)) for name, _, value in pairs)
    if len(names) not in (_NEITHER, _ONE, _BOTH) or not (take == "" or (take.isascii() and take.isdigit())):
        return
    rule, template, *others = names
    number = int(take or "1")
    if len(others) == 1:
        yield Coordinates(rule, template, others[0], None, axes, number)
        yield Coordinates(rule, template, None, others[0], axes, number)
    else:
        image, prompt = others or (None, None)
        yield Coordinates(rule, template, image, prompt, axes, number)


def _agrees_with_request(coordinates: Coordinates, purchase: Purchase) -> bool:
    """Whether the request, if it is recorded, has images exactly if the job has one, and calls them the same."""
    if not purchase.request:
        return True
    images = purchase.request.get("images") or []
    if not isinstance(images, list):
        return False
    if coordinates.image is None:
        return not images
    called = {each.get("id", coordinates.image) for each in images if isinstance(each, dict)}
    return called == {coordinates.image}
