"""Texts of the manifest that are rendered, and remember where they were written."""

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from pipeline.documents.node import Location, Node, text_position
from pipeline.errors import InvalidInput, Problem
from pipeline.jobs import Json
from pipeline.manifest.templating import TemplateError
from pipeline.manifest.templating.template import TextTemplate

Scope = Mapping[str, object]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Text:
    """A template with the position of its text. A `node` of None is a whole file, whose lines are its own."""

    template: TextTemplate
    location: Location
    node: Node | None = field(default=None, compare=False)

    @property
    def names(self) -> frozenset[str]:
        """The names that the outcome depends on."""
        return self.template.names

    def text(self, scope: Scope) -> str:
        """Rendered, always to a text.

        Raises:
            InvalidInput: with the line of the text that failed.
        """
        try:
            return self.template.render_text(scope)
        except TemplateError as error:
            raise InvalidInput(self.problem(error)) from None

    def value(self, scope: Scope) -> Json:
        """Rendered; a single expression keeps its type.

        Raises:
            InvalidInput: with the line of the text that failed.
        """
        try:
            return self.template.render_value(scope)
        except TemplateError as error:
            raise InvalidInput(self.problem(error)) from None

    def problem(self, error: TemplateError) -> Problem:
        """A problem with this text, at the line where it is."""
        return _problem(error, self.location, self.node)


def compile_text(source: str, location: Location, node: Node | None) -> Text:
    """Make a text ready to be rendered.

    Raises:
        InvalidInput: it is no template that we take.
    """
    try:
        return Text(TextTemplate.compile(source), location, node)
    except TemplateError as error:
        raise InvalidInput(_problem(error, location, node)) from None


def _problem(error: TemplateError, location: Location, node: Node | None) -> Problem:
    line = error.line or 1
    if node is None:
        location = replace(location, line=line, column=1)
    else:
        position = text_position(node, line)
        location = replace(location, line=position.line, column=position.column)
    return location.problem(error.message)


def is_true(answer: Json) -> bool:
    """The truth of a rendered condition: false and empty are no, and so is a text of blanks."""
    return bool(answer.strip() if isinstance(answer, str) else answer)


class Remembered(Generic[T]):
    """Caches what depends on some names of a scope, until one of them is another object.

    The loops of an expansion keep the objects of the outer axes, so what does not change along an axis is
    rendered once for it.
    """

    def __init__(self, names: Iterable[str], compute: Callable[[Scope], T]) -> None:
        self._names = tuple(sorted(names))
        self._compute = compute
        self._given: tuple[object, ...] | None = None
        self._outcome: T | InvalidInput | None = None

    def __call__(self, scope: Scope) -> T:
        """The outcome for these values.

        Raises:
            InvalidInput: as the computation did; each time that it is asked for.
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
