"""Finds the file of an upstream that a chained job is made from: at the vendor, or else on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import record_limits
from pipeline.artifacts.base import COPIES
from pipeline.artifacts.file_names import path_in_slot
from pipeline.artifacts.store_access import on_this_machine
from pipeline.engine.attachments import LARGEST_MEDIA, InputFailed, attachment
from pipeline.engine.listing import matched, media_of, recorded_of
from pipeline.errors import InvalidInput, Unfinished
from pipeline.jobs import MediaType, UpstreamOutput
from pipeline.providers.base import (
    Attachment,
    CallRefused,
    DownloadFailed,
    Media,
    NotFound,
    Provider,
    VendorError,
)
from pipeline.purchases import Status

if TYPE_CHECKING:
    from pipeline.purchases import Output, Purchase, WorkflowId
    from pipeline.schemes import OutputLocation

_REDO = "have it made again with `pipeline redo` (see docs/reference/errors.md#missing-workflow)"


class NotIdentified(VendorError):
    """Several files that the vendor lists could be the wanted one: only their bytes can tell, once they are here."""


class NowhereFound(VendorError):
    """The wanted file is neither at the vendor nor on this machine; `advice` says what to do."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


@dataclass(frozen=True, slots=True)
class UpstreamFiles:
    """The purchase that a chained job is made from, and its files on this machine, by output.

    `stem` is the path stem under which they belong.
    """

    purchase: Purchase
    workflow_id: WorkflowId
    files: Mapping[str, tuple[tuple[OutputLocation, str, str], ...]]
    stem: str


def from_upstream(
    provider: Provider, source: UpstreamOutput, upstream: UpstreamFiles | None, folder: Path
) -> str | Attachment:
    """The url of the wanted file in a new response, or the file on this machine if the vendor does not list it.

    Raises:
        InputFailed: the upstream has no such output.
        NotIdentified, NowhereFound: it has one.
        VendorError, AccountError: the vendor gave no valid response, or refused the key.
    """
    if upstream is None:
        raise InputFailed(f"{source.job} has no output to make this from")
    recorded = recorded_of(upstream.purchase, source.output)
    index = _first([_kind_of(each) for each in recorded], source.media)
    listed, why = _listed(provider, source, upstream)
    if index is None:
        if not recorded and listed is None:
            raise NowhereFound(why, _REDO)
        return _unrecorded(listed or (), source, upstream.purchase).url
    listed = listed or ()
    pairs = matched(recorded, listed)
    if index in pairs:
        return listed[pairs[index]].url
    left = [media for number, media in enumerate(listed) if number not in pairs.values()]
    wanted = recorded[index]
    if wanted.sha256 is None:
        rivals = [output for number, output in enumerate(recorded) if number not in pairs]
        found = _unfetched(wanted, rivals, left, source, upstream.purchase)
    else:
        file = _on_this_machine(wanted.sha256, source, upstream, folder)
        if file is not None:
            return file
        found = _by_hash(provider, left, wanted.sha256)
    if found is None:
        raise NowhereFound(*_what_to_do(why, index, wanted, source, upstream))
    return found.url


def _listed(
    provider: Provider, source: UpstreamOutput, upstream: UpstreamFiles
) -> tuple[Sequence[Media] | None, str]:
    """The files that the vendor lists (None: it has no such workflow), and why the wanted one may not be there."""
    try:
        listed = media_of(provider.get(upstream.workflow_id), source.output)
    except NotFound as error:
        return None, f"the vendor no longer has the workflow of {source.job} ({error})"
    except CallRefused as error:
        # Says nothing of the job, unlike the refusal of an upload, so it is asked again, as in a poll.
        why = f"the vendor refuses to report on the workflow of {source.job} ({error})"
        raise VendorError(why, error.after) from error
    return listed, f"the vendor no longer lists the file of {source.job} that it is made from"


def _unrecorded(listed: Sequence[Media], source: UpstreamOutput, purchase: Purchase) -> Media:
    """The wanted one of the `listed` files, none of which is recorded as such."""
    first = _first([media.kind for media in listed], source.media)
    if first is None:
        kind = source.media or "file"
        raise InputFailed(f"{source.job} has no {kind} in its {source.output} for this job to be made from")
    kinds = {source.media} if listed[first].kind is not None else {None}
    could_be = [media for media in listed if source.media is None or media.kind in kinds]
    if len({media.url for media in could_be}) > 1:
        raise _not_identified(source, purchase)
    return listed[first]


def _unfetched(
    wanted: Output,
    rivals: Sequence[Output],
    left: Sequence[Media],
    source: UpstreamOutput,
    purchase: Purchase,
) -> Media | None:
    """The one of the files `left` in a list that can only be `wanted`, which was never fetched; None if none can be.

    `rivals` are the recorded files that these may be, `wanted` among them.
    """
    kind = _kind_of(wanted) or source.media
    could_be = [media for media in left if _may_be(media.kind, kind)]
    places = sum(_may_be(_kind_of(output), kind) for output in rivals)
    # The vendor may list one file several times.
    if could_be and (len(could_be) != places or len({media.url for media in could_be}) > 1):
        raise _not_identified(source, purchase)
    return could_be[0] if could_be else None


def _not_identified(source: UpstreamOutput, purchase: Purchase) -> NotIdentified:
    # The steps of one whose files were downloaded without them are not downloaded later.
    what = (
        "have that made again with `pipeline redo`"
        if purchase.status is Status.DONE
        else "download them with `pipeline collect`, then run again"
    )
    kept = "" if source.output == "result" else "set `output: {steps: true}` and "
    return NotIdentified(
        f"only the files themselves tell which of those that the vendor lists for {source.job} it is made from: "
        f"{kept}{what}"
    )


def _on_this_machine(
    digest: str, source: UpstreamOutput, upstream: UpstreamFiles, folder: Path
) -> Attachment | None:
    for location, of_file, content_type in upstream.files.get(source.output, ()):
        # Never another file of the upstream in place of one that was not downloaded.
        if of_file == digest and (source.media is None or content_type.startswith(f"{source.media}/")):
            try:
                with on_this_machine(location, digest, folder / COPIES) as path:
                    return attachment(path, location.name, digest, LARGEST_MEDIA)
            except (Unfinished, InvalidInput) as error:
                # A store that fails now does not end the run; the preparation is retried.
                raise VendorError(str(error)) from error
    return None


def _by_hash(provider: Provider, candidates: Sequence[Media], digest: str) -> Media | None:
    """The one of `candidates` whose bytes have this hash, if there is one."""
    left, failure = record_limits.LARGEST_PURCHASE, None
    with tempfile.TemporaryDirectory(prefix="pipeline-") as folder:
        for number, media in enumerate(candidates):
            target = Path(folder, f"candidate{number}")
            try:
                fetched = provider.download(replace(media, most=left), target)
            except DownloadFailed as failed:
                # A file that cannot be fetched may not be the wanted one, so try the others first.
                failure = failure or failed
                continue
            if fetched.sha256 == digest:
                return media
            target.unlink()
            left -= fetched.bytes
            if left < 0:
                break
    if failure is not None:
        raise failure
    return None


def _what_to_do(
    why: str, index: int, wanted: Output, source: UpstreamOutput, upstream: UpstreamFiles
) -> tuple[str, str]:
    """Why the wanted file is nowhere, and the advice; only one that was fetched can be on another machine."""
    if wanted.sha256 is None:
        return why, f"run again, or {_REDO}"
    flows = [step.flow for step in upstream.purchase.steps]
    name = "result" if source.output == "result" else f"steps/{flows.index(source.output)}"
    path = path_in_slot(upstream.purchase, upstream.stem, f"{name}/{index}")
    copied = "copy that into the output folder from the machine that has it"
    return f"{why}, and {path} is not on this machine as it was downloaded", f"{copied}, or {_REDO}"


def _kind_of(output: Output) -> MediaType | None:
    return Media("", output.content_type).kind


def _may_be(kind: MediaType | None, wanted: MediaType | None) -> bool:
    """Whether a file of this kind, None if that is unknown, can be of the wanted one."""
    return wanted is None or kind is None or kind is wanted


def _first(kinds: Sequence[MediaType | None], wanted: MediaType | None) -> int | None:
    """The index of the first file of the wanted kind, or else of the first of unknown kind; None if there is none."""
    for suitable in ({wanted} if wanted is not None else {*MediaType, None}, {None}):
        for index, kind in enumerate(kinds):
            if kind in suitable:
                return index
    return None
