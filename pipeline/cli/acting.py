"""Assembles the parts of a command: the campaign, where its records lie, and what is known of it."""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline import __version__
from pipeline.artifacts.shelf import Shelf
from pipeline.cli import environment
from pipeline.cli.options import CampaignFlags, read_variables
from pipeline.errors import InvalidInput, UsageError
from pipeline.files import real_path, sweep
from pipeline.jobs import Job, Json
from pipeline.manifest import Campaign, decisions, expand, load
from pipeline.manifest.decisions import in_force
from pipeline.planning.make import in_plan_order
from pipeline.purchases import Decisions, Records
from pipeline.results.build import Heading
from pipeline.results.file import ResultsFile, read
from pipeline.serving import Serving, serve
from pipeline.state.machine import absorb
from pipeline.state.opening import open_store
from pipeline.state.store import Store


@dataclass(frozen=True, slots=True)
class Scene:
    """A campaign and where its records lie on this machine. An emulated one keeps records of its own."""

    campaign: Campaign
    emulated: bool
    state: Path
    results: Path
    output: Path

    @property
    def emulator_folder(self) -> Path:
        """Where the embedded emulator keeps its work."""
        return self.campaign.manifest.parent / ".pipeline" / f"{self.campaign.name}.emulator"

    @property
    def decisions(self) -> Path:
        """The decisions file beside the manifest."""
        mark = ".emulated" if self.emulated else ""
        return self.campaign.manifest.with_name(f"{self.campaign.name}{mark}.decisions.yaml")

    @property
    def decisions_name(self) -> str:
        """The decisions file as people know it."""
        return shown_path(self.decisions)

    @property
    def results_name(self) -> str:
        """The results manifest as people know it."""
        return shown_path(self.results)

    def heading(self) -> Heading:
        """What the results manifest says of itself."""
        folder = self.campaign.manifest.parent
        return Heading(
            self.campaign.name,
            relative(self.campaign.manifest, self.results.parent),
            relative(self.output, folder),
            f"pipeline {__version__}",
        )


def shown_path(path: Path) -> str:
    """`path` as a person in the working folder would write it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def relative(path: Path, folder: Path) -> str:
    """`path` as seen from `folder`, with `/` on every system."""
    return Path(os.path.relpath(path, folder)).as_posix()


def run_id() -> str:
    """Names one run, for its caps; no two runs have the same."""
    return f"{now()} {secrets.token_hex(4)}"


def now() -> str:
    """The time of day, for records."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def scene(manifest: Path, flags: CampaignFlags, variables: Mapping[str, Json] | None = None) -> Scene:
    """Read the manifest and find where its records lie. `variables` are vars in the place of those of flags.

    Raises:
        InvalidInput: the manifest is wrong; all its problems at once.
        UsageError: flags that go against each other.
    """
    if variables is None:
        variables = read_variables(flags.variables, flags.variable_files)
    campaign = load(manifest, variables=variables)
    emulated = flags.emulate or campaign.provider.name == "emulator"
    elsewhere = {"--state": flags.state, "--results": flags.results, "--output": flags.output}
    given = [name for name, value in elsewhere.items() if value is not None]
    if emulated and given:
        raise UsageError(
            f"{' and '.join(given)}: a rehearsal on the emulator keeps records of its own, "
            "so that the real ones stay untouched"
        )
    folder = campaign.manifest.parent
    name = f"{campaign.name}.emulated" if emulated else campaign.name
    output = campaign.output.dir / "emulated" if emulated else campaign.output.dir
    return Scene(
        campaign,
        emulated,
        real_path(Path(flags.state)) if flags.state else folder / ".pipeline" / f"{name}.db",
        _results_path(flags.results, folder, name),
        real_path(Path(flags.output)) if flags.output else output,
    )


def _results_path(given: str | None, folder: Path, name: str) -> Path:
    file = f"{name}.results.json"
    if given is None:
        return folder / file
    path = real_path(Path(given))
    return path / file if path.is_dir() or given.endswith(("/", os.sep)) else path


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a campaign when a command begins: jobs, purchases of state and results joined."""

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
    published = _published(place)
    with ExitStack() as held:
        store = open_store(
            place.state,
            campaign=place.campaign.name,
            manifest=place.campaign.manifest,
            run=run_id(),
            writable=writable,
            now=now(),
            command=environment.command_line(),
            allow_network=environment.allows_network_file_system(),
        )
        held.callback(store.close)
        if writable:
            sweep(place.results)
            # Another run may have ended, and written them, before the lock was ours.
            published = _published(place)
        decided = in_force(decisions.read(place.decisions, place.decisions_name))
        records = _joined(store, published, decided, writable=writable)
        serving = serve(jobs, records, decided)
        if writable:
            store.serve(served_by(serving))
        yield Known(place, jobs, store, records, decided, serving, published)


def served_by(serving: Serving) -> dict[str, str]:
    """By key, the purchase that serves it."""
    return {key: purchase.id for key, purchase in serving.by_key.items()}


def _joined(store: Store, published: ResultsFile | None, decisions: Decisions, *, writable: bool) -> Records:
    theirs = published.records if published is not None else Records()
    if writable:
        store.recover(now())
        return store.absorb(theirs, decisions, now())
    return absorb(store.records(), theirs, decisions)


def _published(place: Scene) -> ResultsFile | None:
    published = read(place.results, place.results_name)
    _assert_ours(place, published)
    return published


def _assert_ours(place: Scene, published: ResultsFile | None) -> None:
    """Refuse records that are another campaign's, or this one's under a name that it had before."""
    campaign = place.campaign
    if published is not None:
        if published.campaign != campaign.name:
            raise InvalidInput(
                f"{place.results_name}: the results of another campaign, '{published.campaign}', "
                f"not of '{campaign.name}'"
            )
        other = real_path(place.results.parent / published.manifest)
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
