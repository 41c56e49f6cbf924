"""The part of a file that has arrived: `<name>.part` beside its target, and the ETag that vouches for it."""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pipeline import system
from pipeline.files import make_folders, read_limited

# A weak one (`W/"…"`) allows bytes to differ, so nothing can be put together by it.
_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]{1,200}"')


class PartialFile:
    """The unfinished file of `target`; its bytes are at `path`."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self.path = Path(f"{target}.part")
        self._etag_path = Path(f"{target}.part.etag")
        self._has_etag = True

    def progress(self) -> tuple[int, str]:
        """How many bytes are here and their ETag; (0, "") with nothing to continue from."""
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
        """The file to write on from `start`; what lies behind is dropped.

        Raises:
            OSError: it cannot be written, or is a link, which is never followed.
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
                # What comes is not what the old one vouches for.
                self._drop_etag()
        except BaseException:
            file.close()
            raise
        return file

    def _descriptor(self, start: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | system.NO_FOLLOW | system.PRIVATE
        return os.open(self.path, flags if start else flags | os.O_TRUNC, 0o666)

    def save_etag(self, etag: str) -> None:
        """Keep the ETag that vouches for the bytes, so that another run can continue; a weak one does not vouch."""
        if _STRONG_ETAG.fullmatch(etag):
            self._has_etag = True
            self._etag_path.write_text(etag, encoding="ascii")

    def _drop_etag(self) -> None:
        if self._has_etag:
            self._etag_path.unlink(missing_ok=True)
            self._has_etag = False

    def discard(self) -> None:
        """Nothing of it is of use any more."""
        self._drop_etag()
        self.path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Put it, synced by now, in the target's place. What it is called is as durable as its folder.

        Raises:
            OSError: it could not be put there.
        """
        os.replace(self.path, self._target)  # noqa: PTH105 - makes no further path
        with suppress(OSError):  # it vouches for nothing without the other
            self._drop_etag()
