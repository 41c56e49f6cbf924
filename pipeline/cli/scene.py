"""From flags and the environment to the campaign that a command is about."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.cli.environment import surroundings
from pipeline.cli.options import CampaignFlags, read_variables
from pipeline.jobs import Json
from pipeline.operations.scene import Places, Scene
from pipeline.operations.scene import scene as scene_of


def scene(manifest: Path, flags: CampaignFlags, variables: Mapping[str, Json] | None = None) -> Scene:
    """Read the manifest and find where its records lie. `variables` are vars in the place of those of flags.

    Raises:
        InvalidInput: the manifest is wrong; all its problems at once.
        UsageError: flags that go against each other.
    """
    if variables is None:
        variables = read_variables(flags.variables, flags.variable_files)
    places = Places(flags.state, flags.results, flags.output, flags.emulate)
    return scene_of(manifest, variables, places, surroundings())
