"""Videos in an object store, for the live page: lists them, and passes their bytes through this server.

No links are signed: browsers authenticate to this server only, and never get access to the store.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.artifacts.s3 import OpenObject
    from pipeline.schemes import ObjectUrl

# Seconds between two listings: at first, and at most, after listings that found nothing new.
_SHORTEST_PAUSE = 3.0
_LONGEST_PAUSE = 300.0
# Seconds that the page waits for the first listing; a later one is shown when it arrives.
_TIMEOUT = 5.0


class StoredVideos:
    """The objects below `url`. They are listed in separate threads, since a store may be slow or unreachable.

    `sizes` are by path. `trouble` says why the last listing failed.
    """

    def __init__(self, url: ObjectUrl) -> None:
        # Imported here, since its client is an optional extra.
        from pipeline.artifacts.s3 import Bucket

        self.url = url
        self.sizes: Mapping[str, int] = {}
        self.trouble: str | None = None
        self._bucket = Bucket(url)
        self._pause = _SHORTEST_PAUSE
        self._listed_at = -_LONGEST_PAUSE
        self._lists = threading.Lock()
        self._begin()
        if self._lists.acquire(timeout=_TIMEOUT):
            self._lists.release()

    def want(self, *, refresh: bool) -> None:
        """List the store again if the last listing is old; `refresh`: a file may just have been uploaded."""
        if refresh:
            self._pause = _SHORTEST_PAUSE
        if time.monotonic() >= self._listed_at + self._pause:
            self._begin()

    def open(self, location: ObjectUrl, span: str | None) -> OpenObject | None:
        """The bytes of an object, or of a range of it; None if there are none.

        Raises:
            Unfinished, InvalidInput: the store refuses them.
        """
        path = location.key.removeprefix(f"{self.url.key}/") if self.url.key else location.key
        return self._bucket.open(path, span)

    def _begin(self) -> None:
        if self._lists.acquire(blocking=False):
            threading.Thread(target=self._list, name="listing", daemon=True).start()

    def _list(self) -> None:
        try:
            found = {path: stored.bytes for path, stored in self._bucket.listing().items()}
            self._pause = _SHORTEST_PAUSE if found != self.sizes else min(2 * self._pause, _LONGEST_PAUSE)
            self.sizes, self.trouble = found, None
        except PipelineError as error:
            self._pause, self.trouble = min(2 * self._pause, _LONGEST_PAUSE), str(error)
        finally:
            self._listed_at = time.monotonic()
            self._lists.release()
