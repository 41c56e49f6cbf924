"""Conditions: `when` of a rule and `where` of a table, each one expression that holds or not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pipeline.documents.value import Value
    from pipeline.errors import Problem
    from pipeline.json_values import Json
    from pipeline.manifest.build_context import Context
    from pipeline.manifest.texts import Text

# YAML 1.1 reads these as booleans, YAML 1.2 as texts.
_BOOLEAN_WORDS: Final = {
    **dict.fromkeys(("true", "yes", "on", "y"), "true"),
    **dict.fromkeys(("false", "no", "off", "n"), "false"),
}
# Texts that a table or a var holds for "no". No text but an empty one is false.
_NEGATIVE_WORDS: Final = frozenset({"false", "no", "off", "n", "0", "none", "null"})
_TAGS: Final = ("{{", "{%", "{#")
_ONE_VALUE: Final = re.compile(r"[\w.]+(?:\[[^\[\]]*\][\w.]*)*")


def condition(value: Value, example: str, context: Context) -> Text | None:
    """The expression that `value` is; None if it was reported as wrong, or is no text, which the schema reports.

    Blanks around it do not count. An empty text never holds.
    """
    if value.text is None:
        return None
    source = value.text.strip()
    if source and not any(tag in source for tag in _TAGS):
        context.report(value.location, _plain_text(source))
        return None
    text = context.compiled(source, value)
    if source and text is not None and not text.template.is_expression:
        # Its text would never be empty, so it would always hold.
        message = f"expected one expression and nothing around it, as in {example}"
        context.report(value.location, f"{message}; 'and', 'or' and 'not' go inside the braces")
        return None
    return text


def _plain_text(source: str) -> str:
    if (boolean := _BOOLEAN_WORDS.get(source.casefold())) is not None:
        return f"'{source}' is a text here, not a boolean; write {boolean}"
    return f'this is plain text, not an expression; write "{{{{ {source} }}}}"'


def holds(answer: Json) -> bool:
    """Whether the answer to a condition is true: false, empty values and blank texts are not."""
    return bool(answer.strip() if isinstance(answer, str) else answer)


def misread(answer: Json, text: Text) -> Problem | None:
    """A warning if a condition holds only because its answer is a text, such as 'FALSE'."""
    if not isinstance(answer, str) or answer.strip().casefold() not in _NEGATIVE_WORDS:
        return None
    expression = text.template.source.removeprefix("{{").removesuffix("}}").strip("-+ \t\n")
    compared = expression if _ONE_VALUE.fullmatch(expression) else f"({expression})"
    advice = f"write \"{{{{ {compared} != '{answer}' }}}}\""
    return text.location.problem(
        f"the text '{answer}' is not empty, so it counts as true; {advice}", "warning"
    )
