"""Media facts: what a file shows and how long, told by its bytes, and how two machines' facts are joined."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.jobs import Json, canonical_json

# The version of how a file is read; it grows whenever the same bytes would give other facts.
RULE = 1

MediaMap = Mapping[str, Mapping[str, Json]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFacts:
    """What a file holds. Pixels as shown; seconds and frames a second, with three decimals at most.

    Only what applies is set: a picture has no length, a sound no size.
    """

    width: int | None = None
    height: int | None = None
    duration: float | None = None
    frame_rate: float | None = None
    audio: bool | None = None
    rule: int = RULE


def as_json(facts: MediaFacts) -> dict[str, Json]:
    """The facts as an entry of the map `media`; absent values are left out."""
    written: dict[str, Json] = {
        "rule": facts.rule,
        "width": facts.width,
        "height": facts.height,
        "duration": facts.duration,
        "frame_rate": facts.frame_rate,
        "audio": facts.audio,
    }
    return {name: value for name, value in written.items() if value is not None}


def from_json(written: Mapping[str, Any]) -> MediaFacts:
    """The facts that `as_json` wrote.

    Raises:
        TypeError: it holds something else.
    """
    return MediaFacts(**written)


def join(one: MediaMap, other: MediaMap) -> dict[str, Mapping[str, Json]]:
    """Both maps in one, by hash: no entry is dropped.

    Of two entries for one file the one with the greater rule wins, then the one with the greater canonical JSON.
    Associative, commutative and idempotent, so that the order of machines and merges does not matter.
    """
    joined = dict(one)
    for digest, entry in other.items():
        joined[digest] = max(joined[digest], entry, key=_rank) if digest in joined else entry
    return dict(sorted(joined.items()))


def _rank(entry: Mapping[str, Json]) -> tuple[float, str]:
    rule = entry.get("rule")
    known = isinstance(rule, int | float) and not isinstance(rule, bool)
    return (float(rule) if known else 0.0, canonical_json(entry))  # type: ignore[arg-type]
