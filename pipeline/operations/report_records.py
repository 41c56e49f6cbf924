"""The records of a campaign on this machine, found by its manifest or by its results alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.assignment import assign
from pipeline.errors import InvalidInput, printable
from pipeline.join import join_all
from pipeline.manifest.expand import expand
from pipeline.operations.campaign_records import manifest_of
from pipeline.operations.given_variables import GivenVariables
from pipeline.operations.published_results import published_files
from pipeline.operations.record_paths import record_path
from pipeline.operations.shown_paths import shown_path
from pipeline.operations.workspace import STATE_FOLDER, TOOL, Workspace
from pipeline.paths import project_of, real_path, writable
from pipeline.purchases import Decisions, Records, Status, as_json
from pipeline.results.document import Builder
from pipeline.results.file import ResultsFile, is_of_rehearsal, read
from pipeline.results.merge import merge_results
from pipeline.state import look
from pipeline.state.recovery import recover

if TYPE_CHECKING:
    from pipeline.schemes import OutputLocation, StateLocation


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsOnDisk:
    """A campaign's records on this machine. `workspace` is None if its manifest was not read.

    `chosen` has, by flag, the locations that an operator chose; `variables` are those that were given. `only_results`
    are the results that the page is made from, if the manifest is not on this machine.
    """

    name: str
    results: Mapping[str, Any]
    records: Records
    decisions: Path
    folder: Path
    output: OutputLocation
    manifest: Path
    emulated: bool
    chosen: Mapping[str, StateLocation | OutputLocation] = field(default_factory=dict)
    variables: GivenVariables = GivenVariables()
    workspace: Workspace | None = None
    only_results: Path | None = None

    @property
    def page_folder(self) -> Path:
        """The default folder of its page: in the output folder, or in the default one if files are in a store."""
        if isinstance(self.output, Path):
            return self.output / "report"
        default = self.folder / "output" / self.name
        return (default if self.workspace is None else self.workspace.campaign.output.dir) / "report"


def of_workspace(workspace: Workspace) -> RecordsOnDisk:
    """The records of a campaign whose manifest was read; its pending jobs if nothing was bought yet.

    Raises:
        InvalidInput: its results are invalid, or belong to another campaign; or a link on the way to its state leads
            to nothing.
    """
    _assert_reachable(workspace.state)
    files = published_files(workspace)
    match files:
        case []:
            results, records = _nothing_bought(workspace), Records()
        case [only]:
            results, records = only.document, only.records
        case _:
            results = merge_results(files, TOOL)
            records = join_all(each.records for each in files)
    return RecordsOnDisk(
        name=workspace.campaign.name,
        results=results,
        records=records,
        decisions=workspace.decisions,
        folder=workspace.campaign.manifest.parent,
        output=workspace.output,
        manifest=workspace.campaign.manifest,
        emulated=workspace.emulated,
        chosen=workspace.chosen,
        variables=workspace.variables,
        workspace=workspace,
    )


def of_results(
    path: Path, output: OutputLocation | None = None, state: StateLocation | None = None
) -> RecordsOnDisk:
    """The records of a campaign by its results manifest alone; `output` and `state` are an operator's choice.

    The results may be a stranger's, so the paths that they name have to be inside their project.

    Raises:
        InvalidInput: there is none, or it is invalid, or names a path elsewhere; or a link on the way to the state
            leads to nothing.
    """
    found = _read(path)
    manifest = manifest_of(found, path)
    emulated = is_of_rehearsal(found, path)
    name = f"{found.campaign}.emulated" if emulated else found.campaign
    _assert_reachable(state or manifest.parent / STATE_FOLDER / f"{name}.db")
    is_default = real_path(path) == manifest.with_name(f"{name}.results.json")
    chosen = {"--state": state, "--results": None if is_default else real_path(path), "--output": output}
    return RecordsOnDisk(
        name=found.campaign,
        results=found.document,
        records=found.records,
        decisions=manifest.with_name(f"{name}.decisions.yaml"),
        folder=manifest.parent,
        output=output or _output_of(found, path, manifest.parent, emulated=emulated),
        manifest=manifest,
        emulated=emulated,
        chosen={flag: location for flag, location in chosen.items() if location is not None},
        only_results=None if manifest.is_file() else real_path(path),
    )


def _assert_reachable(state: StateLocation) -> None:
    """Refuse a page of records whose state is not there now, as every command that reads the state does."""
    if isinstance(state, Path):
        record_path(state)


def as_it_stands(campaign: RecordsOnDisk) -> Mapping[str, Any]:
    """The results of a campaign; creates without an answer count as unknown unless one of its runs is seen here."""
    results = campaign.results
    sent = {each.id for each in campaign.records.purchases.values() if each.status is Status.SUBMITTING}
    if not sent or _is_run_seen(campaign):
        return results
    known = campaign.records.purchases
    return {
        **results,
        "jobs": [
            {**each, "status": Status.ATTENTION.value} if each.get("purchase") in sent else each
            for each in results["jobs"]
        ],
        "purchases": [
            as_json(recover(known[each["id"]])) if each["id"] in sent else each
            for each in results["purchases"]
        ],
    }


def _is_run_seen(campaign: RecordsOnDisk) -> bool:
    default = campaign.folder / ".pipeline" / f"{campaign.name}{'.emulated' if campaign.emulated else ''}.db"
    state = (
        campaign.chosen.get("--state", default) if campaign.workspace is None else campaign.workspace.state
    )
    # A database is not queried: the page needs no network.
    return isinstance(state, Path) and look.holder(state, campaign.name) is not None


def of_results_before(path: Path, now: RecordsOnDisk) -> RecordsOnDisk:
    """Earlier results, to be compared with those of `now`; only files that `now` may read are read.

    Raises:
        InvalidInput: there are none, or they are invalid, or another campaign's.
    """
    found = _read(path)
    if found.campaign != now.name:
        raise InvalidInput(
            f"--compare {shown_path(path)}: the results of another campaign, '{found.campaign}', "
            f"not of '{now.name}' (see docs/reference/errors.md#results-of-another-campaign)"
        )
    # This folder may be anywhere: files are searched only in the output folder of `now`.
    folder = real_path(path.parent / found.manifest).parent
    return replace(
        now, name=found.campaign, results=found.document, records=found.records, folder=folder, workspace=None
    )


def _read(path: Path) -> ResultsFile:
    found = read(path, shown_path(path))
    if found is None:
        raise InvalidInput(f"{shown_path(path)}: there is no such file")
    return found


def results_beside(manifest: Path, *, emulated: bool) -> Path | None:
    """The only results manifest of `manifest` beside it; None if there is none, or more than one."""
    found = []
    for path in sorted(manifest.parent.glob("*.results.json")):
        try:
            results = read(path, shown_path(path))
        except InvalidInput:
            continue
        if results is None or is_of_rehearsal(results, path) != emulated:
            continue
        if real_path(path.parent / results.manifest) == real_path(manifest):
            found.append(path)
    return found[0] if len(found) == 1 else None


def _output_of(found: ResultsFile, path: Path, folder: Path, *, emulated: bool) -> Path:
    """The output folder, derived from the path that the results give for a file of a known stem.

    Raises:
        InvalidInput: it is outside the project, or hidden there. The results may be a stranger's, and the page is
            written to that folder and shows its files.
    """
    for job in found.jobs:
        purchase = found.records.purchases.get(job.get("purchase", ""))
        for file in job.get("outputs", ()):
            head, stem, _ = (
                file["path"].rpartition(purchase.path) if purchase and purchase.path else ("", "", "")
            )
            if stem and head.endswith("/"):
                try:
                    return writable(head, folder, project_of(folder))
                except ValueError as error:
                    raise InvalidInput(
                        f"{shown_path(path)}: it names the output folder '{printable(head)}': {error}; "
                        "name the folder with --output if it is yours"
                    ) from None
    default = folder / "output" / found.campaign
    return real_path(default / "emulated" if emulated else default)


def _nothing_bought(workspace: Workspace) -> Mapping[str, Any]:
    jobs = list(expand(workspace.campaign))
    assignment = assign(jobs, Records(), Decisions())
    return Builder().build(
        workspace.heading(), assignment=assignment, records=Records(), decisions=Decisions()
    )
