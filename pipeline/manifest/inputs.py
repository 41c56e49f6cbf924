"""Whether an item is what a template takes: how many inputs, of which type."""

from collections.abc import Iterator
from dataclasses import replace

from pipeline.documents.source import Location
from pipeline.errors import Problem
from pipeline.jobs import LocalFile, MediaType, Source, UpstreamOutput
from pipeline.manifest.catalog import Inputs
from pipeline.manifest.model import Item, Template


def for_template(item: Item | None, template: Template) -> tuple[Source, ...]:
    """The item's images; of an upstream, the first output of the type that the template takes."""
    if item is None:
        return ()
    inputs = None if template.known is None else template.known.inputs
    match item.images:
        case (UpstreamOutput() as upstream,) if inputs is not None:
            return (replace(upstream, media=inputs.type),)
        case images:
            return images  # the very tuple, which all jobs of the item share


def wrong_inputs(item: Item | None, template: Template, rule: Location) -> Iterator[Problem]:
    """What is wrong with the item for this template, by what the catalogue knows."""
    inputs = None if template.known is None else template.known.inputs
    if inputs is None:
        return
    if item is None:
        if inputs.least:
            yield rule.problem(
                f"template '{template.name}' takes {_wanted(inputs)}, but the rule gives it none"
            )
        return
    number = len(item.images)
    if not inputs.least <= number <= inputs.most:
        yield item.location.problem(
            f"template '{template.name}' takes {_wanted(inputs)}, '{item.id}' has {number}"
        )
    local = any(isinstance(image, LocalFile) for image in item.images)
    given = MediaType.IMAGE if local else item.gives
    if given not in (inputs.type, None):
        yield item.location.problem(
            f"template '{template.name}' takes {_a(inputs.type)}, and '{item.id}' is {_a(given)}"
        )


def _wanted(inputs: Inputs) -> str:
    number = str(inputs.least) if inputs.least == inputs.most else f"{inputs.least} to {inputs.most}"
    return f"{number} {inputs.type}{'' if inputs.most == 1 else 's'}"


def _a(media: MediaType | None) -> str:
    return f"an {media}" if media in (MediaType.IMAGE, MediaType.AUDIO) else f"a {media}"
