"""Media facts from several machines can be merged in any order."""

import json
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.json_values import canonical_json
from pipeline.media.facts import RULE, MediaFacts, as_json, from_json, join

hashes = st.sampled_from(["a" * 64, "b" * 64, "c" * 64])
entries = st.fixed_dictionaries(
    {"rule": st.integers(1, 3)},
    optional={
        "width": st.integers(1, 4000),
        "height": st.integers(1, 4000),
        "duration": st.floats(0, 100, allow_nan=False).map(lambda seconds: round(seconds, 3)),
        "frame_rate": st.sampled_from([24, 24.0, 23.976]),
        "audio": st.booleans(),
    },
)
maps: st.SearchStrategy[dict[str, Any]] = st.dictionaries(hashes, entries, max_size=3)


def same(one: Any, other: Any) -> bool:
    """Whether both are written as the same bytes."""
    return json.dumps(one) == json.dumps(other)


def respelled(entry: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """The same facts as another tool may write them: in another order, and 24 as 24.0."""
    names = list(entry)
    rng.shuffle(names)
    return {
        name: float(entry[name]) if type(entry[name]) is int and rng.random() < 0.5 else entry[name]
        for name in names
    }


@given(maps, maps, st.randoms(use_true_random=False))
def test_facts_in_another_notation_are_normalised(one: Any, other: Any, rng: random.Random) -> None:
    respelt = {digest: respelled(entry, rng) for digest, entry in other.items()}

    assert same(join(one, other), join(respelt, one))
    assert same(join(other, {}), join({}, respelt))


@given(maps, maps, maps)
def test_merge_order_does_not_matter(one: Any, two: Any, three: Any) -> None:
    assert same(join(one, two), join(two, one))
    assert same(join(join(one, two), three), join(one, join(two, three)))
    assert same(join(join(one, two), two), join(one, two))
    assert canonical_json(join(one, one)) == canonical_json(one)


@given(maps, maps)
def test_merge_drops_and_invents_no_entry(one: Any, two: Any) -> None:
    joined = join(one, two)

    assert joined.keys() == one.keys() | two.keys()
    assert all(entry in (one.get(digest), two.get(digest)) for digest, entry in joined.items())


def test_newer_rule_wins_and_then_the_greater_text() -> None:
    older, newer = {"rule": 1, "width": 900}, {"rule": 2, "width": 100}
    assert join({"x": older}, {"x": newer}) == {"x": newer}

    one, two = {"rule": 1, "width": 100}, {"rule": 1, "width": 200}
    assert join({"x": two}, {"x": one}) == {"x": two}


def test_facts_are_written_as_in_the_results_and_read_back() -> None:
    facts = MediaFacts(width=640, height=360, duration=2.5, frame_rate=23.976, audio=False)

    assert as_json(facts) == {
        "rule": RULE,
        "width": 640,
        "height": 360,
        "duration": 2.5,
        "frame_rate": 23.976,
        "audio": False,
    }
    assert from_json(as_json(facts)) == facts
    assert as_json(MediaFacts(width=4, height=3)) == {"rule": RULE, "width": 4, "height": 3}
