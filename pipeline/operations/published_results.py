"""Reads the results manifests of a campaign on this machine, and recognises known ones by hashes.

The name, size or time of a file never proves that its content is known.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipeline.artifacts.file_names import NAMING
from pipeline.errors import InvalidInput, Problem, counted
from pipeline.files import FileStamp, stamp
from pipeline.media.facts import RULE
from pipeline.media.optional import can_read
from pipeline.operations.shown_paths import shown_path
from pipeline.operations.workspace import TOOL, Workspace
from pipeline.paths import real_path
from pipeline.purchases import OUTCOME_UNKNOWN, Decisions, PurchaseId, Status
from pipeline.results.file import ResultsFile, Version, read
from pipeline.safe_names import safe_path
from pipeline.schemes import part_named

if TYPE_CHECKING:
    from pipeline.jobs import Job, JobKey
    from pipeline.json_values import Json
    from pipeline.manifest.model import Campaign
    from pipeline.state.store import Store

_BOUGHT = frozenset({Status.SUBMITTED, Status.SUCCEEDED, Status.DONE})


def read_published(workspace: Workspace) -> ResultsFile | None:
    """The results manifest as it is now; None if there is none.

    Raises:
        InvalidInput: it is invalid, or belongs to another campaign.
    """
    results = read(workspace.results, workspace.results_name)
    _assert_ours(workspace, results, workspace.results_name)
    return results


def published_files(workspace: Workspace) -> list[ResultsFile]:
    """The existing results manifests of the campaign: its own, and those of shards beside it.

    Raises:
        InvalidInput: one is invalid, or belongs to another campaign.
    """
    own = read_published(workspace)
    return [*([] if own is None else [own]), *published_by_others(workspace)]


def published_by_others(workspace: Workspace) -> Iterator[ResultsFile]:
    for path in workspace.other_results:
        results = _read_other(workspace, path)
        if results is not None:
            yield results


def paths_in_results(files: Iterable[ResultsFile], output: str) -> dict[str, set[str]]:
    """By hash, where results saw files of jobs last, below `output`, the output folder as results name it.

    The results may be a stranger's, so only paths that a file of ours could have count.
    """
    folder, found = f"{output}/", dict[str, set[str]]()
    for row in (row for results in files for row in results.jobs):
        for file in row.get("outputs", ()):
            path = file["path"].removeprefix(folder)
            if file["path"].startswith(folder) and "sha256" in file and safe_path(path) == path:
                found.setdefault(file["sha256"], set()).add(path)
    return found


class OtherResults:
    """The other results manifests of a campaign, which its other parts may write while a run goes on.

    `in_doubt` are the purchases that one of them has listed as possibly bought. If such a one turns out void, the
    results of this part have to say so: another machine knows nothing else of it.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._stamps: dict[Path, FileStamp | None] = {}
        self.in_doubt: set[PurchaseId] = set()

    def read(self) -> list[ResultsFile]:
        """Those that were written since they were last read.

        Raises:
            InvalidInput: one is invalid, or belongs to another campaign.
        """
        found = []
        for path in self._workspace.other_results:
            now = stamp(path)
            if path in self._stamps and self._stamps[path] == now:
                continue
            results = _read_other(self._workspace, path)
            self._stamps[path] = now
            if results is not None:
                found.append(results)
                unknown = (
                    each for each in results.records.purchases.values() if each.status in OUTCOME_UNKNOWN
                )
                self.in_doubt.update(each.id for each in unknown)
        return found


def _read_other(workspace: Workspace, path: Path) -> ResultsFile | None:
    results = read(path, shown_path(path))
    if results is not None:
        _assert_ours(workspace, results, shown_path(path))
    return results


def _assert_ours(workspace: Workspace, results: ResultsFile | None, name: str) -> None:
    """Refuse records of the wrong kind, of another campaign, or of this one under an earlier name."""
    campaign = workspace.campaign
    if results is not None:
        assert_kind(name, emulated=results.emulated, rehearsal=workspace.emulated)
        if results.campaign != campaign.name:
            raise InvalidInput(
                f"{name}: the results of another campaign, '{results.campaign}', "
                f"not of '{campaign.name}' (see docs/reference/errors.md#results-of-another-campaign)"
            )
        other = real_path(workspace.results.parent / results.manifest)
        if other.exists() and other != campaign.manifest:
            raise InvalidInput(
                f"{name}: the results of another manifest that still exists, "
                f"{shown_path(other)} (see docs/reference/errors.md#results-of-another-campaign)"
            )
        return
    for path, other_results in _of_other_campaigns(workspace):
        if real_path(path.parent / other_results.manifest) == campaign.manifest:
            raise InvalidInput(
                f"{shown_path(path)}: these results name {campaign.manifest.name}, which was called "
                f"'{other_results.campaign}' then and is '{campaign.name}' now. Rename it back; or, "
                f"{_how_to_adopt(path, other_results, campaign)}"
            )


def _of_other_campaigns(workspace: Workspace) -> Iterator[tuple[Path, ResultsFile]]:
    """The results of other campaigns, and of shards of them, beside this one's results and manifest."""
    # They may be kept elsewhere, or may have been kept beside the manifest before.
    folders = dict.fromkeys((workspace.campaign.manifest.parent, workspace.results.parent))
    for path in (each for folder in folders for each in sorted(folder.glob("*.results.*json"))):
        is_results = path.name.endswith(".results.json") or part_named(path) is not None
        if not is_results or ".emulated.results." in path.name or workspace.emulated:
            continue
        try:
            results = read(path, shown_path(path))
        except InvalidInput:
            continue  # reported when the campaign that it belongs to is read
        if results is not None and results.campaign != workspace.campaign.name:
            yield path, results


def _how_to_adopt(path: Path, results: ResultsFile, campaign: Campaign) -> str:
    new_name = f"{campaign.name}{path.name[path.name.rindex('.results.') :]}"
    old = campaign.manifest.with_name(f"{results.campaign}.decisions.yaml")
    # Without them, approved takes would be bought again.
    and_decisions = f", and {old.name} to {campaign.name}.decisions.yaml" if old.exists() else ""
    return (
        f'to adopt them, change "campaign" in them to the new name and rename the file to {new_name}{and_decisions} '
        "(see docs/reference/errors.md#results-of-another-campaign)"
    )


def purchases_beside(workspace: Workspace) -> Iterator[PurchaseId]:
    """The purchases in results beside the manifest that name another campaign."""
    for _, results in _of_other_campaigns(workspace):
        yield from results.records.purchases


def bought_under_another_name(workspace: Workspace, jobs: Collection[Job]) -> Iterator[Problem]:
    """For a campaign without a purchase: warnings of results whose manifest is gone and that have what it asks for.

    It was probably renamed and moved at once. Without its results, everything is bought again.
    """
    for path, results in _of_other_campaigns(workspace):
        if real_path(path.parent / results.manifest).exists():
            continue
        purchases = results.records.purchases.values()
        bought = {each.fingerprint for each in purchases if each.status in _BOUGHT and not each.deleted}
        if number := sum(not bought.isdisjoint(job.fingerprints) for job in jobs):
            yield Problem(
                f"{shown_path(path)}: {number:,} of {counted(len(jobs), 'job')} would be bought again: they are in "
                f"these results of '{results.campaign}', whose manifest is gone. If it was renamed and moved, "
                f"{_how_to_adopt(path, results, workspace.campaign)}",
                severity="warning",
            )


def assert_kind(name: str, *, emulated: bool, rehearsal: bool) -> None:
    """Check that the records called `name` are real ones, or, in a `rehearsal`, that they are `emulated` ones.

    Raises:
        InvalidInput: they are the others.
    """
    if emulated and not rehearsal:
        raise InvalidInput(
            f"{name}: it is of a rehearsal (--emulate), in which nothing was bought, so it must not pass for what "
            "was; move it away, or give the one that a run has written"
        )
    if rehearsal and not emulated:
        raise InvalidInput(
            f"{name}: it does not say that it is of a rehearsal (--emulate), which knows no real purchases; "
            "move it away, or give the one that a rehearsal has written"
        )


def joined_hash(
    version: Version | None, workspace: Workspace, decisions: Decisions, purchases: Iterable[PurchaseId]
) -> str:
    """A hash of results that a state has joined completely: their bytes, their location, decisions and purchases.

    The decisions count since they say which of two purchases served a job last, the location since it says which
    manifest the results belong to, and the output folder since results may say where it was before. So do the
    `purchases` of the state: one that it has lost is joined again.
    """
    if version is None:
        return ""
    heading = workspace.heading()
    return _hash(
        [
            version.digest,
            heading.campaign,
            heading.manifest,
            heading.output,
            *_decided(decisions),
            *sorted(purchases),
        ]
    )


def inputs_hash(
    workspace: Workspace,
    jobs: list[Job],
    store: Store,
    decisions: Decisions,
    inputs: Mapping[JobKey, str] = MappingProxyType({}),
    void_in_doubt: Collection[PurchaseId] = (),
) -> str:
    """A hash of everything that results are made from, except the purchases and the assignment.

    `void_in_doubt` are void purchases that other results list as possibly bought.
    """
    heading = workspace.heading()
    made_from: list[object] = [
        [TOOL, NAMING, heading.campaign, heading.manifest, heading.output],
        None if heading.shard is None else heading.shard.as_json(),
        [[job.key, job.fingerprint, job.path, job.steps] for job in jobs],
        _decided(decisions),
        sorted(inputs.items()),
        # The results include media facts, which depend on how, and whether, files can be read.
        [RULE, can_read()],
        sorted({file.sha256 for file in store.files()}),
        *sorted(void_in_doubt),
    ]
    return _hash(made_from)


def _decided(decisions: Decisions) -> list[Json]:
    return [
        [list(pair) for pair in sorted(decisions.approved.items())],
        [*sorted(decisions.rejected)],
        [*sorted(decisions.redo)],
        [*sorted(decisions.rejected | decisions.redo, key=lambda each: decisions.order.get(each, 0))],
    ]


def _hash(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
