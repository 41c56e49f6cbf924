"""The context in which a campaign is built: its folders, its images, the problems found so far.

Each part of a campaign reports its errors and warnings here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pipeline import paths
from pipeline.documents.node import Location, Node, SourceFile, beside
from pipeline.documents.value import Value
from pipeline.errors import InvalidInput, Problem, Suggestions
from pipeline.jobs import LocalFile, RemoteFile
from pipeline.manifest.templating import TemplateError
from pipeline.manifest.texts import Text, compile_text
from pipeline.manifest.urls import check_url, is_url

if TYPE_CHECKING:
    from pipeline.manifest.images import Images

_TEMPLATED = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_OTHER_SCHEME = re.compile(r"(?!https?://)[a-z][a-z0-9+.-]{1,19}://", re.IGNORECASE)
_BRACES = re.compile(r"\{\s*([A-Za-z_][A-Za-z0-9_.]*)\s*\}")


class Written(Protocol):
    """What knows where it is written."""

    @property
    def location(self) -> Location:
        """Where it begins."""


@dataclass(slots=True)
class Context:
    """A campaign while it is built. `names` are those that its texts use so far, `read` the files that it names.

    Those are there by their real paths, and as they are named, which may be by a link.
    `cut_short` are kinds of things, such as `prompt`, of which some could not be read: a missing one may be there.
    """

    root: Path
    images: Images
    problems: list[Problem] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    read: set[Path] = field(default_factory=set)
    cut_short: set[str] = field(default_factory=set)
    suggestions: Suggestions = field(default_factory=Suggestions)

    @property
    def errors(self) -> int:
        """The number of errors reported so far."""
        return sum(problem.severity == "error" for problem in self.problems)

    def report(self, location: Location, message: str) -> None:
        """Report an error; building goes on, so that all errors are found."""
        self.problems.append(location.problem(message))

    def warn(self, location: Location, message: str) -> None:
        """Report something doubtful that is accepted."""
        self.problems.append(location.problem(message, "warning"))

    def text(self, value: Value | None) -> Text | None:
        """Compile a text; None if it is absent, an empty text if it was reported as wrong."""
        if value is None or value.text is None:
            return None
        return self.compiled(value.text, value) or compile_text("", value.location, value.node)

    def compiled(self, source: str, value: Value) -> Text | None:
        """Compile a part of a value; None if it was reported as wrong."""
        return self._compiled(source, value.location, value.node)

    def whole_file(self, source: SourceFile) -> Text | None:
        """Compile the content of a file; None if it was reported as wrong."""
        return self._compiled(source.text, Location(source, 1, 1), None)

    def _compiled(self, source: str, location: Location, node: Node | None) -> Text | None:
        try:
            text = compile_text(source, location, node, self.suggestions)
        except InvalidInput as error:
            self.problems += error.problems
            return None
        self.names |= text.names
        if "vars" in text.names:
            self.names |= text.template.names_in_vars
        return text

    def path(self, value: Value) -> tuple[Path, str] | None:
        """The real path that a text names, and its name in messages; None if it was reported as wrong."""
        if value.text is None:
            return None
        try:
            real = paths.readable(value.text, value.node.source.path.parent, self.root)
        except ValueError as error:
            self.report(value.location, str(error))
            return None
        if not real.exists() or real.is_dir():
            what = "this is a folder, expected a file" if real.exists() else "there is no such file"
            self.report(value.location, f"{what}: {value.text}")
            return None
        self.read |= {value.node.source.path.parent / value.text, real}
        return real, beside(value.node.source.name, value.text)

    def has_file(self, value: Value) -> bool:
        """Whether a text is the name of a file that may be read."""
        try:
            return paths.readable(value.text or "", value.node.source.path.parent, self.root).is_file()
        except (OSError, ValueError):
            return False

    def image(
        self, text: str, base: Path, written: Written, version: str | None = None
    ) -> LocalFile | RemoteFile:
        """An image by path or url; one that was reported as wrong still counts as an image."""
        try:
            if other := _OTHER_SCHEME.match(text):
                raise ValueError(
                    f"expected a path, or a url that begins with http:// or https://, found {other[0]}"
                )
            if is_url(text):
                check_url(text)
                return RemoteFile(text, version)
            return self.images.local(text, base)
        except ValueError as error:
            self.report(written.location, str(error))
            return RemoteFile(text) if is_url(text) else LocalFile(text, "")


def warn_of_prompt(name: str, text: Text, context: Context) -> None:
    """Warn of a prompt that is empty or has a name in single braces."""
    if not text.template.source.strip():
        warn_of_empty_prompt(name, text.location, text.node, context)
    warn_of_braces(text, context)


def warn_of_empty_prompt(name: str, location: Location, node: Node | None, context: Context) -> None:
    """Warn of an empty prompt. `node` is its text in a YAML file, None if the prompt is a file of its own."""
    hint = "" if node is None else _comment_hint(node)
    removed = "; it is removed, and no job has it" if node is not None and node.value is None else ""
    context.warn(location, f"the prompt '{name}' is empty{hint}{removed}")


def warn_of_braces(text: Text, context: Context) -> None:
    """Warn of each `{name}` outside of templates: usually `{{ name }}` is meant."""
    # Remove what is in template braces but keep its line breaks, so that line numbers stay right.
    plain = _TEMPLATED.sub(lambda found: "\n" * found[0].count("\n"), text.template.source)
    for found in _BRACES.finditer(plain):
        line = plain.count("\n", 0, found.start()) + 1
        message = f"'{found[0]}' in single braces is sent unchanged; for a value, write {{{{ {found[1]} }}}}"
        context.problems.append(replace(text.problem(TemplateError(message, line)), severity="warning"))


def warn_of_empty_options(options: Value | None, context: Context) -> None:
    """Warn of each option that is empty without an explicit null."""
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
