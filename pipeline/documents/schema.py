"""Checks documents by the packaged JSON Schemas; reports every problem with its position, in words for people."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline.documents.node import Document, Finding, dotted
from pipeline.documents.schema_compiler import Check, compile_schema

if TYPE_CHECKING:
    from pipeline.errors import Problem
    from pipeline.json_values import Json

# These check what is read; the others describe what commands print with `--format json`.
CHECKED: Final = ("campaign", "results", "plan", "catalog", "decisions")
NAMES: Final = (
    *CHECKED,
    "events",
    "validate",
    "expand",
    "run",
    "collect",
    "show",
    "verify",
    "doctor",
    "status",
    "merge",
    "templates",
)
# In a wheel they are inside the package, in a checkout beside it.
_FOLDERS = (Path(__file__).parents[1] / "schemas", Path(__file__).parents[2] / "schemas")


def text(name: str) -> str:
    """The text of a packaged schema.

    Raises:
        KeyError: there is none of this name.
    """
    if name not in NAMES:
        raise KeyError(name)
    folder = next(folder for folder in _FOLDERS if folder.is_dir())
    return (folder / f"{name}.schema.json").read_text(encoding="utf-8")


def available() -> list[str]:
    """The names of the packaged schemas."""
    folder = next(folder for folder in _FOLDERS if folder.is_dir())
    return [name for name in NAMES if (folder / f"{name}.schema.json").is_file()]


def load(name: str) -> dict[str, Json]:
    """A packaged schema, parsed.

    Raises:
        KeyError: there is none of this name.
    """
    schema: dict[str, Json] = json.loads(text(name))
    return schema


def check(document: Document, schema_name: str) -> list[Problem]:
    """Every way in which a document violates its schema, in the order of their positions."""
    plain = document.root.plain()
    problems = document.located(findings(plain, schema_name))
    return sorted(problems, key=lambda problem: (problem.position is None, problem.position, problem.path))


def findings(instance: Json, schema_name: str) -> list[Finding]:
    """Every way in which a value that was read from JSON violates its schema; `json_locations` knows where."""
    if is_valid(instance, schema_name):
        return []
    # The schema library is slow to import, and only needed to explain problems.
    from pipeline.documents.schema_findings import findings as explained
    from pipeline.documents.schema_findings import make_validator

    return explained(instance, make_validator(load(schema_name)))


def check_json(instance: Json, schema_name: str) -> list[str]:
    """As `findings`, in words: each message begins with its path."""
    found = findings(instance, schema_name)
    return [f"{dotted(each.path)}: {each.message}" if each.path else each.message for each in found]


def is_valid(instance: Json, schema_name: str) -> bool:
    """Whether it is valid by the schema, without an explanation."""
    return _compiled(schema_name)(instance)


@lru_cache
def _compiled(schema_name: str) -> Check:
    return compile_schema(load(schema_name))
