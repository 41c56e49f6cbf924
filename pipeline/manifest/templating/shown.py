"""Finds the values that a template shows rather than only computes with or tests."""

from ast import literal_eval
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from jinja2 import nodes

from pipeline.manifest.templating.dotted import ANY, Path

# The filters whose output shows their input.
_SAME = frozenset({"capitalize", "default", "lower", "replace", "sort", "string", "title", "tojson"})
_SAME |= {"trim", "truncate", "unique", "upper", "urlencode"}
_ONE_OF_LIST = frozenset({"first", "join", "last"})


@dataclass(frozen=True, slots=True)
class NumberLiteral:
    """A number in the text of a template, in this line."""

    spelling: str
    value: int | float
    line: int


def shown(tree: nodes.Template) -> frozenset[Path]:
    """The values that a template shows."""
    return frozenset(_printed(tree, {}))


def numbers_shown(
    tree: nodes.Template, source_tokens: Iterable[tuple[int, str, str]]
) -> tuple[NumberLiteral, ...]:
    """The numbers in a template's own text that it shows with another spelling than they are written with.

    `source_tokens` are line, kind and spelling of each of its tokens.
    """
    consts = [
        const for output in tree.find_all(nodes.Output) for part in output.nodes for const in _numbers(part)
    ]
    if not consts:
        return ()
    written = {(line, spelling) for line, kind, spelling in source_tokens if kind in ("integer", "float")}
    literals = (NumberLiteral(spelling, literal_eval(spelling), line) for line, spelling in sorted(written))
    shown_here = {(const.lineno, const.value) for const in consts}
    return tuple(
        each
        for each in literals
        if str(each.value) != each.spelling and (each.line, each.value) in shown_here
    )


def _numbers(node: nodes.Node) -> Iterator[nodes.Const]:
    """The numbers in an expression's text that it leaves unchanged."""
    match node:
        case nodes.Const(value=int() | float()):
            yield node
        case nodes.CondExpr() | nodes.Concat() | nodes.And() | nodes.Or():
            for part in _alternatives(node):
                yield from _numbers(part)
        case nodes.List(items=items) | nodes.Tuple(items=items):
            for item in items:
                yield from _numbers(item)
        case nodes.Filter(name=name, node=inner, args=arguments) if inner is not None:
            if name in _SAME or name in _ONE_OF_LIST:
                yield from _numbers(inner)
            if name == "default":
                for each in arguments[:1]:
                    yield from _numbers(each)
        case _:
            return


def names_in_vars(tree: nodes.Template) -> frozenset[str]:
    """The names that a template reads from `vars`; `*` if it may read any."""
    taken: list[str] = []
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        match node:
            case (
                nodes.Getattr(node=nodes.Name(name="vars"), attr=str(name))
                | nodes.Getitem(node=nodes.Name(name="vars"), arg=nodes.Const(value=str(name)))
            ):
                taken.append(name)
    used = sum(node.name == "vars" for node in tree.find_all(nodes.Name))
    return frozenset(taken if len(taken) == used else [*taken, "*"])


def _printed(node: nodes.Node, loops: Mapping[str, Path]) -> Iterator[Path]:
    match node:
        case nodes.Output():
            for part in node.nodes:
                yield from _paths(part, loops)
        case nodes.For(target=nodes.Name(name=name)):
            inner = dict(loops)
            for path in _paths(node.iter, loops):
                inner[name] = (*path, ANY)
            for child in (*node.body, *node.else_):
                yield from _printed(child, inner)
        case _:
            for child in node.iter_child_nodes():
                yield from _printed(child, loops)


def _paths(node: nodes.Node, loops: Mapping[str, Path]) -> Iterator[Path]:
    """The values that an expression stands for, as far as it leaves them unchanged."""
    match node:
        case nodes.Name(name=name):
            yield loops.get(name, (name,))
        case nodes.Getattr(node=inner, attr=step) | nodes.Getitem(node=inner, arg=nodes.Const(value=step)):
            yield from ((*path, step) for path in _paths(inner, loops))
        case nodes.Getitem(node=inner):
            yield from ((*path, ANY) for path in _paths(inner, loops))
        case nodes.CondExpr() | nodes.Concat() | nodes.And() | nodes.Or():
            for part in _alternatives(node):
                yield from _paths(part, loops)
        case nodes.Filter(name=name, node=inner, args=arguments) if inner is not None:
            if name in _SAME:
                yield from _paths(inner, loops)
            elif name in _ONE_OF_LIST:
                yield from ((*path, ANY) for path in _paths(inner, loops))
            if name == "default":
                yield from (path for each in arguments[:1] for path in _paths(each, loops))
        case _:
            return


def _alternatives(node: nodes.Node) -> list[nodes.Expr]:
    """The parts of an expression, of which it shows one or all."""
    match node:
        case nodes.CondExpr(expr1=first, expr2=second):
            return [first] if second is None else [first, second]
        case nodes.Concat(nodes=parts):
            return parts
        case nodes.And(left=left, right=right) | nodes.Or(left=left, right=right):
            return [left, right]
        case _:
            return []
