"""Checks of one job before it may be bought: its inputs, and whether all of it can be recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from pipeline import record_limits
from pipeline.errors import InvalidInput, Problem
from pipeline.jobs import Job, LocalFile, MediaType, Option, Source, UpstreamOutput
from pipeline.manifest.template_options import texts_in
from pipeline.paths import unencodable

if TYPE_CHECKING:
    from pipeline.documents.node import Location
    from pipeline.manifest.catalog import Inputs
    from pipeline.manifest.model import Combination, Item, Rule, Template


# A template that means to send braces.
_WRITES_BRACES = re.compile(r"\{%-?\s*raw\b|['\"]\{[{%]")


def unrecordable(job: Job, combination: Combination, rule: Rule, output: Path) -> Iterator[Problem]:
    """Yield a problem for each part of `job` that exceeds the limits of the records, with its place in the manifest.

    `output` is the folder for its files: a file that is paid for must have a path that the system accepts.
    """
    if len(job.key) > record_limits.LONGEST_KEY:
        yield rule.location.problem(
            f"a job has a key of {len(job.key):,} characters; at most {record_limits.LONGEST_KEY:,} can be recorded: "
            "give its image, prompt and axes shorter names"
        )
    if not job.path.isascii() and (why := unencodable(job.path)):
        yield rule.path.location.problem(why)
    length = len(f"{output}/{job.path}".encode("utf-8", "surrogateescape")) + record_limits.PATH_ROOM
    if length > record_limits.LONGEST_PATH:
        yield rule.path.location.problem(
            f"the path with its suffix has {length:,} bytes, counted from the root; at most "
            f"{record_limits.LONGEST_PATH:,} make a file: shorten it, or output.dir"
        )
    if combination.item is not None and len(job.request.images) > record_limits.MAX_MEDIA:
        yield combination.item.location.problem(
            f"'{combination.item.id}' has {len(job.request.images):,} images; "
            f"at most {record_limits.MAX_MEDIA:,} can be recorded"
        )
    for name, value in job.request.options.items():
        if isinstance(value, list | dict) and _levels(value) > record_limits.DEEPEST_OPTION:
            yield combination.template.options[name].location.problem(
                f"the value is nested more than {record_limits.DEEPEST_OPTION} levels deep"
            )


def empty_options(job: Job, combination: Combination) -> Iterator[Problem]:
    """Yield a warning for each option that renders to an empty text; one written so was reported when read."""
    prompt = combination.prompt
    # That a prompt is empty was reported too.
    reported = {"prompt"} if prompt is not None and not prompt.text.template.source.strip() else set()
    for name, entry in combination.template.options.items():
        if entry.names is not None and not reported & entry.names and job.request.options.get(name) == "":
            message = f"the option '{name}' is empty; render none to leave it out"
            yield entry.location.problem(message, "warning")


def unrendered_options(job: Job, combination: Combination) -> Iterator[Problem]:
    """Yield a warning for each option that holds a template from a var, an axis or a cell, which nobody renders."""
    for name, entry in combination.template.options.items():
        found = _template_in(job.request.options.get(name)) if entry.names else None
        if found is None:
            continue
        texts = [*texts_in(entry.tree), *([combination.prompt.text] if combination.prompt else [])]
        if not any(_WRITES_BRACES.search(text.template.source) for text in texts):
            message = (
                f"'{found}' in the option '{name}' is sent unchanged: vars, axes and cells are never rendered"
            )
            yield entry.location.problem(message, "warning")


def _template_in(value: Option) -> str | None:
    match value:
        case str():
            return next((each for each in ("{{", "{%") if each in value), None)
        case list():
            return next(filter(None, map(_template_in, value)), None)
        case dict():
            return next(filter(None, map(_template_in, value.values())), None)
        case _:
            return None


def _levels(value: Option) -> int:
    """The depth of nested lists and mappings; a file is recorded as a mapping."""
    match value:
        case LocalFile():
            return 1
        case list():
            return 1 + max(map(_levels, value), default=0)
        case dict():
            return 1 + max(map(_levels, value.values()), default=0)
        case _:
            return 0


def for_template(item: Item | None, template: Template) -> tuple[Source, ...]:
    """The item's images; for an upstream, the first output of the type that the template takes."""
    if item is None:
        return ()
    inputs = None if template.known is None else template.known.inputs
    match item.images:
        case (UpstreamOutput() as upstream,) if inputs is not None:
            return (replace(upstream, media=inputs.type),)
        case images:
            return images  # the same tuple, which all jobs of the item share


def wrong_inputs(item: Item | None, template: Template, rule: Location) -> Iterator[Problem]:
    """Check the item against the inputs that the catalogue lists for the template."""
    inputs = None if template.known is None else template.known.inputs
    if inputs is None:
        return
    if item is None:
        if inputs.least:
            yield rule.problem(
                f"template '{template.name}' takes {_wanted(inputs)}, but the rule gives it none"
            )
        return
    number = len(item.images)
    if not inputs.least <= number <= inputs.most:
        yield item.location.problem(
            f"template '{template.name}' takes {_wanted(inputs)}, '{item.id}' has {number}"
        )
    local = any(isinstance(image, LocalFile) for image in item.images)
    given = MediaType.IMAGE if local else item.gives
    if given not in (inputs.type, None):
        yield item.location.problem(
            f"template '{template.name}' takes {_a(inputs.type)}, and '{item.id}' is {_a(given)}"
        )


def _wanted(inputs: Inputs) -> str:
    number = str(inputs.least) if inputs.least == inputs.most else f"{inputs.least} to {inputs.most}"
    return f"{number} {inputs.type}{'' if inputs.most == 1 else 's'}"


def _a(media: MediaType | None) -> str:
    return f"an {media}" if media in (MediaType.IMAGE, MediaType.AUDIO) else f"a {media}"


P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class ProblemCollector:
    """Collects problems while the parts of a job are computed one after the other."""

    problems: list[Problem]

    @property
    def has_errors(self) -> bool:
        """Whether any of the problems is an error."""
        return any(problem.severity == "error" for problem in self.problems)

    def catch(self, instead: D, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | D:
        """The result of `work`; if it raises, `instead`, and the problems are kept."""
        try:
            return work(*arguments, **named)
        except InvalidInput as error:
            self.problems.extend(error.problems)
            return instead
