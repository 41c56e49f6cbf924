"""Keeps a paid workflow's id when the state cannot be written, in a file opened beforehand.

The file has one JSON line per id. Its space is allocated in advance, so that it can be written even on a full disk.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline import system
from pipeline.files import read_limited
from pipeline.purchases import PurchaseId, WorkflowId
from pipeline.records import PURCHASE_ID, is_workflow_id
from pipeline.state.folder import beside, cannot_write

_MAX_LOOKED_AT = 16 << 20
# Blank lines, to be overwritten: enough for several hundred ids.
_BLANK = b"\n" * (64 * 1024)


@dataclass(slots=True)
class RescueFile:
    """An open rescue file. `end` is where the next line goes."""

    path: Path
    descriptor: int
    end: int

    @classmethod
    def open(cls, path: Path) -> RescueFile:
        """Open or create the file at `path`, and allocate its space. Its content is kept.

        Raises:
            Unfinished, InvalidInput: it cannot be written.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | system.PRIVATE | system.NO_FOLLOW, 0o600)
            held = _content(descriptor).rstrip(b"\n")
            end = len(held) + 1 if held else 0
            if os.fstat(descriptor).st_size < end + len(_BLANK):
                _write(descriptor, _BLANK, max(end - 1, 0))
                os.fsync(descriptor)
        except OSError as error:
            raise cannot_write(path, error) from error
        return cls(path, descriptor, end)

    def append(self, purchase_id: PurchaseId, workflow_id: WorkflowId) -> None:
        """Store the id of a purchase's workflow durably.

        Raises:
            Unfinished, InvalidInput: not even this could be written.
        """
        line = _line(purchase_id, workflow_id)
        try:
            _write(self.descriptor, line, self.end)
            os.fsync(self.descriptor)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self.end += len(line)

    def held(self) -> Mapping[PurchaseId, WorkflowId]:
        """By purchase, the ids that were stored and not yet dropped."""
        return _parsed(_content(self.descriptor))

    def forget(self, purchases: Collection[PurchaseId]) -> None:
        """Drop the ids of `purchases`, which are in the state now; the others stay."""
        left = b"".join(_line(*kept) for kept in self.held().items() if kept[0] not in purchases)
        # In one write, so that the remaining ids are never missing.
        _write(self.descriptor, left.ljust(self.end, b"\n"), 0)
        os.fsync(self.descriptor)
        self.end = len(left)

    def close(self) -> None:
        """Close the file, without deleting it."""
        os.close(self.descriptor)


def rescue_path(state: Path) -> Path:
    """The path of a state's rescue file."""
    return beside(state, ".rescue.jsonl")


def read(path: Path) -> Mapping[PurchaseId, WorkflowId]:
    """By purchase, the workflow ids in the rescue file at `path`; empty if there is no such file."""
    try:
        return _parsed(path.read_bytes())
    except FileNotFoundError:
        return {}


def look(path: Path) -> Mapping[PurchaseId, WorkflowId]:
    """As `read`, for those who only look at a state: none where the file cannot be read."""
    try:
        return _parsed(read_limited(path, _MAX_LOOKED_AT))
    except (OSError, ValueError):
        return {}


def delete_blank(path: Path) -> None:
    """Delete the rescue file at `path` if there is nothing in it, not even an id that cannot be read."""
    with contextlib.suppress(OSError):
        if not path.read_bytes().strip(b"\n"):
            path.unlink()


def _line(purchase_id: PurchaseId, workflow_id: WorkflowId) -> bytes:
    return json.dumps({"purchase": purchase_id, "workflow_id": workflow_id}).encode() + b"\n"


def _parsed(content: bytes) -> dict[PurchaseId, WorkflowId]:
    kept: dict[PurchaseId, WorkflowId] = {}
    for line in content.rstrip(b"\n").splitlines():
        try:
            entry = json.loads(line)
            purchase, workflow = str(entry["purchase"]), str(entry["workflow_id"])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue  # truncated by a power failure before it was acknowledged, or damaged
        if PURCHASE_ID.fullmatch(purchase) and is_workflow_id(workflow):
            kept[PurchaseId(purchase)] = WorkflowId(workflow)
    return kept


def _content(descriptor: int) -> bytes:
    return system.read_at(descriptor, os.fstat(descriptor).st_size, 0)


def _write(descriptor: int, content: bytes, offset: int) -> None:
    while content:
        written = system.write_at(descriptor, content, offset)
        content, offset = content[written:], offset + written
