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
    written_rows = {row[name]: row for row in written}
    wanted_rows = {row[name]: row for row in wanted}
    for row_name in sorted({*written_rows, *wanted_rows}):
        if row_name not in written_rows:
            yield f"{kind} {row_name}: not in the results"
        elif row_name not in wanted_rows:
            yield f"{kind} {row_name}: only in the results"
        else:
            for field in sorted({*written_rows[row_name], *wanted_rows[row_name]}):
                old, new = written_rows[row_name].get(field), wanted_rows[row_name].get(field)
                if old != new:
                    yield f"{kind} {row_name}: {field} is {_short(old)} in the results, {_short(new)} in the state"


def _short(value: object) -> str:
    text = "missing" if value is None else canonical_json(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
