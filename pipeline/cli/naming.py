"""How a person names a job or a purchase on the command line."""

from pipeline.assignment import Assignment
from pipeline.errors import UsageError, did_you_mean, printable
from pipeline.jobs import JobKey
from pipeline.purchases import Purchase, Records, Status

_SHORTEST = 4


def purchase_named(name: str, assignment: Assignment, records: Records) -> Purchase:
    """The purchase of that id (a unique beginning will do), or the one that serves the job of that key.

    Where a purchase for that key is in `attention`, it is meant.

    Raises:
        UsageError: there is none, or there are several.
    """
    key = JobKey(name)
    in_attention = [
        each for each in records.purchases.values() if each.key == key and each.status is Status.ATTENTION
    ]
    if key in assignment.by_key and not in_attention:
        return assignment.by_key[key]
    last = assignment.matcher.last(key)
    candidates = in_attention or ([last] if last is not None else _by_id(name, records))
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        ids = ", ".join(sorted(each.id for each in candidates))
        raise UsageError(f"{printable(name)} may be any of these purchases, name one: {ids}")
    if key in assignment.matcher.jobs:
        raise UsageError(f"nothing was bought for {printable(name)} yet")
    known = [*assignment.matcher.jobs, *records.purchases]
    raise UsageError(f"no job or purchase '{printable(name)}'{did_you_mean(name, known)}")


def _by_id(name: str, records: Records) -> list[Purchase]:
    if len(name) < _SHORTEST:
        return []
    return [each for purchase_id, each in records.purchases.items() if purchase_id.startswith(name.lower())]
