"""Finds the campaign of a command from its arguments, its flags and the environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.artifacts.file_names import MEDIA_SUFFIXES
from pipeline.cli.options import CampaignFlags, verbosity
from pipeline.cli.process_environment import columns_of, read_environment
from pipeline.cli.terminal import paint_for, problem_lines, say
from pipeline.errors import Problem, UsageError, printable
from pipeline.manifest.campaign_checks import assert_used_once, check_used, warnings_of_files
from pipeline.manifest.discover import campaigns_beside, find
from pipeline.manifest.load import load
from pipeline.manifest.variables import read_variable_files, read_variable_pairs
from pipeline.operations.flag_variables import in_utf8
from pipeline.operations.given_variables import GivenVariables
from pipeline.operations.record_paths import RecordPaths
from pipeline.operations.workspace import Workspace, workspace_of
from pipeline.planning.shards import Shard, ShardBy
from pipeline.schemes import assert_path

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.manifest.model import Campaign
    from pipeline.planning.plan import PlanArguments


def open_workspace(
    manifest: Path | None, flags: CampaignFlags, variables: Mapping[str, Json] | None = None
) -> Workspace:
    """Read the manifest and locate its records. `variables`, if given, replace the vars from flags.

    Without a `manifest`, the only campaign in the working folder is meant.

    Raises:
        InvalidInput: the manifest is invalid; with all its problems.
        UsageError: flags contradict each other, or the working folder does not have exactly one campaign.
    """
    manifest = manifest or campaign_here()
    if variables is None:
        return open_workspaces([manifest], flags)[0]
    campaign = load(manifest, variables=variables)
    return workspace_of(campaign, record_paths(flags), read_environment(), GivenVariables(values=variables))


def open_workspaces(manifests: Iterable[Path], flags: CampaignFlags) -> list[Workspace]:
    """As `open_workspace`, for several manifests.

    Raises:
        InvalidInput: a manifest is invalid, or two campaigns have the same name.
        UsageError: flags contradict each other, or no manifest uses a `--var`.
    """
    given = given_variables(flags)
    variables = {**read_variable_files(given.files), **given.values}
    paths, environment = record_paths(flags), read_environment()
    campaigns = [load(each, variables=variables) for each in manifests]
    check_used(given.values, campaigns)
    assert_used_once(campaigns)
    return [
        workspace_of(campaign, paths, environment, given)
        for campaign in with_warnings(campaigns, warnings_of_files(flags.variable_files, campaigns))
    ]


def with_warnings(campaigns: Sequence[Campaign], warnings: Sequence[Problem]) -> list[Campaign]:
    """The campaigns, with warnings that concern all of them added to the first."""
    return [
        replace(campaign, warnings=(*warnings, *campaign.warnings)) if number == 0 else campaign
        for number, campaign in enumerate(campaigns)
    ]


def say_warnings(warnings: Iterable[Problem]) -> None:
    """Print warnings of a manifest to stderr."""
    paint = paint_for(sys.stderr, no_color=verbosity().no_color)
    for line in problem_lines(warnings, paint, columns_of(sys.stderr)):
        say(line, err=True)


def record_paths(flags: CampaignFlags) -> RecordPaths:
    """The locations of records that the flags choose."""
    return RecordPaths(
        state=flags.state,
        results=flags.results,
        output=flags.output,
        emulate=flags.emulate,
        shard=None if flags.shard is None else Shard.parse(flags.shard, ShardBy(flags.shard_by)),
    )


def given_variables(flags: CampaignFlags) -> GivenVariables:
    """The vars that the flags give.

    Raises:
        UsageError: a pair has no `=`, or a value cannot be kept as it is written.
    """
    return GivenVariables(values=read_variable_pairs(flags.variables), files=flags.variable_files)


def plan_arguments(given: Mapping[str, Any]) -> PlanArguments:
    """Plan arguments from the flags of `plan` and `run`; a command may have only some of them."""
    from pipeline.planning.plan import PlanArguments

    return PlanArguments(
        select=given["select"],
        exclude=given["exclude"],
        replace=given.get("replace", ()),
        retry_failed=given.get("retry_failed", False),
    )


def campaign_here() -> Path:
    """The only campaign in the working folder.

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
    """The manifests that `paths` (files or folders) name; without any, that of the working folder.

    Raises:
        InvalidInput: a path does not exist, or a folder has no campaign.
        UsageError: the working folder does not have exactly one campaign.
    """
    return find(paths) if paths else [campaign_here()]


def split_words(words: Sequence[str], missing: str, most: int | None = None) -> tuple[Path, tuple[str, ...]]:
    """The manifest and the names in `words`; if no manifest is given, that of the working folder.

    The first word is a manifest only if it ends in .yaml or .yml, or names a file that is not a medium. `missing`
    says what the names are, `most` how many are allowed.

    Raises:
        UsageError: there are no names, or too many; or no manifest is given, and the folder has none or several.
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
    return manifest or campaign_here(), tuple(map(in_utf8, names))


def _is_manifest(word: str) -> bool:
    path = Path(word)
    if path.suffix.lower() in {".yaml", ".yml"}:
        return True
    # A video in the output folder is a name: it is to be reviewed.
    return os.path.isfile(word) and path.suffix.lower().removeprefix(".") not in MEDIA_SUFFIXES  # noqa: PTH113 - pathlib raises for too long a word
