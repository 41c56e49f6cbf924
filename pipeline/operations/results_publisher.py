"""Keeps the results manifest of a campaign up to date with its state."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from pipeline import failpoints
from pipeline.assignment import assign
from pipeline.errors import InvalidInput, Unfinished
from pipeline.files import assert_writable, stamp
from pipeline.join import join_all
from pipeline.media.facts import MediaMap
from pipeline.media.facts import join as join_media
from pipeline.operations.clock import now
from pipeline.operations.lost_decisions import assert_no_approval_is_lost
from pipeline.operations.open_campaign import open_campaign
from pipeline.operations.published_results import inputs_hash, joined_hash, read_published
from pipeline.operations.record_assignment import record_assignment, taken_over, with_changes
from pipeline.operations.unread_media import read_missing
from pipeline.operations.workspace import Workspace, cache_folder
from pipeline.paths import behind_links
from pipeline.purchases import OUTCOME_UNKNOWN, PurchaseId, Records, Status
from pipeline.results.document import Builder
from pipeline.results.file import Texts, write
from pipeline.state.recovery import absorb
from pipeline.state.store import KnownResults

if TYPE_CHECKING:
    from pipeline.jobs import JobKey
    from pipeline.json_values import Json
    from pipeline.operations.campaign_state import CampaignState


def republish(state: CampaignState) -> CampaignState:
    """After a change, read the state again, write the results manifest, and store the assignment.

    Raises:
        InvalidInput, Unfinished: as `Publisher.publish`.
    """
    state = state.reread()
    if record_assignment(state.store, state.assignment) is not state.assignment:
        state = state.reread()
    publisher = Publisher(state)
    publisher.publish_all(state)
    publisher.note(state, is_all=True)
    return state


def rewrite(
    workspace: Workspace,
) -> Literal["written", "up to date", "not written, as nothing has been bought"]:
    """Write the results manifest from the state; returns what became of it.

    Without its lock, unless files are where the output folder was before and the state does not know that yet.

    A run that goes on may learn that a create, written here as possibly bought, bought nothing, and publish its last
    results before these are written. Only these can tell other machines then, so they are written again.

    Raises:
        InvalidInput: the records are invalid, or lack approvals that results show.
        StateLocked: the lock is needed, and another run holds it.
        Unfinished: the results cannot be written.
    """
    written = False
    in_doubt: list[PurchaseId] | None = None
    while True:
        with open_campaign(workspace, writable=False) as state:
            if state.former:
                with open_campaign(workspace, writable=True):
                    pass  # it remembers them: the new results will not say where they are
            # As the next run will record it.
            state = state.with_records(with_changes(state.records, taken_over(state.assignment, now())))
            purchases = state.records.purchases
            if in_doubt is not None and not any(purchases[each].status is Status.VOID for each in in_doubt):
                break
            assert_no_approval_is_lost(workspace, state.lost_approvals)
            publisher = Publisher(state)
            written |= not publisher.is_current(state) and publisher.publish_all(state)
        in_doubt = [each.id for each in purchases.values() if each.status in OUTCOME_UNKNOWN]
        if not in_doubt:
            break
    if written:
        return "written"
    return "up to date" if publisher.has_results else "not written, as nothing has been bought"


class Publisher:
    """Writes the results manifest repeatedly, and remembers what others may have read in it.

    Purchases that others wrote to it since it was read (a `git pull` during a run) are joined into what is written,
    but not into the state; the next command does that. `opened` is the campaign as it was when the command began.
    """

    def __init__(self, opened: CampaignState) -> None:
        found = opened.published
        self._workspace = opened.workspace
        self._version = opened.results_version
        # Results that the state already knows were not read; they are read before something is written.
        self._is_read = found is not None or opened.results_version is None
        self._document: Mapping[str, Json] | None = found.document if found else None
        self._published = set(found.published) if found else set()
        self._others = opened.other_results
        self._media: MediaMap = found.media if found else {}
        self._builder, self._texts = Builder(), Texts()
        self._from_others = Records()

    def assert_writable(self) -> None:
        """Check before buying that results can be written: on other machines, only they show a purchase.

        Raises:
            InvalidInput: they cannot, for a reason that will not pass by itself.
        """
        try:
            assert_writable(behind_links(self._workspace.results))
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                return  # a full disk may pass; it is reported when they are written
            raise InvalidInput(
                f"{self._workspace.results_name}: cannot be written ({error.strerror}), so nothing is bought; "
                "choose another with --results"
            ) from error

    @property
    def has_results(self) -> bool:
        """Whether a results manifest was found or written."""
        return self._version is not None

    def is_current(self, state: CampaignState, inputs: Mapping[JobKey, str] = MappingProxyType({})) -> bool:
        """Whether the results already have everything, so that writing them would change nothing."""
        known = state.store.known_results()
        return (
            known.inputs != ""
            and self._version is not None
            and not self._is_replaced()
            and known == self._known_results(state, inputs, is_all=True)
        )

    def publish_all(
        self,
        state: CampaignState,
        inputs: Mapping[JobKey, str] = MappingProxyType({}),
        media: MediaMap = MappingProxyType({}),
        *,
        may_go_on: Callable[[], bool] = lambda: True,
        also_empty: bool = False,
    ) -> bool:
        """Write the results with the media facts of all files that are here; False if there was nothing to write.

        Reading files stops once `may_go_on` returns False. `also_empty`: as in `publish`.

        Raises:
            InvalidInput, Unfinished: as `publish`.
        """
        self._read_what_others_wrote()
        missing = read_missing(
            state.store.files(),
            self._workspace.output,
            known=self._media,
            cache=cache_folder(self._workspace.campaign.manifest.parent),
            read=media,
            may_go_on=may_go_on,
        )
        return self.publish(state, inputs, {**media, **missing}, also_empty=also_empty)

    def publish(
        self,
        state: CampaignState,
        inputs: Mapping[JobKey, str] = MappingProxyType({}),
        media: MediaMap = MappingProxyType({}),
        *,
        also_empty: bool = False,
    ) -> bool:
        """Write the results; False if they already say the same, or if there are neither results nor purchases.

        `inputs`: by key, why nothing could be bought for a job. `media`: by SHA-256, media facts read since.
        `also_empty`: write new results even without purchases; they look like those of a campaign that has run.

        Raises:
            InvalidInput: the present results cannot be joined; they are untouched.
            Unfinished: they cannot be written; what was there is untouched.
        """
        records, assignment = state.records, state.assignment
        self._read_what_others_wrote()
        with suppress(InvalidInput):  # the next command reports it; a run must publish what it bought
            self._others.read()
        # An empty entry stands for a file that cannot be read.
        readable = {digest: entry for digest, entry in media.items() if entry}
        if any(self._media.get(digest) != entry for digest, entry in readable.items()):
            self._media = join_media(self._media, readable)
        if self._from_others.purchases:
            records = absorb(records, self._from_others, state.decisions)
            if records == state.records:
                self._from_others = Records()
            else:
                assignment = assign(state.jobs, records, state.decisions)
        if not records.purchases and self._version is None and not also_empty:
            return False
        if state.split is not None:
            # The shard's own jobs, but every purchase: an edit may move a job, and with it a purchase, to a shard
            # that has not run yet, and then no other results would show the purchase to another machine.
            assignment = state.split.assignment_of(assignment)
        document = self._builder.build(
            self._workspace.heading(),
            assignment=assignment,
            records=records,
            decisions=state.decisions,
            inputs=inputs,
            published=self._published | self._others.in_doubt,
            media=self._media,
        )
        written = self._write(document)
        self._published |= {
            purchase_id for purchase_id, each in records.purchases.items() if each.status is Status.SUBMITTING
        }
        return written

    def note(
        self, state: CampaignState, inputs: Mapping[JobKey, str] = MappingProxyType({}), *, is_all: bool
    ) -> None:
        """Store the current assignment, and the hashes of the published results, in the state.

        `is_all`: the results include the media facts of all files that are here.

        Raises:
            PipelineError: the state accepts no more writes.
        """
        # Purchases that others wrote are in the results, but not in the state.
        has_all = not self._from_others.purchases
        known = self._known_results(state, inputs, is_all=is_all) if has_all else KnownResults()
        state.store.save_assignment(state.served(), known)

    def others_wrote(self) -> Records:
        """Purchases that others, such as a `git pull`, have written to the results since these were first read.

        Raises:
            InvalidInput: the present results cannot be read.
        """
        if self._is_replaced():
            self._read_what_others_wrote()
        return self._from_others

    def _known_results(
        self, state: CampaignState, inputs: Mapping[JobKey, str], *, is_all: bool
    ) -> KnownResults:
        void = {
            each
            for each in self._others.in_doubt & state.records.purchases.keys()
            if state.records.purchases[each].status is Status.VOID
        }
        made_from = (self._workspace, state.jobs, state.store, state.decisions, inputs, void)
        return KnownResults(
            joined=joined_hash(self._version, self._workspace, state.decisions, state.records.purchases),
            inputs=inputs_hash(*made_from) if is_all else "",
        )

    def _write(self, document: Mapping[str, Json]) -> bool:
        try:
            failpoints.reach("before results")
            written = write(self._workspace.results, document, self._document, self._texts)
            failpoints.reach("after results")
        except OSError as error:
            reason = error.strerror or str(error)
            raise Unfinished(f"{self._workspace.results_name}: cannot be written: {reason}") from error
        self._document = document
        self._version = written or self._version
        return written is not None

    def _is_replaced(self) -> bool:
        return stamp(self._workspace.results) != (self._version.stamp if self._version is not None else None)

    def _read_what_others_wrote(self) -> None:
        if self._is_read and not self._is_replaced():
            return
        found, before = read_published(self._workspace), self._version
        self._is_read = True
        self._version = found.version if found is not None else None
        self._document = found.document if found is not None else None
        if found is not None:
            # Never join the same bytes twice: a workflow that was found to be another's would come back.
            if found.version is None or before is None or found.version.digest != before.digest:
                self._from_others = join_all((self._from_others, found.records))
            self._published |= found.published
            self._media = join_media(self._media, found.media)
