"""Checks that what a campaign needs is installed, without loading it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pipeline.errors import InvalidInput, Problem, Severity
from pipeline.providers.names import missing_provider

if TYPE_CHECKING:
    # `validate` uses this module too, and needs no records.
    from pipeline.manifest.model import Campaign
    from pipeline.operations.workspace import Workspace


def provider_problem(campaign: Campaign, severity: Severity) -> Problem | None:
    """The problem that a manifest's provider is not installed here, at the line that names it; else None."""
    message = missing_provider(campaign.provider.name)
    if message is None:
        return None
    location = campaign.provider.location
    return Problem(message, severity=severity) if location is None else location.problem(message, severity)


def assert_provider_installed(campaign: Campaign) -> None:
    """Check that the provider that the manifest names is installed, without loading or calling it.

    Raises:
        InvalidInput: it is not installed; at the line of the manifest that names it.
    """
    if problem := provider_problem(campaign, "error"):
        raise InvalidInput(problem)


def assert_vendor_installed(workspace: Workspace) -> None:
    """Check that the provider, or the emulator, is installed. Call this before anything is written.

    Raises:
        UsageError: the campaign is emulated, and the extra for that is missing.
        InvalidInput: there is no such provider; at the line of the manifest that names it.
    """
    if workspace.emulated:
        import_module("pipeline.emulator")
    else:
        assert_provider_installed(workspace.campaign)
