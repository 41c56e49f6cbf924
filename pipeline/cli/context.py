"""From flags and the environment to the campaign that a command is about, and what is asked of it."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli.arguments import campaign_here
from pipeline.cli.environment import read_environment
from pipeline.cli.options import CampaignFlags, read_variables, variable_names, verbosity
from pipeline.cli.terminal import paint_for, problem_lines, say
from pipeline.jobs import Json
from pipeline.manifest.campaign_checks import assert_used_once, check_used
from pipeline.manifest.model import Campaign
from pipeline.operations.workspace import RecordPaths, Workspace
from pipeline.operations.workspace import open_workspace as open_workspace_of
from pipeline.planning.shards import Shard, ShardBy

if TYPE_CHECKING:
    from pipeline.planning.plan import PlanArguments


def open_workspace(
    manifest: Path | None, flags: CampaignFlags, variables: Mapping[str, Json] | None = None
) -> Workspace:
    """Read the manifest and find where its records lie. `variables` are vars instead of those of flags.

    None is the one campaign of the working folder.

    Raises:
        InvalidInput: the manifest is wrong; all its problems at once.
        UsageError: flags that go against each other, or the working folder does not hold just one campaign.
    """
    manifest = manifest or campaign_here()
    if variables is None:
        return open_workspaces([manifest], flags)[0]
    return open_workspace_of(manifest, variables, record_paths(flags), read_environment())


def open_workspaces(manifests: Iterable[Path], flags: CampaignFlags) -> list[Workspace]:
    """The same for several manifests.

    Raises:
        InvalidInput: a manifest is wrong, or two have one name.
        UsageError: flags that go against each other, or a `--var` that none of the manifests uses.
    """
    variables = read_variables(flags.variables, flags.variable_files)
    paths, environment = record_paths(flags), read_environment()
    workspaces = [open_workspace_of(manifest, variables, paths, environment) for manifest in manifests]
    campaigns = [workspace.campaign for workspace in workspaces]
    check_used(variable_names(flags.variables), campaigns)
    assert_used_once(campaigns)
    return workspaces


def say_warnings(campaign: Campaign) -> None:
    """Tell what is doubtful about a manifest, beside what a command prints."""
    if not verbosity().quiet:
        for line in problem_lines(campaign.warnings, paint_for(sys.stderr, no_color=verbosity().no_color)):
            say(line, err=True)


def record_paths(flags: CampaignFlags) -> RecordPaths:
    """Where the flags say that records lie."""
    return RecordPaths(
        state=flags.state,
        results=flags.results,
        output=flags.output,
        emulate=flags.emulate,
        shard=None if flags.shard is None else Shard.parse(flags.shard, ShardBy(flags.shard_by)),
    )


def plan_arguments(given: Mapping[str, Any]) -> "PlanArguments":
    """What the flags of `plan` and `run` ask of a plan; a command may have only some of them."""
    from pipeline.planning.plan import PlanArguments

    return PlanArguments(
        select=given["select"],
        exclude=given["exclude"],
        replace=given.get("replace", ()),
        retry_failed=given.get("retry_failed", False),
    )
