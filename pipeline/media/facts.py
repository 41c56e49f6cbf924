"""Media facts: the kind, size and length of a file, and the join of two machines' facts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.json_values import Json, canonical_json

# The version of the reader; it grows whenever the same bytes would give other facts.
RULE = 1

MediaMap = Mapping[str, Mapping[str, Json]]

_IN_ORDER = ("rule", "width", "height", "duration", "frame_rate", "audio")


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFacts:
    """The facts of a file: pixels as shown; seconds and frames per second, with at most three decimals.

    Only facts that apply are set: a picture has no length, a sound no size.
    """

    width: int | None = None
    height: int | None = None
    duration: float | None = None
    frame_rate: float | None = None
    audio: bool | None = None
    rule: int = RULE


# The facts of a file that was tried and cannot be read.
UNREADABLE = MediaFacts()


def as_json(facts: MediaFacts) -> dict[str, Json]:
    """The facts as an entry of the map `media`; absent values are left out, for `UNREADABLE` all of them."""
    if facts == UNREADABLE:
        return {}
    written: dict[str, Json] = {
        "rule": facts.rule,
        "width": facts.width,
        "height": facts.height,
        "duration": facts.duration,
        "frame_rate": facts.frame_rate,
        "audio": facts.audio,
    }
    return _spelled({name: value for name, value in written.items() if value is not None})


def from_json(written: Mapping[str, Any]) -> MediaFacts:
    """The facts that `as_json` wrote.

    Raises:
        TypeError: it is anything else.
    """
    return MediaFacts(**written)


def join(one: MediaMap, other: MediaMap) -> dict[str, Mapping[str, Json]]:
    """Join two maps, by hash: no entry is dropped.

    Of two entries for one file, the one with the greater rule wins, then the one with the greater canonical JSON.
    Associative, commutative and idempotent, so that the order of machines and merges does not matter. The same
    facts are spelled alike on every machine.
    """
    joined = {digest: _spelled(entry) for digest, entry in one.items()}
    for digest, written in other.items():
        entry = _spelled(written)
        joined[digest] = max(joined[digest], entry, key=_rank) if digest in joined else entry
    return dict(sorted(joined.items()))


def _spelled(entry: Mapping[str, Json]) -> dict[str, Json]:
    """The entry with its names in a fixed order, and 5.0 as 5: JSON has one kind of number, tools write either."""
    names = [name for name in _IN_ORDER if name in entry]
    names += sorted(entry.keys() - set(_IN_ORDER))
    return {name: _spelled_number(entry[name]) for name in names}


def _spelled_number(value: Json) -> Json:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _rank(entry: Mapping[str, Json]) -> tuple[float, str]:
    rule = entry.get("rule")
    known = isinstance(rule, int | float) and not isinstance(rule, bool)
    return (float(rule) if known else 0.0, canonical_json(entry))  # type: ignore[arg-type]
