"""Whether what a campaign needs is installed here, told without loading it."""

from importlib import import_module
from typing import TYPE_CHECKING, Literal

from pipeline.errors import InvalidInput, Problem
from pipeline.manifest.model import Campaign
from pipeline.providers.names import missing_provider

if TYPE_CHECKING:
    # `validate` asks here too, and needs no records.
    from pipeline.operations.workspace import Workspace


def provider_problem(campaign: Campaign, severity: Literal["error", "warning"]) -> Problem | None:
    """That the provider which a manifest names is not installed here, told where it is named; else None."""
    message = missing_provider(campaign.provider.name)
    if message is None:
        return None
    location = campaign.provider.location
    return Problem(message, severity=severity) if location is None else location.problem(message, severity)


def assert_provider_installed(campaign: Campaign) -> None:
    """The provider that the manifest names is installed. It is not loaded, and asked nothing.

    Raises:
        InvalidInput: it is not; told where the manifest names it.
    """
    if problem := provider_problem(campaign, "error"):
        raise InvalidInput(problem)


def assert_vendor_installed(workspace: "Workspace") -> None:
    """What talks to the vendor, or takes its place, is installed. To be asked before anything is written.

    Raises:
        UsageError: the campaign is emulated, and the extra for that is missing.
        InvalidInput: there is no such provider; told where the manifest names it.
    """
    if workspace.emulated:
        import_module("pipeline.emulator")
    else:
        assert_provider_installed(workspace.campaign)
