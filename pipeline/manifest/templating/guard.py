"""The constructs that a template may use, wrapped so that their cost is counted."""

from collections.abc import Iterator
from typing import Final

from jinja2 import nodes

from pipeline.manifest.templating import TemplateError, UnknownName
from pipeline.manifest.templating.filters import FILTERS, ITEMS, MEASURED, TESTS
from pipeline.manifest.templating.values import checked_number

FILTER_NAMES: Final = frozenset({*FILTERS, "default"})
TEST_NAMES: Final = frozenset({*TESTS, "defined", "undefined"})

_MAX_NODES = 2_000
_DEEPEST = 40
_MAX_LOOPS = 2

_ALLOWED = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.CondExpr),
    *(nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem, nodes.Filter, nodes.Test, nodes.Keyword),
    *(nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Concat),
    *(nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair),
)
_WORDS: dict[type[nodes.Node], str] = {
    nodes.Call: "a call",
    nodes.Slice: "a slice",
    nodes.Mod: "the operator '%'",
    nodes.Pow: "the operator '**'",
    nodes.Assign: "'set'",
    nodes.AssignBlock: "'set'",
    nodes.Scope: "'autoescape'",
}


def check(tree: nodes.Template) -> None:
    """Refuse every construct that is not known to be harmless.

    Raises:
        TemplateError: with the line of the first such construct.
    """
    for count, (node, depth, loops) in enumerate(_walk(tree), start=1):
        # The library gives no line to some of the nodes that are refused below.
        line = node.lineno or 1
        if count > _MAX_NODES or depth > _DEEPEST or loops > _MAX_LOOPS:
            raise TemplateError("the template is too large, or too deeply nested", line)
        if type(node) not in _ALLOWED:
            word = _WORDS.get(type(node), f"'{type(node).__name__.lower()}'")
            raise TemplateError(f"{word} is not allowed; templates have if, for, filters and tests", line)
        if problem := _problem(node):
            raise TemplateError(problem, line)


def _walk(tree: nodes.Node) -> Iterator[tuple[nodes.Node, int, int]]:
    """Every node with its depth and the number of loops around it; without recursion, as the tree may be deep."""
    waiting: list[tuple[nodes.Node, int, int]] = [(tree, 0, 0)]
    while waiting:
        node, depth, loops = waiting.pop()
        yield node, depth, loops
        loops += isinstance(node, nodes.For)
        waiting.extend((child, depth + 1, loops) for child in reversed(list(node.iter_child_nodes())))


def _problem(node: nodes.Node) -> str | None:
    match node:
        case nodes.Name(name=str(name)) if name.startswith("_"):
            return f"the name '{name[:60]}' is not allowed, because it begins with an underscore"
        case nodes.Name(name="self"):
            return "the name 'self' is not allowed"
        case nodes.For(recursive=True):
            return "a recursive loop is not allowed"
        case nodes.Filter() | nodes.Test() if node.dyn_args or node.dyn_kwargs:
            return "arguments with * are not allowed"
        case nodes.Filter(name=str(name)) if name not in FILTER_NAMES:
            return UnknownName(f"there is no filter '{name[:60]}'", name, FILTER_NAMES)
        case nodes.Test(name=str(name)) if name not in TEST_NAMES:
            return UnknownName(f"there is no test '{name[:60]}'", name, TEST_NAMES)
        case nodes.Const(value=int() | float() as number) if not isinstance(number, bool):
            return _number_problem(number)
        case _:
            return None


def _number_problem(number: float) -> str | None:
    try:
        checked_number(number)
    except ValueError as error:
        return str(error)
    return None


def bound(tree: nodes.Template) -> None:
    """Wrap loops and comparisons so that their cost is counted, and `~` so that values are spelled our way.

    A loop is charged for its body with each item, a comparison for the size of its operands: only these two can
    do much work without writing anything.
    """
    for node in [node for node, _, _ in _walk(tree)]:
        match node:
            case nodes.For():
                inside: list[nodes.Node] = [*node.body, *([node.test] if node.test else [])]
                weight = 1 + sum(1 for part in inside for _ in _walk(part))
                node.iter = _filtered(node.iter, ITEMS, nodes.Const(weight, lineno=node.lineno))
            case nodes.Compare():
                node.expr = _measured(node.expr)
                for operand in node.ops:
                    operand.expr = _measured(operand.expr)
            case nodes.CondExpr(expr2=None):
                # `5 if long` is null if `long` is false: the option is left out.
                node.expr2 = nodes.Const(None, lineno=node.lineno)
            case nodes.Concat():
                node.nodes = [_filtered(part, "string") for part in node.nodes]


def _measured(expression: nodes.Expr) -> nodes.Expr:
    return expression if isinstance(expression, nodes.Const) else _filtered(expression, MEASURED)


def _filtered(expression: nodes.Node, name: str, *arguments: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(expression, name, list(arguments), [], None, None, lineno=expression.lineno)
