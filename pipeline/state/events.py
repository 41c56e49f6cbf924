"""What can happen to a purchase: the events that lead from one of its phases to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.purchases import Output, PurchaseId, Step, WorkflowId


@dataclass(frozen=True, slots=True)
class Accepted:
    """The vendor accepted the create and returned a workflow id."""

    workflow_id: WorkflowId


@dataclass(frozen=True, slots=True)
class NothingBought:
    """The create provably never arrived in full, or the account was refused."""

    error: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The vendor refused the request itself."""

    error: str


@dataclass(frozen=True, slots=True)
class Unresolved:
    """It is unknown whether the create was bought."""

    error: str


@dataclass(frozen=True, slots=True)
class Reported:
    """The vendor reported more about a workflow that is still running."""

    credits: int | None = None
    created_at: str | None = None
    updated_at: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The workflow succeeded, with these outputs."""

    outputs: tuple[Output, ...]
    steps: tuple[Step, ...] = ()
    credits: int | None = None
    created_at: str | None = None
    updated_at: str | None = None


@dataclass(frozen=True, slots=True)
class VendorFailed:
    """The workflow ended without a result."""

    error: str
    updated_at: str | None = None


@dataclass(frozen=True, slots=True)
class Vanished:
    """The vendor no longer knows the workflow."""

    error: str


@dataclass(frozen=True, slots=True)
class Disowned:
    """The workflow that the vendor named belongs to another purchase, so this purchase's own is unknown."""

    error: str


@dataclass(frozen=True, slots=True)
class PartlyFetched:
    """Some outputs are on disk, complete, with their hash and size; the others could not be fetched yet."""

    outputs: tuple[Output, ...]
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Fetched:
    """Every output is on disk, complete, with its hash and size."""

    outputs: tuple[Output, ...]
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class NothingFetched:
    """No output could be fetched yet."""

    error: str


@dataclass(frozen=True, slots=True)
class Identified:
    """A person or a webhook named the workflow of a lost create, and a GET confirmed it."""

    workflow_id: WorkflowId


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A person gave the purchase up as lost; `again`: the job is to be bought again."""

    error: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class Superseded:
    """A new purchase replaces this one."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """The vendor is asked to delete the workflow."""


@dataclass(frozen=True, slots=True)
class Removed:
    """The vendor has deleted the workflow, or no longer knows it."""


@dataclass(frozen=True, slots=True)
class TookOver:
    """It came to serve a job that good takes served; `replaces` lists these, and what it had replaced before."""

    replaces: tuple[PurchaseId, ...]


@dataclass(frozen=True, slots=True)
class Reworded:
    """Title, description or visibility were changed at the vendor.

    The time of the change lets the join prefer this wording to that of an older copy.
    """

    request: Mapping[str, Json] = field(default_factory=dict)
    updated_at: str | None = None


Event = (
    Accepted
    | NothingBought
    | Rejected
    | Unresolved
    | Reported
    | Finished
    | VendorFailed
    | Vanished
    | Disowned
    | NothingFetched
    | PartlyFetched
    | Fetched
    | Identified
    | GivenUp
    | Superseded
    | Deleted
    | Removed
    | TookOver
    | Reworded
)

# Scripts read the names of events, in `--events` and in the state, so they must not change; the code has other names.
_RECORDED_NAMES: Mapping[type[Event], str] = {Unresolved: "OutcomeLost", Superseded: "MarkedAgain"}


def event_name(event: Event) -> str:
    """The name of an event in records and scripts."""
    return _RECORDED_NAMES.get(type(event), type(event).__name__)
