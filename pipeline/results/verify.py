"""Whether a results manifest says what the state and the manifest say; every difference in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.jobs import canonical_json

_SHOWN = 100


def differences(written: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """What differs between the results manifest as it is and as it would be written now."""
    yield from _rows("job", "key", written["jobs"], wanted["jobs"])
    yield from _rows("purchase", "id", written["purchases"], wanted["purchases"])
    for field in ("campaign", "manifest", "summary"):
        if written[field] != wanted[field]:
            yield f"{field}: {_short(written[field])} in the results, {_short(wanted[field])} by state and manifest"


def _rows(
    kind: str, name: str, written: list[Mapping[str, Any]], wanted: list[Mapping[str, Any]]
) -> Iterator[str]:
    theirs = {row[name]: row for row in written}
    ours = {row[name]: row for row in wanted}
    for purchase_id in sorted({*theirs, *ours}):
        if purchase_id not in theirs:
            yield f"{kind} {purchase_id}: not in the results"
        elif purchase_id not in ours:
            yield f"{kind} {purchase_id}: only in the results"
        else:
            for field in sorted({*theirs[purchase_id], *ours[purchase_id]}):
                old, new = theirs[purchase_id].get(field), ours[purchase_id].get(field)
                if old != new:
                    yield f"{kind} {purchase_id}: {field} is {_short(old)} in the results, {_short(new)} by the state"


def _short(value: object) -> str:
    text = "missing" if value is None else canonical_json(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
