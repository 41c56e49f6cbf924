"""A partial download: `<name>.part` beside its target, and the ETag that identifies the version it is a part of."""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pipeline import system
from pipeline.files import make_folders, read_limited

# A weak ETag (`W/"…"`) allows the bytes to differ, so a download cannot be resumed with it.
_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]{1,200}"')


class PartialFile:
    """The partial file for `target`; its bytes are at `path`."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self.path = Path(f"{target}.part")
        self._etag_path = Path(f"{target}.part.etag")
        self._has_etag = True

    def progress(self) -> tuple[int, str]:
        """The number of bytes that are here, and their ETag; (0, "") if there is nothing to resume."""
        try:
            etag = read_limited(self._etag_path, 300).decode("ascii")
            size = self.path.lstat().st_size
        except FileNotFoundError:
            self._has_etag = os.path.lexists(self._etag_path)
            return 0, ""
        except (OSError, ValueError):
            return 0, ""
        return (size, etag) if size and _STRONG_ETAG.fullmatch(etag) else (0, "")

    def open(self, start: int) -> BinaryIO:
        """Open the file for writing at `start`; what follows is dropped.

        Raises:
            OSError: it cannot be written, or is a symbolic link, which is never followed.
        """
        try:
            descriptor = self._descriptor(start)
        except FileNotFoundError:
            make_folders(self.path.parent)
            descriptor = self._descriptor(start)
        file = os.fdopen(descriptor, "wb")
        try:
            if start:
                file.truncate(start)
                file.seek(start)
            else:
                # The old ETag does not belong to the bytes that follow.
                self._drop_etag()
        except BaseException:
            file.close()
            raise
        return file

    def _descriptor(self, start: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | system.NO_FOLLOW | system.PRIVATE
        return os.open(self.path, flags if start else flags | os.O_TRUNC, 0o666)

    def save_etag(self, etag: str) -> None:
        """Save the ETag of the bytes, so that another run can resume; a weak one is ignored."""
        if _STRONG_ETAG.fullmatch(etag):
            self._has_etag = True
            self._etag_path.write_text(etag, encoding="ascii")

    def _drop_etag(self) -> None:
        if self._has_etag:
            self._etag_path.unlink(missing_ok=True)
            self._has_etag = False

    def discard(self) -> None:
        """Delete the partial file and its ETag."""
        self._drop_etag()
        self.path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Move the synced file to its target. The new name is durable only once the folder is synced.

        Raises:
            OSError: it could not be moved.
        """
        os.replace(self.path, self._target)  # noqa: PTH105 - creates no further Path
        with suppress(OSError):  # without the partial file, it has no effect
            self._drop_etag()
