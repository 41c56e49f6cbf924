"""The runs of a campaign that are under way, as their locks, their notes and their records show them."""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.files import stamp
from pipeline.operations.run_note import RunNote, read_note
from pipeline.operations.run_options import RunOptions, run_settings
from pipeline.operations.state_parts import other_parts
from pipeline.schemes import StateLocation, part_location, part_name
from pipeline.state import look
from pipeline.state.folder import beside

if TYPE_CHECKING:
    from pipeline.operations.workspace import Workspace
    from pipeline.state.lock import Holder

# File systems round times, so two changes in quick succession look the same. Generous, since reading is cheap.
_UNSURE_NS = 5_000_000_000
# The most seconds between the time in a run's name and the time of its lock, which it takes right after.
_AT_ONCE = 1.0


class WatchedRuns:
    """The runs under way at the last look, the oldest first: at most one for each part of the campaign.

    `since` is when the first of the runs that were last seen began; empty: none was seen.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.under_way: tuple[Holder, ...] = ()
        self.since = ""
        self._workspace = workspace
        self._parts: list[str | None] = []
        self._notes: list[RunNote] = []
        self._noted: object = None

    def look(self) -> bool:
        """Look which runs are under way; True if they are others than before, or have just noted their jobs."""
        workspace, before = self._workspace, self.under_way
        self._parts = [workspace.part, *other_parts(workspace)]
        found = [look.holder(*self._state_of(part)) for part in self._parts]
        self.under_way = tuple(
            sorted((each for each in found if each is not None), key=lambda run: run.since)
        )
        selected = self.selected
        paths = [workspace.run_note_of(part) for part in self._parts]
        if (noted := [stamp(path) for path in paths]) != self._noted:
            self._noted = noted
            self._notes = [note for path in paths if (note := read_note(path)) is not None]
        # A shard that begins while another runs is counted with it.
        runs = self.under_way
        is_new = bool(runs) and not set(before) & set(runs) and runs[0].since != self.since
        self.since = runs[0].since if is_new else self.since
        return is_new or selected != self.selected

    @property
    def selected(self) -> frozenset[str] | None:
        """Short hashes of the keys that the runs are limited to, by their own notes; None: all."""
        selected = [note.selected for note in self._notes_of({self.since, *self._begun})]
        chosen = [each for each in selected if each is not None]
        return frozenset().union(*chosen) if chosen and len(chosen) == len(selected) else None

    @property
    def in_flight(self) -> int:
        """How many creates may be in flight in the runs together, by their own notes; if they lack it, as usual."""
        limits = [note.in_flight for note in self._notes_of(self._begun)]
        known = [each for each in limits if each is not None]
        if known and len(known) == len(limits):
            return sum(known)
        return run_settings(self._workspace.campaign, RunOptions()).in_flight

    def records_as_they_are(self) -> object:
        """A token that changes whenever the records are written, and when a run begins or ends.

        A run that dies writes nothing, but the outcome of its unanswered creates is unknown from then on.
        """
        workspace = self._workspace
        states = [(part, look.stamp(*self._state_of(part))) for part in self._parts]
        results = [(path, stamp(path)) for path in (workspace.results, *workspace.other_results)]
        return self.under_way, states, results, stamp(workspace.decisions)

    def may_be_written_again(self) -> bool:
        """Whether a file is so new that another change might not alter its time."""
        workspace = self._workspace
        files = [workspace.results, *workspace.other_results, workspace.decisions]
        for part in self._parts:
            state, _ = self._state_of(part)
            if isinstance(state, Path):
                files += [state, beside(state, "-wal")]
        since = time.time_ns() - _UNSURE_NS
        return any(found.mtime_ns > since for path in files if (found := stamp(path)) is not None)

    @property
    def _begun(self) -> set[str]:
        return {run.since for run in self.under_way}

    def _notes_of(self, begun: Collection[str]) -> list[RunNote]:
        """The notes of the runs that began then; those of earlier runs are ignored."""
        return [
            note
            for note in self._notes
            if any(_apart(note.run.partition(" ")[0], since) < _AT_ONCE for since in begun)
        ]

    def _state_of(self, part: str | None) -> tuple[StateLocation, str]:
        """The location of the part's state, and its name."""
        workspace = self._workspace
        return part_location(workspace.whole_state, part), part_name(workspace.campaign.name, part)


def _apart(one: str, other: str) -> float:
    """The seconds between two times; infinite if one of them is unknown."""
    if not one or not other:
        return math.inf
    return abs((datetime.fromisoformat(one) - datetime.fromisoformat(other)).total_seconds())
