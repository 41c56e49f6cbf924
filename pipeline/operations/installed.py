"""Whether what a campaign needs is installed here, told without loading it."""

from typing import Literal

from pipeline.errors import InvalidInput, Problem
from pipeline.manifest.model import Campaign
from pipeline.providers.names import missing_provider


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
