"""Short words for what a schema expects and what a value is, for use in messages."""

from collections.abc import Iterable, Mapping
from typing import Final

_TYPES: Final = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_PLURALS: Final = {
    "string": "texts",
    "integer": "whole numbers",
    "number": "numbers",
    "object": "mappings",
    "array": "lists",
}
# What the pattern of a text stands for: nobody should have to read the pattern.
FORMS: Final[Mapping[str, str]] = {
    r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$": "a name of letters, digits, - and _",
    r"^[a-z][a-z0-9_-]*$": "the name of a provider: lower-case letters, digits, - and _",
    r"^[^\n\t]{1,200}$": "one line of 1 to 200 characters",
    r"""^[^"\r\nA-Za-z0-9]$""": "the one character that separates cells",
    r"\.\{\{-? *ext *-?\}\}$": "a path that ends in `.{{ ext }}`",
    r"^[Hh][Tt][Tt][Pp][Ss]?://": "a url that begins with http:// or https://",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$": "the id of a template: letters, digits, dots, - and _",
    r"^[A-Za-z_][A-Za-z0-9_]{0,99}$": "a name that templates can use: letters, digits and _",
    r"^(?=[0-9])([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,7}s)?$": "a time, at most 99999h, in hours, minutes and seconds",
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$": "a date, year first",
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}Z$": "a time in UTC, like 2026-03-01T12:00:00Z",
    r"^[0-9a-f]{16}$": "the id of a purchase: 16 characters of 0-9 and a-f",
    r"^[0-9a-f]{64}$": "a SHA-256: 64 characters of 0-9 and a-f",
    r"^v[0-9]{1,4}:[0-9a-f]{64}$": "a fingerprint: `v1:` and 64 characters of 0-9 and a-f",
    r"^(?!\.+$)[A-Za-z0-9._-]{1,128}$": "a workflow's id: 1 to 128 letters, digits, dots, - and _, not only dots",
}
_MAX_NAMED = 12
_LONGEST_VALUE = 40


def wanted(schema: object) -> str:
    """Describe what a schema expects, in a few words."""
    if not isinstance(schema, Mapping):
        return "something else"
    if "const" in schema:
        return shown(schema["const"])
    if "enum" in schema:
        return one_of(shown(value) for value in schema["enum"] if value is not None)
    types = schema.get("type", [])
    named = [types] if isinstance(types, str) else [each for each in types if each != "null"] or types
    if named == ["array"] and isinstance(schema.get("items"), Mapping):
        inner = schema["items"].get("type")
        return f"a list of {_PLURALS[inner]}" if inner in _PLURALS else "a list"
    if named == ["object"] and schema.get("required"):
        return "a mapping with " + " and ".join(f"'{key}'" for key in schema["required"])
    return either([_TYPES.get(each, each) for each in named]) or str(schema.get("title", "something else"))


def found(instance: object) -> str:
    """Describe a value: `the number 5`, `a list`."""
    match instance:
        case None:
            return "nothing"
        case bool():
            return "true" if instance else "false"
        case int() | float():
            return f"the number {cut(str(instance))}"
        case str():
            return f"the text {shown(instance)}"
        case list():
            return "a list"
        case _:
            return "a mapping"


def shown(value: object) -> str:
    """A plain value as messages quote it, cut if it is long."""
    match value:
        case str():
            return f"'{cut(value)}'"
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return cut(str(value))
        case _:
            return found(value)


def cut(text: str) -> str:
    """A text, cut if it is long."""
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def one_of(words: Iterable[str]) -> str:
    """`one of a, b, c`, or the only one."""
    known = list(words)
    more = ", …" if len(known) > _MAX_NAMED else ""
    return known[0] if len(known) == 1 else f"one of {', '.join(known[:_MAX_NAMED])}{more}"


def either(words: list[str]) -> str:
    """`a, b or c`, each once; `nothing` goes unsaid."""
    different = [word for word in dict.fromkeys(words) if word != "nothing"] or words
    return " or ".join([", ".join(different[:-1]), different[-1]] if len(different) > 1 else different)
