"""What has come of a file so far: `<name>.part` beside its target, and the ETag that vouches for it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline import system
from pipeline.files import read_limited

# A weak one (`W/"…"`) allows bytes to differ, so nothing can be put together by it.
_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]{1,200}"')


@dataclass(frozen=True, slots=True)
class PartialFile:
    """The unfinished file of `target`."""

    target: Path

    @property
    def path(self) -> Path:
        """Where the bytes are."""
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def _etag_path(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part.etag")

    def progress(self) -> tuple[int, str]:
        """How many bytes are here and the ETag they came with; (0, "") with nothing to go on from."""
        try:
            etag = read_limited(self._etag_path, 300).decode("ascii")
            size = self.path.lstat().st_size
        except (OSError, ValueError):
            return 0, ""
        return (size, etag) if size and _STRONG_ETAG.fullmatch(etag) else (0, "")

    def open(self, start: int) -> BinaryIO:
        """The file to write on from `start`; what lies behind is dropped.

        Raises:
            OSError: it cannot be written, or is a link, which is never followed.
        """
        self.target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | system.NO_FOLLOW | system.PRIVATE, 0o666)
        file = os.fdopen(descriptor, "wb")
        try:
            file.truncate(start)
            file.seek(start)
            if start == 0:
                # What comes is not what the old one vouches for.
                self._etag_path.unlink(missing_ok=True)
        except BaseException:
            file.close()
            raise
        return file

    def save_etag(self, etag: str) -> None:
        """Keep what vouches for the bytes that come, so that another run can go on; a weak one does not."""
        if _STRONG_ETAG.fullmatch(etag):
            self._etag_path.write_text(etag, encoding="ascii")

    def discard(self) -> None:
        """Nothing of it is of use any more."""
        self._etag_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Put it, synced by now, in the target's place. What it is called is as durable as its folder.

        Raises:
            OSError: it could not be put there.
        """
        self.path.replace(self.target)
        self._etag_path.unlink(missing_ok=True)
