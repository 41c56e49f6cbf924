"""The purchases of a campaign for a live page: those of its own source, and of its other parts on this machine.

Shards keep states of their own beside that of the whole campaign, and they may be running.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.serve.state_source import AnyStamp, StateOnDisk, StateSource
from pipeline.state import look
from pipeline.state.recovery import observed
from pipeline.state.store import Sighting

if TYPE_CHECKING:
    from pipeline.operations.run_note import RunNote
    from pipeline.operations.workspace import Workspace
    from pipeline.purchases import PurchaseId


class AllParts:
    """A `StateSource` of every part of a campaign; `own` is that of the part in `workspace`."""

    def __init__(self, workspace: Workspace, own: StateSource) -> None:
        self._workspace = workspace
        self._own = own
        self._others: dict[str | None, StateOnDisk] = {}
        self._seen: dict[StateSource, tuple[AnyStamp, Sighting]] = {}
        self._stamps: dict[StateSource, AnyStamp] = {}

    @property
    def _sources(self) -> list[StateSource]:
        return [self._own, *self._others.values()]

    def stamp(self) -> AnyStamp:
        # All at once: for each part on its own, a database would be connected to twice.
        own = self._workspace.part
        found = look.part_stamps(self._workspace.whole_state, self._workspace.campaign.name, also=own)
        self._others = {
            part: self._others.get(part) or StateOnDisk(self._workspace, part)
            for part in found
            if part != own
        }
        sources: dict[str | None, StateSource] = {own: self._own, **self._others}
        self._stamps = {
            source: source.stamp(found[part]) if isinstance(source, StateOnDisk) else source.stamp()
            for part, source in sources.items()
        }
        # A run may write its first note after everything else.
        runs = {note.run for note in self._running_notes}
        return [*zip(sources, self._stamps.values(), strict=True), runs]

    def is_going_on(self) -> bool | None:
        known = [source.is_going_on() for source in self._sources]
        return True if True in known else None if None in known else False

    def look(self, _before: Sighting) -> Sighting:
        seen = {}
        for source in self._sources:
            stamp, before = self._seen.get(source, (None, Sighting()))
            now = self._stamps.get(source)
            # Only the parts that were written to are read again.
            seen[source] = (now, before if stamp is not None and stamp == now else source.look(before))
        self._seen = seen
        return self._as_one_run(_joined([sighting for _, sighting in seen.values()]))

    def _as_one_run(self, found: Sighting) -> Sighting:
        """The sighting with the runs that go on under the name of the last one: they share one cap."""
        names = {note.run for note in self._running_notes}
        if len(names) < 2:
            return found
        runs = {each: max(names) if run in names else run for each, run in found.runs.items()}
        return replace(found, runs=runs)

    @property
    def _running_notes(self) -> list[RunNote]:
        return [note for each in self._sources if each.is_going_on() and (note := each.note()) is not None]

    def durations(self) -> Mapping[str, float]:
        known: dict[str, float] = {}
        for source in reversed(self._sources):
            known.update(source.durations())
        return known

    def note(self) -> RunNote | None:
        """The note of the last run, with the calls of all parts, and all that go on as one run."""
        notes = [note for source in self._sources if (note := source.note()) is not None]
        if len(notes) < 2:
            return notes[0] if notes else None
        calls, deferred = (
            _summed(each.calls for each in notes),
            _summed(each.deferred for each in notes),
        )
        last = max(notes, key=lambda note: note.run)
        running = self._running_notes
        if last in running:
            last = replace(last, in_flight=_total(running), selected=_all_selected(running))
        return replace(last, calls=calls, deferred=deferred)


def _joined(parts: list[Sighting]) -> Sighting:
    if len(parts) == 1:
        return parts[0]
    runs: dict[PurchaseId, str] = {}
    for part in parts:
        # A part also knows purchases that another part's run recorded, without the name of that run.
        runs.update({each: run for each, run in part.runs.items() if run or each not in runs})
    return Sighting(records=observed([part.records for part in parts]), runs=runs)


def _total(notes: list[RunNote]) -> int | None:
    limits = [note.in_flight for note in notes if note.in_flight is not None]
    return sum(limits) if len(limits) == len(notes) else None


def _all_selected(notes: list[RunNote]) -> frozenset[str] | None:
    selected = [note.selected for note in notes if note.selected is not None]
    return frozenset().union(*selected) if len(selected) == len(notes) else None


def _summed(counts: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(sorted(total.items()))
