"""Collects from records alone, if there is no valid manifest."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.artifacts.output_folder import OutputFolder
from pipeline.assignment import assign
from pipeline.engine.reporter import Reporter, RunReport, Stop
from pipeline.engine.runner import Runner
from pipeline.errors import ExitCode, InvalidInput, Unfinished, counted, most_urgent
from pipeline.media.facts import MediaMap, join
from pipeline.operations.campaign_records import CampaignRecords
from pipeline.operations.campaign_state import purchases_elsewhere
from pipeline.operations.clock import now, run_id
from pipeline.operations.environment import Environment
from pipeline.operations.provider import vendor_of
from pipeline.operations.run_options import RunOptions, settings_without_manifest
from pipeline.operations.shown_paths import shown_path
from pipeline.operations.unread_media import read_missing
from pipeline.operations.webhooks import SPOOL
from pipeline.operations.workspace import STATE_FOLDER, TOOL, cache_folder, scratch_folder
from pipeline.planning.hints import unknown_advice, unknown_outcome
from pipeline.planning.make import everything
from pipeline.planning.plan import Plan
from pipeline.purchases import UNDECIDED, Ownership, PurchaseId, Records, Status
from pipeline.results.file import ResultsFile, read, write
from pipeline.results.merge import merge_results
from pipeline.schemes import OutputLocation
from pipeline.state.opening import open_store
from pipeline.state.store import Store
from pipeline.webhooks.receipt import ReceiptInbox, Webhooks
from pipeline.webhooks.spool import SpoolReader, spool_at

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
        published = _read_published(self._known)
        with self._open_store() as store:
            campaign = self._known.campaign or store.campaign
            _assert_of(campaign, self._known, published)
            store.recover(now())
            joined = published.records if published is not None else Records()
            records = store.absorb(joined, UNDECIDED, now())
            outputs = OutputFolder(
                self._known.output_folder(campaign),
                store.files(),
                records.purchases,
                scratch_folder(self._known.folder, campaign),
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

    def _media(self, store: Store, outputs: OutputFolder, published: ResultsFile | None) -> MediaMap:
        """Media facts that the results do not have yet, by SHA-256."""
        known = published.media if published is not None else {}
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
        store = open_store(
            self._known.state,
            campaign=self._known.campaign,
            manifest=self._known.manifest,
            run=run_id(),
            writable=True,
            now=now(),
            command=self._environment.command,
            allow_network=self._environment.allows_network_file_system,
            lease_seconds=self._environment.lease_seconds,
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
                "vimmerse",
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


def _read_published(known: CampaignRecords) -> ResultsFile | None:
    return read(known.results, shown_path(known.results)) if known.results is not None else None


def _assert_of(campaign: str, known: CampaignRecords, published: ResultsFile | None) -> None:
    if published is not None and published.campaign != campaign:
        raise InvalidInput(
            f"{shown_path(known.results or Path())}: the results of another campaign, "
            f"'{published.campaign}', not of '{campaign}' (see docs/reference/errors.md#results-of-another-campaign)"
        )


def _publish(
    known: CampaignRecords, records: Records, published: ResultsFile | None, media: MediaMap
) -> None:
    """Write the purchases. Only the last results know the jobs, so these are kept as they are."""
    if known.results is None or published is None:
        return
    ours = replace(published, records=records, media=join(published.media, media))
    # Others may have written to it meanwhile: a `git pull`, for example.
    present = _read_published(known)
    files = [ours] if present is None else [ours, present]
    document = merge_results(files, TOOL)
    try:
        write(known.results, document, present.document if present is not None else None)
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
