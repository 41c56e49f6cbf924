"""A campaign and the locations of its records on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import __version__
from pipeline.errors import InvalidInput, UsageError, printable
from pipeline.operations.committed_state import refuse_committed
from pipeline.operations.git import GitIndex
from pipeline.operations.given_variables import GivenVariables
from pipeline.operations.record_paths import (
    RecordPaths,
    hinted_flags,
    record_flags,
    record_path,
    state_location,
    target_of,
)
from pipeline.operations.shown_paths import relative, relative_output, shown_path
from pipeline.operations.unmerged_records import refuse_unmerged
from pipeline.paths import is_too_long, of_another_locale, tracked
from pipeline.results.document import Heading
from pipeline.schemes import OutputLocation, StateLocation, part_location, part_name, part_path, parts_beside

if TYPE_CHECKING:
    from pipeline.manifest.model import Campaign
    from pipeline.operations.environment import Environment
    from pipeline.planning.shards import Shard

# The tool that the results manifest says it was written by.
TOOL = f"pipeline {__version__}"
STATE_FOLDER = ".pipeline"
# The longest suffix added to a state's name, for the file of workflow ids that could not be written to the state.
_LONGEST_BESIDE_STATE = ".rescue.jsonl"
# Bytes in a state's path: SQLite allows 512, of which the journal of a new state, `.new-journal`, needs 12.
_LONGEST_STATE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A campaign and the locations of its records on this machine. An emulated one keeps its own records.

    `whole_state` and `whole_results` are the locations for the whole campaign, even if this is a shard of it. `asked`
    says what was requested of a run beyond the manifest; empty: the plain campaign. `record_flags` are the flags that
    chose its records, without a database's password; `hinted_flags` are those that a suggested command needs.
    `variables` are those from outside that it uses.
    """

    campaign: Campaign
    emulated: bool
    shard: Shard | None
    whole_state: StateLocation
    whole_results: Path
    output: OutputLocation
    environment: Environment
    asked: str = ""
    record_flags: Sequence[str] = ()
    hinted_flags: Sequence[str] = ()
    variables: GivenVariables = GivenVariables()

    @property
    def target(self) -> str:
        """The manifest with the flags that choose its records and give its vars, quoted for a shell, for hints.

        Without the flags, a command pasted after a rehearsal would work on the real records, and without the vars, on
        other jobs or on none.
        """
        return target_of(self.campaign.manifest, self.hinted_flags, self.variables)

    @property
    def chosen(self) -> Mapping[str, StateLocation | OutputLocation]:
        """By flag, the locations of records that the operator chose."""
        locations = {"--state": self.whole_state, "--results": self.whole_results, "--output": self.output}
        return {flag: location for flag, location in locations.items() if flag in self.record_flags}

    @property
    def part(self) -> str | None:
        """The part of the campaign's state that belongs to this command; None is the whole."""
        return None if self.shard is None else self.shard.state_part

    @property
    def state(self) -> StateLocation:
        """The location of its own state."""
        return part_location(self.whole_state, self.part)

    @property
    def results(self) -> Path:
        """The path of its own results manifest."""
        return part_path(self.whole_results, None if self.shard is None else self.shard.suffix)

    @property
    def state_name(self) -> str:
        """The name of its state in a database."""
        return part_name(self.campaign.name, self.part)

    @property
    def other_results(self) -> list[Path]:
        """The other results manifests of the campaign: that of the whole, and those of shards beside it."""
        found = (part_path(self.whole_results, each) for each in parts_beside(self.whole_results))
        return [each for each in found if each != self.results]

    @property
    def emulator_folder(self) -> Path:
        """Where the embedded emulator keeps its work."""
        return self.campaign.manifest.parent / STATE_FOLDER / f"{self.campaign.name}.emulator"

    @property
    def scratch(self) -> Path:
        """The folder of files that wait for their upload to an object store."""
        return scratch_folder(self.campaign.manifest.parent, self.campaign.name)

    @property
    def run_note(self) -> Path:
        """The note that the last run on this machine left for observers."""
        return self.run_note_of(self.part)

    def run_note_of(self, part: str | None) -> Path:
        """The note that the last run of `part` on this machine left for observers."""
        name = part_name(self.campaign.name, part).replace("/", ".")
        emulated = ".emulated" if self.emulated else ""
        return self.campaign.manifest.parent / STATE_FOLDER / f"{name}{emulated}.run.json"

    @property
    def local_output(self) -> Path | None:
        """The output folder of this machine; None if files go to an object store."""
        return self.output if isinstance(self.output, Path) else None

    @property
    def decisions(self) -> Path:
        """The decisions file beside the manifest."""
        suffix = ".emulated" if self.emulated else ""
        return self.campaign.manifest.with_name(f"{self.campaign.name}{suffix}.decisions.yaml")

    @property
    def decisions_name(self) -> str:
        """The decisions file as messages name it."""
        return shown_path(self.decisions)

    @property
    def results_name(self) -> str:
        """The results manifest as messages name it."""
        return shown_path(self.results)

    @property
    def inputs(self) -> tuple[str, ...]:
        """What says what is bought, relative to the project root, sorted: the campaign's files, vars and decisions.

        The decisions count even if there are none: another commit may be the first to have some.
        """
        more = tracked([self.decisions, *map(Path, self.variables.files)], self.campaign.root)
        return tuple(sorted({*self.campaign.inputs, *more}))

    def with_default_records(self) -> Workspace:
        """The whole campaign with its state and results beside the manifest, wherever the operator keeps others."""
        folder, name = self.campaign.manifest.parent, self.campaign.name
        return replace(
            self,
            shard=None,
            whole_state=_default_state(folder, name),
            whole_results=_results_path(None, folder, name),
            record_flags=(),
            hinted_flags=(),
        )

    def heading(self) -> Heading:
        """The heading of the results manifest."""
        folder = self.campaign.manifest.parent
        return Heading(
            campaign=self.campaign.name,
            manifest=relative(self.campaign.manifest, self.results.parent),
            output=relative_output(self.output, folder),
            tool=TOOL,
            shard=self.shard,
            emulated=self.emulated,
        )


def scratch_folder(folder: Path, campaign: str) -> Path:
    """The folder of files that wait for their upload to an object store; `folder` is that of the manifest."""
    return folder / STATE_FOLDER / f"{campaign}.uploads"


def cache_folder(folder: Path) -> Path:
    """The cache of stills and media facts; `folder` is that of the manifest. The cache may be deleted at any time."""
    return folder / STATE_FOLDER / "cache"


def workspace_of(
    campaign: Campaign,
    paths: RecordPaths,
    environment: Environment,
    variables: GivenVariables = GivenVariables(),  # noqa: B008 - it is frozen
) -> Workspace:
    """The campaign with the locations of its records; it was read with these `variables`.

    Raises:
        UsageError: paths are given for a rehearsal, collide or are too long, or the results could not name the output
            folder.
        InvalidInput: the output folder in the manifest collides with records, or the state's folder, or a file in it,
            came with the repository; or records are in an unresolved conflict.
    """
    emulated = paths.emulate or campaign.provider.name == "emulator"
    given = [name for name, value in paths.by_flag().items() if value is not None]
    if emulated and given:
        raise UsageError(
            f"{' and '.join(given)}: cannot be combined with a rehearsal on the emulator, which keeps "
            "separate records and leaves the real ones untouched"
        )
    folder = campaign.manifest.parent
    name = f"{campaign.name}.emulated" if emulated else campaign.name
    output = campaign.output.dir / "emulated" if emulated else campaign.output.dir
    workspace = Workspace(
        campaign=campaign,
        emulated=emulated,
        shard=paths.shard,
        whole_state=state_location(paths.state) if paths.state else _default_state(folder, name),
        whole_results=_results_path(paths.results, folder, name),
        output=paths.output_location or output,
        environment=environment,
        record_flags=record_flags(paths),
        hinted_flags=hinted_flags(paths, environment),
        variables=variables.used_by(campaign),
    )
    _assert_recordable(workspace.heading().output)
    _assert_not_too_long(workspace)
    _assert_apart(workspace)
    records = (workspace.results, *workspace.other_results, workspace.decisions)
    index = GitIndex((folder / STATE_FOLDER, *records), environment.variables)
    refuse_committed(folder / STATE_FOLDER, index)
    refuse_unmerged(records, index)
    return workspace


def _assert_recordable(output: str) -> None:
    """Check, before anything is bought, that the results can name the output folder: they are UTF-8.

    Raises:
        UsageError: they cannot: the name of a folder may consist of any bytes.
    """
    if (misread := of_another_locale(output)) is not None:
        raise UsageError(f"--output: {misread}")
    try:
        output.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"--output {printable(output)}: not UTF-8, so the results could not name it; choose another folder"
        ) from None


def _assert_not_too_long(workspace: Workspace) -> None:
    """Check, before a plan is shown, that the paths of the files that a run writes are not too long.

    Raises:
        UsageError: a path is too long for this system.
    """
    state = workspace.state if isinstance(workspace.state, Path) else None
    written = {"--state": state, "--results": workspace.results, "--output": workspace.local_output}
    for flag, path in written.items():
        if path is not None and (is_too_long(path) or (path == state and _is_too_long_for_a_state(path))):
            shown = printable(shown_path(path), 100)
            raise UsageError(f"{shown}: too long a path; choose a shorter one with {flag}")


def _is_too_long_for_a_state(path: Path) -> bool:
    return len(os.fsencode(path)) > _LONGEST_STATE or is_too_long(
        path.with_name(path.name + _LONGEST_BESIDE_STATE)
    )


def _assert_apart(workspace: Workspace) -> None:
    """Check that no path is that of another file of the campaign, or below one as if that were a folder.

    Raises:
        UsageError: one is, because of flags.
        InvalidInput: one is, because of the manifest alone.
    """
    state = workspace.state if isinstance(workspace.state, Path) else None
    files = {
        "the manifest": workspace.campaign.manifest,
        "the decisions": workspace.decisions,
        "the results": workspace.results,
        "the state": state,
    }
    for (name, file), (other, path) in product(
        files.items(), {**files, "the output folder": workspace.local_output}.items()
    ):
        if name != other and file is not None and path is not None and file in (path, *path.parents):
            refused = UsageError if workspace.record_flags else InvalidInput
            raise refused(f"{name} and {other} cannot both lie at {printable(shown_path(file))}")


def _default_state(folder: Path, name: str) -> Path:
    return folder / STATE_FOLDER / f"{name}.db"


def _results_path(given: str | None, folder: Path, name: str) -> Path:
    file = f"{name}.results.json"
    if given is None:
        return folder / file
    path = record_path(given)
    # Unlike pathlib's, this returns False for a name that is too long.
    return path / file if os.path.isdir(path) or given.endswith(("/", os.sep)) else path  # noqa: PTH112
