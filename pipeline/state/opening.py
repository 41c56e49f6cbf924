"""Opens the state of a campaign: checks where it is, whose it is, and who may write to it."""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipeline.errors import InvalidInput
from pipeline.paths import leads_nowhere, link_to_nothing, real_path
from pipeline.schemes import DatabaseUrl, StateLocation
from pipeline.state import rescue, soundness, state_file
from pipeline.state.folder import MOUNTS, make_folder, refuse_network_file_system
from pipeline.state.lock import Lock, once_in_this_process
from pipeline.state.rescue import RescueFile
from pipeline.state.sql.sqlite import Epoch, SqliteDatabase
from pipeline.state.sql.store import OpenDatabase, SqlStore
from pipeline.state.state_file import WritableFile

if TYPE_CHECKING:
    from pipeline.purchases import PurchaseId, WorkflowId

SQLITE = sqlite3.sqlite_version
# The first version that supports RETURNING.
_OLDEST_SQLITE = (3, 35)


def open_store(
    path: StateLocation,
    *,
    campaign: str | None,
    manifest: Path | None,
    run: str,
    writable: bool,
    now: str,
    command: str = "pipeline",
    allow_network: bool = False,
    mounts: Path = MOUNTS,
    lease_seconds: float | None = None,
    part: str | None = None,
    split: str = "",
    folder: Path | None = None,
) -> SqlStore:
    """Open the state at `path`; a file holds one campaign's state, a database those of many.

    `campaign` and `manifest` are None if only the state is known (`collect STATE`); it must then exist. `run` names
    this run, for its caps. `now` (UTC, ISO 8601) and `command` are shown to others who find the lock taken.
    `lease_seconds` is the length of the lease on a database (None: the default). `part` names the part of the
    campaign in a database; a file holds one part. `split` names the division that it is a part of: a database refuses
    parts of another division at the same time. `folder` is the manifest's, if `manifest` is None: late responses that
    a database could not take are kept there.

    A writable store holds the lock, creates a missing state, and must be closed; a file that it created and in which
    nothing was recorded is deleted then. A read-only store is a copy of what was committed when it was opened;
    nothing is locked, written or created.

    Raises:
        StateLocked: another run holds it.
        InvalidInput: it is not an undamaged state of this campaign, or its location is not allowed; it is left as it
        is.
        Unfinished: it cannot be written now.
    """
    if isinstance(path, DatabaseUrl):
        # Imported here, because its driver is an optional dependency.
        from pipeline.state.postgres.team_state import TeamState

        team_state = TeamState(
            url=path,
            campaign=campaign,
            manifest=manifest,
            part=part,
            split=split,
            run=run,
            command=command,
            lease_seconds=lease_seconds,
            folder=folder,
        )
        return team_state.open() if writable else team_state.read()
    path = _checked(path)
    if not writable:
        return _open_to_read(path, campaign, manifest, run)
    if not allow_network:
        refuse_network_file_system(path, mounts)
    if campaign is not None and manifest is not None:
        make_folder(path.parent)
    else:
        _assert_exists(path)
    return _open_to_write(path, campaign=campaign, manifest=manifest, run=run, now=now, command=command)


def _checked(path: Path) -> Path:
    """The file that `path` means.

    Raises:
        InvalidInput: there is none, or this Python cannot read any.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        needed = ".".join(map(str, _OLDEST_SQLITE))
        raise InvalidInput(
            f"this Python has SQLite {sqlite3.sqlite_version}; the state needs {needed} or newer"
        )
    if (link := link_to_nothing(path)) is not None:
        # Taken for a state that does not exist yet, it would have everything bought again.
        raise InvalidInput(leads_nowhere(link))
    return real_path(path)


def _open_to_write(
    path: Path, *, campaign: str | None, manifest: Path | None, run: str, now: str, command: str
) -> SqlStore:
    with ExitStack() as stack:
        lock = Lock.acquire(path, since=now, command=command)
        stack.callback(lock.release)
        is_new = campaign is not None and manifest is not None and not os.path.lexists(path)
        if campaign is not None and manifest is not None and is_new:
            state_file.create(path, state_file.Identity(campaign, _relative(manifest, path)))
        soundness.assert_wal_whole(path)
        with closing(soundness.copy_in_memory(path)) as copy:
            known = _identified(path, copy, campaign, manifest)
            mirror = _reading(path, copy, known, run).verify()
        if is_new:
            stack.callback(_delete_blank_rescue, path)
        rescue_file = RescueFile.open(rescue.rescue_path(path))
        stack.callback(rescue_file.close)
        file = WritableFile(path, known.manifest, is_new=is_new)
        stack.callback(file.close)
        release = once_in_this_process(stack.pop_all().close)
    try:
        epoch = Epoch(number=file.epoch, assert_in_place=file.assert_in_place)
        database = SqliteDatabase(file.connection, path, epoch)
        opened = OpenDatabase(
            database=database,
            campaign=known.campaign,
            release=release,
            rescue=rescue_file,
            manifest=real_path(path.parent / known.manifest),
        )
        store = SqlStore(opened, run, mirror)
    except BaseException:
        release()
        raise
    # A store that was not closed is closed when it is garbage-collected, or at the latest when the process ends.
    weakref.finalize(store, release)
    return store


def _open_to_read(path: Path, campaign: str | None, manifest: Path | None, run: str) -> SqlStore:
    if campaign is None or manifest is None:
        _assert_exists(path)
        return _copied(path, campaign, manifest, run)
    if os.path.lexists(path):
        try:
            return _copied(path, campaign, manifest, run)
        except InvalidInput:
            if os.path.lexists(path):
                raise
            # The command that had created it has ended, and had recorded nothing in it.
    state_file.assert_nothing_left(path)
    return _reading(path, state_file.empty(), state_file.Identity(campaign, _relative(manifest, path)), run)


def _copied(path: Path, campaign: str | None, manifest: Path | None, run: str) -> SqlStore:
    # First, as what a run takes over is written to the state before it is gone here.
    rescued = rescue.look(rescue.rescue_path(path))
    copy = soundness.copy_in_memory(path)
    return _reading(path, copy, _identified(path, copy, campaign, manifest), run, rescued)


def _reading(
    path: Path,
    copy: sqlite3.Connection,
    known: state_file.Identity,
    run: str,
    rescued: Mapping[PurchaseId, WorkflowId] = MappingProxyType({}),
) -> SqlStore:
    database = SqliteDatabase(copy, path)
    opened = OpenDatabase(
        database=database,
        campaign=known.campaign,
        release=copy.close,
        rescued=rescued,
        manifest=real_path(path.parent / known.manifest),
    )
    return SqlStore(opened, run)


def _delete_blank_rescue(path: Path) -> None:
    """Delete the rescue file of a state that was deleted because nothing was recorded in it."""
    if not os.path.lexists(path):
        rescue.delete_blank(rescue.rescue_path(path))


def _assert_exists(path: Path) -> None:
    if not os.path.lexists(path):
        raise InvalidInput(f"{path}: there is no such state")


def _identified(
    path: Path, copy: sqlite3.Connection, campaign: str | None, manifest: Path | None
) -> state_file.Identity:
    """The identity to write to the state: the same campaign, and its manifest, which may have moved.

    Raises:
        InvalidInput: the state belongs to another campaign or manifest.
    """
    written = soundness.identity(copy)
    if campaign is not None and written.campaign != campaign:
        raise InvalidInput(
            f"{path}: the state of another campaign, {written.campaign!r}, not of {campaign!r}; "
            "give each campaign a state of its own (--state; see docs/reference/errors.md#state-of-another-campaign)"
        )
    if manifest is None:
        return written
    other = path.parent / written.manifest
    # Unlike pathlib's method, this returns False for a name that no file can have.
    if os.path.exists(other) and not (manifest.exists() and other.samefile(manifest)):  # noqa: PTH110
        raise InvalidInput(
            f"{path}: the state of another manifest, {os.path.normpath(other)}, which still exists; "
            "give each a name and a state of its own (--state; "
            "see docs/reference/errors.md#state-of-another-campaign)"
        )
    return state_file.Identity(campaign=written.campaign, manifest=_relative(manifest, path))


def _relative(manifest: Path, state: Path) -> str:
    """The manifest's path relative to the state's folder, so that both can be moved together."""
    return os.path.relpath(manifest.resolve(), state.parent)
