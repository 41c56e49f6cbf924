"""Values from outside that override the vars of a manifest: pairs as `--var` takes them, and files of vars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InvalidInput, UsageError, printable
from pipeline.schemes import assert_path

if TYPE_CHECKING:
    from pipeline.json_values import Json


def variable_names(pairs: Iterable[str]) -> list[str]:
    """The names given by `--var`; each of them has to be used by a manifest."""
    return [pair.partition("=")[0] for pair in pairs]


def read_variables(pairs: Iterable[str], files: Iterable[str]) -> Mapping[str, Json]:
    """`--var` over `--var-file`.

    Raises:
        UsageError: a pair has no `=`, or a value cannot be kept as it is written.
        InvalidInput: a file cannot be read, or is not a mapping.
    """
    return {**read_variable_files(files), **read_variable_pairs(pairs)}


def read_variable_pairs(pairs: Iterable[str], source: str = "--var") -> Mapping[str, Json]:
    """The values of NAME=VALUE pairs, each read as a YAML scalar; `source` is where they come from, for messages.

    Raises:
        UsageError: a pair has no `=`, or a value cannot be kept as it is written.
    """
    # The reader loads slowly, and is needed only if there is something to read.
    from pipeline.documents.yaml_reader import read_scalar

    read: dict[str, Json] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise UsageError(f"{source} {pair!r}: expected NAME=VALUE")
        try:
            read[name] = read_scalar(value)
        except ValueError as error:
            raise UsageError(f"{source} {printable(name, 100)}: {error}") from None
    return read


def read_variable_files(files: Iterable[str]) -> Mapping[str, Json]:
    """The values of YAML files, the later over the earlier.

    Raises:
        UsageError: an address is given instead of a path.
        InvalidInput: a file cannot be read, or is not a mapping.
    """
    from pipeline.documents.yaml_reader import read_yaml

    read: dict[str, Json] = {}
    for name in files:
        assert_path("--var-file", name, is_only_path=True)
        plain = read_yaml(Path(name), name).root.plain()
        if not isinstance(plain, dict):
            raise InvalidInput(f"{name}: expected a mapping of vars")
        read.update(plain)
    return read
