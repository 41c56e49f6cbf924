"""The text of a results manifest in JSON: two spaces for each level, every character as it is."""

import json
from collections.abc import Iterable, Iterator, Mapping

from pipeline.jobs import Json

_Known = dict[int, tuple[Json, str]]


class Texts:
    """Spells results manifests, one after another: a row that is still the same object keeps its text."""

    def __init__(self) -> None:
        # By the id of each row of the last document. The row is held: no other one gets its id as long as it is here.
        self._known: _Known = {}

    def of(self, document: Mapping[str, Json]) -> str:
        """The text, as `json.dumps` with an indent of 2 has it, and the end of its last line."""
        before, self._known = self._known, {}
        fields = (f"  {_quoted(name)}: {self._value(value, before)}" for name, value in document.items())
        return "{\n" + ",\n".join(fields) + "\n}\n" if document else "{}\n"

    def _value(self, value: Json, before: _Known) -> str:
        match value:
            case [_, *_]:
                rows = (f"    {text}" for text in self._texts(value, before))
                return "[\n" + ",\n".join(rows) + "\n  ]"
            case dict() if value:
                texts = self._texts(value.values(), before)
                rows = (f"    {_quoted(name)}: {text}" for name, text in zip(value, texts, strict=True))
                return "{\n" + ",\n".join(rows) + "\n  }"
        return _spelled(value)

    def _texts(self, rows: Iterable[Json], before: _Known) -> Iterator[str]:
        for row in rows:
            known = before.get(id(row))
            # An end of a line is never in a text of JSON, only between them.
            text = _spelled(row).replace("\n", "\n    ") if known is None else known[1]
            self._known[id(row)] = (row, text)
            yield text


def _spelled(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)
