"""The text of a results manifest is the same as `json.dumps` writes, however much of it was serialised before."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.protection import fails_without

from pipeline.results.file import Texts

texts = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(["\n", "\u2028", '"\\', "\x00"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(texts, values, max_size=4)


def spelled(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


@given(st.lists(documents, min_size=1, max_size=3))
def test_document_is_serialised_as_by_json(made: list[dict[str, Any]]) -> None:
    known = Texts()
    for document in made:
        assert known.of(document) == spelled(document)


@fails_without(
    "pipeline.results.file:Texts._texts", "self._known[id(row)] =", swap=("(row, text)", "(None, text)")
)
def test_row_at_a_reused_address_is_serialised_again() -> None:
    known = Texts()
    for first in range(0, 1000, 10):
        document: dict[str, Any] = {"jobs": [{"number": number} for number in range(first, first + 10)]}
        text = known.of(document)
        del document  # its address in memory is free for the next one
        assert text == spelled({"jobs": [{"number": number} for number in range(first, first + 10)]})


@given(st.lists(values, max_size=5), st.data())
def test_changed_row_is_serialised_again(rows: list[Any], data: st.DataObject) -> None:
    known = Texts()
    for _ in range(3):
        document: dict[str, Any] = {
            "jobs": rows,
            "media": {str(number): row for number, row in enumerate(rows)},
        }
        assert known.of(document) == spelled(document)
        rows = [row if data.draw(st.booleans()) else data.draw(values) for row in rows]
