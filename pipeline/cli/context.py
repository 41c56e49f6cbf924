"""Finds the campaign that a command is about, from its arguments, flags and the environment."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.artifacts.file_names import MEDIA_SUFFIXES
from pipeline.cli.environment import read_environment
from pipeline.cli.options import CampaignFlags, read_variables, variable_names, verbosity
from pipeline.cli.terminal import paint_for, problem_lines, say
from pipeline.errors import Problem, UsageError, printable
from pipeline.json_values import Json
from pipeline.manifest.campaign_checks import assert_used_once, check_used, unused_in_files
from pipeline.manifest.discover import campaigns_beside, find
from pipeline.manifest.load import load
from pipeline.manifest.model import Campaign
from pipeline.operations.workspace import RecordPaths, Workspace, workspace_of
from pipeline.planning.shards import Shard, ShardBy
from pipeline.schemes import assert_path

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
    paths = record_paths(flags)
    return workspace_of(load(manifest, variables=variables), paths, read_environment())


def open_workspaces(manifests: Iterable[Path], flags: CampaignFlags) -> list[Workspace]:
    """As `open_workspace`, for several manifests.

    Raises:
        InvalidInput: a manifest is wrong, or two have one name.
        UsageError: flags that go against each other, or a `--var` that none of the manifests uses.
    """
    variables = read_variables(flags.variables, flags.variable_files)
    paths, environment = record_paths(flags), read_environment()
    campaigns = [load(each, variables=variables) for each in manifests]
    check_used(variable_names(flags.variables), campaigns)
    assert_used_once(campaigns)
    return [
        workspace_of(campaign, paths, environment)
        for campaign in with_warnings(campaigns, unused_in_files(flags.variable_files, campaigns))
    ]


def with_warnings(campaigns: Sequence[Campaign], warnings: Sequence[Problem]) -> list[Campaign]:
    """The campaigns, of which the first has the warnings that are about all of them."""
    return [
        replace(campaign, warnings=(*warnings, *campaign.warnings)) if number == 0 else campaign
        for number, campaign in enumerate(campaigns)
    ]


def say_warnings(campaign: Campaign) -> None:
    """Tell what is doubtful about a manifest, beside what a command prints."""
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
    """Plan arguments from the flags of `plan` and `run`; a command may have only some of them."""
    from pipeline.planning.plan import PlanArguments

    return PlanArguments(
        select=given["select"],
        exclude=given["exclude"],
        replace=given.get("replace", ()),
        retry_failed=given.get("retry_failed", False),
    )


def campaign_here() -> Path:
    """The one campaign of the working folder.

    Raises:
        UsageError: there is none, or there are several.
    """
    found = campaigns_beside(Path())
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(printable(str(each)) for each in found[:5])
        raise UsageError(f"several campaigns are here; name one: {names}{', …' if len(found) > 5 else ''}")
    raise UsageError("there is no campaign here; name a MANIFEST")


def manifests_of(paths: Sequence[Path]) -> list[Path]:
    """The manifests that `paths` name, files or folders; where there are none, that of the working folder.

    Raises:
        InvalidInput: a path does not exist, or a folder holds no campaign.
        UsageError: the working folder does not hold just one.
    """
    return find(paths) if paths else [campaign_here()]


def split_words(words: Sequence[str], missing: str, most: int | None = None) -> tuple[Path, tuple[str, ...]]:
    """The manifest and the names that were given as `words`; a manifest that was left out is that of the folder.

    The first word is one only if it ends as manifests do, or names a file that is no medium. `missing` is what has
    to be named, of which there may be `most`.

    Raises:
        UsageError: nothing is named, or too much; or no manifest is, and the folder does not hold just one.
    """
    names = tuple(words)
    manifest: Path | None = None
    if names and _is_manifest(names[0]):
        assert_path("MANIFEST", names[0], is_only_path=True)
        manifest, names = Path(names[0]), names[1:]
    if not names:
        raise UsageError(f"missing {missing}")
    if most is not None and len(names) > most:
        raise UsageError(f"expected one {missing}, not {len(names)}: {printable(' '.join(names), 200)}")
    return manifest or campaign_here(), names


def _is_manifest(word: str) -> bool:
    path = Path(word)
    if path.suffix.lower() in {".yaml", ".yml"}:
        return True
    # A video of the output folder is named to be reviewed.
    return os.path.isfile(word) and path.suffix.lower().removeprefix(".") not in MEDIA_SUFFIXES  # noqa: PTH113 - pathlib raises for too long a word
