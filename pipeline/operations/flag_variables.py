"""The environment variables of flags: their names, and how the Python functions read them, as the commands do.

The command line reads them with click, which knows the type of each flag. A test compares the two for every flag.
"""

import math
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from pipeline.errors import UsageError
from pipeline.manifest.variables import read_variable_pairs

# As click reads a flag without a value.
_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
_FALSE = frozenset({"0", "false", "f", "no", "n", "off"})


def variable_of(flag: str) -> str:
    """The environment variable of a flag: `PIPELINE_MAX_CREDITS` of `--max-credits`."""
    return "PIPELINE_" + flag.removeprefix("--").upper().replace("-", "_")


def in_utf8(word: str) -> str:
    """A word from outside as text, in any locale; one that is not UTF-8 stays as this locale reads it.

    For what is compared with a manifest or written to a file. A path stays as it is, else its file is not found.
    """
    try:
        return os.fsencode(word).decode()
    except UnicodeError:
        return word


@dataclass(frozen=True, slots=True)
class FlagVariable:
    """The environment variable of a flag; `read` is called with its name and its text."""

    flag: str
    read: Callable[[str, str], object]

    @property
    def variable(self) -> str:
        """The name of the environment variable."""
        return variable_of(self.flag)

    def value(self, environment: Mapping[str, str]) -> object:
        """The value in the environment; None if it is unset or empty.

        Raises:
            UsageError: it is blank, or none that the flag takes.
        """
        text = environment.get(self.variable, "")
        if text and not text.strip():
            raise UsageError(f"{self.variable} is blank; unset it, or is a variable in it unset?")
        return self.read(self.variable, text) if text else None


def values_of_variables(
    function: str, parameters: Collection[str], environment: Mapping[str, str]
) -> Mapping[str, object]:
    """The values of those `parameters` of a public function whose variable is set.

    Raises:
        UsageError: a variable cannot be read; or one is set that changes what the command buys or records, and the
            function has no parameter for it: without it, the function would do something else than the command.
    """
    for each in UNSUPPORTED.get(function, ()):
        if each.value(environment) not in (None, False):
            raise UsageError(
                f"{each.variable} is set, but pipeline.{function}() has no {each.flag}; unset it, or use the "
                f"command `pipeline {function}`"
            )
    read = {name: VARIABLES[name].value(environment) for name in parameters if name in VARIABLES}
    return {name: value for name, value in read.items() if value is not None}


def _text(_variable: str, text: str) -> str:
    return text


def _text_in_utf8(_variable: str, text: str) -> str:
    return in_utf8(text)


def _several(_variable: str, text: str) -> tuple[str, ...]:
    return tuple(map(in_utf8, text.split()))


def _paths(_variable: str, text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _pairs(variable: str, text: str) -> Mapping[str, object]:
    return read_variable_pairs(_several(variable, text), variable)


def _is_set(variable: str, text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise UsageError(f"{variable}: expected 1 or 0, found {text!r:.40}")
    return word in _TRUE


def _is_not_set(variable: str, text: str) -> bool:
    return not _is_set(variable, text)


def _whole_number(least: int, most: float, expected: str) -> Callable[[str, str], int]:
    def read(variable: str, text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or not least <= number <= most:
            raise UsageError(f"{variable}: expected {expected}, found {text!r:.40}")
        return number

    return read


def _number(least: float, most: float, expected: str) -> Callable[[str, str], float]:
    def read(variable: str, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not least <= number <= most:  # NaN is not in any range
            raise UsageError(f"{variable}: expected {expected}, found {text!r:.40}")
        return number

    return read


def _seconds(variable: str, text: str) -> float:
    # `Opinion` checks the range, as it does for the command.
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{variable}: expected a number, found {text!r:.40}") from None


_cap = _whole_number(0, math.inf, "a whole number, 0 or more")
_stars = _whole_number(1, 5, "1 to 5")
_share = _number(0, 1, "a number, 0 to 1")

_NOTE = FlagVariable("--note", _text_in_utf8)
_RATING = FlagVariable("--rating", _stars)
_AT = FlagVariable("--at", _seconds)

# By parameter: a parameter stands for the same flag in every function that has it.
VARIABLES: Mapping[str, FlagVariable] = {
    "state": FlagVariable("--state", _text),
    "results": FlagVariable("--results", _text),
    "output": FlagVariable("--output", _text),
    "variables": FlagVariable("--var", _pairs),
    "variable_files": FlagVariable("--var-file", _paths),
    "emulate": FlagVariable("--emulate", _is_set),
    "select": FlagVariable("--select", _several),
    "exclude": FlagVariable("--exclude", _several),
    "replace": FlagVariable("--replace", _several),
    "retry_failed": FlagVariable("--retry-failed", _is_set),
    "max_creates": FlagVariable("--max-creates", _cap),
    "max_credits": FlagVariable("--max-credits", _cap),
    "fail_threshold": FlagVariable("--fail-threshold", _share),
    "fail_fast": FlagVariable("--fail-fast", _is_set),
    "frozen": FlagVariable("--frozen", _is_set),
    "wait": FlagVariable("--no-wait", _is_not_set),
    "download": FlagVariable("--no-download", _is_not_set),
    "note": _NOTE,
    "rating": _RATING,
    "at": _AT,
    "by": FlagVariable("--as", _text_in_utf8),
}
# By function: flags of its command that change what is bought or recorded, and for which it has no parameter.
UNSUPPORTED: Mapping[str, tuple[FlagVariable, ...]] = {
    "run": (
        FlagVariable("--checkpoint", _text),
        FlagVariable("--require-results", _is_set),
        FlagVariable("--shard", _text),
    ),
    "undecide": (_NOTE, _RATING, _AT),
}
