"""The author's description of a provider: how it is made, and how its vendor's API responds."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from pipeline.providers.api_settings import Settings
from pipeline.providers.base import CreateRequest, Provider, Workflow


@dataclass(frozen=True, slots=True)
class Reply:
    """The vendor's response to one call."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it arrived; header names are lowercase."""

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
    """The vendor of a provider under test: its responses, which the kit sends over good and broken connections."""

    def make(self, settings: Settings) -> Provider:
        """The provider, as its entry point makes it."""
        ...

    def request(self, title: str) -> CreateRequest:
        """A create that the vendor would accept, with this title, options, and urls as images if it takes any."""
        ...

    def is_create(self, method: str, target: str) -> bool:
        """Whether a call is a create, the only call that costs money."""
        ...

    def created(self, workflow_id: str) -> Reply:
        """The response to a create that the vendor accepted."""
        ...

    def told(self, workflow: Workflow) -> Reply:
        """The response to a GET of `workflow`, with what this vendor tells of it and of its files.

        If `known_status` is False, its status is the text `status`, if a status is a text at this vendor.
        """
        ...

    def refused(self, why: Refusal) -> Reply:
        """The response that refuses a call; for `BUSY` without `Retry-After`, which the kit adds."""
        ...

    def other(self, call: Call) -> Reply:
        """The response to any other call: deletes, health, reports."""
        ...
