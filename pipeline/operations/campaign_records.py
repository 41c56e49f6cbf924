"""The records of a campaign (a state or results) without a valid manifest."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InvalidInput, printable
from pipeline.manifest.discover import named_campaign
from pipeline.operations.given_variables import GivenVariables
from pipeline.operations.record_paths import RecordPaths, hinted_flags, record_path, state_location, target_of
from pipeline.operations.shown_paths import shown_path
from pipeline.operations.workspace import STATE_FOLDER
from pipeline.paths import confined, project_of, real_path, writable
from pipeline.results.file import ResultsFile, holds_results, is_of_rehearsal, read
from pipeline.schemes import (
    DatabaseUrl,
    OutputLocation,
    StateLocation,
    assert_path,
    kind_named,
    part_path,
    parts_beside,
    whole_path,
)

if TYPE_CHECKING:
    from pipeline.operations.environment import Environment

_SQLITE = b"SQLite format 3\0"
_EMULATED = ".emulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRecords:
    """Records without a manifest: their locations, and where their files go.

    `state` and `results` are the locations for the whole campaign: what its shards left lies beside them.
    `campaign` and `manifest` are None if only the state knows them, `output` if the default is meant. `unread` is a
    manifest that was given and cannot be read, `paths` are the locations that were, and `variables` the vars.
    """

    state: StateLocation
    results: Path | None
    folder: Path
    emulated: bool
    output: OutputLocation | None
    campaign: str | None = None
    manifest: Path | None = None
    unread: Path | None = None
    paths: RecordPaths = field(default_factory=RecordPaths)
    variables: GivenVariables = GivenVariables()

    @property
    def states(self) -> list[StateLocation]:
        """The states that exist: that of the whole campaign, and those of its shards. A database is asked later."""
        if isinstance(self.state, DatabaseUrl):
            return [self.state]
        return [part_path(self.state, part) for part in parts_beside(self.state)]

    @property
    def results_files(self) -> list[Path]:
        """The results manifests that exist: that of the whole campaign, and those of its shards."""
        if self.results is None:
            return []
        return [part_path(self.results, part) for part in parts_beside(self.results)]

    def target(self, campaign: str, manifest: Path | None, environment: Environment) -> str:
        """The manifest with the flags that lead to these records, quoted for a shell, for suggested commands.

        `manifest` is the one that the state names; a placeholder stands for one that nothing names.
        """
        manifest = self.manifest or self.unread or manifest
        flags = ("--emulate",) if self.emulated else hinted_flags(self._paths_of(campaign), environment)
        return target_of(manifest or Path("MANIFEST"), flags, self.variables)

    def _paths_of(self, campaign: str) -> RecordPaths:
        """The locations that a command with the manifest would not find by itself."""
        state = self.state.text if isinstance(self.state, DatabaseUrl) else str(self.state)
        is_usual_state = self.state == self.folder / STATE_FOLDER / f"{campaign}.db"
        # Beside a state of another name there need not be any.
        results = self.results if self.results is not None and os.path.lexists(self.results) else None
        is_usual = results == self.folder / f"{campaign}.results.json"
        return replace(
            self.paths,
            state=None if is_usual_state else state,
            results=None if is_usual or results is None else shown_path(results),
        )

    def output_folder(self, campaign: str) -> OutputLocation:
        """Where the files of `campaign` go."""
        default = self.folder / "output" / campaign
        return self.output or (default / "emulated" if self.emulated else default)

    def emulator_folder(self, campaign: str) -> Path | None:
        """Where the emulator of a rehearsal keeps its work; None if this was no rehearsal."""
        return self.folder / STATE_FOLDER / f"{campaign}.emulator" if self.emulated else None


def records_at(source: Path, paths: RecordPaths) -> CampaignRecords | None:
    """The records at `source`, a state or results; None if it is neither.

    Raises:
        InvalidInput: the results cannot be read; or nothing is there, and the name is not that of a manifest; or a
            link on the way to them leads to nothing.
        UsageError: it is an address.
    """
    assert_path("collect", str(source), is_only_path=True)
    kind = kind_named(source)
    real = real_path(source) if kind is None else record_path(source)
    # The name may be that of a deleted manifest; any other name of nothing is a misspelling.
    if not os.path.lexists(source) and (kind is not None or source.suffix.lower() not in {".yaml", ".yml"}):
        raise InvalidInput(f"{printable(str(source))}: there is no such file")
    if kind == "a state" or _begins_with(source, _SQLITE):
        return _of_state(whole_path(real), paths)
    if kind == "results" or holds_results(source):
        return _of_results(real, paths)
    return None


def records_beside(manifest: Path, paths: RecordPaths) -> CampaignRecords | None:
    """The records of the only campaign with a state beside `manifest`; None if there is none, or more than one.

    Raises:
        InvalidInput: a link on the way to chosen records leads to nothing.
    """
    state = _only_state_beside(real_path(manifest), paths)
    if isinstance(state, DatabaseUrl):
        return _of_database(state, real_path(manifest), paths)
    return None if state is None else replace(_of_state(state, paths), unread=real_path(manifest))


def _begins_with(path: Path, magic: bytes) -> bool:
    with suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:
                return file.read(len(magic)) == magic
    return False


def _only_state_beside(manifest: Path, paths: RecordPaths) -> StateLocation | None:
    if paths.state:
        return state_location(paths.state)
    wholes = {whole_path(path) for path in (manifest.parent / STATE_FOLDER).glob("*.db")}
    states = [path for path in wholes if path.name.endswith(f"{_EMULATED}.db") == paths.emulate]
    return states[0] if len(states) == 1 else None


def _of_state(state: Path, paths: RecordPaths) -> CampaignRecords:
    folder = state.parent.parent if state.parent.name == STATE_FOLDER else state.parent
    default = folder / f"{state.stem}.results.json"
    return CampaignRecords(
        state=state,
        results=record_path(paths.results) if paths.results else default,
        folder=folder,
        emulated=state.stem.endswith(_EMULATED),
        output=paths.output_location,
        paths=paths,
    )


def _of_database(state: DatabaseUrl, manifest: Path, paths: RecordPaths) -> CampaignRecords:
    """The records in a database, of its only campaign; of several, none can be chosen."""
    return CampaignRecords(
        state=state,
        results=record_path(paths.results) if paths.results else None,
        folder=manifest.parent,
        emulated=False,
        output=paths.output_location,
        unread=manifest,
        paths=paths,
    )


def manifest_of(published: ResultsFile, results: Path) -> Path:
    """The manifest that results name, which need not exist: state and files go to its folder.

    The results may be a stranger's, so the manifest has to be inside their project, and not hidden. An operator may
    keep results outside of the project; then it has to be a manifest of that campaign.

    Raises:
        InvalidInput: it is elsewhere.
    """
    named, folder = published.manifest, results.parent
    root = project_of(folder)
    try:
        if Path(os.path.normpath(folder / named)).is_relative_to(root):
            return writable(named, folder, root)
        manifest = confined(named, folder, Path(folder.anchor))
    except ValueError as error:
        why = str(error)
    else:
        if named_campaign(manifest) == published.campaign:
            return manifest
        outside = f"it leads outside the project ({root.name or root}/)"
        why = f"{outside}, and no manifest of '{published.campaign}' is there"
    raise InvalidInput(f"{shown_path(results)}: it names the manifest '{printable(named)}': {why}")


def _of_results(given: Path, paths: RecordPaths) -> CampaignRecords:
    published = read(given, shown_path(given))
    if published is None:
        raise InvalidInput(f"{shown_path(given)}: there is no such file")
    manifest, results = manifest_of(published, given), whole_path(given)
    emulated = is_of_rehearsal(published, given)
    name = f"{published.campaign}{_EMULATED}" if emulated else published.campaign
    default = manifest.parent / STATE_FOLDER / f"{name}.db"
    return CampaignRecords(
        state=state_location(paths.state) if paths.state else default,
        results=results,
        folder=manifest.parent,
        emulated=emulated,
        output=paths.output_location,
        campaign=published.campaign,
        manifest=manifest,
        paths=paths,
    )
