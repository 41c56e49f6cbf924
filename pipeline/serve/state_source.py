"""Where a live page learns of purchases: from the state on disk, or from the run in whose process it is.

A run's state is never opened a second time by its own process: a system that locks files for processes forgets the
locks of the first when the second is closed.
"""

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from pipeline import files
from pipeline.operations.campaign_state import CampaignState
from pipeline.operations.workspace import Workspace, now, run_id
from pipeline.purchases import Records
from pipeline.state.opening import open_store
from pipeline.state.store import Change, Sighting

Stamp = tuple[files.Stamp | None, ...]


class StateSource(Protocol):
    """What holds the purchases of one campaign."""

    def files.stamp(self) -> Stamp:
        """Tells whether something was written since it was asked for last."""
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


class StateOnDisk:
    """The state of a campaign as a copy of what is committed: nothing is locked, and no run disturbed."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._durations: Mapping[str, float] = {}

    def files.stamp(self) -> Stamp:
        path = self._workspace.state
        return (files.stamp(path), files.stamp(path.with_name(f"{path.name}-wal")))

    def look(self, before: Sighting) -> Sighting:
        campaign = self._workspace.campaign
        store = open_store(
            self._workspace.state,
            campaign=campaign.name,
            manifest=campaign.manifest,
            run=run_id(),
            writable=False,
            now=now(),
        )
        try:
            self._durations = store.durations()
            return store.look(before)
        finally:
            store.close()

    def durations(self) -> Mapping[str, float]:
        return self._durations


class StateOfRun:
    """The state of the run in this process, told by what it writes."""

    def __init__(self, state: CampaignState) -> None:
        self._lock = threading.Lock()
        self._purchases = dict(state.records.purchases)
        self._served = state.records.served
        self._durations = state.store.durations()
        self._run = run_id()
        self._own: set[str] = set()
        self._written = 0

    def on_change(self, change: Change) -> None:
        """Take in a step that is on disk. From any thread."""
        with self._lock:
            self._purchases[change.after.id] = change.after
            if change.before is None and change.event is None:
                self._own.add(change.after.id)
            self._written += 1

    def files.stamp(self) -> Stamp:
        return ((self._written, 0, 0),)

    def look(self, before: Sighting) -> Sighting:
        with self._lock:
            records = Records(purchases=dict(self._purchases), served=self._served)
            runs = {each: self._run if each in self._own else "" for each in self._purchases}
        return replace(before, records=records, runs=runs)

    def durations(self) -> Mapping[str, float]:
        return self._durations
