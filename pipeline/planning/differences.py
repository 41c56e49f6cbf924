"""What changed between what was bought and what is asked for now."""

from collections.abc import Iterator, Mapping

from pipeline.jobs import Job, Json
from pipeline.planning.plan import Difference
from pipeline.purchases import Purchase

# A new title is no reason to buy: these can be changed at the vendor.
_WORDING = {"title", "description", "visibility"}
# Names of what is asked for, not what is asked for.
_NAMES = {"id", "path", "outputs_of"}


def differences(purchase: Purchase, job: Job) -> tuple[Difference, ...]:
    """Old → new of every value that makes `job` ask for something else than `purchase` brought."""
    old = {"template_id": purchase.template_id, **dict(_leaves(purchase.request))}
    new = {"template_id": job.request.template_id, **dict(_leaves(job.request_json()))}
    return tuple(
        Difference(name=name, old=old.get(name), new=new.get(name))
        for name in [*old, *(name for name in new if name not in old)]
        if old.get(name) != new.get(name) and not _is_wording(name)
    )


def _is_wording(name: str) -> bool:
    parts = name.split(".")
    return parts[0] in _WORDING or (parts[0].startswith("images[") and parts[-1] in _NAMES)


def _leaves(value: Json | Mapping[str, Json], name: str = "") -> Iterator[tuple[str, Json]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{name}[{index}]")
    else:
        yield name, value
