"""Checks documents by the packaged JSON Schemas; every problem with its place, in words for people.

This is the only module that knows the schema library. It reads no other schema than ours: the registry is
empty, so a reference that leads elsewhere is followed by nobody.
"""

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import jsonschema
from referencing import Registry

from pipeline.documents.node import Document, dotted
from pipeline.documents.schema_messages import Finding, explain
from pipeline.errors import Problem
from pipeline.jobs import Json

NAMES: Final = ("campaign", "results", "plan", "catalog", "decisions")
_MOST_PROBLEMS = 200
# In a wheel they lie in the package, in a checkout beside it.
_FOLDERS = (Path(__file__).parents[1] / "schemas", Path(__file__).parents[2] / "schemas")


def text(name: str) -> str:
    """A packaged schema, as its file says it.

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
    """A packaged schema, read.

    Raises:
        KeyError: there is none of this name.
    """
    schema: dict[str, Json] = json.loads(text(name))
    return schema


def check(document: Document, schema_name: str) -> list[Problem]:
    """Every way in which a document does not fit its schema, in the order of the places."""
    problems = [
        document.problem(finding.message, *finding.path, at_key=finding.at_key)
        for finding in findings(document.root.plain(), load_validator(schema_name))
    ]
    return sorted(problems, key=lambda problem: (problem.position is None, problem.position, problem.path))


def check_json(instance: Json, schema_name: str) -> list[str]:
    """The same for what was read from JSON: each message begins with its path."""
    found = findings(instance, load_validator(schema_name))
    return [f"{dotted(each.path)}: {each.message}" if each.path else each.message for each in found]


def findings(instance: Json, validator: jsonschema.Draft202012Validator) -> list[Finding]:
    """What is wrong with `instance`, each thing once, and not more than people read."""
    found: dict[Finding, None] = {}
    try:
        for finding in _explained(validator.iter_errors(instance)):
            found[finding] = None
            if len(found) >= _MOST_PROBLEMS:
                break
    except RecursionError:
        return [Finding((), "nested too deeply")]
    return list(found)


def _explained(errors: Iterable[jsonschema.ValidationError]) -> Iterator[Finding]:
    for error in errors:
        yield from explain(error)


@lru_cache
def load_validator(schema_name: str) -> jsonschema.Draft202012Validator:
    """The validator of a packaged schema; made once."""
    return make_validator(load(schema_name))


def make_validator(schema: dict[str, Json]) -> jsonschema.Draft202012Validator:
    """A validator that fetches nothing, and to which 1.0 is no integer, as our readers keep it a float."""
    registry: Registry[Any] = Registry()
    return _Validator(schema, registry=registry)


def _is_integer(_checker: object, instance: object) -> bool:
    return isinstance(instance, int) and not isinstance(instance, bool)


# The library's stubs leave `extend` without types.
_Validator: type[jsonschema.Draft202012Validator] = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)
