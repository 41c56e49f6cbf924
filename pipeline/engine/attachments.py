"""Reads the local files that a request is made with, and checks that they are what was planned."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.files import read_limited
from pipeline.jobs import LocalFile
from pipeline.paths import as_on_disk
from pipeline.providers.base import Attachment
from pipeline.providers.media import LONGEST_SIGNATURE, sniffed

# The vendor's limit for an image; a video from upstream may be larger.
LARGEST_IMAGE = 25 * 1024 * 1024
LARGEST_MEDIA = 1 << 30


class InputFailed(PipelineError):
    """An input of a job is missing, or is not what was planned: the job fails, and nothing is bought."""


def attach(file: LocalFile, folder: Path) -> Attachment:
    """An image of a job, whose path is relative to `folder`.

    Raises:
        InputFailed: as `attachment`.
    """
    return attachment(as_on_disk(folder / file.path), file.path, file.sha256, LARGEST_IMAGE)


def attachment(path: Path, name: str, digest: str, limit: int) -> Attachment:
    """The file at `path`, of at most `limit` bytes, whose hash has to be `digest`; `name` is for messages.

    Raises:
        InputFailed: it is missing, too large, no media, or not the file that was planned.
    """
    try:
        content = read_limited(path, limit)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise InputFailed(f"{name}: {why or error}") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise InputFailed(f"{name}: has changed since it was planned; run again to use it as it is now")
    content_type = sniffed(content[:LONGEST_SIGNATURE], "")
    if content_type is None:
        raise InputFailed(f"{name}: not a known kind of image or video")
    return Attachment(LocalFile(name, digest), content, content_type)
