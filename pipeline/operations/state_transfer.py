"""Exports the state as JSON, and imports such exports; an import is joined, so nothing is dropped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.errors import InvalidInput
from pipeline.operations.clock import now
from pipeline.operations.published_results import assert_kind
from pipeline.operations.results_publisher import republish
from pipeline.state import snapshot

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.operations.campaign_state import CampaignState
    from pipeline.operations.workspace import Workspace
    from pipeline.state.snapshot import Snapshot


def export_state(state: CampaignState) -> Mapping[str, Json]:
    """Every purchase of state and results, the assignment, and every event; marked, if it is of a rehearsal."""
    return {**state.export(), **({"emulated": True} if state.workspace.emulated else {})}


def read_snapshot(workspace: Workspace, document: Json, name: str) -> Snapshot:
    """The exported state in `document`, which messages call `name`.

    Raises:
        InvalidInput: it is not an exported state, or another campaign's; or only one of both is of a rehearsal.
    """
    read = snapshot.read(document, name)
    is_emulated = isinstance(document, dict) and bool(document.get("emulated"))
    assert_kind(name, emulated=is_emulated, rehearsal=workspace.emulated)
    if read.campaign != workspace.campaign.name:
        raise InvalidInput(f"{name}: the state of '{read.campaign}', not of '{workspace.campaign.name}'")
    return read


def import_state(state: CampaignState, imported: Snapshot) -> CampaignState:
    """Join what was exported elsewhere into `state`, and write the results; returns the state as it is then.

    Raises:
        Unfinished, InvalidInput: the records cannot be written.
    """
    state.store.absorb(imported.records, state.decisions, now(), imported.imported)
    return republish(state)
