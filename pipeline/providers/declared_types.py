"""Checks values that code outside this tool returns against the types that the port declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, NewType, Union, get_args, get_origin, get_type_hints

from pipeline.errors import printable


def misfit(value: object, declared: object, *, where: str = "its result") -> str | None:
    """What is wrong with `value` if it is not of the declared type, such as `Workflow.title is int`; None if it is.

    A list passes for a tuple. Of a mapping, neither keys nor values are checked.
    """
    if isinstance(declared, NewType):
        declared = declared.__supertype__
    origin, arguments = get_origin(declared), get_args(declared)
    if origin in {Union, UnionType}:
        return _misfit_of_union(value, arguments, where)
    if origin is tuple:
        return _misfit_of_tuple(value, arguments, where)
    if not _is_instance(value, NoneType if declared is None else origin or declared):
        return f"{where} is {_shown_type(value)}"
    if isinstance(declared, type) and is_dataclass(declared):
        for name, of_field in _types_of_fields(declared).items():
            wrong = misfit(getattr(value, name), of_field, where=f"{declared.__name__}.{name}")
            if wrong is not None:
                return wrong
    return None


def _misfit_of_union(value: object, members: tuple[Any, ...], where: str) -> str | None:
    wrong = [misfit(value, member, where=where) for member in members]
    if None in wrong:
        return None
    # If it is of the right class, what is wrong is within it.
    return next(
        (
            each
            for member, each in zip(members, wrong, strict=True)
            if isinstance(member, type) and is_dataclass(member) and isinstance(value, member)
        ),
        wrong[0],
    )


def _misfit_of_tuple(value: object, members: tuple[Any, ...], where: str) -> str | None:
    if not isinstance(value, tuple | list):
        return f"{where} is {_shown_type(value)}"
    if members[-1] is Ellipsis:
        members = (members[0],) * len(value)
    if len(value) != len(members):
        return f"{where} has {len(value)} items instead of {len(members)}"
    wrong = (misfit(each, member, where=where) for each, member in zip(value, members, strict=True))
    return next((each for each in wrong if each is not None), None)


def _is_instance(value: object, declared: Any) -> bool:
    if declared is float:
        declared = (int, float)
    if isinstance(value, bool):
        return declared in {bool, object}
    return isinstance(value, declared)


def _shown_type(value: object) -> str:
    return "None" if value is None else printable(type(value).__name__, 60)


@cache
def _types_of_fields(declared: Any) -> Mapping[str, Any]:
    hints = get_type_hints(declared)
    return {each.name: hints[each.name] for each in fields(declared)}
