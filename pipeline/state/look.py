"""Looks at a state from outside: whether it is there, who holds it, whether it was written to.

Nothing is locked, and nothing made. What is seen may be over a moment later.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import files
from pipeline.schemes import DatabaseUrl, StateLocation, parts_beside
from pipeline.state import folder, lock
from pipeline.state.folder import beside
from pipeline.state.lock import Holder

if TYPE_CHECKING:
    from pipeline.state.postgres.team_state import TeamState


def exists(state: StateLocation, campaign: str) -> bool:
    """Whether there is a state of `campaign`.

    Raises:
        InvalidInput, Unfinished: the database does not let us look.
    """
    if isinstance(state, DatabaseUrl):
        return _team_state(state, campaign).exists()
    return state.exists()


def parts(whole: StateLocation, campaign: str) -> list[str | None]:
    """The parts of `campaign` that have a state; None stands for the whole.

    Raises:
        InvalidInput, Unfinished: the database does not let us look.
    """
    return _team_state(whole, campaign).parts() if isinstance(whole, DatabaseUrl) else parts_beside(whole)


def holder(state: StateLocation, campaign: str) -> Holder | None:
    """The run that holds the state of `campaign`, as far as can be seen; None where none does.

    Raises:
        InvalidInput, Unfinished: the database does not let us look.
    """
    if isinstance(state, Path):
        return lock.holder(state)
    found = _team_state(state, campaign).holder()
    return None if found is None else Holder(found.process, found.since)


def held_by(state: StateLocation, campaign: str) -> str | None:
    """Describe the holder of the state of `campaign`; None where none is seen.

    Raises:
        InvalidInput, Unfinished: the database does not let us look.
    """
    if isinstance(state, Path):
        return lock.is_held(state)
    found = _team_state(state, campaign).holder()
    return None if found is None else f"locked by {found.description}"


def stamp(state: StateLocation, campaign: str) -> object:
    """A token that changes whenever the state of `campaign` is written to.

    Raises:
        InvalidInput, Unfinished: the database does not let us look.
    """
    if isinstance(state, Path):
        return files.stamp(state), files.stamp(beside(state, "-wal"))
    return _team_state(state, campaign).stamp()


def refuse_network_file_system(state: StateLocation) -> None:
    """Refuse a file on a network file system; a database is where its server is.

    Raises:
        InvalidInput: it lies on one.
    """
    if isinstance(state, Path):
        folder.refuse_network_file_system(state)


def _team_state(url: DatabaseUrl, campaign: str) -> "TeamState":
    # Imported here, as its driver comes with an extra.
    from pipeline.state.postgres.team_state import TeamState

    return TeamState(url=url, campaign=campaign, manifest=None)
