"""Inspects a state from outside: whether it exists, who holds it, whether it was written to.

Nothing is locked or created, so what is found may already be outdated.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import files
from pipeline.errors import InvalidInput
from pipeline.schemes import DatabaseUrl, StateLocation, part_location, parts_beside
from pipeline.state import folder, lock, soundness
from pipeline.state.folder import beside
from pipeline.state.lock import Holder
from pipeline.state.rescue import rescue_path
from pipeline.state.state_file import Identity, reading
from pipeline.state.store import PartStamp

if TYPE_CHECKING:
    from pipeline.state.postgres.team_state import TeamState


def exists(state: StateLocation, campaign: str) -> bool:
    """Whether there is a state of `campaign`.

    Raises:
        InvalidInput, Unfinished: the database cannot be read.
    """
    if isinstance(state, DatabaseUrl):
        return _team_state(state, campaign).exists()
    return state.exists()


def identity(state: Path) -> Identity | None:
    """The campaign and manifest that a state file names; None if it cannot be read. Its purchases are not read."""
    try:
        soundness.inspect(state)
        with reading(state) as connection:
            return soundness.identity(connection)
    except (InvalidInput, sqlite3.Error, UnicodeError, TypeError):  # TypeError: it names none
        return None


def parts(whole: StateLocation, campaign: str) -> list[str | None]:
    """The parts of `campaign` that have a state; None stands for the whole campaign.

    Raises:
        InvalidInput, Unfinished: the database cannot be read.
    """
    return [*_team_state(whole, campaign).parts()] if isinstance(whole, DatabaseUrl) else parts_beside(whole)


def part_stamps(whole: StateLocation, campaign: str, *, also: str | None) -> dict[str | None, PartStamp]:
    """The stamp of each part of `campaign` that has a state, and of `also`; a database is queried once for all.

    Raises:
        InvalidInput, Unfinished: the database cannot be read.
    """
    if isinstance(whole, DatabaseUrl):
        unwritten = PartStamp(written=None, is_held=False)
        return {also: unwritten} | _team_state(whole, campaign).parts()
    found = {part: part_location(whole, part) for part in (also, *parts_beside(whole))}
    return {
        part: PartStamp(written=stamp(state, campaign), is_held=is_going_on(state, campaign))
        for part, state in found.items()
    }


def holder(state: StateLocation, campaign: str) -> Holder | None:
    """The run that holds the state of `campaign`, as far as can be seen; None if there is none.

    Raises:
        InvalidInput, Unfinished: the database cannot be read.
    """
    if isinstance(state, Path):
        return lock.holder(state)
    found = _team_state(state, campaign).holder()
    return None if found is None else Holder(found.process, found.since)


def is_going_on(state: StateLocation, campaign: str) -> bool | None:
    """Whether a run holds the state of `campaign`; None where that cannot be seen from here.

    Raises:
        InvalidInput, Unfinished: the database does not let us look.
    """
    return (
        lock.is_going_on(state)
        if isinstance(state, Path)
        else _team_state(state, campaign).holder() is not None
    )


def held_by(state: StateLocation, campaign: str) -> str | None:
    """Describe the holder of the state of `campaign`; None if none is found.

    Raises:
        InvalidInput, Unfinished: the database cannot be read.
    """
    if isinstance(state, Path):
        return lock.is_held(state)
    found = _team_state(state, campaign).holder()
    return None if found is None else f"locked by {found.description}"


def stamp(state: StateLocation, campaign: str) -> object:
    """A token that changes whenever the state of `campaign`, or its rescue file, is written to.

    Raises:
        InvalidInput, Unfinished: the database cannot be read.
    """
    if isinstance(state, Path):
        return tuple(map(files.stamp, (state, beside(state, "-wal"), rescue_path(state))))
    return _team_state(state, campaign).stamp()


def refuse_network_file_system(state: StateLocation) -> None:
    """Refuse a state file on a network file system; a database is always accepted.

    Raises:
        InvalidInput: it is on one.
    """
    if isinstance(state, Path):
        folder.refuse_network_file_system(state)


def _team_state(url: DatabaseUrl, campaign: str) -> TeamState:
    # Imported here, because its driver is an optional dependency.
    from pipeline.state.postgres.team_state import TeamState

    return TeamState(url=url, campaign=campaign, manifest=None)
