"""What is doubtful about texts as they are written: a prompt or an option that is empty, a name in single braces."""

import re
from collections.abc import Mapping
from dataclasses import replace

from pipeline.documents.location import Value
from pipeline.documents.node import Node
from pipeline.documents.source import Location
from pipeline.manifest.build_context import Context
from pipeline.manifest.templating import TemplateError
from pipeline.manifest.texts import Text

_TEMPLATED = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_BRACES = re.compile(r"\{\s*([A-Za-z_][A-Za-z0-9_.]*)\s*\}")


def warn_of_prompt(name: str, text: Text, context: Context) -> None:
    """Report a prompt that is empty, or has a name in single braces."""
    if not text.template.source.strip():
        warn_of_empty_prompt(name, text.location, text.node, context)
    warn_of_braces(text, context)


def warn_of_empty_prompt(name: str, location: Location, node: Node | None, context: Context) -> None:
    """Report a prompt that is empty. `node` is its text in a YAML file, None where it is a file of its own."""
    hint = "" if node is None else _comment_hint(node)
    context.warn(location, f"the prompt '{name}' is empty{hint}")


def warn_of_braces(text: Text, context: Context) -> None:
    """Report each `{name}` outside of templates: it is meant as `{{ name }}`, mostly."""
    # What is in a template's own braces is left out, its lines are not.
    plain = _TEMPLATED.sub(lambda found: "\n" * found[0].count("\n"), text.template.source)
    for found in _BRACES.finditer(plain):
        line = plain.count("\n", 0, found.start()) + 1
        message = f"'{found[0]}' in single braces is sent unchanged; for a value, write {{{{ {found[1]} }}}}"
        context.problems.append(replace(text.problem(TemplateError(message, line)), severity="warning"))


def warn_of_empty_options(options: Value | None, context: Context) -> None:
    """Report each option that is empty and does not say so, as null does."""
    if options is None or not isinstance(options.node.value, Mapping):
        return
    for name, node in options.node.value.items():
        if node.value == "" or (node.value is None and not _says_null(node)):
            hint = f"{_comment_hint(node)}; write null to leave it out"
            context.warn(Value(node, (*options.path, name)).location, f"the option '{name}' is empty{hint}")


def _comment_hint(node: Node) -> str:
    rest = node.source.raw_line(node.line)[node.column - 1 :].lstrip()
    is_comment = node.value is None and rest.startswith("#")
    return ", as '#' begins a comment; a text that begins with it needs quotes" if is_comment else ""


def _says_null(node: Node) -> bool:
    return node.source.raw_line(node.line)[node.column - 1 : node.column] in ("~", "n", "N")
