"""The scope of templates for one rule: kept from one combination to the next, and changed where they differ."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.errors import InvalidInput, Problem
from pipeline.jobs import LocalFile, RemoteFile
from pipeline.manifest.templating.dotted import Named
from pipeline.manifest.texts import Remembered, Scope

if TYPE_CHECKING:
    from pipeline.manifest.model import Campaign, Combination, Item, Prompt, Rule, Template


class RuleScope:
    """The names in scope. An object is replaced only when its value changes: `Remembered` compares by identity."""

    def __init__(self, campaign: Campaign, rule: Rule) -> None:
        self.problems: tuple[Problem, ...] = ()
        self._rule = rule
        self._names: dict[str, object] = {
            **campaign.vars,
            "vars": campaign.vars,
            "campaign": {"name": campaign.name, "description": campaign.description},
        }
        self._template: Template | None = None
        self._item: Item | None = None
        self._job: dict[str, object] = {}
        self._prompts: dict[str, Remembered[Named]] = {}

    def enter(self, combination: Combination, take: int, wanted: Collection[str]) -> Scope:
        """The scope of one job, valid until the next call. `prompt` is rendered only if it is `wanted`.

        If that fails, it is empty and `problems` says why.
        """
        self.problems = ()
        template, item = combination.template, combination.item
        if self._template is not template:
            self._template = template
            self._names["template"] = {"name": template.name, "id": template.template_id}
        if self._job.get("take") != take:
            self._job = {"id": self._rule.id, "take": take}
        self._names["job"] = self._job
        if item is None:
            self._names.pop("image", None)
        elif self._item is not item:
            self._names["image"] = _image(item)
        self._item = item
        self._names.update(combination.axes)
        self._names.pop("prompt", None)
        if combination.prompt is not None and "prompt" in wanted:
            self._names["prompt"] = self._rendered(combination.prompt)
        return self._names

    def with_key(self, key: str) -> Scope:
        """The same scope, with the key of `job` added."""
        self._names["job"] = {**self._job, "key": key}
        return self._names

    def _rendered(self, prompt: Prompt) -> Named:
        if prompt.name not in self._prompts:
            text, data = prompt.text, {"name": prompt.name, "vars": prompt.vars}
            self._prompts[prompt.name] = Remembered(text.names, lambda scope: Named(text.text(scope), data))
        try:
            return self._prompts[prompt.name](self._names)
        except InvalidInput as error:
            self.problems = tuple(map(_explained, error.problems))
            return Named("", {"name": prompt.name, "vars": prompt.vars})


def _explained(problem: Problem) -> Problem:
    """The problem of a prompt's own text, where `prompt` does not exist yet."""
    if problem.message != "'prompt' is undefined":
        return problem
    where = "options, titles and output paths have it, a prompt's own text does not"
    return replace(problem, message=f"{problem.message} here: {where}")


def _image(item: Item) -> dict[str, object]:
    image: dict[str, object] = {"id": item.id, "vars": item.vars}
    match item.images[0]:
        case LocalFile(path=path):
            image["path"] = path
        case RemoteFile(url=url):
            image["url"] = url
    return image
