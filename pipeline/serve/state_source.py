"""The sources of purchases for a live page: the state on disk, or the run in the same process.

A process never opens the state of its own run a second time: POSIX file locks belong to the process, and closing the
second descriptor would release those of the first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from pipeline.files import FileStamp, stamp
from pipeline.operations.clock import now, run_id
from pipeline.operations.run_note import RunNote, read_note
from pipeline.purchases import Purchase, Records, Status
from pipeline.schemes import part_location, part_name
from pipeline.state import look
from pipeline.state.events import Finished
from pipeline.state.opening import open_store
from pipeline.state.recovery import recover

if TYPE_CHECKING:
    from pipeline.operations.workspace import Workspace
    from pipeline.state.store import Change, PartStamp, Sighting, Store

# A value that changes whenever something is written.
AnyStamp = object


class StateSource(Protocol):
    """The purchases of one campaign, on disk or in a run."""

    def stamp(self) -> AnyStamp:
        """A value that changes whenever something is written, or a run begins or ends."""
        ...

    def is_going_on(self) -> bool | None:
        """Whether a run was going on at the last stamp; None if that cannot be seen."""
        ...

    def look(self, before: Sighting) -> Sighting:
        """Every purchase as it is now.

        Raises:
            InvalidInput: it cannot be read.
        """
        ...

    def durations(self) -> Mapping[str, float]:
        """By template id, the mean seconds from create to success, as of the last look."""
        ...

    def note(self) -> RunNote | None:
        """The note of the last run on this machine, if there is one."""
        ...


class StateOnDisk:
    """The state of a campaign's part on disk: reads committed data, takes no lock, and disturbs no run."""

    def __init__(self, workspace: Workspace, part: str | None) -> None:
        self._workspace = workspace
        self._part = part
        self._state = part_location(workspace.whole_state, part)
        self._name = part_name(workspace.campaign.name, part)
        self._goes_on: bool | None = None
        self._durations: Mapping[str, float] = {}
        self._noted: FileStamp | None = None
        self._note: RunNote | None = None

    def stamp(self, found: PartStamp | None = None) -> AnyStamp:
        """As of every source; `found` spares the look, if somebody has just looked."""
        written, self._goes_on = found or (
            look.stamp(self._state, self._name),
            look.is_going_on(self._state, self._name),
        )
        return written, self._goes_on

    def is_going_on(self) -> bool | None:
        return self._goes_on

    def _is_run(self) -> bool:
        return look.holder(self._state, self._name) is not None

    def look(self, before: Sighting) -> Sighting:
        campaign = self._workspace.campaign
        store = open_store(
            self._state,
            campaign=campaign.name,
            part=self._part,
            manifest=campaign.manifest,
            run=run_id(),
            writable=False,
            now=now(),
            lease_seconds=self._workspace.environment.lease_seconds,
        )
        try:
            self._durations = store.durations()
            found = store.look(before)
            if not _waits(found.records) or self._is_run():
                return found
            # Read once more what the run wrote before it ended; the outcome of the creates it left is unknown.
            return _left_behind(store.look(found))
        finally:
            store.close()

    def durations(self) -> Mapping[str, float]:
        return self._durations

    def note(self) -> RunNote | None:
        path = self._workspace.run_note_of(self._part)
        noted = stamp(path)
        if noted != self._noted:
            self._noted, self._note = noted, read_note(path)
        return self._note


def _waits(records: Records) -> bool:
    return any(each.status is Status.SUBMITTING for each in records.purchases.values())


def _left_behind(found: Sighting) -> Sighting:
    """A state that no run holds, as the next run would find it."""
    purchases = {each.id: recover(each) for each in found.records.purchases.values()}
    return replace(found, records=replace(found.records, purchases=purchases))


class StateOfRun:
    """The state of the run in this process, kept up to date by `on_change`, and the `note` that the run keeps."""

    def __init__(self, records: Records, store: Store, note: Callable[[], RunNote]) -> None:
        self._lock = threading.Lock()
        self._purchases = dict(records.purchases)
        self._served = records.served
        self._earlier = store.durations()
        # By template: how many workflows of this run have succeeded, and how many seconds they took together.
        self._took: dict[str, tuple[int, float]] = {}
        self._run = store.run
        self._note = note
        self._own: set[str] = set()
        self._written = 0
        self._goes_on = True

    def on_change(self, change: Change) -> None:
        """Record a change that is on disk. Callable from any thread."""
        with self._lock:
            self._purchases[change.after.id] = change.after
            if change.before is None and change.event is None:
                self._own.add(change.after.id)
            if isinstance(change.event, Finished) and change.after.id in self._own:
                self._learn(change.after, change.at)
            self._written += 1

    def _learn(self, made: Purchase, at: str) -> None:
        seconds = (datetime.fromisoformat(at) - datetime.fromisoformat(made.bought_at)).total_seconds()
        count, total = self._took.get(made.template_id, (0, 0.0))
        self._took[made.template_id] = count + 1, total + seconds

    def stamp(self) -> AnyStamp:
        return self._written, self._goes_on

    def is_going_on(self) -> bool:
        return self._goes_on

    def end(self) -> None:
        """Record that the run has ended. Callable from any thread."""
        self._goes_on = False

    def look(self, before: Sighting) -> Sighting:
        with self._lock:
            records = Records(purchases=dict(self._purchases), served=self._served)
            runs = {each: self._run if each in self._own else "" for each in self._purchases}
        return replace(before, records=records, runs=runs)

    def durations(self) -> Mapping[str, float]:
        """Durations from earlier runs; for a new template, those of this run."""
        with self._lock:
            seen = {template: total / count for template, (count, total) in self._took.items()}
        return {**seen, **self._earlier}

    def note(self) -> RunNote | None:
        return self._note()
