"""The state of a campaign in parts: one for each shard, beside that of the whole."""

from pathlib import Path

from pipeline.files import part_path, parts_beside
from pipeline.schemes import DatabaseUrl, StateLocation


def part_location(whole: StateLocation, part: str | None) -> StateLocation:
    """Where the state of a part lies: in a file of its own, or in the same database."""
    return part_path(whole, part) if isinstance(whole, Path) else whole


def part_name(campaign: str, part: str | None) -> str:
    """What a database calls the state of a part; no campaign has a `/` in its name."""
    return campaign if part is None else f"{campaign}/{part}"


def parts(whole: StateLocation, campaign: str) -> list[str | None]:
    """The parts of `campaign` that have a state; None stands for the whole.

    Raises:
        InvalidInput, Unfinished: the database does not let us look.
    """
    if isinstance(whole, DatabaseUrl):
        # Imported here, as its driver comes with an extra.
        from pipeline.state.postgres.team_state import TeamState

        return TeamState(url=whole, campaign=campaign, manifest=None).parts()
    return parts_beside(whole)
