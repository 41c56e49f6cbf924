"""Checks the types of what Python callers pass: anything may come, and text such as "no" would count as true."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from pipeline.errors import UsageError
from pipeline.manifest.model import Campaign

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def checked(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """`function`, which raises UsageError before it does anything if an argument is not of its type.

    The name of a parameter says what it takes, the same in every function.
    """
    signature = inspect.signature(function)
    checks = {name: _CHECKS[name] for name in signature.parameters if name not in _CHECKED_WITH_THEIR_RANGE}

    @wraps(function)
    def checking(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        given = signature.bind(*args, **kwargs)
        for name, value in given.arguments.items():
            # A default is always right, but not every value that equals it: 0 equals False.
            if name in checks and value is not signature.parameters[name].default:
                expected, check = checks[name]
                # An iterator can be read once, so the function gets what was read.
                given.arguments[name] = read = tuple(value) if _is_iterator(value) else value
                if not check(read):
                    raise UsageError(f"{name}: expected {expected}, found {read!r:.40}")
        return function(*given.args, **given.kwargs)

    return checking


def _is_iterator(value: object) -> bool:
    return isinstance(value, Iterable) and iter(value) is value


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_texts(value: object) -> bool:
    if isinstance(value, str):
        return True
    return isinstance(value, Iterable) and not isinstance(value, Mapping) and all(map(_is_text, value))


def _are_variables(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and _is_json(each) for name, each in value.items()
    )


def _is_json(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_is_json, value))
    if isinstance(value, dict):
        return _are_variables(value)
    return value is None or isinstance(value, str | int | float)


def _is_provider(value: object) -> bool:
    return all(callable(getattr(value, name, None)) for name in ("create", "get"))


_FLAG = ("True or False", _is_flag)
_TEXT = ("text", _is_text)
_SELECTION = ("text, or several", _are_texts)
_FUNCTION = ("a function", callable)

# `RunOptions` and `Opinion` check these, which have a range besides their type.
_CHECKED_WITH_THEIR_RANGE = frozenset({"max_creates", "max_credits", "fail_threshold", "rating"})
_CHECKS: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    "manifest": ("a path", lambda value: isinstance(value, str | Path)),
    "campaign": ("a campaign", lambda value: isinstance(value, Campaign)),
    "warn": _FUNCTION,
    "names": ("names", _are_texts),
    "select": _SELECTION,
    "exclude": _SELECTION,
    "replace": _SELECTION,
    "retry_failed": _FLAG,
    "fail_fast": _FLAG,
    "frozen": _FLAG,
    "wait": _FLAG,
    "download": _FLAG,
    "emulate": _FLAG,
    "variables": ("values by their names", _are_variables),
    "note": _TEXT,
    "by": _TEXT,
    "at": ("a number", _is_number),
    "provider": ("a provider", _is_provider),
    "on_event": _FUNCTION,
}
