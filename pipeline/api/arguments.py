"""What callers pass to the API, as the operations take it."""

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.json_values import Json
from pipeline.manifest.campaign_checks import check_used, warnings_of_files
from pipeline.manifest.load import load as load_manifest
from pipeline.manifest.model import Campaign
from pipeline.manifest.variables import read_variable_files
from pipeline.operations.call_arguments import ArgumentChecker
from pipeline.operations.environment import Environment
from pipeline.operations.given_variables import GivenVariables
from pipeline.operations.record_paths import RecordPaths
from pipeline.operations.workspace import Workspace, workspace_of
from pipeline.planning.plan import PlanArguments
from pipeline.schemes import path_argument

AnyPath = str | os.PathLike[str]
Manifest = AnyPath
# A key, an id or an expression; or the path of a file, such as one of `Outcome.files`.
Name = AnyPath
# One or several expressions of `--select`.
Selection = str | Iterable[str]
# One or several files of vars.
VariableFiles = AnyPath | Iterable[AnyPath]
# Where records are: a path, or an address as the flag of the same name takes it.
Location = AnyPath

checked = ArgumentChecker(os.environ)


def load_campaign(
    manifest: Manifest, variables: Mapping[str, Json] | None, variable_files: VariableFiles
) -> Campaign:
    """The campaign of `manifest`, read as `load` does."""
    given = dict(variables or {})
    names = _file_names(variable_files)
    campaign = load_manifest(Path(manifest), variables={**read_variable_files(names), **given})
    check_used(given, [campaign], "the variable '{}'")
    return dataclasses.replace(campaign, warnings=(*warnings_of_files(names, [campaign]), *campaign.warnings))


def workspace_for(
    manifest: Manifest,
    variables: Mapping[str, Json] | None,
    variable_files: VariableFiles,
    paths: RecordPaths,
) -> Workspace:
    """The workspace of a campaign with its records at `paths`."""
    campaign = load_campaign(manifest, variables, variable_files)
    given = GivenVariables(values=dict(variables or {}), files=_file_names(variable_files))
    return workspace_of(campaign, paths, Environment(os.environ), given)


def record_paths(
    state: Location | None, results: Location | None, output: Location | None, *, emulate: bool
) -> RecordPaths:
    """The locations that the caller chose for records."""
    return RecordPaths(state=_named(state), results=_named(results), output=_named(output), emulate=emulate)


def plan_arguments(
    select: Selection | None, exclude: Selection, replace: Selection = (), *, retry_failed: bool = False
) -> PlanArguments:
    """What the caller asked of a plan."""
    return PlanArguments(
        select=selected(select),
        exclude=several(exclude),
        replace=several(replace),
        retry_failed=retry_failed,
    )


def selected(select: Selection | None) -> tuple[str, ...]:
    """The expressions of a selection; none if `select` is None. An empty selection is an error, not everything."""
    expressions = () if select is None else several(select)
    if select is not None and not expressions:
        raise UsageError("the selection is empty; None selects everything")
    return expressions


def several(selection: Selection) -> tuple[str, ...]:
    """The expressions of a selection, which may be a single one."""
    return (selection,) if isinstance(selection, str) else tuple(selection)


def _file_names(files: VariableFiles) -> list[str]:
    return [os.fspath(file) for file in ([files] if isinstance(files, str | os.PathLike) else files)]


def _named(location: Location | None) -> str | None:
    if location is None or isinstance(location, str):
        return location
    return path_argument(os.fspath(location))  # a path has lost its `./`
