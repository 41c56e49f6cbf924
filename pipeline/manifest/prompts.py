"""Prompts: texts in the manifest, in separate files, or in the rows of a table."""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from pipeline.documents.node import Location, Node
from pipeline.documents.text_file import conflicts, read_source
from pipeline.documents.value import Value
from pipeline.errors import InvalidInput
from pipeline.manifest.build_context import Context, warn_of_empty_prompt, warn_of_prompt
from pipeline.manifest.model import Prompt
from pipeline.manifest.tables import PROMPTS, TableRow, distinct, read_table
from pipeline.manifest.texts import Text, compile_text
from pipeline.record_limits import check_text

LARGEST = 64 << 10
# A word alone is a prompt, even if a file is called so.
_FILE_NAME = re.compile(r"[^{}\n]{1,500}\.[A-Za-z0-9]{1,8}")


def build_prompts(value: Value | None, context: Context) -> Mapping[str, Prompt]:
    """Build the prompts by name, in their order; one that was reported as wrong is empty."""
    if value is None:
        return {}
    if isinstance(value.node.value, Mapping):
        for name, node in value.node.value.items():
            if node.value is None:
                warn_of_empty_prompt(name, Value(node, (*value.path, name)).location, node, context)
        return {name: _prompt(name, each, context) for name, each in value.items()}
    if not isinstance(value.node.value, tuple):
        context.cut_short.add("prompt")
    prompts: dict[str, Prompt] = {}
    for prompt, location in _listed(value, context):
        first = prompts.setdefault(prompt.name, prompt)
        if first is not prompt:
            context.report(
                location,
                f"two prompts are called '{prompt.name}'; the first is at {first.text.location.position}",
            )
    return prompts


def _listed(value: Value, context: Context) -> Iterator[tuple[Prompt, Location]]:
    for element in value.elements():
        if element.get("csv") is not None:
            before = context.errors
            for name, row in distinct(read_table(element, PROMPTS, context), context):
                yield _of_row(name, row, context), row.location
            if context.errors > before:
                context.cut_short.add("prompt")
        elif (own := element.get("id")) is not None and own.text is not None:
            yield _prompt(own.text, element.get("text") or element, context), own.location
        else:
            context.cut_short.add("prompt")


def _prompt(name: str, value: Value, context: Context) -> Prompt:
    file = value.get("file")
    text = context.text(value) if file is None else _from_file(file, context)
    if text is None:
        return Prompt(name=name, text=compile_text("", value.location, value.node))
    warn_of_prompt(name, text, context)
    if file is None:
        _warn_of_file_name(name, value, context)
    return Prompt(name=name, text=text)


def _warn_of_file_name(name: str, value: Value, context: Context) -> None:
    """Warn of a text that is only the name of a file, whose content is probably meant."""
    text = value.text or ""
    if not _FILE_NAME.fullmatch(text) or not context.has_file(value):
        return
    if text.lower().endswith((".csv", ".tsv")):
        how = f"for the rows of the file, write prompts: [{{csv: {text}}}]"
    elif value.path[-1] == "text":
        how = "for what is in the file, write 'file' instead of 'text'"
    else:
        called = "NAME" if name == "file" else name
        how = f"for what is in the file, write {called}: {{file: {text}}}"
    context.warn(value.location, f"'{text}' is sent as it is; {how}")


def _of_row(name: str, row: TableRow, context: Context) -> Prompt:
    location = row.cell("text").location
    node = Node(
        value=row.own.get("text", ""),
        source=location.source,
        line=location.line,
        column=location.column,
        key_line=location.line,
        key_column=location.column,
    )
    try:
        check_text(row.own.get("text", ""))
    except ValueError as error:
        context.report(location, str(error))
    text = context.text(Value(node)) or compile_text("", location, node)
    warn_of_prompt(name, text, context)
    return Prompt(name=name, text=text, vars=MappingProxyType(dict(row.vars)))


def _from_file(value: Value, context: Context) -> Text | None:
    found = context.path(value)
    if found is None:
        return None
    try:
        source = read_source(*found, LARGEST)
        if problems := conflicts(source):
            raise InvalidInput(problems)
    except InvalidInput as error:
        context.problems += error.problems
        return None
    return context.whole_file(source)
