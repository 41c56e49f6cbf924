"""Opens a store of files, and fetches single files of it to this machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.artifacts.base import FileStore, make_scratch
from pipeline.artifacts.local_folder import LocalFolder
from pipeline.errors import Unfinished
from pipeline.files import open_temporary
from pipeline.schemes import ObjectUrl, OutputLocation


def open_files(location: OutputLocation, scratch: Path) -> FileStore:
    """Open the store at `location`; `scratch` is a local folder for temporary files."""
    if isinstance(location, Path):
        return LocalFolder(location)
    # Imported here because its client comes with an extra.
    from pipeline.artifacts.object_store import ObjectStore

    return ObjectStore(location, scratch)


@contextmanager
def on_this_machine(location: OutputLocation, digest: str, scratch: Path) -> Iterator[Path]:
    """A local path to read the file at `location`: the file itself, or a copy that exists only within the `with`.

    Raises:
        Unfinished, InvalidInput: it cannot be fetched, or is not the file with the hash `digest`.
    """
    if isinstance(location, Path):
        yield location
        return
    from pipeline.artifacts.s3 import Bucket

    descriptor, temporary = open_temporary(make_scratch(scratch), ".look.")
    os.close(descriptor)
    try:
        # The key below a bucket without a prefix.
        if Bucket(ObjectUrl(location.bucket, "")).fetch(location.key, temporary) != digest:
            raise Unfinished(f"{location}: is not the file that was stored there")
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
