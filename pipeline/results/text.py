"""The text of a results manifest in JSON: two spaces for each level, every character as it is."""

import json
from collections.abc import Iterable, Iterator, Mapping

from pipeline.jobs import Json

# Quick, as it has no indent: for names, and for values that hold no others.
_in_one_line = json.JSONEncoder(ensure_ascii=False).encode

_Known = dict[int, tuple[Json, str]]


class Texts:
    """Spells results manifests, one after another: a row that is still the same object keeps its text."""

    def __init__(self) -> None:
        # By the id of each row of the last document. The row is held: no other one gets its id as long as it is here.
        self._known: _Known = {}

    def of(self, document: Mapping[str, Json]) -> str:
        """The text, as `json.dumps` with an indent of 2 has it, and the end of its last line."""
        before, self._known = self._known, {}
        fields = (f"  {_in_one_line(name)}: {self._value(value, before)}" for name, value in document.items())
        return "{\n" + ",\n".join(fields) + "\n}\n" if document else "{}\n"

    def _value(self, value: Json, before: _Known) -> str:
        match value:
            case [_, *_]:
                rows = (f"    {text}" for text in self._texts(value, before))
                return "[\n" + ",\n".join(rows) + "\n  ]"
            case dict() if value:
                texts = self._texts(value.values(), before)
                rows = (f"    {_in_one_line(name)}: {text}" for name, text in zip(value, texts, strict=True))
                return "{\n" + ",\n".join(rows) + "\n  }"
        return _in_one_line(value)

    def _texts(self, rows: Iterable[Json], before: _Known) -> Iterator[str]:
        for row in rows:
            known = before.get(id(row))
            text = _spelled(row, "\n    ") if known is None else known[1]
            self._known[id(row)] = (row, text)
            yield text


def _spelled(value: Json, newline: str) -> str:
    """As `json.dumps` spells it with an indent, for which it has no fast encoder; `newline` indents the last line."""
    inner = f"{newline}  "
    if isinstance(value, dict) and value:
        rows = [f"{inner}{_in_one_line(name)}: {_spelled(each, inner)}" for name, each in value.items()]
        return f"{{{','.join(rows)}{newline}}}"
    if isinstance(value, list) and value:
        rows = [f"{inner}{_spelled(each, inner)}" for each in value]
        return f"[{','.join(rows)}{newline}]"
    return _in_one_line(value)
