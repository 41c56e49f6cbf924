"""Keeps the results manifest of a campaign up to date with its state."""

import errno
from collections.abc import Collection, Mapping

from pipeline import failpoints
from pipeline.assignment import Assignment, assign
from pipeline.errors import InvalidInput, Unfinished
from pipeline.files import assert_writable, stamp
from pipeline.jobs import Json
from pipeline.operations.campaign_state import published
from pipeline.operations.workspace import Workspace
from pipeline.purchases import Decisions, Purchase, Records, Status, join
from pipeline.results.build import build
from pipeline.results.file import ResultsFile, write
from pipeline.state.transitions import absorb


class Publisher:
    """Writes the results manifest, and remembers what others may have read in it.

    What others put there since it was read (a `git pull` during a run) is joined, but in what is written only: the
    next command takes it into the state.
    """

    def __init__(self, workspace: Workspace, found: ResultsFile | None) -> None:
        self._place = workspace
        self._before: Mapping[str, Json] | None = found.document if found else None
        self._told = set(found.published) if found else set()
        self._stamp = found.stamp if found else None
        self._theirs = Records()
        self._own: Collection[str] = ()

    def assert_writable(self) -> None:
        """Make sure that results can be written, before anything is bought that only they would tell of elsewhere.

        Raises:
            InvalidInput: they cannot, and will not by themselves.
        """
        try:
            assert_writable(self._place.results)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                return  # that room is missing is told when they are written, and passes
            raise InvalidInput(
                f"{self._place.results_name}: cannot be written ({error.strerror}), so nothing is bought; "
                "name another place with --results"
            ) from error

    def publish(
        self, assignment: Assignment, records: Records, decisions: Decisions, inputs: Mapping[str, str]
    ) -> bool:
        """Write what is known; False where it stands there already.

        Raises:
            InvalidInput: what stands there now cannot be joined; it is untouched.
            Unfinished: it cannot be written; what was there is untouched.
        """
        self._own = records.purchases.keys()
        self._take_in_what_others_wrote()
        if self._theirs.purchases:
            records = absorb(records, self._theirs, decisions)
            assignment = assign(assignment.jobs, records, decisions)
        document = build(self._place.heading(), assignment, records, decisions, inputs, self._told)
        try:
            failpoints.reach("before results")
            written = write(self._place.results, document, self._before)
            failpoints.reach("after results")
        except OSError as error:
            reason = error.strerror or str(error)
            raise Unfinished(f"{self._place.results_name}: cannot be written: {reason}") from error
        self._before = document
        self._told |= {
            purchase_id for purchase_id, each in records.purchases.items() if each.status is Status.SUBMITTING
        }
        self._stamp = stamp(self._place.results)
        return written

    def others(self) -> tuple[Purchase, ...]:
        """What other machines have bought and written there since it was read, and this run does not know.

        Raises:
            InvalidInput: what stands there now cannot be read.
        """
        self._take_in_what_others_wrote()
        return tuple(
            each for purchase_id, each in self._theirs.purchases.items() if purchase_id not in self._own
        )

    def _take_in_what_others_wrote(self) -> None:
        if stamp(self._place.results) == self._stamp:
            return
        found = published(self._place)
        self._before = found.document if found else None
        if found is not None:
            self._theirs = join(self._theirs, found.records)
            self._told |= found.published
