"""Compiles a JSON Schema into one plain function that says whether a value is valid, but not why not.

The schema library explains what is wrong, but takes a quarter of a second to import and is ten times slower than
these functions. Most values are valid and need no explanation. A property test checks that both agree.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

Check = Callable[[Any], bool]
Schema = Mapping[str, Any] | bool

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "null": (type(None),),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}


def compile_schema(schema: Schema, root: Schema | None = None) -> Check:
    """The function that says whether a JSON value is valid by `schema`, which is a part of `root` if that is given.

    Raises:
        ValueError: it uses a keyword that is not supported here, and must not be ignored.
    """
    return _Compiler(schema if root is None else root).check(schema)


class _Compiler:
    def __init__(self, root: Schema) -> None:
        self._root = root
        self._referred: dict[str, Check] = {}

    def check(self, schema: Schema) -> Check:
        if isinstance(schema, bool):
            return lambda _value: schema
        makers: dict[_Maker, object] = {}
        for keyword, rule in schema.items():
            if keyword not in _KEYWORDS:
                raise ValueError(f"the keyword '{keyword}' is not known")
            # Keywords that share a maker become one check.
            makers.setdefault(_KEYWORDS[keyword], rule)
        return _all([made for make, rule in makers.items() if (made := make(self, rule, schema)) is not None])

    def annotation(self, _rule: object, _schema: Mapping[str, Any]) -> None:
        """A keyword that is only for people, or read by a neighbouring keyword."""

    def reference(self, target: str, _schema: Mapping[str, Any]) -> Check:
        schema = _found(self._root, target)

        def is_valid(value: Any) -> bool:
            # Compiled on first use: a schema may refer to itself, and most documents use little of it.
            if target not in self._referred:
                self._referred[target] = self.check(schema)
            return self._referred[target](value)

        return is_valid

    def members(self, _rule: object, schema: Mapping[str, Any]) -> Check:
        named = {name: self.check(rule) for name, rule in schema.get("properties", {}).items()}
        others = self.check(schema.get("additionalProperties", True))
        patterns = [
            (re.compile(key), self.check(rule)) for key, rule in schema.get("patternProperties", {}).items()
        ]
        if not patterns:
            return _mapping(
                lambda value: all(named.get(name, others)(inner) for name, inner in value.items())
            )

        def checks_of(name: str) -> list[Check]:
            matching = [check for pattern, check in patterns if pattern.search(name)]
            return [*matching, named[name]] if name in named else matching or [others]

        return _mapping(
            lambda value: all(check(inner) for name, inner in value.items() for check in checks_of(name))
        )

    def condition(self, rule: Schema, schema: Mapping[str, Any]) -> Check:
        holds = self.check(rule)
        then, otherwise = self.check(schema.get("then", True)), self.check(schema.get("else", True))
        return lambda value: then(value) if holds(value) else otherwise(value)

    def negation(self, rule: Schema, _schema: Mapping[str, Any]) -> Check:
        check = self.check(rule)
        return lambda value: not check(value)

    def each(self, rule: Schema, _schema: Mapping[str, Any]) -> Check:
        check = self.check(rule)
        return _list(lambda value: all(map(check, value)))

    def each_name(self, rule: Schema, _schema: Mapping[str, Any]) -> Check:
        check = self.check(rule)
        return _mapping(lambda value: all(map(check, value)))

    def all_of(self, rules: Sequence[Schema], _schema: Mapping[str, Any]) -> Check:
        return _all([self.check(rule) for rule in rules])

    def any_of(self, rules: Sequence[Schema], _schema: Mapping[str, Any]) -> Check:
        checks = [self.check(rule) for rule in rules]
        return lambda value: any(check(value) for check in checks)

    def one_of(self, rules: Sequence[Schema], _schema: Mapping[str, Any]) -> Check:
        checks = [self.check(rule) for rule in rules]
        return lambda value: sum(check(value) for check in checks) == 1


def _found(root: Schema, target: str) -> Schema:
    first, *steps = target.split("/")
    if first != "#":
        raise ValueError(f"the reference '{target}' leads to another document")
    found: Any = root
    for step in steps:
        found = found[step]
    schema: Schema = found
    return schema


def _all(checks: Sequence[Check]) -> Check:
    return checks[0] if len(checks) == 1 else lambda value: all(check(value) for check in checks)


def _mapping(check: Check) -> Check:
    return lambda value: not isinstance(value, dict) or check(value)


def _list(check: Check) -> Check:
    return lambda value: not isinstance(value, list) or check(value)


def _text(check: Check) -> Check:
    return lambda value: not isinstance(value, str) or check(value)


def _number(check: Check) -> Check:
    return lambda value: not isinstance(value, int | float) or isinstance(value, bool) or check(value)


def _type(named: str | list[str]) -> Check:
    names = [named] if isinstance(named, str) else named
    types = tuple(kind for name in names for kind in _TYPES[name])
    if bool in types or int not in types:
        return lambda value: isinstance(value, types)
    # In Python, true and false are integers.
    return lambda value: isinstance(value, types) and not isinstance(value, bool)


def _enumeration(values: Sequence[Any]) -> Check:
    if any(isinstance(each, list | dict) for each in values):
        raise ValueError("a list or a mapping as a constant is not supported")
    # 1 equals 1.0, but true does not equal 1.
    return lambda value: any(
        value == each and isinstance(value, bool) == isinstance(each, bool) for each in values
    )


def _pattern(rule: str) -> Check:
    # Compiled on first use, as most of a schema's patterns are for values that a document does not have.
    pattern = cache(lambda: re.compile(rule))
    return _text(lambda value: pattern().search(value) is not None)


def _required(keys: Sequence[str]) -> Check:
    return _mapping(lambda value: all(key in value for key in keys))


def _dependent(rule: Mapping[str, Sequence[str]]) -> Check:
    checks = {key: _required(keys) for key, keys in rule.items()}
    return _mapping(lambda value: all(check(value) for key, check in checks.items() if key in value))


_Maker = Callable[[_Compiler, Any, Mapping[str, Any]], Check | None]


def _alone(make: Callable[[Any], Check]) -> _Maker:
    """A maker for keywords that depend on no other keyword."""
    return lambda _compiler, rule, _schema: make(rule)


_KEYWORDS: Final[Mapping[str, _Maker]] = {
    **dict.fromkeys(
        ("$comment", "$defs", "$id", "$schema", "deprecated", "then", "else"), _Compiler.annotation
    ),
    **dict.fromkeys(("default", "description", "examples", "title"), _Compiler.annotation),
    **dict.fromkeys(("additionalProperties", "patternProperties", "properties"), _Compiler.members),
    "$ref": _Compiler.reference,
    "allOf": _Compiler.all_of,
    "anyOf": _Compiler.any_of,
    "if": _Compiler.condition,
    "items": _Compiler.each,
    "not": _Compiler.negation,
    "oneOf": _Compiler.one_of,
    "propertyNames": _Compiler.each_name,
    "const": _alone(lambda rule: _enumeration([rule])),
    "dependentRequired": _alone(_dependent),
    "enum": _alone(_enumeration),
    "exclusiveMaximum": _alone(lambda rule: _number(lambda value: value < rule)),
    "exclusiveMinimum": _alone(lambda rule: _number(lambda value: value > rule)),
    "maxItems": _alone(lambda rule: _list(lambda value: len(value) <= rule)),
    "maxLength": _alone(lambda rule: _text(lambda value: len(value) <= rule)),
    "maxProperties": _alone(lambda rule: _mapping(lambda value: len(value) <= rule)),
    "maximum": _alone(lambda rule: _number(lambda value: value <= rule)),
    "minItems": _alone(lambda rule: _list(lambda value: len(value) >= rule)),
    "minLength": _alone(lambda rule: _text(lambda value: len(value) >= rule)),
    "minProperties": _alone(lambda rule: _mapping(lambda value: len(value) >= rule)),
    "minimum": _alone(lambda rule: _number(lambda value: value >= rule)),
    "pattern": _alone(_pattern),
    "required": _alone(_required),
    "type": _alone(_type),
}
