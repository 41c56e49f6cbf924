"""Builds a tree of values from what a YAML parser meets, one call for each, and judges it on the way.

Depth, size and aliases are judged before anything is built of them, so a file made to hurt costs nothing.
"""

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, NamedTuple, NoReturn

from pipeline.errors import Problem, did_you_mean
from pipeline.manifest import yaml_words
from pipeline.manifest.scalars import Scalar, check_text, resolve
from pipeline.manifest.source import SourceFile
from pipeline.manifest.tree import Node, NodeValue, dotted

MOST_NODES: Final = 200_000
_DEEPEST = 64
_MOST_PROBLEMS = 100
# An alias to a long text costs memory where it is written out, so a text weighs more than one value.
_CHARACTERS_PER_NODE = 100


class Enough(Exception):
    """What was found makes reading on pointless, or dangerous; the problem is told."""


class Place(NamedTuple):
    """Where something begins, counted from 1."""

    line: int
    column: int


@dataclass(slots=True)
class _Open:
    """A collection whose end is not reached yet.

    `key` is the last key of a mapping, and `name` what it says while its value is awaited. A key that was
    wrong has no name: what it holds is read and dropped. `is_key` tells a collection in the place of a key.
    """

    place: Place
    anchor: str | None
    is_key: bool
    is_mapping: bool
    weight: int = 1
    awaits_key: bool = False
    key: Place = Place(1, 1)
    name: str | None = None
    mapping: dict[str, Node] = field(default_factory=dict)
    sequence: list[Node] = field(default_factory=list)


class TreeBuilder:
    """`root` is the tree once all is taken, `problems` what is wrong with it."""

    def __init__(self, source: SourceFile, most_nodes: int = MOST_NODES) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._source = source
        self._most_nodes = most_nodes
        self._weight = 0
        self._documents = 0
        self._open: list[_Open] = []
        # A finished value and its weight; None while it is open, when an alias to it would be a cycle.
        self._anchors: dict[str, tuple[Node, int] | None] = {}

    def document(self, place: Place) -> None:
        """A document begins."""
        self._documents += 1
        if self._documents > 1:
            self._stop("a second document begins here; a file holds one", place)

    def scalar(
        self, text: str, place: Place, *, plain: bool, block: bool, anchor: str | None, tag: str | None
    ) -> None:
        """A word (`plain`), or a text in quotes or as a `block`."""
        self._refuse_tag(tag, place)
        inside = self._open[-1] if self._open else None
        if inside and inside.awaits_key:
            self._key(inside, text, place, plain)
            return
        value: Scalar = text
        try:
            check_text(text)
            if plain:
                value = resolve(text)
        except ValueError as error:
            self._report(str(error), place)
        self._finish(self._node(value, place, block), 1 + len(text) // _CHARACTERS_PER_NODE, anchor, place)

    def start(self, place: Place, *, is_mapping: bool, anchor: str | None, tag: str | None) -> None:
        """A mapping or a sequence begins."""
        self._refuse_tag(tag, place)
        if len(self._open) >= _DEEPEST:
            self._stop(f"nested more than {_DEEPEST} levels deep", place)
        is_key = bool(self._open) and self._open[-1].awaits_key
        if is_key:
            self._report(yaml_words.collection_as_key(self._source.raw_line(place.line), place.column), place)
        if anchor is not None:
            self._anchors[anchor] = None
        self._count(1, place)
        self._open.append(_Open(place, anchor, is_key, is_mapping, awaits_key=is_mapping))

    def end(self) -> None:
        """The innermost mapping or sequence ends."""
        ended = self._open.pop()
        if ended.is_key:
            self._await_value(self._open[-1], None, ended.place)
            return
        value = MappingProxyType(ended.mapping) if ended.is_mapping else tuple(ended.sequence)
        self._finish(self._node(value, ended.place), ended.weight, ended.anchor, ended.place)

    def alias(self, anchor: str, place: Place) -> None:
        """A value written elsewhere under `anchor` stands here too."""
        inside = self._open[-1] if self._open else None
        if inside and inside.awaits_key:
            self._report("an alias cannot be a key; write the key itself", place)
            self._await_value(inside, None, place)
            return
        if anchor not in self._anchors:
            near = did_you_mean(anchor, self._anchors) or "; a text that begins with * needs quotes"
            self._report(f"no anchor &{anchor[:60]} stands above{near}", place)
        elif self._anchors[anchor] is None:
            self._report(
                f"the alias *{anchor[:60]} stands inside what it names, so it would never end", place
            )
        node, weight = self._anchors.get(anchor) or (self._node(None, place), 1)
        self._count(weight, place)
        key = self._key_place(place)
        self._attach(replace(node, key_line=key.line, key_column=key.column), weight)

    def _key(self, inside: _Open, text: str, place: Place, plain: bool) -> None:
        self._count(1 + len(text) // _CHARACTERS_PER_NODE, place)
        wrong = yaml_words.wrong_key(text, plain=plain)
        if not wrong and (first := inside.mapping.get(text)):
            wrong = f"the key {yaml_words.quoted(text)} is written twice, first at {first.key_position}"
        if wrong:
            self._report(wrong, place)
        self._await_value(inside, None if wrong else text, place)

    @staticmethod
    def _await_value(inside: _Open, name: str | None, place: Place) -> None:
        inside.awaits_key = False
        inside.name, inside.key = name, place

    def _node(self, value: NodeValue, place: Place, block: bool = False) -> Node:
        return Node(value, self._source, *place, *self._key_place(place), block)

    def _key_place(self, place: Place) -> Place:
        """Where the key of a value stands that stands at `place` itself."""
        return self._open[-1].key if self._open and self._open[-1].is_mapping else place

    def _finish(self, node: Node, weight: int, anchor: str | None, place: Place) -> None:
        if anchor is not None:
            self._anchors[anchor] = (node, weight)
        # A collection counted itself when it began and its values as they came.
        if not isinstance(node.value, MappingProxyType | tuple):
            self._count(weight, place)
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
        if inside.name is not None:
            inside.mapping[inside.name] = node
        inside.awaits_key = True

    def _count(self, weight: int, place: Place) -> None:
        self._weight += weight
        if self._weight > self._most_nodes:
            self._stop(f"too large: more than {self._most_nodes:,} values, aliases written out", place)

    def _refuse_tag(self, tag: str | None, place: Place) -> None:
        if tag is not None:
            shown = yaml_words.quoted(tag.replace("tag:yaml.org,2002:", "!!"))
            self._report(f"the tag {shown} is not allowed; a text that begins with ! needs quotes", place)

    def _report(self, message: str, place: Place) -> None:
        path = [self._step(each) for each in self._open]
        known = [step for step in path if step is not None]
        self.problems.append(self._source.problem(message, place.line, place.column, dotted(tuple(known))))
        if len(self.problems) >= _MOST_PROBLEMS:
            self.problems.append(self._source.problem("too many problems, reading stops here", *place))
            raise Enough

    @staticmethod
    def _step(inside: _Open) -> str | int | None:
        if not inside.is_mapping:
            return len(inside.sequence)
        return None if inside.awaits_key else inside.name

    def _stop(self, message: str, place: Place) -> NoReturn:
        self._report(message, place)
        raise Enough
