"""Loads a manifest as a campaign, or reports every problem that it has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipeline import paths
from pipeline.documents import schema
from pipeline.errors import InvalidInput, Position, Problem, in_order
from pipeline.manifest.campaign_builder import build_campaign
from pipeline.manifest.expand import MAX_JOBS, bound, problems_of
from pipeline.manifest.extends import read_layers
from pipeline.manifest.not_manifests import refuse_document, refuse_named, refuse_state
from pipeline.record_limits import check_value

if TYPE_CHECKING:
    from pipeline.documents.node import Document
    from pipeline.json_values import Json
    from pipeline.manifest.model import Campaign

_MAX_JOBS_CHECKED = 20_000
# Keys that a manifest must not set, as it may come from a stranger: where the API key is sent and records are kept.
_OPERATORS = frozenset({"address", "api_key", "api_url", "base_url", "ca_bundle", "endpoint", "host", "key"})
_OPERATORS |= {"proxies", "proxy", "results", "secret", "state", "token", "url", "webhook", "webhook_url"}


def load(
    path: Path,
    *,
    name: str | None = None,
    variables: Mapping[str, Json] = MappingProxyType({}),
    provider: str | None = None,
) -> Campaign:
    """Read a manifest and the files that it names. Uses no network and no environment, writes nothing.

    `name` is the name of the manifest in messages (by default its path). `variables` override its vars,
    `provider` its provider's name.

    Raises:
        NotAManifest: the file is a record or a saved plan.
        InvalidInput: with every problem, in the order of their positions.
    """
    name = name or str(path)
    _check_variables(variables)
    manifest = _followed(path, name)
    root = paths.project_root(manifest)
    document = _read(manifest, name, root)
    refused = {problem.position for problem in document.errors}
    problems = [_of_the_operator(problem) for problem in schema.check(document, "campaign")]
    campaign = build_campaign(document, manifest, root, variables, problems, path)
    if campaign is not None and provider is not None:
        campaign = replace(campaign, provider=replace(campaign.provider, name=provider))
    problems = [*document.errors, *(problem for problem in problems if problem.position not in refused)]
    if any(problem.severity == "error" for problem in problems) or campaign is None:
        if campaign is not None:
            # Report all problems together, including those that expanding the sound rest finds.
            found = problems_of(campaign, _MAX_JOBS_CHECKED)
            problems += [problem for problem in found if problem.position not in refused]
        errors = in_order(problem for problem in problems if problem.severity == "error")
        raise InvalidInput([*errors, *_unchecked(campaign)])
    # Drop the warning that a value is empty where an error says what it should be.
    reported = {problem.position for problem in problems}
    problems += [warning for warning in document.warnings if warning.position not in reported]
    return replace(campaign, warnings=tuple(in_order(problems)))


def _unchecked(campaign: Campaign | None) -> Iterator[Problem]:
    """Say so where the jobs were too many to be looked at beside other errors: they may have more."""
    number = 0 if campaign is None else bound(campaign)
    if campaign is not None and _MAX_JOBS_CHECKED < number <= MAX_JOBS:
        yield campaign.location.problem(
            f"the jobs (up to {number:,}) are checked only once the other errors are fixed", "warning"
        )


def _read(manifest: Path, name: str, root: Path) -> Document:
    """The merged tree of a manifest.

    Raises:
        NotAManifest: it is another kind of document, in which every line would be wrong.
        InvalidInput: it, or a file that it extends, cannot be read.
    """
    refuse_state(manifest, name)
    try:
        document = read_layers(manifest, name, root)
    except InvalidInput:
        refuse_named(manifest, name)
        raise
    refuse_document(document.root, name)
    return document


def _check_variables(variables: Mapping[str, Json]) -> None:
    """Refuse values that no manifest could hold: a program, or an edited plan, may pass anything.

    Raises:
        InvalidInput: a name is not a text, or a value is not JSON or cannot be recorded.
    """
    for name, value in variables.items():
        if not isinstance(name, str):
            raise InvalidInput(f"the vars that are given: {name!r:.60} is not a valid name")
        try:
            check_value(json.loads(json.dumps(value, allow_nan=False)), "value")
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidInput(f"the var '{name:.60}' cannot be used: {error}") from None


def _followed(path: Path, name: str) -> Path:
    """The real path of a manifest. Only safe links are followed: the problems quote lines of the file behind them."""
    try:
        paths.check_name(str(path))
        real = paths.follow_links(path)
        paths.check_name(str(real))
    except ValueError as error:
        raise InvalidInput(Problem(str(error), Position(name, 1, 1))) from None
    return real


def _of_the_operator(problem: Problem) -> Problem:
    where, _, key = problem.path.rpartition(".")
    if key in _OPERATORS and where in ("", "provider") and problem.message.startswith("unknown key"):
        return replace(
            problem, message="unknown key; the operator's flags and environment say this, never a manifest"
        )
    return problem
