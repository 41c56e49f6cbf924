"""Texts of the manifest: compiled once, rendered often; every failure is reported with its line.

Most need no Jinja, so it is imported for the first text that does.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from pipeline.documents.node import Location, Node, text_position
from pipeline.errors import InvalidInput, Problem, Suggestions
from pipeline.manifest.templating import TemplateError
from pipeline.manifest.templating.dotted import Declined, Part, Path, parts_of, text_of, value_of

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.manifest.templating.jinja import JinjaTemplate
    from pipeline.manifest.templating.shown import NumberLiteral


_LONGEST_SOURCE: Final = 16 << 10


class TextTemplate:
    """A template, compiled by `TextTemplate.compile`. Immutable, and safe to use from many threads.

    `names` are the names that it reads from its scope. `is_expression` says that it is one
    `{{ expression }}` and nothing else. One line feed at the end of a template is not part of it.
    """

    __slots__ = ("_constant", "_parts", "is_expression", "names", "source")

    def __init__(self, source: str, constant: str | None, parts: tuple[Part, ...] | None) -> None:
        self.source = source
        self._constant = constant
        self._parts = parts
        self.names: frozenset[str] = frozenset()
        self.is_expression = False
        if parts is not None:
            self.names = frozenset(part[0] for part in parts if not isinstance(part, str))
            self.is_expression = len(parts) == 1
        elif constant is None:
            self.names, self.is_expression = self._jinja.names, self._jinja.is_expression

    @staticmethod
    @lru_cache(maxsize=4096)
    def compile(source: str) -> TextTemplate:
        """The template of `source`, cached by source.

        Raises:
            TemplateError: it is not a template, is too large, or uses something that is not allowed.
        """
        if not any(delimiter in source for delimiter in ("{{", "{%", "{#")):
            return TextTemplate(source, source.removesuffix("\n"), None)
        if len(source.encode("utf-8", "surrogatepass")) > _LONGEST_SOURCE:
            raise TemplateError(f"the template is longer than {_LONGEST_SOURCE:,} bytes", 1)
        return TextTemplate(source, None, parts_of(source))

    def render_text(self, scope: Mapping[str, object]) -> str:
        """Render it as text with these values: JSON and `Named`.

        Raises:
            TemplateError: something is undefined, does not work on these values, or becomes too large.
        """
        if self._constant is not None:
            return self._constant
        if self._parts is not None:
            try:
                return text_of(self._parts, scope)
            except Declined:
                pass
        return self._jinja.render_text(scope)

    def render_value(self, scope: Mapping[str, object]) -> Json:
        """The value of its single expression, with its type; the rendered text if it is anything else.

        Raises:
            TemplateError: as `render_text`.
        """
        if not self.is_expression:
            return self.render_text(scope)
        if self._parts is not None:
            try:
                return value_of(self._parts, scope)
            except Declined:
                pass
        return self._jinja.render_value(scope)

    @property
    def shown(self) -> frozenset[Path]:
        """The values that it shows rather than only computes with: their names, and the steps from there."""
        if self._constant is not None or self._parts is not None:
            return frozenset(part for part in self._parts or () if not isinstance(part, str))
        return self._jinja.shown

    @property
    def respelled(self) -> tuple[NumberLiteral, ...]:
        """The numbers in its own text that it shows with another spelling than they are written with."""
        return () if self._constant is not None or self._parts is not None else self._jinja.respelled

    @property
    def names_in_vars(self) -> frozenset[str]:
        """The names that it reads from `vars`; `*` if it may read any."""
        if self._constant is not None or self._parts is not None:
            return frozenset(str(path[1]) if path[1:] else "*" for path in self.shown if path[0] == "vars")
        return self._jinja.names_in_vars

    @property
    def _jinja(self) -> JinjaTemplate:
        return _compiled(self.source)


@lru_cache(maxsize=4096)
def _compiled(source: str) -> JinjaTemplate:
    # Jinja is slow to import, and many campaigns do not need it.
    from pipeline.manifest.templating.jinja import JinjaTemplate

    return JinjaTemplate(source)


Scope = Mapping[str, object]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Text:
    """A template with the position of its text. If `node` is None, it is a whole file with its own lines.

    All texts of a campaign share their `suggestions`.
    """

    template: TextTemplate
    location: Location
    node: Node | None = field(default=None, compare=False)
    suggestions: Suggestions = field(default_factory=Suggestions, compare=False, repr=False)

    @property
    def names(self) -> frozenset[str]:
        """The names that the outcome depends on."""
        return self.template.names

    def text(self, scope: Scope) -> str:
        """Render it as text.

        Raises:
            InvalidInput: with the line of the text that failed.
        """
        try:
            return self.template.render_text(scope)
        except TemplateError as error:
            raise InvalidInput(self.problem(error)) from None

    def value(self, scope: Scope) -> Json:
        """Render it; a single expression keeps its type.

        Raises:
            InvalidInput: with the line of the text that failed.
        """
        try:
            return self.template.render_value(scope)
        except TemplateError as error:
            raise InvalidInput(self.problem(error)) from None

    def problem(self, error: TemplateError) -> Problem:
        """The problem for an error in this text, at its line in the file."""
        return _problem(error, self.location, self.node, self.suggestions)


def compile_text(
    source: str, location: Location, node: Node | None, suggestions: Suggestions | None = None
) -> Text:
    """Compile a text, ready to be rendered.

    Raises:
        InvalidInput: it is not a template that we accept.
    """
    suggestions = suggestions or Suggestions()
    try:
        return Text(TextTemplate.compile(source), location, node, suggestions)
    except TemplateError as error:
        raise InvalidInput(_problem(error, location, node, suggestions)) from None


def _problem(
    error: TemplateError, location: Location, node: Node | None, suggestions: Suggestions
) -> Problem:
    line = error.line or 1
    if node is None:
        location = replace(location, line=line, column=1)
    else:
        position = text_position(node, line)
        location = replace(location, line=position.line, column=position.column)
    return location.problem(error.message_with(suggestions))


class Remembered(Generic[T]):
    """Caches a result that depends on some names of a scope, until one of them is another object.

    The loops of an expansion keep the objects of the outer axes, so what does not change along an axis is
    rendered once for it.
    """

    def __init__(self, names: Iterable[str], compute: Callable[[Scope], T]) -> None:
        self._names = tuple(sorted(names))
        self._compute = compute
        self._given: tuple[object, ...] | None = None
        self._outcome: T | InvalidInput | None = None

    def __call__(self, scope: Scope) -> T:
        """The result for these values.

        Raises:
            InvalidInput: the error of the computation, at each call.
        """
        given = tuple(map(scope.get, self._names))
        if self._given is None or not all(map(operator.is_, given, self._given)):
            self._given = given
            try:
                self._outcome = self._compute(scope)
            except InvalidInput as error:
                self._outcome = error
        if isinstance(self._outcome, InvalidInput):
            raise self._outcome
        return self._outcome  # type: ignore[return-value] # it was computed above
