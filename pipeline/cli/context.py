"""From flags and the environment to the campaign that a command is about, and what is asked of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.cli.environment import read_environment
from pipeline.cli.options import CampaignFlags, read_variables
from pipeline.jobs import Json
from pipeline.operations.workspace import RecordPaths, Workspace
from pipeline.operations.workspace import open_workspace as open_workspace_of
from pipeline.planning.plan import PlanArguments


def open_workspace(
    manifest: Path, flags: CampaignFlags, variables: Mapping[str, Json] | None = None
) -> Workspace:
    """Read the manifest and find where its records lie. `variables` are vars in the place of those of flags.

    Raises:
        InvalidInput: the manifest is wrong; all its problems at once.
        UsageError: flags that go against each other.
    """
    if variables is None:
        variables = read_variables(flags.variables, flags.variable_files)
    return open_workspace_of(manifest, variables, record_paths(flags), read_environment())


def record_paths(flags: CampaignFlags) -> RecordPaths:
    """Where the flags say that records lie."""
    return RecordPaths(state=flags.state, results=flags.results, output=flags.output, emulate=flags.emulate)


def plan_arguments(given: Mapping[str, Any]) -> PlanArguments:
    """What the flags of `plan` and `run` ask of a plan; a command may have only some of them."""
    return PlanArguments(
        select=given["select"],
        exclude=given["exclude"],
        replace=given.get("replace", ()),
        retry_failed=given.get("retry_failed", False),
    )
