"""Values of a document: read leniently, each with the position at which its problems are reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.documents.node import Location, Node, dotted


@dataclass(frozen=True, slots=True)
class Value:
    """A node with its path from the root.

    A value of the wrong type reads as absent: the schema has reported it, and the rest can still be checked.
    """

    node: Node
    path: tuple[str | int, ...] = ()

    @property
    def location(self) -> Location:
        return Location(
            source=self.node.source, line=self.node.line, column=self.node.column, path=dotted(self.path)
        )

    @property
    def key_location(self) -> Location:
        return Location(
            source=self.node.source,
            line=self.node.key_line,
            column=self.node.key_column,
            path=dotted(self.path),
        )

    def get(self, key: str) -> Value | None:
        """The value under `key`; None if it is missing or null."""
        child = self.node.child(key)
        return None if child is None or child.value is None else Value(child, (*self.path, key))

    def items(self) -> Iterator[tuple[str, Value]]:
        """The items of a mapping, without nulls."""
        if isinstance(self.node.value, Mapping):
            for key, child in self.node.value.items():
                if child.value is not None:
                    yield key, Value(child, (*self.path, key))

    def elements(self) -> Iterator[Value]:
        if isinstance(self.node.value, tuple):
            for index, child in enumerate(self.node.value):
                yield Value(child, (*self.path, index))

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node.value, Mapping)

    @property
    def is_list(self) -> bool:
        return isinstance(self.node.value, tuple)

    @property
    def text(self) -> str | None:
        return self.node.value if isinstance(self.node.value, str) else None

    @property
    def number(self) -> float | int | None:
        value = self.node.value
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    @property
    def integer(self) -> int | None:
        return self.number if isinstance(self.number, int) else None

    @property
    def flag(self) -> bool | None:
        return self.node.value if isinstance(self.node.value, bool) else None

    def text_of(self, key: str) -> str | None:
        found = self.get(key)
        return None if found is None else found.text

    def integer_of(self, key: str, default: int) -> int:
        found = self.get(key)
        return default if found is None or found.integer is None else found.integer

    def flag_of(self, key: str, default: bool = False) -> bool:
        found = self.get(key)
        return default if found is None or found.flag is None else found.flag
