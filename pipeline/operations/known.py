"""What is known of a campaign when a command begins: its jobs, and the purchases of state and results joined."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts.shelf import Shelf
from pipeline.errors import InvalidInput
from pipeline.files import real_path, sweep
from pipeline.jobs import Job
from pipeline.manifest import Campaign, decisions, expand
from pipeline.manifest.decisions import in_force
from pipeline.operations.scene import Scene, now, run_id, shown_path
from pipeline.planning.make import in_plan_order
from pipeline.purchases import Decisions, Records
from pipeline.results.file import ResultsFile, read
from pipeline.serving import Serving, serve
from pipeline.state.machine import absorb
from pipeline.state.opening import open_store
from pipeline.state.store import Store


@dataclass(frozen=True, slots=True)
class Known:
    """The jobs of a campaign, its purchases, and which serves which; `published` are the results as read."""

    scene: Scene
    jobs: list[Job]
    store: Store
    records: Records
    decisions: Decisions
    serving: Serving
    published: ResultsFile | None

    def shelf(self) -> Shelf:
        """What lies in the output folder."""
        return Shelf(self.scene.output, self.store.files(), self.records.purchases)


@contextmanager
def known(place: Scene, *, writable: bool) -> Iterator[Known]:
    """What is known of the campaign; `writable`: with the lock held, joined and recovered on disk.

    Raises:
        InvalidInput: manifest, state or results are wrong, or belong to another campaign.
        StateLocked: another run holds the state.
    """
    jobs = in_plan_order(expand(place.campaign))
    results = published(place)
    with ExitStack() as held:
        store = open_store(
            place.state,
            campaign=place.campaign.name,
            manifest=place.campaign.manifest,
            run=run_id(),
            writable=writable,
            now=now(),
            command=place.around.command,
            allow_network=place.around.allows_network_file_system,
        )
        held.callback(store.close)
        if writable:
            sweep(place.results)
            # Another run may have ended, and written them, before the lock was ours.
            results = published(place)
        decided = in_force(decisions.read(place.decisions, place.decisions_name))
        records = _joined(store, results, decided, writable=writable)
        serving = serve(jobs, records, decided)
        if writable:
            store.serve(served_by(serving))
        yield Known(place, jobs, store, records, decided, serving, results)


def served_by(serving: Serving) -> dict[str, str]:
    """By key, the purchase that serves it."""
    return {key: purchase.id for key, purchase in serving.by_key.items()}


def _joined(store: Store, results: ResultsFile | None, decisions: Decisions, *, writable: bool) -> Records:
    theirs = results.records if results is not None else Records()
    if writable:
        store.recover(now())
        return store.absorb(theirs, decisions, now())
    return absorb(store.records(), theirs, decisions)


def published(place: Scene) -> ResultsFile | None:
    """The results manifest as it is now, None where there is none.

    Raises:
        InvalidInput: it is wrong, or belongs to another campaign.
    """
    results = read(place.results, place.results_name)
    _assert_ours(place, results)
    return results


def _assert_ours(place: Scene, results: ResultsFile | None) -> None:
    """Refuse records that are another campaign's, or this one's under a name that it had before."""
    campaign = place.campaign
    if results is not None:
        if results.campaign != campaign.name:
            raise InvalidInput(
                f"{place.results_name}: the results of another campaign, '{results.campaign}', "
                f"not of '{campaign.name}'"
            )
        other = real_path(place.results.parent / results.manifest)
        if other.exists() and other != campaign.manifest:
            raise InvalidInput(
                f"{place.results_name}: the results of another manifest that still exists, {shown_path(other)}"
            )
        return
    # They may be kept elsewhere, or have been beside the manifest before.
    folders = dict.fromkeys((campaign.manifest.parent, place.results.parent))
    for path in (each for folder in folders for each in sorted(folder.glob("*.results.json"))):
        if path.name.endswith(".emulated.results.json") or place.emulated:
            continue
        try:
            other_results = read(path, shown_path(path))
        except InvalidInput:
            continue  # whoever it belongs to is told when its own campaign is read
        if other_results is not None and _was_named_otherwise(other_results, path, campaign):
            raise InvalidInput(
                f"{shown_path(path)}: these results name {campaign.manifest.name}, which was called "
                f"'{other_results.campaign}' then and is '{campaign.name}' now. Call it so again; or, to take "
                f'them over, write the new name at "campaign" in them and rename the file to '
                f"{campaign.name}.results.json"
            )


def _was_named_otherwise(results: ResultsFile, path: Path, campaign: Campaign) -> bool:
    return (
        results.campaign != campaign.name and real_path(path.parent / results.manifest) == campaign.manifest
    )
