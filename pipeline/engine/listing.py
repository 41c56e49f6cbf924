"""Matches the files that the vendor lists with the recorded ones. Pure.

Neither the order of the vendor's list nor its urls are stable. So files keep the order in which they were first
recorded, and each later response is matched with it: by url, by size, or else by the fetched bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pipeline import record_limits
from pipeline.providers.address import without_query_and_user
from pipeline.purchases import Output, Purchase, Step

if TYPE_CHECKING:
    from pipeline.providers.base import Media, Workflow

T = TypeVar("T")


def recorded_url(url: str) -> str:
    """`url` as it is recorded: without its query, which may be a signature, and without a user and password."""
    return without_query_and_user(url)


def url_to_record(media: Media) -> str:
    """The url of a file as it is recorded."""
    return recorded_url(media.recorded_as or media.url)


def unusable_file(workflow: Workflow, *, with_steps: bool) -> str:
    """A url that a response lists for a wanted file and that cannot be used, safe to show; empty if there is none."""
    return workflow.unusable or (workflow.unusable_step if with_steps else "")


def matched(recorded: Sequence[Output], listed: Sequence[Media]) -> dict[int, int]:
    """By index in `recorded`, the index in `listed` of the same file, if url or size decide it.

    A size decides nothing while another is unknown, as that may be equal.
    """
    pairs = matched_by_url(recorded, listed)
    taken = set(pairs.values())
    sizes = [each.bytes for index, each in enumerate(recorded) if index not in pairs]
    sizes += [each.size for index, each in enumerate(listed) if index not in taken]
    if None not in sizes:
        _pair(pairs, recorded, listed, lambda output: output.bytes, lambda media: media.size)
    return pairs


def matched_by_url(recorded: Sequence[Output], listed: Sequence[Media]) -> dict[int, int]:
    """As `matched`, by url alone: as it is recorded, and only if it is unique on both sides."""
    pairs: dict[int, int] = {}
    # Older records have the user that a url named.
    _pair(
        pairs,
        recorded,
        listed,
        lambda output: output.url and recorded_url(output.url),
        url_to_record,
    )
    return pairs


def _pair(
    pairs: dict[int, int],
    recorded: Sequence[Output],
    listed: Sequence[Media],
    of_output: Callable[[Output], Hashable | None],
    of_media: Callable[[Media], Hashable | None],
) -> None:
    """Add the pairs of unmatched files whose trait is equal, and unique on both sides."""
    taken = set(pairs.values())
    ours = _unique((index, of_output(each)) for index, each in enumerate(recorded) if index not in pairs)
    theirs = _unique((index, of_media(each)) for index, each in enumerate(listed) if index not in taken)
    pairs.update({index: theirs[trait] for trait, index in ours.items() if trait in theirs})


def _unique(indexes: Iterable[tuple[int, Hashable | None]]) -> dict[Hashable, int]:
    """By each trait that occurs only once, its index."""
    known = [(index, trait) for index, trait in indexes if trait is not None]
    often = Counter(trait for _, trait in known)
    return {trait: index for index, trait in known if often[trait] == 1}


def recorded_from(media: Media) -> Output:
    """The record of a listed file before it is fetched."""
    return Output(media.content_type, url_to_record(media), bytes=media.size)


def merged(recorded: Sequence[Output], listed: Sequence[Media]) -> tuple[Output, ...]:
    """The record updated by a response, before its files are fetched; no fetched file is dropped.

    If a fetched file matches none in the response, only the bytes can show whether an unmatched file is the same one.
    Such files are appended when they are fetched.
    """
    outputs = list(recorded)
    pairs = matched(recorded, listed)
    for ours, theirs in pairs.items():
        if outputs[ours].sha256 is None:
            outputs[ours] = recorded_from(listed[theirs])
    unmatched = [index for index in range(len(outputs)) if index not in pairs]
    free = [index for index in unmatched if outputs[index].sha256 is None]
    taken = set(pairs.values())
    left = [recorded_from(each) for index, each in enumerate(listed) if index not in taken]
    for index, output in zip(free, left, strict=False):
        outputs[index] = output
    if len(free) == len(unmatched):
        outputs += left[len(free) :]
    return tuple(outputs[: record_limits.MAX_MEDIA])


def merged_steps(recorded: Sequence[Step], workflow: Workflow) -> tuple[Step, ...]:
    """As `merged`, for the steps of a workflow, which are matched by name; new ones are appended."""
    indexes = step_indexes(recorded, workflow)
    taken = set(indexes.values())
    known = (
        replace(step, outputs=merged(step.outputs, workflow.steps[indexes[number]][1]))
        if number in indexes
        else step
        for number, step in enumerate(recorded)
    )
    further = (
        Step(flow, merged((), media))
        for index, (flow, media) in enumerate(workflow.steps)
        if index not in taken
    )
    return (*known, *further)[: record_limits.MAX_MEDIA]


def step_indexes(recorded: Sequence[Step], workflow: Workflow) -> Mapping[int, int]:
    """By number of a recorded step, its index in the response. Steps of the same name are matched in order."""
    theirs = {trait: index for index, trait in enumerate(_counted([flow for flow, _ in workflow.steps]))}
    ours = enumerate(_counted([step.flow for step in recorded]))
    return {number: theirs[trait] for number, trait in ours if trait in theirs}


def _counted(names: Sequence[str]) -> list[tuple[str, int]]:
    """Each name, with the number of its earlier occurrences."""
    seen: Counter[str] = Counter()
    occurrences = []
    for name in names:
        # Recorded names may have been cut, so cut these in the same way.
        name = record_limits.fitted(name[: record_limits.LONGEST_NAME]) or "step"
        occurrences.append((name, seen[name]))
        seen[name] += 1
    return occurrences


def recorded_of(purchase: Purchase, output: str) -> tuple[Output, ...]:
    """The recorded files of a purchase's `result`, or of the step of that name."""
    if output == "result":
        return purchase.outputs
    return next((step.outputs for step in purchase.steps if step.flow == output), ())


def media_of(workflow: Workflow, output: str) -> tuple[Media, ...]:
    """The files that a response lists for a workflow's `result`, or for the step of that name."""
    if output == "result":
        return workflow.result
    return next((media for flow, media in workflow.steps if flow == output), ())
