"""Collects from records alone, if there is no valid manifest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts.output_folder import OutputFolder
from pipeline.assignment import assign
from pipeline.engine.reporter import Reporter, RunReport, Stop
from pipeline.engine.runner import Runner
from pipeline.errors import ExitCode, InvalidInput, Unfinished, counted, most_urgent
from pipeline.join import join_all
from pipeline.media.facts import MediaMap
from pipeline.media.facts import join as join_media
from pipeline.operations.campaign_state import purchases_elsewhere
from pipeline.operations.clock import now, run_id
from pipeline.operations.committed_state import refuse_committed
from pipeline.operations.git import GitIndex
from pipeline.operations.provider import vendor_of
from pipeline.operations.published_results import assert_kind, paths_in_results
from pipeline.operations.recorded_provider import provider_of
from pipeline.operations.run_options import RunOptions, settings_without_manifest
from pipeline.operations.shown_paths import relative_output, shown_path
from pipeline.operations.unmerged_records import refuse_unmerged
from pipeline.operations.unread_media import read_missing
from pipeline.operations.webhooks import SPOOL
from pipeline.operations.workspace import STATE_FOLDER, TOOL, cache_folder, scratch_folder
from pipeline.planning.hints import unknown_advice, unknown_outcome
from pipeline.planning.make import everything
from pipeline.purchases import UNDECIDED, Ownership, PurchaseId, Records, Status
from pipeline.results.file import ResultsFile, read, write
from pipeline.results.merge import merge_results
from pipeline.schemes import OutputLocation, StateLocation, part_location
from pipeline.state import look
from pipeline.state.opening import open_store
from pipeline.state.recovery import absorb
from pipeline.state.split_lock import hold_split
from pipeline.state.store import Imported, Store
from pipeline.webhooks.receipt import ReceiptInbox, Webhooks
from pipeline.webhooks.spool import SpoolReader, spool_at

if TYPE_CHECKING:
    from pipeline.operations.campaign_records import CampaignRecords
    from pipeline.operations.environment import Environment
    from pipeline.planning.plan import Plan

_MAX_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """The outcome: the number of purchases that were followed, where their files are, and why it stopped."""

    campaign: str
    purchases: int
    output: OutputLocation
    code: ExitCode
    notes: tuple[str, ...]


class RecordsCollection:
    """Fetches every file that the records name and that is missing here; buys nothing."""

    def __init__(
        self, known: CampaignRecords, options: RunOptions, environment: Environment, stop: Stop
    ) -> None:
        self._known = known
        self._options = options
        self._environment = environment
        self._stop = stop
        self._report = RunReport()

    def carry_out(self, open_reporter: Callable[[], AbstractContextManager[Reporter]]) -> Collected:
        """Follow everything that is paid for to its end, fetch it, and write the results.

        Raises:
            InvalidInput, StateLocked: as for any command.
            AccountError: there is no key.
            Unfinished: the results cannot be written.
        """
        state_folder = self._known.folder / STATE_FOLDER
        index = GitIndex((state_folder, *self._known.results_files), self._environment.variables)
        refuse_committed(state_folder, index)
        refuse_unmerged(self._known.results_files, index)
        published = _read_published(self._known)
        with self._hold_campaign(), self._open_store() as store:
            campaign = self._known.campaign or store.campaign
            _assert_of(campaign, published)
            store.recover(now())
            joined, recorded = self._records_of_shards(campaign)
            joined = join_all((joined, *(each.records for each in published)))
            records = store.absorb(joined, UNDECIDED, now(), Imported(recorded=recorded))
            outputs = OutputFolder(
                self._known.output_folder(campaign),
                store.files(),
                records.purchases,
                scratch_folder(self._known.folder, campaign),
                lambda: paths_in_results(
                    published, relative_output(self._known.output_folder(campaign), self._known.folder)
                ),
            )
            absent = outputs.inventory.missing(records.purchases.values())
            plan = everything(assign([], records), absent)
            self._execute(plan, records, store, outputs, open_reporter)
            records = store.records()
            elsewhere = purchases_elsewhere(records, store.recorded())
            target = self._known.target(campaign, store.manifest, self._environment)
            media = self._media(store, outputs, published)
            _publish(self._known, records, published, media)
        stopped = {self._stop.code} if self._stop.code is not None else set()
        return Collected(
            campaign=campaign,
            purchases=len(plan.followed),
            output=outputs.location,
            code=most_urgent({*self._report.codes, *_codes(records, elsewhere), *stopped}),
            notes=(*self._report.notes, *_unknown(records, elsewhere, target)),
        )

    def _hold_campaign(self) -> AbstractContextManager[None]:
        """Keep out runs of shards: their states and files are read here."""
        if not isinstance(self._known.state, Path):
            return nullcontext()
        return hold_split(self._known.state, split=None, since=now(), command=self._environment.command)

    def _records_of_shards(self, campaign: str) -> tuple[Records, frozenset[PurchaseId]]:
        """What the states of shards beside that of the campaign have, and the ids whose intents they recorded."""
        records, recorded = Records(), frozenset[PurchaseId]()
        whole = self._known.state
        for part in look.parts(whole, campaign):
            if part is not None:
                state = part_location(whole, part)
                with self._opened(state, campaign, None, part=part, writable=False) as store:
                    records = join_all((records, absorb(Records(), store.records())))
                    recorded |= store.recorded()
        return records, recorded

    def _media(self, store: Store, outputs: OutputFolder, published: Sequence[ResultsFile]) -> MediaMap:
        """Media facts that the results do not have yet, by SHA-256."""
        known: MediaMap = {}
        for each in published:
            known = join_media(known, each.media)
        missing = read_missing(
            store.files(),
            outputs.location,
            known,
            cache_folder(self._known.folder),
            self._report.media,
            may_go_on=lambda: self._stop.code is None,
        )
        return {**{digest: entry for digest, entry in self._report.media.items() if entry}, **missing}

    @contextmanager
    def _open_store(self) -> Iterator[Store]:
        known = self._known
        campaign, manifest = known.campaign, known.manifest
        if campaign is None and known.states and known.state not in known.states:
            # Only shards have run, and the state of the whole campaign is created from what theirs say.
            with self._opened(known.states[0], None, None, writable=False) as shard:
                campaign, manifest = shard.campaign, known.unread or shard.manifest
        with self._opened(known.state, campaign, manifest, writable=True) as store:
            yield store

    @contextmanager
    def _opened(
        self,
        state: StateLocation,
        campaign: str | None,
        manifest: Path | None,
        *,
        part: str | None = None,
        writable: bool,
    ) -> Iterator[Store]:
        store = open_store(
            state,
            campaign=campaign,
            part=part,
            manifest=manifest,
            run=run_id(),
            writable=writable,
            now=now(),
            command=self._environment.command,
            allow_network=self._environment.allows_network_file_system,
            lease_seconds=self._environment.lease_seconds,
            folder=self._known.folder,
        )
        try:
            yield store
        finally:
            store.close()

    def _execute(
        self,
        plan: Plan,
        records: Records,
        store: Store,
        outputs: OutputFolder,
        open_reporter: Callable[[], AbstractContextManager[Reporter]],
    ) -> None:
        settings = settings_without_manifest(self._options.max_poll_interval)
        open_workers = self._options.open_workers
        with (
            nullcontext() if open_workers is None else open_workers(settings.concurrency) as workers,
            vendor_of(
                "emulator" if self._known.emulated else provider_of(records.purchases.values()),
                "v1",
                emulator=self._known.emulator_folder(store.campaign),
                request_timeout=self._options.request_timeout,
                environment=self._environment,
                workers=workers,
            ) as provider,
            open_reporter() as reporter,
        ):
            inbox = ReceiptInbox()
            folder = self._known.folder / STATE_FOLDER / SPOOL
            seconds = self._environment.lease_seconds
            spool = SpoolReader(spool_at(self._known.state, folder, store.campaign, seconds), inbox)
            spool.look()
            runner = Runner(
                plan=plan,
                records=records,
                store=store,
                provider=provider,
                ownership=Ownership(campaign=store.campaign, recorded=store.recorded()),
                outputs=outputs,
                manifest_folder=self._known.folder,
                settings=settings,
                reporter=reporter,
                report=self._report,
                stop=self._stop,
                webhooks=Webhooks(inbox=inbox),
                workers=workers,
            )
            try:
                runner.run()
            finally:
                spool.forget(runner.receipts_left_over())


def _read_published(known: CampaignRecords) -> list[ResultsFile]:
    read_files = (read(path, shown_path(path)) for path in known.results_files)
    found = [each for each in read_files if each is not None]
    for each in found:
        assert_kind(each.name, emulated=each.emulated, rehearsal=known.emulated)
    return found


def _assert_of(campaign: str, published: Sequence[ResultsFile]) -> None:
    for each in published:
        if each.campaign != campaign:
            raise InvalidInput(
                f"{each.name}: the results of another campaign, "
                f"'{each.campaign}', not of '{campaign}' (see docs/reference/errors.md#results-of-another-campaign)"
            )


def _publish(
    known: CampaignRecords, records: Records, published: Sequence[ResultsFile], media: MediaMap
) -> None:
    """Write the purchases. Only the last results know the jobs, so these are kept as they are."""
    if known.results is None or not published:
        return
    ours = replace(published[0], records=records, media=join_media(published[0].media, media))
    # Others may have written to them meanwhile: a `git pull`, for example.
    present = _read_published(known)
    document = merge_results([ours, *published, *present], TOOL)
    before = read(known.results, shown_path(known.results))
    try:
        write(known.results, document, before.document if before is not None else None)
    except OSError as error:
        raise Unfinished(f"{shown_path(known.results)}: cannot be written: {error.strerror}") from error


def _unknown(records: Records, elsewhere: Collection[PurchaseId], target: str) -> Iterator[str]:
    """Lines on the purchases whose outcome only a person can find out: each, what to do, how many to wait for."""
    unknown = [
        each for each in records.purchases.values() if each.status is Status.ATTENTION and not each.deleted
    ]
    here = [each for each in unknown if each.id not in elsewhere]
    for purchase in here[:_MAX_NAMED]:
        yield f"{purchase.key} ({purchase.id}): needs attention: {unknown_outcome(purchase.error)}"
    if len(here) > _MAX_NAMED:
        yield f"and {len(here) - _MAX_NAMED:,} more: `pipeline status {target}` lists all of them"
    if here:
        yield unknown_advice(target, [each.id for each in here])
    if under_way := len(unknown) - len(here):
        yield (
            f"{counted(under_way, 'purchase is', 'purchases are')} under way on another machine; "
            "its results will show the outcome."
        )


def _codes(records: Records, elsewhere: Collection[PurchaseId]) -> Iterator[ExitCode]:
    for purchase in records.purchases.values():
        if purchase.deleted:
            continue
        if purchase.status is Status.ATTENTION and purchase.id not in elsewhere:
            yield ExitCode.ATTENTION
        elif purchase.status in {Status.ATTENTION, Status.SUBMITTED, Status.SUCCEEDED}:
            yield ExitCode.UNFINISHED
