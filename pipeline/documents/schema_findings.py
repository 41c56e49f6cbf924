"""Finds the problems of a value by a JSON Schema, with the schema library.

It reads only our own schemas: the registry is empty, so no reference to another schema is followed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from referencing import Registry

from pipeline.documents.node import Finding
from pipeline.documents.schema_compiler import Check, compile_schema
from pipeline.documents.schema_library import grammars_on_demand
from pipeline.documents.schema_messages import explain

with grammars_on_demand():
    import jsonschema

if TYPE_CHECKING:
    from pipeline.json_values import Json

_MAX_PROBLEMS = 200
_Errors = Iterator[jsonschema.ValidationError]


def findings(instance: Json, validator: jsonschema.Draft202012Validator) -> list[Finding]:
    """The problems of `instance`, each once, and no more of them than anyone would read."""
    found: dict[Finding, None] = {}
    try:
        for finding in _explained(validator.iter_errors(instance)):
            found[finding] = None
            if len(found) >= _MAX_PROBLEMS:
                # In a large document, the library takes minutes to find them all.
                found[Finding((), "too many problems: checking stops here, and there may be more")] = None
                break
    except RecursionError:
        return [Finding((), "nested too deeply")]
    return list(found)


def _explained(errors: Iterable[jsonschema.ValidationError]) -> Iterator[Finding]:
    for error in errors:
        yield from explain(error)


def make_validator(schema: dict[str, Json]) -> jsonschema.Draft202012Validator:
    """A validator that fetches nothing, and for which 1.0 is not an integer, as our readers keep it a float.

    Of a list, or of the names in a mapping, it validates only the invalid ones: one of a million purchases may be,
    and the library would take minutes for the others.
    """
    registry: Registry[Any] = Registry()
    checks: dict[int, Check] = {}

    def is_valid(value: object, rule: Any) -> bool:
        if id(rule) not in checks:
            checks[id(rule)] = compile_schema(rule, schema)
        return checks[id(rule)](value)

    def items(validator: Any, rule: Any, instance: object, _schema: object) -> _Errors:
        for index, item in enumerate(instance if isinstance(instance, list) else ()):
            if not is_valid(item, rule):
                yield from validator.descend(item, rule, path=index)

    def names(validator: Any, rule: Any, instance: object, _schema: object) -> _Errors:
        for name in instance if isinstance(instance, dict) else ():
            if not is_valid(name, rule):
                yield from validator.descend(instance=name, schema=rule)

    # The library's stubs leave `extend` without types.
    extended = jsonschema.validators.extend(_Validator, {"items": items, "propertyNames": names})  # type: ignore[no-untyped-call]
    made: jsonschema.Draft202012Validator = extended(schema, registry=registry)
    return made


def _is_integer(_checker: object, instance: object) -> bool:
    return isinstance(instance, int) and not isinstance(instance, bool)


# The library's stubs leave `extend` without types.
_Validator: type[jsonschema.Draft202012Validator] = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)
