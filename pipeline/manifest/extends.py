"""Merges a manifest and the base files that it extends into one tree; every value keeps its own file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from pipeline import paths
from pipeline.documents.node import Document, Node, beside, merge
from pipeline.documents.value import Value
from pipeline.documents.yaml_reader import read_with_errors
from pipeline.errors import InvalidInput, Problem, in_order

_MAX_FILES = 64


def read_layers(manifest: Path, name: str, root: Path) -> Document:
    """Read the merged tree of a manifest, with the warnings about the writing of each of its files.

    Raises:
        InvalidInput: the manifest or a base cannot be read; with every problem of that kind.
    """
    layers = _Layers(root)
    own = read_with_errors(manifest, name)
    tree = layers.merged(manifest, own.root, ())
    # Without the content of a missing base, nothing else can be checked.
    errors = (*own.errors, *layers.errors)
    if layers.problems:
        raise InvalidInput(in_order([*errors, *layers.problems]))
    return Document(tree, (*own.warnings, *layers.warnings), tuple(layers.read), errors)


@dataclass(slots=True)
class _Layers:
    """The files that a manifest extends, as they are read: their problems and their trees."""

    root: Path
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)
    bases: dict[Path, Node | None] = field(default_factory=dict)
    read: set[Path] = field(default_factory=set)

    def merged(self, path: Path, own: Node, above: tuple[Path, ...]) -> Node:
        """`own`, the tree of the file `path`, merged over its bases; `above` are the files that extend it."""
        merged: Node | None = None
        bases = _bases_of(own)
        if (bases or above) and isinstance(own.value, Mapping) and "version" not in own.value:
            self.problems.append(Value(own).location.problem("missing key 'version'; each file has its own"))
        for value in bases:
            base = self._base(value, path, (*above, path))
            if base is not None:
                merged = base if merged is None else merge(merged, base)
        if not (isinstance(own.value, Mapping) and bases):
            return own
        own = _without(own, ("extends",))
        return own if merged is None else merge(merged, own)

    def _base(self, value: Value, path: Path, above: tuple[Path, ...]) -> Node | None:
        text = value.text or ""
        try:
            real = paths.readable(text, path.parent, self.root)
        except ValueError as error:
            self._report(value, f"cannot extend '{text}': {error}")
            return None
        self.read |= {path.parent / text, real}
        if real in above:
            circle = " → ".join(each.name for each in (*above[above.index(real) :], real))
            self._report(value, f"the files extend each other in a circle: {circle}")
            return None
        if real not in self.bases:
            self.bases[real] = None
            if len(self.bases) > _MAX_FILES:
                self._report(value, f"more than {_MAX_FILES} base files")
                return None
            self.bases[real] = self._read_base(real, beside(value.node.source.name, text), above, value)
        return self.bases[real]

    def _read_base(self, real: Path, name: str, above: tuple[Path, ...], value: Value) -> Node | None:
        if not real.exists():
            self._report(value, f"there is no such file: {name}")
            return None
        if real.is_dir():
            self._report(value, f"this is a folder, expected a file: {name}")
            return None
        try:
            document = read_with_errors(real, name)
        except InvalidInput as error:
            self.problems += error.problems
            return None
        own = document.root
        self.warnings += document.warnings
        self.errors += document.errors
        if not isinstance(own.value, Mapping):
            self.problems.append(Value(own).location.problem("expected a mapping, as in a manifest"))
            return None
        return _without(self.merged(real, own, above), ("name",))

    def _report(self, value: Value, message: str) -> None:
        self.problems.append(value.location.problem(message))


def _bases_of(own: Node) -> list[Value]:
    extends = Value(own).get("extends")
    if extends is None:
        return []
    value = list(extends.elements()) if extends.is_list else [extends]
    # The schema reports a value that is not a text.
    return value if all(each.text for each in value) else []


def _without(node: Node, keys: Iterable[str]) -> Node:
    assert isinstance(node.value, Mapping)  # noqa: S101 - the callers have checked
    kept = {key: value for key, value in node.value.items() if key not in keys}
    return replace(node, value=MappingProxyType(kept))
