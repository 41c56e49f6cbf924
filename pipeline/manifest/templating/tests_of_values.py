"""Finds in a condition what is compared with what, and what is true or false by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from jinja2 import nodes

from pipeline.manifest.templating.sandbox import ENVIRONMENT

_EQUALITIES: Final = frozenset({"eq", "ne", "in", "notin"})


@dataclass(frozen=True, slots=True)
class Reference:
    """A value that a condition names and leaves as it is: its path, and as it can be written."""

    path: tuple[str, ...]
    written: str


@dataclass(frozen=True, slots=True)
class Tests:
    """What a condition tests.

    `comparisons` are references with the number or boolean each is compared with. `operands` are references that
    stand alone beside `and`, `or` or `not`, `constants` the texts and numbers that do.
    """

    comparisons: tuple[tuple[Reference, int | float], ...]
    operands: tuple[Reference, ...]
    constants: tuple[str | int | float, ...]


@lru_cache(maxsize=256)
def tests_of(source: str) -> Tests:
    """What the condition `source`, a single expression, tests."""
    tree = ENVIRONMENT.parse(source)
    expression = next(tree.find_all(nodes.Output)).nodes[0]
    operands = list(_operands(expression)) if isinstance(expression, nodes.And | nodes.Or | nodes.Not) else []
    values = [each.value for each in operands if isinstance(each, nodes.Const)]
    return Tests(
        comparisons=tuple(pair for each in tree.find_all(nodes.Compare) for pair in _compared(each)),
        operands=tuple(found for each in operands if (found := _reference(each)) is not None),
        constants=tuple(
            each for each in values if isinstance(each, str | int | float) and not isinstance(each, bool)
        ),
    )


def _operands(node: nodes.Node) -> Iterator[nodes.Node]:
    match node:
        case nodes.And(left=left, right=right) | nodes.Or(left=left, right=right):
            yield from _operands(left)
            yield from _operands(right)
        case nodes.Not(node=inner):
            yield from _operands(inner)
        case _:
            yield node


def _compared(node: nodes.Compare) -> Iterator[tuple[Reference, int | float]]:
    left = node.expr
    for operand in node.ops:
        right = operand.expr
        for one, other in ((left, right), (right, left)) if operand.op in _EQUALITIES else ():
            reference, literal = _reference(one), next(_numbers(other), None)
            if reference is not None and literal is not None:
                yield reference, literal
        left = right


def _numbers(node: nodes.Node) -> Iterator[int | float]:
    """The numbers and booleans that are written here, also in a list."""
    match node:
        case nodes.Const(value=int() | float() as value):
            yield value
        case nodes.Neg(node=nodes.Const(value=int() | float() as value)):
            yield -value
        case nodes.List(items=items) | nodes.Tuple(items=items):
            for item in items:
                yield from _numbers(item)


def _reference(node: nodes.Node) -> Reference | None:
    match node:
        case nodes.Name(name=name):
            return Reference((name,), name)
        case (
            nodes.Getattr(node=inner, attr=step) | nodes.Getitem(node=inner, arg=nodes.Const(value=str(step)))
        ):
            of = _reference(inner)
            if of is None:
                return None
            written = f"{of.written}.{step}" if step.isidentifier() else f"{of.written}['{step}']"
            return Reference((*of.path, step), written)
        case _:
            return None
