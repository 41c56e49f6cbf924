"""How the request of a job differs from what was bought."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import TYPE_CHECKING

from pipeline.planning.plan import Difference

if TYPE_CHECKING:
    from pipeline.jobs import Job
    from pipeline.json_values import Json
    from pipeline.purchases import Purchase

# These can be changed at the vendor, so a change does not cause a purchase.
_WORDING = {"title", "description", "visibility"}
# These name an input, but are not part of its content.
_NAMES = {"id", "path", "outputs_of"}
# Longer lists, of which each job may have one, take too long to be aligned.
_MOST_ALIGNED = 200
_ITEM = re.compile(r"\[[0-9]+\]$")


def differences(purchase: Purchase, job: Job) -> tuple[Difference, ...]:
    """Old → new of every value in which the request of `job` differs from that of `purchase`."""
    old = {"template_id": purchase.template_id, **dict(_leaves(purchase.request))}
    new = {"template_id": job.request.template_id, **dict(_leaves(job.request_json()))}
    return tuple(
        difference
        for name in [*old, *(name for name in new if name not in old)]
        if old.get(name) != new.get(name) and not _is_wording(name)
        for difference in _between(name, old.get(name), new.get(name))
    )


def changed_names(changes: Sequence[Difference]) -> Sequence[str]:
    """The names of what changed, for one line: a list of which several items changed is named once."""
    lists = [_ITEM.sub("", each.name) for each in changes]
    several = {each for each, number in Counter(lists).items() if number > 1}
    names = (name if name in several else each.name for name, each in zip(lists, changes, strict=True))
    return list(dict.fromkeys(names))


def _is_wording(name: str) -> bool:
    parts = name.split(".")
    return parts[0] in _WORDING or (parts[0].startswith("images[") and parts[-1] in _NAMES)


def _leaves(value: Json | Mapping[str, Json], name: str = "") -> Iterator[tuple[str, Json]]:
    """The values by their paths; a list of plain values is one of them."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and any(isinstance(inner, list | Mapping) for inner in value):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{name}[{index}]")
    else:
        yield name, value


def _between(name: str, old: Json, new: Json) -> Iterator[Difference]:
    before, after = (None if isinstance(each, list) else each for each in (old, new))
    if before is not None or after is not None:
        yield Difference(name=name, old=before, new=after)
    olds, news = (each if isinstance(each, list) else [] for each in (old, new))
    for number, one, other in _aligned(olds, news):
        yield Difference(name=f"{name}[{number}]", old=one, new=other)


def _aligned(old: Sequence[Json], new: Sequence[Json]) -> Iterator[tuple[int, Json, Json]]:
    """The items that differ, each with its number: one that joins or leaves the list changes no other."""
    if len(old) > _MOST_ALIGNED or len(new) > _MOST_ALIGNED:
        blocks = [[0, len(old), 0, len(new)]]
    else:
        # As text, in which 1, 1.0 and true differ.
        one, other = ([json.dumps(item) for item in each] for each in (old, new))
        matcher = SequenceMatcher(None, one, other, autojunk=False)
        blocks = [block for word, *block in matcher.get_opcodes() if word != "equal"]
    for at, end, new_at, new_end in blocks:
        for was, now in zip_longest(range(at, end), range(new_at, new_end)):
            before = None if was is None else old[was]
            after = None if now is None else new[now]
            if before != after:
                yield was if now is None else now, before, after
