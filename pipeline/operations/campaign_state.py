"""What is known of a campaign when a command begins: its jobs, and the purchases of state and results joined."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.artifacts.output_folder import OutputFolder
from pipeline.assignment import Assignment, assign
from pipeline.errors import InvalidInput
from pipeline.files import real_path, sweep
from pipeline.jobs import Job, JobKey, in_plan_order
from pipeline.manifest.expand import expand
from pipeline.manifest.model import Campaign
from pipeline.operations.workspace import Workspace, minutes_ago, now, run_id, shown_path
from pipeline.planning.ownership import Ownership
from pipeline.purchases import Decisions, Purchase, PurchaseId, Records, Status
from pipeline.results import decisions
from pipeline.results.decisions import Decision
from pipeline.results.file import ResultsFile, read
from pipeline.state.opening import open_store
from pipeline.state.store import Store
from pipeline.state.transitions import RUN_ENDED, absorb

# So long a machine whose intents were published may take to send them and tell the answers.
_UNDER_WAY_MINUTES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignState:
    """The jobs of a campaign, its purchases, and which serves which; `published` are the results as read.

    `decisions` are what people said, as it counts for the assignment; `decided` has the last decision on each
    purchase, with its words.
    """

    workspace: Workspace
    jobs: list[Job]
    store: Store
    records: Records
    decisions: Decisions
    decided: Mapping[PurchaseId, Decision]
    assignment: Assignment
    published: ResultsFile | None

    def outputs(self) -> OutputFolder:
        """What lies in the output folder."""
        return OutputFolder(self.workspace.output, self.store.files(), self.records.purchases)

    def reread(self) -> "CampaignState":
        """The same, as the state on disk has it now."""
        records = self.store.records()
        return replace(self, records=records, assignment=assign(self.jobs, records, self.decisions))

    def ownership(self) -> Ownership:
        """What proves that a workflow is that of one of its purchases."""
        return Ownership(campaign=self.workspace.campaign.name, recorded=self.store.recorded())

    def elsewhere(self) -> frozenset[PurchaseId]:
        """The purchases in `attention` that another machine is about to send, as far as their age tells."""
        return under_way_elsewhere(self.store, self.records)

    def served(self) -> dict[JobKey, PurchaseId]:
        """By key, the purchase that serves it."""
        return served_by(self.assignment)


@contextmanager
def open_campaign(workspace: Workspace, *, writable: bool) -> Iterator[CampaignState]:
    """What is known of the campaign; `writable`: with the lock held, joined and recovered on disk.

    Raises:
        InvalidInput: manifest, state or results are wrong, or belong to another campaign.
        StateLocked: another run holds the state.
    """
    jobs = in_plan_order(expand(workspace.campaign))
    results = read_published(workspace)
    with ExitStack() as stack:
        store = open_store(
            workspace.state,
            campaign=workspace.campaign.name,
            manifest=workspace.campaign.manifest,
            run=run_id(),
            writable=writable,
            now=now(),
            command=workspace.environment.command,
            allow_network=workspace.environment.allows_network_file_system,
            lease_seconds=workspace.environment.lease_seconds,
        )
        stack.callback(store.close)
        if writable:
            sweep(workspace.results)
            # Another run may have ended, and written them, before the lock was ours.
            results = read_published(workspace)
        said = decisions.read(workspace.decisions, workspace.decisions_name)
        in_force = decisions.in_force(said)
        records = _joined(store, results, in_force, writable=writable)
        assignment = assign(jobs, records, in_force)
        if writable:
            store.save_assignment(served_by(assignment))
        yield CampaignState(
            workspace=workspace,
            jobs=jobs,
            store=store,
            records=records,
            decisions=in_force,
            decided={each.purchase: each for each in said},
            assignment=assignment,
            published=results,
        )


def files_here(outputs: OutputFolder, purchase: Purchase) -> list[Path]:
    """The results of `purchase` that lie on this machine, wherever that is."""
    return [path for path, _, _ in outputs.inventory.files_of(purchase)["result"]]


def under_way_elsewhere(store: Store, records: Records) -> frozenset[PurchaseId]:
    """The purchases in `attention` that another machine than that of `store` is about to send, by their age."""
    recorded, earliest = store.recorded(), minutes_ago(_UNDER_WAY_MINUTES)
    return frozenset(
        purchase.id
        for purchase in records.purchases.values()
        if purchase.status is Status.ATTENTION
        and purchase.error == RUN_ENDED
        and purchase.id not in recorded
        and purchase.bought_at > earliest
    )


def served_by(assignment: Assignment) -> dict[JobKey, PurchaseId]:
    """By key, the purchase that serves it."""
    return {key: purchase.id for key, purchase in assignment.by_key.items()}


def _joined(store: Store, results: ResultsFile | None, decisions: Decisions, *, writable: bool) -> Records:
    published = results.records if results is not None else Records()
    if writable:
        store.recover(now())
        return store.absorb(published, decisions, now())
    return absorb(store.records(), published, decisions)


def read_published(workspace: Workspace) -> ResultsFile | None:
    """The results manifest as it is now, None where there is none.

    Raises:
        InvalidInput: it is wrong, or belongs to another campaign.
    """
    results = read(workspace.results, workspace.results_name)
    _assert_ours(workspace, results)
    return results


def _assert_ours(workspace: Workspace, results: ResultsFile | None) -> None:
    """Refuse records that are another campaign's, or this one's under a name that it had before."""
    campaign = workspace.campaign
    if results is not None:
        if results.campaign != campaign.name:
            raise InvalidInput(
                f"{workspace.results_name}: the results of another campaign, '{results.campaign}', "
                f"not of '{campaign.name}' (see docs/reference/errors.md#results-of-another-campaign)"
            )
        other = real_path(workspace.results.parent / results.manifest)
        if other.exists() and other != campaign.manifest:
            raise InvalidInput(
                f"{workspace.results_name}: the results of another manifest that still exists, "
                f"{shown_path(other)} (see docs/reference/errors.md#results-of-another-campaign)"
            )
        return
    # They may be kept elsewhere, or have been beside the manifest before.
    folders = dict.fromkeys((campaign.manifest.parent, workspace.results.parent))
    for path in (each for folder in folders for each in sorted(folder.glob("*.results.json"))):
        if path.name.endswith(".emulated.results.json") or workspace.emulated:
            continue
        try:
            other_results = read(path, shown_path(path))
        except InvalidInput:
            continue  # whoever it belongs to is told when its own campaign is read
        if other_results is not None and _was_named_otherwise(other_results, path, campaign):
            raise InvalidInput(
                f"{shown_path(path)}: these results name {campaign.manifest.name}, which was called "
                f"'{other_results.campaign}' then and is '{campaign.name}' now. Rename it back; or, to adopt "
                f'them, change "campaign" in them to the new name and rename the file to '
                f"{campaign.name}.results.json (see docs/reference/errors.md#results-of-another-campaign)"
            )


def _was_named_otherwise(results: ResultsFile, path: Path, campaign: Campaign) -> bool:
    return (
        results.campaign != campaign.name and real_path(path.parent / results.manifest) == campaign.manifest
    )
