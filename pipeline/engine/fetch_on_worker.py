"""Fetches the files of one purchase on a worker of a cluster, perhaps on another machine. May be repeated."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts.base import RemoteUploader, StoredObject, Upload
from pipeline.artifacts.file_names import named
from pipeline.engine.fetch import FetchResult, fetch
from pipeline.errors import Unfinished, printable
from pipeline.media.facts import UNREADABLE
from pipeline.media.optional import read_still
from pipeline.providers.base import DownloadFailed, Provider, Workflow

if TYPE_CHECKING:
    from pipeline.engine.fetch_list import FetchedFile, Wanted
    from pipeline.purchases import Purchase, WorkflowId


class NotShared(Unfinished):
    """A worker does not see the folder that the files go to."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a worker uploads what it fetched: to paths under `stem`, with `send`."""

    purchase: Purchase
    stem: str
    with_steps: bool
    send: RemoteUploader


@dataclass(frozen=True, slots=True)
class SentFiles:
    """The files that a worker fetched, and the objects now stored at the paths that it uploaded them to.

    If not all files arrived, nothing was uploaded. The worker's own copies are deleted.
    """

    fetched: FetchResult
    found: Mapping[str, StoredObject]

    def is_complete(self, to: Destination) -> bool:
        """Whether every fetched file is stored at its path."""
        uploads = to_be_sent(to.purchase, to.stem, self.fetched, with_steps=to.with_steps)
        return self.fetched.is_complete and all(
            each.path in self.found and self.found[each.path].sha256 == each.digest for each in uploads
        )


def fetch_to_shared_folder(
    provider: Provider, workflow_id: WorkflowId, wanted: Wanted, latest: Workflow | None
) -> FetchResult:
    """As `fetch`, if this machine sees the folder that the coordinator made for the files.

    Raises:
        NotShared: it does not; nothing was fetched.
        VendorError, AccountError: as `fetch`.
    """
    if not wanted.beside.parent.is_dir():
        raise not_shared(wanted.beside.parent)
    return _with_stills(fetch(provider, workflow_id, wanted, latest))


def not_shared(folder: Path) -> NotShared:
    """The error for a `folder` that worker and coordinator do not share; whichever notices it raises it."""
    return NotShared(
        f"{folder}: a worker of the cluster does not share this folder with the coordinator (found out on "
        f"{printable(socket.gethostname(), 100)}); put it on a disk that all of them see, or files into a store "
        "(--output s3://…)"
    )


def fetch_and_send(
    provider: Provider, workflow_id: WorkflowId, wanted: Wanted, latest: Workflow | None, to: Destination
) -> SentFiles:
    """Fetch what is wanted to a temporary folder of this machine, and upload it from there.

    Raises:
        VendorError, AccountError: as `fetch`.
        Unfinished, InvalidInput: it cannot be uploaded.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="pipeline-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            here = replace(wanted, beside=folder / wanted.beside.name)
            fetched = _with_stills(fetch(provider, workflow_id, here, latest))
            if not fetched.is_complete:
                return SentFiles(fetched, {})
            uploads = to_be_sent(to.purchase, to.stem, fetched, with_steps=to.with_steps)
            return SentFiles(fetched, to.send(folder / "scratch", uploads))
    except OSError as error:
        raise DownloadFailed(f"on a worker: {error.strerror or type(error).__name__}") from None


def _with_stills(fetched: FetchResult) -> FetchResult:
    """Add a still of each file for the gallery; the worker has the file and the time to make one."""
    files = {
        slot: file if file.media is None else replace(file, still=_still_of(file))
        for slot, file in fetched.files.items()
    }
    return replace(fetched, files=files)


def _still_of(file: FetchedFile) -> bytes | None:
    return b"" if file.media == UNREADABLE else read_still(file.temporary)


def to_be_sent(
    purchase: Purchase, stem: str, fetched: FetchResult, *, with_steps: bool
) -> tuple[Upload, ...]:
    """The fetched files, each with its destination."""
    brought = replace(purchase, outputs=fetched.outputs, steps=fetched.steps)
    return tuple(_uploads(brought, stem, fetched, with_steps=with_steps))


def _uploads(brought: Purchase, stem: str, fetched: FetchResult, *, with_steps: bool) -> Iterator[Upload]:
    for file in named(brought, stem, with_steps):
        if (file_here := fetched.files.get(file.slot)) is not None:
            yield Upload(file_here.temporary, file.path, file_here.downloaded.sha256)
