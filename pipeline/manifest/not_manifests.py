"""Recognises records and saved plans that are given as manifests."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pipeline import files
from pipeline.documents.node import Node, beside
from pipeline.errors import InvalidInput, Position, Problem, printable
from pipeline.schemes import kind_named

_SQLITE = b"SQLite format 3\0"
# By top-level keys that no manifest has: what the document is, and what can be done with it.
_DOCUMENTS = {
    frozenset({"campaign", "purchases"}): "a results manifest",
    frozenset({"campaign", "actions"}): "a saved plan, which only `run` takes",
    frozenset({"decisions"}): "a decisions file",
}
_BY_NAME = {"results": "a results manifest", "decisions": "a decisions file", "a state": "a state"}


class NotAManifest(InvalidInput):
    """The file given as a manifest is of another kind, as opposed to a manifest that cannot be read any more."""


def refuse_state(path: Path, name: str) -> None:
    """Refuse a state file, which would otherwise be reported as a text with a hundred errors.

    Raises:
        NotAManifest: it is one.
    """
    with suppress(OSError), os.fdopen(files.open_regular(path), "rb") as file:
        if file.read(len(_SQLITE)) == _SQLITE:
            raise _refused("a state (a SQLite database), which only `collect` takes", name)


def refuse_named(path: Path, name: str) -> None:
    """Refuse a file that could not be read and has the name of a record.

    Raises:
        NotAManifest: it exists and is not named like a manifest.
    """
    kind = kind_named(path)
    if kind is not None and os.path.lexists(path):
        raise _refused(_BY_NAME[kind], name)


def refuse_document(root: Node, name: str) -> None:
    """Refuse a document of another kind, in which hardly any key would be known.

    Raises:
        NotAManifest: it is one; with the manifest that it names.
    """
    if not isinstance(root.value, Mapping) or "templates" in root.value or "extends" in root.value:
        return
    what = next((what for keys, what in _DOCUMENTS.items() if keys <= root.value.keys()), None)
    if what is not None:
        named = root.value.get("manifest")
        manifest = named.value if named is not None else None
        raise _refused(what, name, beside(name, manifest) if isinstance(manifest, str) else "")


def _refused(what: str, name: str, manifest: str = "") -> NotAManifest:
    hint = (
        f"; name its manifest, {printable(manifest, 200)}" if manifest else "; name its campaign's manifest"
    )
    return NotAManifest(Problem(f"this is {what}{hint}", Position(name)))
