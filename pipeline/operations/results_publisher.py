"""Keeps the results manifest of a campaign up to date with its state."""

import errno
from collections.abc import Mapping
from types import MappingProxyType

from pipeline import failpoints
from pipeline.assignment import assign
from pipeline.errors import InvalidInput, Unfinished
from pipeline.files import assert_writable, stamp
from pipeline.jobs import JobKey, Json
from pipeline.media.facts import MediaMap
from pipeline.media.facts import join as join_media
from pipeline.operations.campaign_state import CampaignState, read_published
from pipeline.operations.missing_media import media_not_told
from pipeline.operations.workspace import Workspace
from pipeline.purchases import Records, Status, join
from pipeline.results.document import build
from pipeline.results.file import ResultsFile, write
from pipeline.state.transitions import absorb


def publish(state: CampaignState) -> bool:
    """Write the results manifest of `state` once; False where it stands there already.

    Raises:
        InvalidInput: what stands there now cannot be joined; it is untouched.
        Unfinished: it cannot be written; what was there is untouched.
    """
    return Publisher(state.workspace, state.published).publish(state, media=media_not_told(state))


def publish_anew(state: CampaignState) -> CampaignState:
    """Read the state again after a change, write the results manifest, and note which purchase serves what.

    Raises:
        InvalidInput, Unfinished: as `publish`.
    """
    state = state.reread()
    publish(state)
    state.store.save_assignment(state.served())
    return state


class Publisher:
    """Writes the results manifest again and again, and remembers what others may have read in it.

    What others put there since it was read (a `git pull` during a run) is joined, but in what is written only: the
    next command takes it into the state.
    """

    def __init__(self, workspace: Workspace, found: ResultsFile | None) -> None:
        self._workspace = workspace
        self._document: Mapping[str, Json] | None = found.document if found else None
        self._published = set(found.published) if found else set()
        self._stamp = found.stamp if found else None
        self._media: MediaMap = found.media if found else {}
        self._from_others = Records()

    def assert_writable(self) -> None:
        """Make sure that results can be written, before anything is bought that only they would tell of elsewhere.

        Raises:
            InvalidInput: they cannot, and will not by themselves.
        """
        try:
            assert_writable(self._workspace.results)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                return  # that room is missing is told when they are written, and passes
            raise InvalidInput(
                f"{self._workspace.results_name}: cannot be written ({error.strerror}), so nothing is bought; "
                "choose another place with --results"
            ) from error

    def publish(
        self,
        state: CampaignState,
        inputs: Mapping[JobKey, str] = MappingProxyType({}),
        media: MediaMap = MappingProxyType({}),
    ) -> bool:
        """Write what is known; False where it stands there already.

        `inputs`: by key, whose inputs failed. `media`: by SHA-256, what files hold that were read since.

        Raises:
            InvalidInput: what stands there now cannot be joined; it is untouched.
            Unfinished: it cannot be written; what was there is untouched.
        """
        records, assignment = state.records, state.assignment
        self._read_what_others_wrote()
        self._media = join_media(self._media, media)
        if self._from_others.purchases:
            records = absorb(records, self._from_others, state.decisions)
            assignment = assign(state.jobs, records, state.decisions)
        if state.split is not None:
            records, assignment = state.split.records_of(assignment), state.split.assignment_of(assignment)
        document = build(
            self._workspace.heading(),
            assignment=assignment,
            records=records,
            decisions=state.decisions,
            inputs=inputs,
            published=self._published,
            media=self._media,
        )
        written = self._write(document)
        self._published |= {
            purchase_id for purchase_id, each in records.purchases.items() if each.status is Status.SUBMITTING
        }
        return written

    def others_wrote(self) -> Records:
        """What was written there since it was read, other than by this: what other machines know.

        Raises:
            InvalidInput: what stands there now cannot be read.
        """
        self._read_what_others_wrote()
        return self._from_others

    def _write(self, document: Mapping[str, Json]) -> bool:
        try:
            failpoints.reach("before results")
            written = write(self._workspace.results, document, self._document)
            failpoints.reach("after results")
        except OSError as error:
            reason = error.strerror or str(error)
            raise Unfinished(f"{self._workspace.results_name}: cannot be written: {reason}") from error
        self._document = document
        self._stamp = stamp(self._workspace.results)
        return written

    def _read_what_others_wrote(self) -> None:
        if stamp(self._workspace.results) == self._stamp:
            return
        found = read_published(self._workspace)
        self._document = found.document if found else None
        if found is not None:
            self._from_others = join(self._from_others, found.records)
            self._published |= found.published
            self._media = join_media(self._media, found.media)
