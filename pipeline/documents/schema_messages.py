"""The schema library's errors in words for people: what was expected, what was found, what was meant."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from pipeline.documents.node import Finding
from pipeline.documents.schema_terms import FORMS, cut, either, found, one_of, shown, wanted
from pipeline.errors import counted, did_you_mean

if TYPE_CHECKING:
    from jsonschema import ValidationError

Path = tuple[str | int, ...]

_THOUSANDS: Final = re.compile(r"[0-9]{1,3}(?:[,.' ][0-9]{3}){1,5}")

# A manifest may come from a stranger, so it must never set what leads calls or money elsewhere.
_OF_THE_OPERATOR: Final = frozenset(
    {
        "base_url",
        "api_url",
        "address",
        "key",
        "api_key",
        "proxy",
        "webhook",
        "webhook_url",
        "state",
        "results",
    }
)


def explain(error: ValidationError) -> Iterator[Finding]:
    """Explain an error of the library, which reports all unknown keys of a mapping as one."""
    path = tuple(error.absolute_path)
    if error.validator == "const" and _is_of_wrong_type(error):
        return  # its type is reported, and says more
    if error.validator in ("oneOf", "anyOf"):
        yield from _explain_branches(error, path)
    elif error.validator in ("additionalProperties", "unevaluatedProperties"):
        yield from _unknown_keys(error, path)
    elif error.validator == "required":
        yield from (Finding(path, f"missing key '{key}'", at_key=True) for key in _missing_keys(error))
    elif "propertyNames" in error.relative_schema_path and isinstance(error.instance, str):
        # The library gives the path of the mapping; it is this key of it that is wrong.
        yield Finding((*path, error.instance), f"wrong key: {_say(error)}", at_key=True)
    else:
        yield Finding(path, _say(error))


def _say(error: ValidationError) -> str:
    say = _RULES.get(str(error.validator))
    return say(error) if say else f"this does not satisfy the rule '{error.validator}' of the schema"


def _type(error: ValidationError) -> str:
    return f"expected {wanted(error.schema)}, found {found(error.instance)}{_digits_hint(error)}"


def _digits_hint(error: ValidationError) -> str:
    """How to write a number whose thousands are separated."""
    if error.validator_value in ("string", "boolean") or not isinstance(error.instance, str):
        return ""
    is_number = _THOUSANDS.fullmatch(error.instance) is not None
    return f"; write {re.sub('[^0-9]', '', error.instance)}" if is_number else ""


def _enum(error: ValidationError) -> str:
    known = [value for value in _listed(error) if value is not None]
    near = did_you_mean(error.instance, map(str, known)) if isinstance(error.instance, str) else ""
    return f"expected {one_of(map(shown, known))}, found {shown(error.instance)}{near}"


def _const(error: ValidationError) -> str:
    return f"expected {shown(error.validator_value)}, found {shown(error.instance)}"


def _pattern(error: ValidationError) -> str:
    schema = error.schema if isinstance(error.schema, Mapping) else {}
    form = FORMS.get(str(error.validator_value), f"a text of the form {error.validator_value}")
    examples = schema.get("examples") or [None]
    example = f", for example {shown(examples[0])}" if examples[0] is not None else ""
    return f"expected {form}{example}; found {shown(error.instance)}"


def _min_length(error: ValidationError) -> str:
    if error.validator_value == 1:
        return "expected a text that is not empty"
    return f"expected at least {error.validator_value} characters, found {_length(error)}"


def _bound(words: str) -> Callable[[ValidationError], str]:
    return lambda error: f"expected {words} {error.validator_value}, found {shown(error.instance)}"


def _size(words: str, what: str) -> Callable[[ValidationError], str]:
    def say(error: ValidationError) -> str:
        number = (
            counted(int(str(error.validator_value)), what)
            if what == "key"
            else f"{error.validator_value} {what}"
        )
        return f"expected {words} {number}, found {_length(error)}"

    return say


def _not(_error: ValidationError) -> str:
    return "this is not allowed here"


_RULES: Final[Mapping[str, Callable[[ValidationError], str]]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "pattern": _pattern,
    "minLength": _min_length,
    "maxLength": _size("at most", "characters"),
    "minItems": _size("at least", "in the list"),
    "maxItems": _size("at most", "in the list"),
    "minProperties": _size("at least", "key"),
    "maxProperties": _size("at most", "key"),
    "minimum": _bound("at least"),
    "maximum": _bound("at most"),
    "exclusiveMinimum": _bound("more than"),
    "exclusiveMaximum": _bound("less than"),
    "multipleOf": _bound("a multiple of"),
    "not": _not,
}


def _unknown_keys(error: ValidationError, path: Path) -> Iterator[Finding]:
    known = list(_properties(error.schema))
    yield from (
        Finding((*path, key), _unknown(key, known, path), at_key=True) for key in _surplus_keys(error)
    )


def _unknown(key: str, known: list[str], path: Path) -> str:
    if key == "csv" and path[:1] == ("prompts",):
        return "unknown key; the prompts of a table have its names, so write prompts: [{csv: …}]"
    above, dot, below = key.partition(".")
    if dot and above in known:
        return f"unknown key; write '{cut(below)}' below '{above}'"
    if near := did_you_mean(key, known):
        return f"unknown key{near}"
    if key in _OF_THE_OPERATOR:
        return "unknown key; only the operator sets this, by a flag or the environment"
    return f"unknown key; expected {one_of(known)}" if known else "unknown key; none is expected here"


def _explain_branches(error: ValidationError, path: Path) -> Iterator[Finding]:
    """Explain a failed choice between several forms by the one that was most likely meant."""
    branches: dict[int, list[ValidationError]] = defaultdict(list)
    for inner in error.context or ():
        branches[int(inner.relative_schema_path[0])].append(inner)
    meant = [errors for errors in branches.values() if not any(map(_is_of_another_type, errors))]
    if not meant:
        forms = [wanted(schema) for schema in _listed(error)]
        yield Finding(path, f"expected {either(forms)}, found {found(error.instance)}")
        return
    if isinstance(error.instance, Mapping):
        unknown = frozenset(error.instance).intersection(*map(_refused, meant))
        if unknown:
            known = list({key: None for schema in _listed(error) for key in _properties(schema)})
            yield from (
                Finding((*path, key), _unknown(key, known, path), at_key=True) for key in sorted(unknown)
            )
            return
        # The keys that are present show which form was meant.
        meant = [errors for errors in meant if not _refused(errors)] or meant
        lacking = [_lacking(errors) for errors in meant]
        if len(meant) > 1 and all(lacking):
            keys = list(dict.fromkeys(f"'{key}'" for keys in lacking for key in keys))
            yield Finding(path, f"missing key: expected {one_of(keys)}", at_key=True)
            return
    for inner in min(meant, key=_weight):
        yield from _beside(inner, path) if _is_of_another_form(inner) else explain(inner)


def _is_of_wrong_type(error: ValidationError) -> bool:
    """Whether a value whose type has an error of its own only seems to be the expected one, as '1' for 1."""
    has_type = isinstance(error.schema, Mapping) and "type" in error.schema
    return has_type and type(error.instance) is not type(error.validator_value)


def _is_of_another_type(error: ValidationError) -> bool:
    return not error.relative_path and error.validator in ("type", "const", "enum")


def _is_of_another_form(error: ValidationError) -> bool:
    return not error.relative_path and error.validator == "additionalProperties"


def _beside(error: ValidationError, path: Path) -> Iterator[Finding]:
    """Problems with keys that belong to another form than this one."""
    required = error.schema.get("required", []) if isinstance(error.schema, Mapping) else []
    # The first may be a key of every form, such as an id.
    beside = f" together with '{required[-1]}'" if required else " here"
    for key in _surplus_keys(error):
        yield Finding((*path, key), f"'{cut(key)}' cannot be used{beside}", at_key=True)


def _lacking(errors: list[ValidationError]) -> list[str]:
    """The keys that a branch requires and the mapping lacks."""
    top = [error for error in errors if error.validator == "required" and not error.relative_path]
    return [key for error in top[:1] for key in _missing_keys(error)]


def _refused(errors: list[ValidationError]) -> set[str]:
    """The keys that a branch does not know."""
    return {key for error in errors if _is_of_another_form(error) for key in _surplus_keys(error)}


def _weight(errors: list[ValidationError]) -> tuple[int, int]:
    return len(_lacking(errors)), len(errors)


# The library types the parts of an error as `Any`; here each gets the type that its rule implies.


def _properties(schema: object) -> Mapping[str, object]:
    return schema.get("properties", {}) if isinstance(schema, Mapping) else {}


def _listed(error: ValidationError) -> list[object]:
    return list(error.validator_value) if isinstance(error.validator_value, list) else []


def _keys(error: ValidationError) -> list[str]:
    return list(error.instance) if isinstance(error.instance, Mapping) else []


def _missing_keys(error: ValidationError) -> list[str]:
    return [str(key) for key in _listed(error) if key not in _keys(error)]


def _surplus_keys(error: ValidationError) -> list[str]:
    schema = error.schema if isinstance(error.schema, Mapping) else {}
    patterns = [re.compile(pattern) for pattern in schema.get("patternProperties", {})]
    return [
        key
        for key in _keys(error)
        if key not in _properties(schema) and not any(pattern.search(key) for pattern in patterns)
    ]


def _length(error: ValidationError) -> int:
    return len(error.instance) if isinstance(error.instance, str | list | Mapping) else 0
