"""Conditions: `when` of a rule and `where` of a table, each one expression that holds or not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pipeline.manifest.templating.dotted import Declined, Named, value_of

if TYPE_CHECKING:
    from pipeline.documents.value import Value
    from pipeline.errors import Problem
    from pipeline.json_values import Json
    from pipeline.manifest.build_context import Context
    from pipeline.manifest.model import Campaign
    from pipeline.manifest.texts import Scope, Text

# YAML 1.1 reads these as booleans, YAML 1.2 as texts.
_BOOLEAN_WORDS: Final = {
    **dict.fromkeys(("true", "yes", "on", "y"), "true"),
    **dict.fromkeys(("false", "no", "off", "n"), "false"),
}
# Texts that a table or a var holds for "no". No text but an empty one is false.
_NEGATIVE_WORDS: Final = frozenset({"false", "no", "off", "n", "0", "none", "null"})
# What stands in a table where one of those does not.
_POSITIVE_WORDS: Final = {"false": "true", "no": "yes", "off": "on", "n": "y"}
_HAS_TESTS: Final = re.compile(r"[=!]=|\b(?:and|or|not|in)\b")
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


def judges_jobs(text: Text, campaign: Campaign) -> bool:
    """Whether a condition depends on the job only. One that reads a var may be a switch that is off on purpose."""
    reads_vars = not text.names.isdisjoint({"vars", "campaign", *campaign.vars})
    return bool(text.names) and not reads_vars


def misread(answer: Json, text: Text, scope: Scope) -> Problem | None:
    """A warning if a condition, or a part of it, means something else than it seems to say."""
    if not text.template.is_expression:
        return None
    message = _mistaken_test(text, scope)
    if message is None and isinstance(answer, str) and answer.strip().casefold() in _NEGATIVE_WORDS:
        expression = text.template.source.removeprefix("{{").removesuffix("}}").strip("-+ \t\n")
        message = _counts_as_true(
            answer, expression if _ONE_VALUE.fullmatch(expression) else f"({expression})"
        )
    return None if message is None else text.location.problem(message, "warning")


def _mistaken_test(text: Text, scope: Scope) -> str | None:
    """What is wrong with a part of a condition: a text is compared with a number, or stands alone."""
    if not _HAS_TESTS.search(text.template.source):
        return None
    # Imported here, since Jinja is slow to import.
    from pipeline.manifest.templating.tests_of_values import tests_of

    tests = tests_of(text.template.source)
    for constant in tests.constants:
        shown = f"'{constant}'" if isinstance(constant, str) else str(constant)
        counts = f"it counts as {str(bool(constant)).lower()}"
        return f"{shown} stands alone, so {counts}; compare it too, or write a list: in ['…', {shown}]"
    for reference, literal in tests.comparisons:
        if _text_at(reference.path, scope) is not None:
            return _never_equal(reference.written, literal)
    for reference in tests.operands:
        found = _text_at(reference.path, scope)
        if found is not None and found.strip().casefold() in _NEGATIVE_WORDS:
            return _counts_as_true(found, reference.written)
    return None


def _text_at(path: tuple[str, ...], scope: Scope) -> str | None:
    """The text that a table or the vars of an image have there. Values of other axes may be texts and numbers."""
    value = scope.get(path[0])
    if len(path) > 1:
        try:
            value = value_of((path,), scope)
        except Declined:
            return None
    elif not isinstance(value, Named):
        return None
    return value if isinstance(value, str) else None


def _never_equal(written: str, literal: float) -> str:
    if isinstance(literal, bool):
        return f"'{written}' is a text, never {str(literal).lower()}; write a text, as in {written} == 'TRUE'"
    kind = "int" if isinstance(literal, int) else "float"
    return f"'{written}' is a text, never {literal}; compare with '{literal}', or write {written} | {kind}"


def _counts_as_true(found: str, written: str) -> str:
    """The message for a text such as 'FALSE'. An empty cell is not wanted either, so `!=` is no advice."""
    word = found.strip()
    wanted = _POSITIVE_WORDS.get(word.casefold())
    if word.isupper() and wanted:
        wanted = wanted.upper()
    elif word.istitle() and wanted:
        wanted = wanted.title()
    advice = f"{written} | int > 0" if word == "0" else f"{written} == '{wanted or '…'}'"
    return f"the text '{found}' is not empty, so it counts as true; write \"{{{{ {advice} }}}}\""
