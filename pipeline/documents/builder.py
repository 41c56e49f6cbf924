"""Builds a tree of values from a YAML parser's events, one call for each, and checks them on the way.

Depth, size and aliases are checked before anything is built from them, so a hostile file costs nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, NamedTuple, NoReturn

from pipeline.documents import yaml_messages
from pipeline.documents.node import Location, Node, NodeValue, Scalar, SourceFile, dotted
from pipeline.documents.problem_list import MAX_LISTED, ProblemList
from pipeline.documents.scalars import Spelled, resolve
from pipeline.errors import Problem, Suggestions
from pipeline.record_limits import DEEPEST, check_text

MAX_NODES: Final = 200_000
# An alias to a long text costs memory when it is written out, so a long text counts as more than one value.
_CHARACTERS_PER_NODE = 100
_TAG = "tag:yaml.org,2002:"
_TEXT = f"{_TAG}str"
_MERGE = "merge keys (<<) are not supported; use 'extends', or write the values out"


class Enough(Exception):
    """Raised to stop reading, as continuing would be pointless or dangerous; the problem is reported."""


class LineColumn(NamedTuple):
    """Where something begins, counted from 1."""

    line: int
    column: int


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been reached yet.

    `key` is the last key of a mapping, and `name` its text while its value is awaited. A wrong key has no name:
    its value is read and dropped. `is_key` marks a collection in place of a key. `merged` are the values that merge
    keys add, and `merges` says that the value of one is awaited.
    """

    location: LineColumn
    anchor: str | None
    is_key: bool
    is_mapping: bool
    weight: int = 1
    awaits_key: bool = False
    key: LineColumn = LineColumn(1, 1)
    name: str | None = None
    merges: bool = False
    mapping: dict[str, Node] = field(default_factory=dict)
    merged: dict[str, Node] = field(default_factory=dict)
    sequence: list[Node] = field(default_factory=list)


class TreeBuilder:
    """Builds the tree: `root` once all events are taken, with the errors in `problems` and the `warnings`.

    `refused` are those problems that are about one number, tag or key only; the rest of the tree is as was meant.
    """

    def __init__(self, source: SourceFile, most_nodes: int = MAX_NODES) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self.refused: list[Problem] = []
        self.warnings = ProblemList()
        self._source = source
        self._most_nodes = most_nodes
        self._weight = 0
        self._documents = 0
        self._open: list[_Open] = []
        # A finished value and its weight; None while it is open, when an alias to it would be a cycle.
        self._anchors: dict[str, tuple[Node, int] | None] = {}
        self._suggestions = Suggestions()

    def document(self, location: LineColumn) -> None:
        self._documents += 1
        if self._documents > 1:
            self._stop("a second document begins here; a file holds one", location)

    def scalar(
        self,
        text: str,
        location: LineColumn,
        *,
        plain: bool,
        block: bool,
        anchor: str | None,
        tag: str | None,
        comment: str = "",
    ) -> None:
        """Take a word (`plain`), or a text in quotes or as a `block`.

        `comment` is a comment behind a plain word that may be meant as part of it.
        """
        if tag is not None:
            self._refuse_tag(tag, location)
            # As was meant, so that nothing else is wrong because of it: `!Wow` alone is a text without its quotes.
            text, plain = text or tag, plain and tag != _TEXT
        inside = self._open[-1] if self._open else None
        if inside and inside.awaits_key:
            self._key(inside, text, location, plain)
            return
        value = self._value(text, location, plain=plain)
        if isinstance(value, Spelled):
            value.location = Location(
                source=self._source, line=location.line, column=location.column, path=self._path()
            )
        if comment and (isinstance(value, str) or not text):
            self._warn_of_comment(comment, location, is_empty=not text)
        self._finish(
            self._node(value, location, block), 1 + len(text) // _CHARACTERS_PER_NODE, anchor, location
        )

    def _value(self, text: str, location: LineColumn, *, plain: bool) -> Scalar:
        try:
            check_text(text)
        except ValueError as error:
            self._report(str(error), location)
            return text
        try:
            return resolve(text) if plain else text
        except ValueError as error:
            self._refuse(str(error), location)
            # A number as was meant, so that nothing else is wrong because of it.
            return 1

    def start(self, location: LineColumn, *, is_mapping: bool, anchor: str | None, tag: str | None) -> None:
        """Begin a mapping or a sequence."""
        if tag is not None:
            self._refuse_tag(tag, location)
        if len(self._open) >= DEEPEST:
            self._stop(f"nested more than {DEEPEST} levels deep", location)
        is_key = bool(self._open) and self._open[-1].awaits_key
        if is_key:
            self._report(
                yaml_messages.collection_as_key(self._source.raw_line(location.line), location.column),
                location,
            )
        if anchor is not None:
            self._anchors[anchor] = None
        self._count(1, location)
        self._open.append(
            _Open(
                location=location, anchor=anchor, is_key=is_key, is_mapping=is_mapping, awaits_key=is_mapping
            )
        )

    def end(self) -> None:
        """End the innermost mapping or sequence."""
        ended = self._open.pop()
        if ended.is_key:
            self._await_value(self._open[-1], None, ended.location)
            return
        value = MappingProxyType(ended.merged | ended.mapping) if ended.is_mapping else tuple(ended.sequence)
        self._finish(self._node(value, ended.location), ended.weight, ended.anchor, ended.location)

    def alias(self, anchor: str, location: LineColumn) -> None:
        """Repeat here the value that is written elsewhere under `anchor`."""
        inside = self._open[-1] if self._open else None
        if inside and inside.awaits_key:
            self._report("an alias cannot be a key; write the key itself", location)
            self._await_value(inside, None, location)
            return
        if anchor not in self._anchors:
            near = (
                self._suggestions.did_you_mean(anchor, self._anchors)
                or "; text that begins with * needs quotes"
            )
            self._report(f"there is no anchor &{anchor[:60]} above{near}", location)
        elif self._anchors[anchor] is None:
            self._report(f"the alias *{anchor[:60]} is inside what it names, so it would never end", location)
        node, weight = self._anchors.get(anchor) or (self._node(None, location), 1)
        self._count(weight, location)
        key = self._key_position(location)
        self._attach(replace(node, key_line=key.line, key_column=key.column), weight)

    def _key(self, inside: _Open, text: str, location: LineColumn, plain: bool) -> None:
        self._count(1 + len(text) // _CHARACTERS_PER_NODE, location)
        name: str | None = None
        inside.merges = plain and text == "<<"
        if inside.merges:
            self._refuse(_MERGE, location)
        elif (wrong := _unstorable(text)) is not None:
            self._report(wrong, location)
        elif not _is_text(text, plain=plain):
            self._refuse(f"the key {yaml_messages.quoted(text)} is not a text; write it in quotes", location)
            name = text
        elif first := inside.mapping.get(text):
            shown = yaml_messages.quoted(text)
            self._refuse(f"the key {shown} is written twice, first at {first.key_position}", location)
            name = text
        else:
            name = text
        self._await_value(inside, name, location)

    @staticmethod
    def _await_value(inside: _Open, name: str | None, location: LineColumn) -> None:
        inside.awaits_key = False
        inside.name, inside.key = name, location

    def _node(self, value: NodeValue, location: LineColumn, block: bool = False) -> Node:
        return Node(value, self._source, *location, *self._key_position(location), block)

    def _key_position(self, location: LineColumn) -> LineColumn:
        """The position of the key of the value at `location`."""
        return self._open[-1].key if self._open and self._open[-1].is_mapping else location

    def _finish(self, node: Node, weight: int, anchor: str | None, location: LineColumn) -> None:
        if anchor is not None:
            self._anchors[anchor] = (node, weight)
        # A collection was counted when it began, and its values as they came.
        if not isinstance(node.value, MappingProxyType | tuple):
            self._count(weight, location)
        self._attach(node, weight)

    def _attach(self, node: Node, weight: int) -> None:
        if not self._open:
            self.root = node
            return
        inside = self._open[-1]
        inside.weight += weight
        if not inside.is_mapping:
            inside.sequence.append(node)
            return
        if inside.merges:
            # As was meant, so that nothing else is wrong because of it.
            for each in node.value if isinstance(node.value, tuple) else (node,):
                for key, value in each.value.items() if isinstance(each.value, Mapping) else ():
                    inside.merged.setdefault(key, value)
        elif inside.name is not None:
            first = inside.mapping.get(inside.name)
            inside.mapping[inside.name] = node if first is None else _both(first, node)
        inside.awaits_key = True

    def _count(self, weight: int, location: LineColumn) -> None:
        self._weight += weight
        if self._weight > self._most_nodes:
            self._stop(f"too large: more than {self._most_nodes:,} values, aliases written out", location)

    def _refuse_tag(self, tag: str, location: LineColumn) -> None:
        shown = yaml_messages.quoted(tag.replace(_TAG, "!!"))
        self._refuse(f"the tag {shown} is not allowed; text that begins with ! needs quotes", location)

    def _warn_of_comment(self, comment: str, location: LineColumn, *, is_empty: bool) -> None:
        message = yaml_messages.cut_by_comment(comment, is_empty=is_empty)
        problem = self._source.problem(message, location.line, location.column, self._path())
        self.warnings.add(replace(problem, severity="warning"))

    def _path(self) -> str:
        """The path of the value that is being read."""
        path = [self._step(each) for each in self._open]
        return dotted(tuple(step for step in path if step is not None))

    def _report(self, message: str, location: LineColumn) -> None:
        self.problems.append(self._source.problem(message, location.line, location.column, self._path()))
        if len(self.problems) >= MAX_LISTED:
            message = "too many problems: reading stops here, and there may be more"
            self.problems.append(self._source.problem(message, *location))
            raise Enough

    def _refuse(self, message: str, location: LineColumn) -> None:
        self._report(message, location)
        self.refused.append(self.problems[-1])

    @staticmethod
    def _step(inside: _Open) -> str | int | None:
        if not inside.is_mapping:
            return len(inside.sequence)
        return None if inside.awaits_key else inside.name

    def _stop(self, message: str, location: LineColumn) -> NoReturn:
        self._report(message, location)
        raise Enough


def _both(first: Node, second: Node) -> Node:
    """The value of a key that is written twice: the first, with what only the second has if both are mappings.

    Both were meant, so nothing else is wrong because of it.
    """
    if not (isinstance(first.value, Mapping) and isinstance(second.value, Mapping)):
        return first
    return replace(first, value=MappingProxyType({**second.value, **first.value}))


def _is_text(key: str, *, plain: bool) -> bool:
    try:
        return not plain or isinstance(resolve(key), str)
    except ValueError:
        return False


def _unstorable(key: str) -> str | None:
    try:
        check_text(key)
    except ValueError as error:
        return str(error)
    return None
