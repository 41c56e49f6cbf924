"""Prompts: texts in the manifest, or in files of their own."""

from pipeline.documents.location import Location, Value
from pipeline.documents.source import conflicts, read_source
from pipeline.errors import InvalidInput
from pipeline.manifest.context import Context
from pipeline.manifest.model import Prompt
from pipeline.manifest.texts import Text, compile_text

LARGEST = 64 << 10


def build_prompt(name: str, value: Value, context: Context) -> Prompt:
    """One prompt; an empty one where it was reported as wrong."""
    file = value.get("file")
    text = context.text(value) if file is None else _from_file(file, context)
    return Prompt(name, text or compile_text("", value.location, value.node))


def _from_file(value: Value, context: Context) -> Text | None:
    found = context.path(value)
    if found is None:
        return None
    try:
        source = read_source(*found, LARGEST)
        if problems := conflicts(source):
            raise InvalidInput(problems)
        return compile_text(source.text, Location(source, 1, 1), None)
    except InvalidInput as error:
        context.problems += error.problems
        return None
