"""Builds a campaign from a tree that may be wrong in places: the sound parts are built regardless."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from pipeline.documents.value import Value
from pipeline.errors import InvalidInput, Position, Problem
from pipeline.jobs import Visibility
from pipeline.manifest.build_context import Context
from pipeline.manifest.catalog_file import built_in, price_of, read_catalog
from pipeline.manifest.chains import sound_chains
from pipeline.manifest.image_sets import build_set
from pipeline.manifest.images import Images
from pipeline.manifest.model import (
    Campaign,
    Rule,
    Template,
)
from pipeline.manifest.prompts import build_prompts
from pipeline.manifest.rules import EXTENSION, RESERVED, Parts, build_rule, output_path
from pipeline.manifest.settings import DEFAULT_PATH, build_limits, build_output, build_provider
from pipeline.manifest.spellings import respelled
from pipeline.manifest.template_options import build_options
from pipeline.manifest.texts import Text, compile_text
from pipeline.paths import tracked

if TYPE_CHECKING:
    from pipeline.documents.node import Document, Location
    from pipeline.json_values import Json
    from pipeline.manifest import catalog

T = TypeVar("T")

DEFAULT_RULE = "main"


def build_campaign(
    document: Document,
    manifest: Path,
    root: Path,
    variables: Mapping[str, Json],
    problems: list[Problem],
    named: Path,
) -> Campaign | None:
    """Build the campaign of a merged tree; errors go to `problems`. None if it has no name.

    `manifest` is the real path of the file that was `named`.
    """
    whole = Value(document.root)
    context = Context(root, Images(manifest.parent, root), problems)
    name = whole.text_of("name")
    if whole.is_mapping and whole.get("name") is None:
        context.report(
            whole.location,
            "missing key 'name': a campaign has one, and a file without one is a base for others",
        )
    known = _catalog(whole.get("catalog"), context)
    parts = _parts(whole, known, variables, context)
    rules = _rules(whole, parts, context)
    if name is None:
        return None
    return Campaign(
        name=name,
        description=whole.text_of("description") or "",
        manifest=manifest,
        root=root,
        provider=build_provider(whole.get("provider")),
        limits=build_limits(whole.get("limits")),
        output=build_output(whole.get("output"), parts.steps, name, manifest, context, whole.location),
        rules=rules,
        templates=_sound(parts.templates),
        image_sets=_sound(parts.image_sets),
        prompts=MappingProxyType(dict(parts.prompts)),
        vars=parts.vars,
        catalog=known,
        location=whole.location,
        names=frozenset(context.names | _named(whole.get("vars")).keys()),
        inputs=tracked([named, manifest, *document.bases, *context.read, *context.images.read], root),
    )


def _parts(whole: Value, known: catalog.Catalog, variables: Mapping[str, Json], context: Context) -> Parts:
    plain_vars = _vars(whole.get("vars"), variables, context)
    options, templates = _templates(whole, known, context)
    _warn_of_prices(whole, known, templates, context)
    image_sets = whole.get("image_sets")
    if image_sets is not None and not image_sets.is_mapping:
        context.cut_short.add("image set")
    sets = _named(image_sets)
    output = whole.get("output")
    path = output_path(None if output is None else output.get("path"), context)
    return Parts(
        templates=templates,
        options=options,
        image_sets={key: build_set(key, value, context) for key, value in sets.items()},
        prompts=build_prompts(whole.get("prompts"), context),
        vars=plain_vars,
        path=path or _default_path(whole.location),
        steps=output is not None and output.flag_of("steps"),
    )


def _named(value: Value | None) -> dict[str, Value]:
    return {} if value is None else dict(value.items())


def _sound(parts: Mapping[str, T | None]) -> Mapping[str, T]:
    return MappingProxyType({name: part for name, part in parts.items() if part is not None})


def _catalog(value: Value | None, context: Context) -> catalog.Catalog:
    known = built_in()
    if value is None:
        return known
    if (file := value.get("file")) is not None and (found := context.path(file)) is not None:
        try:
            known = read_catalog(*found)
            context.problems += known.warnings
        except InvalidInput as error:
            context.problems += error.problems
    prices = {key: price_of(each) for key, each in _named(value.get("credits")).items()}
    known = known.with_prices({key: price for key, price in prices.items() if price is not None})
    return replace(known, strict=value.flag_of("strict"))


def _vars(value: Value | None, variables: Mapping[str, Json], context: Context) -> Mapping[str, Json]:
    plain = {} if value is None else value.node.plain()
    if not isinstance(plain, dict):
        context.cut_short.add("vars")
    values: dict[str, Json] = dict(plain) if isinstance(plain, dict) else {}
    for name in RESERVED:
        message = f"a var cannot be called '{name}': templates use that name for something else"
        if value is not None and name in values:
            child = value.node.child(name)
            context.report(
                value.key_location if child is None else Value(child, (*value.path, name)).key_location,
                message,
            )
        if name in variables:
            context.problems.append(Problem(message, path=f"--var {name}"))
    return MappingProxyType({**values, **variables})


def _templates(
    whole: Value, known: catalog.Catalog, context: Context
) -> tuple[dict[str, Value | None], dict[str, Template | None]]:
    value = _named(whole.get("templates"))
    section = whole.node.child("templates") if whole.is_mapping else None
    # The schema reports what is no mapping.
    if not value and section is not None and section.value in (None, "", {}):
        context.report(Value(section, ("templates",)).location, "a campaign needs at least one template")
    templates = {name: _template(name, each, known, context) for name, each in value.items()}
    return {name: each.get("options") for name, each in value.items()}, templates


def _template(name: str, value: Value, known: catalog.Catalog, context: Context) -> Template | None:
    template_id = value.get("template_id")
    if template_id is None or template_id.text is None:
        return None
    entry = known.get(template_id.text)
    if entry is None:
        near = context.suggestions.did_you_mean(template_id.text, known.templates)
        message = f"the catalogue knows no template '{template_id.text}'{near}"
        context.problems.append(template_id.location.problem(message, "error" if known.strict else "warning"))
    visibility = value.text_of("visibility")
    return Template(
        name=name,
        template_id=template_id.text,
        options=build_options(value.get("options"), None, entry, context),
        title=context.text(value.get("title")),
        description=context.text(value.get("description")),
        event_id=context.text(value.get("event_id")),
        visibility=Visibility(visibility) if visibility in set(Visibility) else Visibility.PRIVATE,
        location=value.location,
        known=entry,
    )


def _warn_of_prices(
    whole: Value, known: catalog.Catalog, templates: Mapping[str, Template | None], context: Context
) -> None:
    """Warn of each price of a template that is neither used nor known, if it may be misspelled.

    Without a near name it may be meant for another campaign with the same base.
    """
    section = whole.get("catalog")
    prices = {} if section is None else _named(section.get("credits"))
    ids = {each.template_id for each in templates.values() if each is not None} | known.templates.keys()
    known_ids = sorted(ids)
    for name, price in prices.items():
        near = None if name in ids else context.suggestions.nearest(name, known_ids)
        # Not the nearest of those without a price: that would be another template.
        if near is not None and near not in prices:
            why = f"no template has this id, so its price is never used; did you mean '{near}'?"
            context.warn(price.key_location, why)


def _rules(whole: Value, parts: Parts, context: Context) -> tuple[Rule, ...]:
    value = whole.get("jobs")
    # Without `jobs`, one rule covers everything; its position is that of the whole manifest.
    only = replace(whole.node, value=MappingProxyType({"id": replace(whole.node, value=DEFAULT_RULE)}))
    first: dict[str, Position] = {}
    rules = []
    wrong, checked = set[str](), 0
    for each in [Value(only)] if value is None else value.elements():
        rule_id = each.get("id")
        if rule_id is not None and rule_id.text is not None:
            if rule_id.text in first:
                context.report(
                    rule_id.location, f"two rules are called '{rule_id.text}'; first at {first[rule_id.text]}"
                )
                continue
            first[rule_id.text] = rule_id.node.position
        rule = build_rule(each, parts, context)
        wrong.update(_parts_with_errors(context.problems[checked:]))
        checked = len(context.problems)
        if rule is not None and not _lacks(rule, context) and each.location.path not in wrong:
            rules.append(rule)
    sound = sound_chains(rules, first, _sound(parts.image_sets).values(), context)
    context.problems += respelled(sound, parts.vars)
    return sound


def _lacks(rule: Rule, context: Context) -> bool:
    """Whether a rule lacks what could not be read: its jobs would give errors that only follow from that."""
    return (
        ("prompt" in context.cut_short and not rule.prompts)
        or ("image set" in context.cut_short and not rule.image_sets)
        or "vars" in context.cut_short
    )


def _parts_with_errors(problems: Iterable[Problem]) -> Iterator[str]:
    """The paths of the rules, such as `jobs[0]`, in which an error was reported: they cannot be expanded."""
    for problem in problems:
        part, dot, _ = problem.path.partition(".")
        if dot and problem.severity == "error":
            yield part


def _default_path(location: Location) -> Text:
    return compile_text(EXTENSION.sub("", DEFAULT_PATH), location, None)
