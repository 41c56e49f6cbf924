"""What is wrong with a value by a JSON Schema, found by the schema library.

It reads no other schema than ours: the registry is empty, so a reference that leads elsewhere is followed by nobody.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import jsonschema
from referencing import Registry

from pipeline.documents.schema_messages import Finding, explain
from pipeline.jobs import Json

_MOST_PROBLEMS = 200


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
