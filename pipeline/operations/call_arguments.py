"""Checks the types of what Python callers pass, and takes what they leave out from the environment.

Anything may come, and text such as "no" would count as true.
"""

import inspect
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import wraps
from typing import ParamSpec, TypeGuard, TypeVar

from pipeline.errors import InvalidInput, PipelineError, UsageError, did_you_mean
from pipeline.manifest.model import Campaign
from pipeline.operations.flag_variables import VARIABLES, values_of_variables
from pipeline.providers.checked_provider import METHODS, unfit

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_FLAG_NAME = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


class ArgumentChecker:
    """Makes a function raise UsageError, before it does anything, if an argument is not of its type.

    An argument that is left out, or None where that is the default, is taken from the variable of its flag in
    `environment`, as the command of the same name takes it: with other records or caps, the function would buy what
    the command would not. The name of a parameter says what it takes and which flag it stands for, the same in every
    function.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def __call__(self, function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
        """`function`, checked."""
        signature = inspect.signature(function)

        @wraps(function)
        def checking(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
            try:
                given = signature.bind(*args, **kwargs)
            except TypeError as error:
                known = signature.parameters
                unknown = next((name for name in kwargs if name not in known), "")
                raise TypeError(f"{function.__name__}() {error}{did_you_mean(unknown, known)}") from None
            for name, value in given.arguments.items():
                # A default is always right, but not every value that equals it: 0 equals False.
                if value is not signature.parameters[name].default:
                    given.arguments[name] = _checked(name, value)
            missing = [name for name in signature.parameters if given.arguments.get(name) is None]
            given.arguments.update(values_of_variables(function.__name__, missing, self._environment))
            try:
                return function(*given.args, **given.kwargs)
            except PipelineError as error:
                _name_arguments(error, signature.parameters)
                raise

        return checking


def _name_arguments(error: PipelineError, parameters: Iterable[str]) -> None:
    """Name the arguments of the function in the message, instead of the flags that they stand for."""
    names = {
        VARIABLES[each].flag: f"{each}=False" if VARIABLES[each].flag.startswith("--no-") else each
        for each in parameters
        if each in VARIABLES
    }

    def reworded(text: str) -> str:
        # A command that the message suggests stays as it is.
        parts = text.split("`")
        parts[::2] = [_FLAG_NAME.sub(lambda flag: names.get(flag[0], flag[0]), part) for part in parts[::2]]
        return "`".join(parts)

    if isinstance(error, InvalidInput):
        error.problems = tuple(
            replace(each, message=reworded(each.message), path=reworded(each.path)) for each in error.problems
        )
    error.args = tuple(reworded(each) if isinstance(each, str) else each for each in error.args)


def _checked(name: str, value: object) -> object:
    if name in _CHECKED_WITH_THEIR_RANGE:
        return value
    expected, check = _CHECKS[name]
    # An iterator can be read once, so the function gets what was read.
    read = tuple(value) if _is_iterator(value) else value
    if not check(read):
        # An address may contain a password, so what was to be a location is not shown.
        is_shown = check not in (_is_location, _are_paths)
        found = _shown(read) if is_shown else f"a value of type {type(read).__name__}"
        raise UsageError(f"{name}: expected {expected}, found {found}")
    return read


def _shown(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else f"{value!r:.40}"


def _is_iterator(value: object) -> TypeGuard[Iterator[object]]:
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


def _is_path(value: object) -> bool:
    return isinstance(value, os.PathLike) and isinstance(os.fspath(value), str)


def _are_names(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(each, str) or _is_path(each) for each in value)


def _is_location(value: object) -> bool:
    """Whether it names a location. Empty text, from a variable that is unset, does not mean the default one."""
    return _is_path(value) or (isinstance(value, str) and value.strip() != "")


def _are_paths(value: object) -> bool:
    if isinstance(value, str | os.PathLike):
        return _is_location(value)
    return isinstance(value, Iterable) and not isinstance(value, Mapping) and all(map(_is_location, value))


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
    # A class has the methods as well, but nothing to call them on.
    return not isinstance(value, type) and unfit(value) is None


_FLAG = ("True or False", _is_flag)
_TEXT = ("text", _is_text)
_SELECTION = ("text, or several", _are_texts)
_LOCATION = ("a path or an address", _is_location)
_FUNCTION = ("a function", callable)

# `RunOptions` and `Opinion` check these, which have a range besides their type.
_CHECKED_WITH_THEIR_RANGE = frozenset({"max_creates", "max_credits", "fail_threshold", "rating"})
_CHECKS: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    "manifest": ("a path", lambda value: isinstance(value, str) or _is_path(value)),
    "campaign": ("a campaign", lambda value: isinstance(value, Campaign)),
    "warn": _FUNCTION,
    "names": ("names or paths", _are_names),
    "select": _SELECTION,
    "exclude": _SELECTION,
    "replace": _SELECTION,
    "retry_failed": _FLAG,
    "fail_fast": _FLAG,
    "frozen": _FLAG,
    "wait": _FLAG,
    "download": _FLAG,
    "emulate": _FLAG,
    "state": _LOCATION,
    "results": _LOCATION,
    "output": _LOCATION,
    "variable_files": ("a path, or several", _are_paths),
    "variables": ("values by their names", _are_variables),
    "note": _TEXT,
    "by": _TEXT,
    "at": ("a number", _is_number),
    "provider": (f"a provider, which has a name and the methods {', '.join(METHODS)}", _is_provider),
    "on_event": _FUNCTION,
}
