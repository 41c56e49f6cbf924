"""The records of a campaign (a state or results) where there is no valid manifest."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import InvalidInput, printable
from pipeline.manifest.discover import named_campaign
from pipeline.operations.shown_paths import shown_path
from pipeline.operations.workspace import STATE_FOLDER, RecordPaths, state_location
from pipeline.paths import confined, project_of, real_path, writable
from pipeline.results.file import ResultsFile, read
from pipeline.schemes import DatabaseUrl, OutputLocation, StateLocation, assert_path, kind_named

_SQLITE = b"SQLite format 3\0"
_EMULATED = ".emulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRecords:
    """Records without a manifest: where they lie, and where their files go.

    `campaign` and `manifest` are None where only the state knows them, `output` where the default is meant.
    """

    state: StateLocation
    results: Path | None
    folder: Path
    emulated: bool
    output: OutputLocation | None
    campaign: str | None = None
    manifest: Path | None = None

    def output_folder(self, campaign: str) -> OutputLocation:
        """Where the files of `campaign` go."""
        default = self.folder / "output" / campaign
        return self.output or (default / "emulated" if self.emulated else default)

    def emulator_folder(self, campaign: str) -> Path | None:
        """Where the emulator of a rehearsal keeps its work; None where it was none."""
        return self.folder / STATE_FOLDER / f"{campaign}.emulator" if self.emulated else None


def records_at(source: Path, paths: RecordPaths) -> CampaignRecords | None:
    """The records that `source` is, a state or results; None where it is neither.

    Raises:
        InvalidInput: results that cannot be read; or nothing is there, and the name is not that of a manifest.
        UsageError: it is an address.
    """
    assert_path("collect", str(source))
    kind = kind_named(source)
    # A manifest that was deleted may be meant by its name; any other name that leads nowhere is misspelled.
    if not os.path.lexists(source) and (kind is not None or source.suffix.lower() not in {".yaml", ".yml"}):
        raise InvalidInput(f"{printable(str(source))}: there is no such file")
    if kind == "a state" or _begins_with(source, _SQLITE):
        return _of_state(real_path(source), paths)
    if kind == "results":
        return _of_results(real_path(source), paths)
    return None


def records_beside(manifest: Path, paths: RecordPaths) -> CampaignRecords | None:
    """The records of the one state that lies beside `manifest`; None where there is none, or several."""
    state = _only_state_beside(real_path(manifest), paths)
    if isinstance(state, DatabaseUrl):
        return _of_database(state, real_path(manifest).parent, paths)
    return None if state is None else _of_state(state, paths)


def _begins_with(path: Path, magic: bytes) -> bool:
    with suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:
                return file.read(len(magic)) == magic
    return False


def _only_state_beside(manifest: Path, paths: RecordPaths) -> StateLocation | None:
    if paths.state:
        return state_location(paths.state)
    states = [
        path
        for path in sorted((manifest.parent / STATE_FOLDER).glob("*.db"))
        if path.name.endswith(f"{_EMULATED}.db") == paths.emulate
    ]
    return states[0] if len(states) == 1 else None


def _of_state(state: Path, paths: RecordPaths) -> CampaignRecords:
    folder = state.parent.parent if state.parent.name == STATE_FOLDER else state.parent
    default = folder / f"{state.stem}.results.json"
    return CampaignRecords(
        state=state,
        results=real_path(Path(paths.results)) if paths.results else default,
        folder=folder,
        emulated=state.stem.endswith(_EMULATED),
        output=paths.output_location,
    )


def _of_database(state: DatabaseUrl, folder: Path, paths: RecordPaths) -> CampaignRecords:
    """Only the database can say which of its campaigns is meant: the only one, or none can be chosen."""
    return CampaignRecords(
        state=state,
        results=real_path(Path(paths.results)) if paths.results else None,
        folder=folder,
        emulated=False,
        output=paths.output_location,
    )


def manifest_of(published: ResultsFile, results: Path) -> Path:
    """The manifest that results name, which need not exist: a state and files go where it lies.

    Results may be a stranger's, so it lies in their project and not hidden there; outside of it, where an operator
    may keep results, it has to be one of that campaign.

    Raises:
        InvalidInput: it lies elsewhere.
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


def _of_results(results: Path, paths: RecordPaths) -> CampaignRecords:
    published = read(results, shown_path(results))
    if published is None:
        raise InvalidInput(f"{shown_path(results)}: there is no such file")
    manifest = manifest_of(published, results)
    emulated = results.name.removesuffix(results.suffix).endswith(f"{_EMULATED}.results")
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
    )
