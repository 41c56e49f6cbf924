"""From flags and the environment to the campaign that a command is about."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.cli.environment import read_environment
from pipeline.cli.options import CampaignFlags, read_variables
from pipeline.jobs import Json
from pipeline.operations.workspace import RecordPaths, Workspace
from pipeline.operations.workspace import open_workspace as open_workspace_of


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
    places = RecordPaths(flags.state, flags.results, flags.output, flags.emulate)
    return open_workspace_of(manifest, variables, places, read_environment())
