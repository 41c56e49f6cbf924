"""Campaigns that are looked at together have names of their own."""

from collections.abc import Iterable

from pipeline.errors import InvalidInput, Problem
from pipeline.manifest.model import Campaign


def used_twice(campaigns: Iterable[Campaign]) -> list[Problem]:
    """Each campaign whose name is another one's: they would take each other's state for their own."""
    first: dict[str, Campaign] = {}
    found = []
    for campaign in campaigns:
        other = first.setdefault(campaign.name, campaign)
        if other.manifest != campaign.manifest:
            message = f"its name '{campaign.name}' is that of {other.location.source.name}"
            found.append(campaign.location.problem(message))
    return found


def assert_used_once(campaigns: Iterable[Campaign]) -> None:
    """Refuse campaigns of one name: what is told by name would tell of one of them only.

    Raises:
        InvalidInput: with each that has another one's name.
    """
    if problems := used_twice(campaigns):
        raise InvalidInput(problems)
