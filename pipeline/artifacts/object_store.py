"""Stores files in an object store: each is put once, whole, at a free path, and never overwritten."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import failpoints
from pipeline.artifacts.base import (
    EarlyUpload,
    NotOurs,
    RemoteUploader,
    StoredObject,
    StoredStamp,
    Upload,
    make_scratch,
)
from pipeline.artifacts.s3 import LARGEST_OBJECT, Bucket
from pipeline.errors import InvalidInput, Unfinished
from pipeline.files import open_temporary

if TYPE_CHECKING:
    from pipeline.schemes import ObjectUrl

_AT_ONCE = 32
# An object in each location with files. That it cannot be put twice shows that the server honours If-None-Match.
_PROBE_PATH = ".pipeline-output"
_PROBE_CONTENT = b"Files of pipeline (campaign-pipeline) lie here. Nothing is put where something lies.\n"


class ObjectStore:
    """Stores files below `location`, by way of temporary ones in the local folder `scratch`.

    Objects are listed once. Those that this run did not put itself may have changed since, which each put
    detects.
    """

    def __init__(self, location: ObjectUrl, scratch: Path) -> None:
        self.location = location
        self._bucket = Bucket(location)
        self._scratch = scratch
        self._listed: dict[str, StoredObject] | None = None
        # The paths whose hash was requested.
        self._asked: set[str] = set()

    @property
    def _objects(self) -> dict[str, StoredObject]:
        if self._listed is None:
            self._listed = self._bucket.listing()
        return self._listed

    def assert_writable(self) -> None:
        self.temporary_folder("")
        _assert_creates_only(self._bucket, self._scratch)

    def sync(self) -> None:
        """Do nothing: a put object is durable."""

    def prefetch(self, paths: Iterable[str]) -> None:
        asked = sorted({each for each in paths if each in self._objects} - self._asked)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            self.note_uploaded(dict(zip(asked, pool.map(self._bucket.head, asked), strict=True)))

    def stamp(self, path: str) -> StoredStamp | None:
        stored = self._objects.get(path)
        return None if stored is None else stored.stamp

    def digest(self, path: str) -> str | None:
        if path in self._objects and path not in self._asked:
            self.note_uploaded({path: self._bucket.head(path)})
        stored = self._objects.get(path)
        if stored is None:
            return None
        # An object without a hash is not ours: we always send one.
        return stored.sha256 or f"not hashed: {stored.etag}"

    def assert_nameable(self, path: str) -> None:
        """Do nothing: keys are UTF-8, whatever the locale."""

    def is_taken(self, path: str) -> bool:
        return path in self._objects

    def temporary_folder(self, path: str) -> Path:
        del path
        return make_scratch(self._scratch)

    def put(self, upload: Upload) -> None:
        stored = put_new(self._bucket, self._scratch, upload)
        self.note_uploaded({upload.path: stored})
        if stored.sha256 != upload.digest:
            raise NotOurs(
                f"{self.location / upload.path}: not a file of this campaign, so it is not overwritten; move it away "
                "(see docs/reference/errors.md#file-in-the-way)"
            )
        upload.temporary.unlink(missing_ok=True)

    def move(self, path: str, other: str, digest: str) -> None:
        """Copy, compare, then delete: an object store cannot rename."""
        self.copy(path, other, digest)
        failpoints.reach("copied")
        self.delete(path, digest)

    def copy(self, path: str, other: str, digest: str) -> None:
        # By way of this machine: few servers honour a condition when they copy by themselves.
        descriptor, temporary = open_temporary(self.temporary_folder(path), ".copy.")
        try:
            os.close(descriptor)
            if self._bucket.fetch(path, temporary) != digest:
                raise Unfinished(f"{self.location / path}: was changed during the run; run again")
            self.put(Upload(temporary, other, digest))
        finally:
            temporary.unlink(missing_ok=True)

    def delete(self, path: str, digest: str) -> None:
        stored = self._bucket.head(path)
        if stored is not None and stored.sha256 == digest:
            self._bucket.delete(path, stored)
            stored = self._bucket.head(path)
        self.note_uploaded({path: stored})

    def early_upload(self, uploads: Sequence[Upload]) -> EarlyUpload | None:
        return partial(send, self.location, self._scratch, uploads)

    @property
    def remote_uploader(self) -> RemoteUploader | None:
        return partial(send, self.location)

    def note_uploaded(self, found: Mapping[str, StoredObject | None]) -> None:
        """Remember what the server just reported for each path."""
        for path, stored in found.items():
            self._asked.add(path)
            if stored is None:
                self._objects.pop(path, None)
            else:
                self._objects[path] = stored


def send(url: ObjectUrl, scratch: Path, uploads: Sequence[Upload]) -> dict[str, StoredObject]:
    """Put files at free paths; returns, by path, what is there afterwards. Thread-safe and idempotent.

    Raises:
        Unfinished, InvalidInput: a file cannot be put.
    """
    bucket = Bucket(url)
    return {each.path: put_new(bucket, scratch, each) for each in uploads}


def put_new(bucket: Bucket, scratch: Path, upload: Upload) -> StoredObject:
    """Put one file at a free path; returns what is there afterwards. The local file stays.

    Raises:
        Unfinished, InvalidInput: it cannot be put.
    """
    url, size = bucket.url / upload.path, upload.temporary.stat().st_size
    if size > LARGEST_OBJECT:
        raise Unfinished(f"{url}: {size:,} bytes are too many for a store; download it to a folder")
    _assert_creates_only(bucket, scratch)
    failpoints.reach("before put")
    is_new = bucket.put_if_absent(upload.temporary, upload.path, upload.digest)
    failpoints.reach("after put")
    stored = bucket.head(upload.path)
    if stored is None or (is_new and (stored.sha256, stored.bytes) != (upload.digest, size)):
        raise Unfinished(f"{url}: is not what was just stored there; run again")
    return stored


_verified_buckets: set[ObjectUrl] = set()


def _assert_creates_only(bucket: Bucket, scratch: Path) -> None:
    """Make sure, once per address, that the server refuses to overwrite a file and keeps its hash.

    Raises:
        InvalidInput: it does not. A put could overwrite a file of another machine, or our files could not be told
            from others.
    """
    if bucket.url in _verified_buckets:
        return
    descriptor, temporary = open_temporary(make_scratch(scratch), ".mark.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_PROBE_CONTENT)
        digest = hashlib.sha256(_PROBE_CONTENT).hexdigest()
        is_put_twice = all(bucket.put_if_absent(temporary, _PROBE_PATH, digest) for _ in range(2))
        if is_put_twice:
            raise InvalidInput(
                f"{bucket.url}: this server ignores If-None-Match and would overwrite files, so nothing is stored "
                "there"
            )
        probe = bucket.head(_PROBE_PATH)
        if probe is None or probe.sha256 is None:
            raise InvalidInput(
                f"{bucket.url / _PROBE_PATH}: this server keeps no SHA-256 of objects, so files of this campaign "
                "could not be recognised, and nothing is stored there; if another program has stored this object, "
                "delete it and run again"
            )
    finally:
        temporary.unlink(missing_ok=True)
    _verified_buckets.add(bucket.url)
