"""Templates that need Jinja: compiled once; every failure is reported with its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import jinja2
from jinja2 import meta, nodes
from jinja2.runtime import Context

from pipeline.manifest.templating import TemplateError, guard
from pipeline.manifest.templating.sandbox import ENVIRONMENT, budget_of
from pipeline.manifest.templating.shown import names_in_vars, numbers_shown, shown
from pipeline.manifest.templating.slips import slip
from pipeline.manifest.templating.values import as_json, as_text, checked_text
from pipeline.record_limits import LONGEST_TEXT

if TYPE_CHECKING:
    from pipeline.json_values import Json

_LARGEST_VALUE: Final = 16_384
_FILE: Final = "<template>"
_VALUE: Final = "_value"
# What Python or Jinja raise when an operation of a template fails.
_FAULTS: Final = (
    *(ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError),
    *(SyntaxError, TypeError, ValueError, jinja2.TemplateError),
)
_COMPARED: Final = re.compile(r"'([<>]=?)' not supported between instances of '(\w+)' and '(\w+)'")
_KINDS: Final = {
    "str": "a text",
    "Named": "a text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping",
    "NoneType": "null",
}
Result = TypeVar("Result")


class JinjaTemplate:
    """A template as Jinja renders it. Immutable, and safe to use from many threads.

    Its attributes and methods are those of `TextTemplate`.

    Raises:
        TemplateError: it is not a template, is too large, or uses something that is not allowed.
    """

    def __init__(self, source: str) -> None:
        try:
            tree = ENVIRONMENT.parse(source)
            guard.check(tree)
            # Before Jinja computes what is constant, which the next line lets it do in the tree.
            self.respelled = numbers_shown(tree, ENVIRONMENT.lex(source))
            self.names = frozenset(meta.find_undeclared_variables(tree))
            self.shown = shown(tree)
            self.names_in_vars = names_in_vars(tree)
            guard.bound(tree)
            tree, self.is_expression = _keeping_value(tree)
            self._code = ENVIRONMENT.from_string(tree)
        except jinja2.TemplateSyntaxError as error:
            message = error.message or "this is not a template"
            if message.endswith("got '='"):
                message = "a single '=' compares nothing; write '=='"
            raise TemplateError(slip(source, error) or message, error.lineno) from None
        except _FAULTS:
            raise TemplateError("the template is too large, or too deeply nested", 1) from None

    def render_text(self, scope: Mapping[str, object]) -> str:
        """As `TextTemplate.render_text`."""
        return self._run(self._code, _text_of_value if self.is_expression else _text, scope)

    def render_value(self, scope: Mapping[str, object]) -> Json:
        """As `TextTemplate.render_value`, for a single expression."""
        return self._run(self._code, _json, scope)

    @staticmethod
    def _run(
        code: jinja2.Template, work: Callable[[jinja2.Template, Context], Result], scope: Mapping[str, object]
    ) -> Result:
        # Nothing that a template may do changes the names of its scope.
        context = code.new_context(cast("dict[str, Any]", scope), shared=True)
        try:
            return work(code, context)
        except _FAULTS as error:
            raise TemplateError(_message(error), _line(error.__traceback__, code)) from None


def _keeping_value(tree: nodes.Template) -> tuple[nodes.Template, bool]:
    """The tree, changed to keep the value of a single expression, and whether it is one."""
    match tree.body:
        case [nodes.Output(nodes=[expression])] if not isinstance(expression, nodes.TemplateData):
            kept = nodes.Assign(nodes.Name(_VALUE, "store"), expression, lineno=expression.lineno)
            return nodes.Template([kept], lineno=1), True
        case _:
            return tree, False


def _text(code: jinja2.Template, context: Context) -> str:
    parts: list[str] = []
    length = 0
    for part in code.root_render_func(context):
        length += len(part)
        if length > LONGEST_TEXT:
            raise ValueError(f"the text becomes too long: more than {LONGEST_TEXT:,} bytes")
        parts.append(part)
    return checked_text("".join(parts))


def _text_of_value(code: jinja2.Template, context: Context) -> str:
    return checked_text(str(as_text(_value(code, context))))


def _json(code: jinja2.Template, context: Context) -> Json:
    value = _value(code, context)
    if isinstance(value, str):
        return checked_text(str(value))
    if budget_of(context).measure(value) > _LARGEST_VALUE:
        raise ValueError("the value becomes too large")
    return as_json(value)


def _value(code: jinja2.Template, context: Context) -> object:
    for _ in code.root_render_func(context):
        pass
    return context.vars[_VALUE]


def _message(error: BaseException) -> str:
    match error:
        case TypeError():
            return _of_types(str(error))
        case ZeroDivisionError():
            return "a division by zero"
        case MemoryError() | RecursionError():
            return "the template needs too much memory"
        case jinja2.TemplateError():
            return error.message or "the template failed"
        case _:
            return str(error)


def _of_types(error: str) -> str:
    """Python's words for operands that do not fit together, in ours."""
    found = _COMPARED.fullmatch(error)
    if found is None:
        return f"these values cannot be combined: {error}"[:200]
    left, right = (_KINDS.get(name, "another value") for name in found.group(2, 3))
    hint = "; '| int' after a text makes a number of it" if {left, right} == {"a text", "a number"} else ""
    return f"'{found[1]}' cannot compare {left} with {right}{hint}"


def _line(trace: TracebackType | None, code: jinja2.Template) -> int:
    """The line of the template at which the error was raised."""
    line = 1
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _FILE:
            line = code.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line
