"""Prompts: texts in the manifest, or in files of their own."""

from pipeline.documents.location import Location, Written
from pipeline.documents.source import conflicts, read_source
from pipeline.errors import InvalidInput
from pipeline.manifest.context import Context
from pipeline.manifest.model import Prompt
from pipeline.manifest.texts import Text, compile_text

LARGEST = 64 << 10


def build_prompt(name: str, written: Written, context: Context) -> Prompt:
    """One prompt; an empty one where it was reported as wrong."""
    file = written.get("file")
    text = context.text(written) if file is None else _from_file(file, context)
    return Prompt(name, text or compile_text("", written.location, written.node))


def _from_file(written: Written, context: Context) -> Text | None:
    found = context.path(written)
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
