"""What the author of a provider tells the kit: how the provider is made, and what its vendor's API says."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from pipeline.providers.api_settings import Settings
from pipeline.providers.base import CreateRequest, Provider, Workflow


@dataclass(frozen=True, slots=True)
class Reply:
    """What the vendor answers to one call."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came; names of headers are in small letters."""

    method: str
    target: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


class Refusal(StrEnum):
    """Why a vendor refuses a call."""

    REQUEST = "request"
    CREDIT = "credit"
    KEY = "key"
    BUSY = "busy"
    UNKNOWN_WORKFLOW = "unknown workflow"


class Vendor(Protocol):
    """The vendor of a provider under test: its words, which the kit sends over whole and broken connections."""

    def make(self, settings: Settings) -> Provider:
        """The provider, as its entry point makes it."""
        ...

    def request(self, title: str) -> CreateRequest:
        """A create that the vendor would take, of this title, without files."""
        ...

    def is_create(self, method: str, target: str) -> bool:
        """Whether a call is a create: of all calls the one that costs money."""
        ...

    def created(self, workflow_id: str) -> Reply:
        """What the vendor says to a create that it took."""
        ...

    def told(self, workflow: Workflow) -> Reply:
        """What it says to whoever asks for `workflow`."""
        ...

    def refused(self, why: Refusal) -> Reply:
        """What it says where it refuses a call; `BUSY` without `Retry-After`, which the kit adds."""
        ...

    def other(self, call: Call) -> Reply:
        """What it says to a call that is neither a create nor asks for a workflow: deletes, health, reports."""
        ...
