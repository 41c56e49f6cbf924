"""Collects from records alone, where there is no manifest that reads."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pipeline import __version__
from pipeline.artifacts.output_folder import OutputFolder
from pipeline.assignment import assign
from pipeline.cli.environment import read_environment
from pipeline.cli.options import CampaignFlags, verbosity
from pipeline.cli.progress import LineReporter
from pipeline.cli.terminal import say
from pipeline.engine.execute import execute
from pipeline.engine.reporter import RunReport, RunSettings, Stop
from pipeline.errors import ExitCode, InvalidInput, Unfinished, most_urgent, printable
from pipeline.files import real_path
from pipeline.operations.provider import vendor_of
from pipeline.operations.workspace import now, run_id, shown_path
from pipeline.planning.collect import everything
from pipeline.purchases import UNDECIDED, Records, Status
from pipeline.results import merge
from pipeline.results.file import ResultsFile, read, write
from pipeline.state.opening import open_store
from pipeline.state.sql.store import SqlStore

_SQLITE = b"SQLite format 3\0"
_EMULATED = ".emulated"


@dataclass(frozen=True, slots=True)
class Bare:
    """Records without a manifest: where they lie, and where what they tell of goes.

    `campaign` and `manifest` are None where only the state knows them.
    """

    state: Path
    results: Path | None
    folder: Path
    emulated: bool
    output: Path | None
    campaign: str | None = None
    manifest: Path | None = None


def bare_of(source: Path, given: CampaignFlags, *, beside: bool = False) -> Bare | None:
    """The records that `source` is (a state, or results), or that lie `beside` it; None where it is neither.

    Raises:
        InvalidInput: results that cannot be read.
    """
    output = real_path(Path(given.output)) if given.output else None
    results = real_path(Path(given.results)) if given.results else None
    if beside:
        state = _only_state_beside(real_path(source), given)
        return None if state is None else _of_state(state, results, output)
    if _begins_with(source, _SQLITE):
        return _of_state(real_path(source), results, output)
    if source.name.endswith((".results.json", ".results.yaml", ".results.yml")):
        return _of_results(real_path(source), given, output)
    return None


def _begins_with(path: Path, magic: bytes) -> bool:
    with suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:
                return file.read(len(magic)) == magic
    return False


def _only_state_beside(manifest: Path, given: CampaignFlags) -> Path | None:
    if given.state:
        return real_path(Path(given.state))
    states = [
        path
        for path in sorted((manifest.parent / ".pipeline").glob("*.db"))
        if path.name.endswith(f"{_EMULATED}.db") == given.emulate
    ]
    return states[0] if len(states) == 1 else None


def _of_state(state: Path, results: Path | None, output: Path | None) -> Bare:
    folder = state.parent.parent if state.parent.name == ".pipeline" else state.parent
    published = results or folder / f"{state.stem}.results.json"
    return Bare(state, published, folder, state.stem.endswith(_EMULATED), output)


def _of_results(results: Path, given: CampaignFlags, output: Path | None) -> Bare:
    published = read(results, shown_path(results))
    if published is None:
        raise InvalidInput(f"{shown_path(results)}: there is no such file")
    manifest = real_path(results.parent / published.manifest)
    emulated = results.name.removesuffix(results.suffix).endswith(f"{_EMULATED}.results")
    name = f"{published.campaign}{_EMULATED}" if emulated else published.campaign
    state = real_path(Path(given.state)) if given.state else manifest.parent / ".pipeline" / f"{name}.db"
    return Bare(state, results, manifest.parent, emulated, output, published.campaign, manifest)


def carry_out(bare: Bare, settings: RunSettings, stop: Stop, timeout: float) -> ExitCode:
    """Fetch all that the records tell of and that is not here; buys nothing.

    Raises:
        InvalidInput, StateLocked: as for any command.
    """
    published = read(bare.results, shown_path(bare.results)) if bare.results else None
    with _store(bare) as store:
        campaign = bare.campaign or store.campaign
        if published is not None and published.campaign != campaign:
            raise InvalidInput(
                f"{shown_path(bare.results or Path())}: the results of another campaign, '{published.campaign}', "
                f"not of '{campaign}'"
            )
        store.recover(now())
        theirs = published.records if published is not None else Records()
        records = store.absorb(theirs, UNDECIDED, now())
        output = bare.output or bare.folder / "output" / campaign / ("emulated" if bare.emulated else "")
        outputs = OutputFolder(output, store.files(), records.purchases)
        absent = [each for each in records.purchases.values() if not outputs.inventory.holds(each)]
        plan = everything(assign([], records), absent)
        report = RunReport()
        home = bare.folder / ".pipeline" / f"{campaign}.emulator" if bare.emulated else None
        with vendor_of("vimmerse", "v1", home, timeout, read_environment()) as provider:
            execute(
                plan,
                records,
                store=store,
                provider=provider,
                outputs=outputs,
                manifest_folder=bare.folder,
                settings=settings,
                reporter=LineReporter(partial(say, err=True), quiet=verbosity().quiet),
                report=report,
                stop=stop,
                publish=lambda: None,
            )
        records = store.records()
        _publish(bare, records, published)
    for note in report.notes:
        say(printable(note))
    if not verbosity().quiet:
        say(f"{len(plan.followed):,} purchase(s) looked after. Files: {printable(shown_path(output))}/")
    codes = {*report.codes, *_codes(records)} | ({stop.code} if stop.code is not None else set())
    return most_urgent(codes)


@contextmanager
def _store(bare: Bare) -> Iterator[SqlStore]:
    environment = read_environment()
    store = open_store(
        bare.state,
        campaign=bare.campaign,
        manifest=bare.manifest,
        run=run_id(),
        writable=True,
        now=now(),
        command=environment.command,
        allow_network=environment.allows_network_file_system,
    )
    try:
        yield store
    finally:
        store.close()


def _publish(bare: Bare, records: Records, published: ResultsFile | None) -> None:
    """Write the purchases; what the jobs were is known from the last results only, and stays."""
    if bare.results is None or published is None:
        return
    ours = replace(published, records=records)
    # Others may have written to it meanwhile: a `git pull`, say.
    now_there = read(bare.results, shown_path(bare.results))
    files = [ours] if now_there is None else [ours, now_there]
    document = merge.merged(files, f"pipeline {__version__}")
    try:
        write(bare.results, document, now_there.document if now_there is not None else None)
    except OSError as error:
        raise Unfinished(f"{shown_path(bare.results)}: cannot be written: {error.strerror}") from error


def _codes(records: Records) -> Iterator[ExitCode]:
    for purchase in records.purchases.values():
        if purchase.deleted:
            continue
        if purchase.status is Status.ATTENTION:
            yield ExitCode.ATTENTION
        elif purchase.status in {Status.SUBMITTED, Status.SUCCEEDED}:
            yield ExitCode.UNFINISHED
