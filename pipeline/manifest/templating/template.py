"""A template: compiled once, rendered often, every failure reported with its line."""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pipeline.jobs import Json
from pipeline.manifest.templating import TemplateError
from pipeline.manifest.templating.dotted import Declined, Part, Path, parts_of, text_of, value_of

if TYPE_CHECKING:
    from pipeline.manifest.templating.jinja import JinjaTemplate

_LONGEST_SOURCE: Final = 16 << 10


class TextTemplate:
    """A template, compiled by `TextTemplate.compile`. Immutable, and safe to use from many threads.

    `names` are the names that it takes from its scope. `is_expression` says that it is one
    `{{ expression }}` and nothing else. One line feed at the end of a template is no part of it.
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
    def compile(source: str) -> "TextTemplate":
        """The template of `source`; made once for each source.

        Raises:
            TemplateError: it is no template, is too large, or uses something that is not allowed.
        """
        if not any(delimiter in source for delimiter in ("{{", "{%", "{#")):
            return TextTemplate(source, source.removesuffix("\n"), None)
        if len(source.encode("utf-8", "surrogatepass")) > _LONGEST_SOURCE:
            raise TemplateError(f"the template is longer than {_LONGEST_SOURCE:,} bytes", 1)
        return TextTemplate(source, None, parts_of(source))

    def render_text(self, scope: Mapping[str, object]) -> str:
        """The text that it makes with these values: JSON and `Named`.

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
        """The value of its one expression, with its type; its text where it is not one expression.

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
        """The values that it shows, and does not merely count with: their names, and the steps from there."""
        if self._constant is not None or self._parts is not None:
            return frozenset(part for part in self._parts or () if not isinstance(part, str))
        return self._jinja.shown

    @property
    def names_in_vars(self) -> frozenset[str]:
        """The names that it takes from `vars`; `*` where it may take any."""
        if self._constant is not None or self._parts is not None:
            return frozenset(str(path[1]) if path[1:] else "*" for path in self.shown if path[0] == "vars")
        return self._jinja.names_in_vars

    @property
    def _jinja(self) -> "JinjaTemplate":
        return _compiled(self.source)


@lru_cache(maxsize=4096)
def _compiled(source: str) -> "JinjaTemplate":
    # Jinja takes long to import, and many campaigns need nothing of it.
    from pipeline.manifest.templating.jinja import JinjaTemplate

    return JinjaTemplate(source)
