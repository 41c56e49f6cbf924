"""The parts of a campaign's state on this machine: one for each shard that ran here, and one of the whole."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.join import join_all
from pipeline.operations.clock import now, run_id
from pipeline.purchases import UNDECIDED, PurchaseId, Records, Status
from pipeline.schemes import part_location, part_name
from pipeline.state import look
from pipeline.state.opening import open_store
from pipeline.state.recovery import absorb

if TYPE_CHECKING:
    from pipeline.operations.workspace import Workspace
    from pipeline.planning.split import Split
    from pipeline.state.store import PlacedFile, Store


def other_parts(workspace: Workspace) -> list[str | None]:
    """The other parts of the campaign's state that exist; None stands for the whole.

    Raises:
        InvalidInput, Unfinished: a database cannot be read.
    """
    found = look.parts(workspace.whole_state, workspace.campaign.name)
    return [each for each in found if each != workspace.part]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherParts:
    """What other parts wrote: their records, their intents, the creates that a run awaits, the files they placed."""

    records: Records = Records()
    recorded: frozenset[PurchaseId] = frozenset()
    awaited: frozenset[PurchaseId] = frozenset()
    placed: tuple[PlacedFile, ...] = ()


def read_other_parts(workspace: Workspace) -> OtherParts:
    """What all other parts wrote, joined.

    If the run of a part was killed, only its state may know what it bought.
    """
    found = OtherParts()
    for part in other_parts(workspace):
        read = read_part(workspace, part)
        if read.awaited and not _may_go_on(workspace, part):
            # Its run may have ended since its records were read.
            read = replace(read_part(workspace, part), awaited=frozenset())
        found = OtherParts(
            records=join_all((found.records, absorb(Records(), read.records, UNDECIDED))),
            recorded=found.recorded | read.recorded,
            awaited=found.awaited | read.awaited,
            placed=(*found.placed, *read.placed),
        )
    return found


def open_part(workspace: Workspace, part: str | None, *, writable: bool, split: Split | None = None) -> Store:
    """Open a part of the state; None stands for the whole. `split` is how a shard's run divides the campaign.

    Raises:
        InvalidInput, StateLocked, Unfinished: as `pipeline.state.opening.open_store`.
    """
    return open_store(
        part_location(workspace.whole_state, part),
        campaign=workspace.campaign.name,
        part=part,
        split="" if split is None else split.name,
        manifest=workspace.campaign.manifest,
        run=run_id(),
        writable=writable,
        now=now(),
        command=workspace.environment.command,
        allow_network=workspace.environment.allows_network_file_system,
        lease_seconds=workspace.environment.lease_seconds,
    )


def read_part(workspace: Workspace, part: str | None) -> OtherParts:
    """What one part wrote."""
    with closing(open_part(workspace, part, writable=False)) as store:
        records = store.records()
        return OtherParts(
            records=records,
            recorded=store.recorded(),
            awaited=awaited_in(records),
            placed=tuple(store.files()),
        )


def awaited_in(records: Records) -> frozenset[PurchaseId]:
    """The creates that were sent, or are about to be, and not answered."""
    return frozenset(each.id for each in records.purchases.values() if each.status is Status.SUBMITTING)


def _may_go_on(workspace: Workspace, part: str | None) -> bool:
    state = part_location(workspace.whole_state, part)
    return look.is_going_on(state, part_name(workspace.campaign.name, part)) is not False
