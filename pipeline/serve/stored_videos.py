"""Videos in an object store, for the live page: lists them, and passes their bytes through this server.

No link is signed: browsers present this server's token and never get access to the store.
"""

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError
from pipeline.schemes import ObjectUrl

if TYPE_CHECKING:
    from pipeline.artifacts.s3 import OpenObject

# Seconds between two listings: at first, and at most, where each finds nothing new.
_SHORTEST_PAUSE = 3.0
_LONGEST_PAUSE = 300.0
# Seconds that the page waits for the first listing; what comes later is shown later.
_PATIENCE = 5.0


class StoredVideos:
    """The objects below `url`. They are listed in threads of their own, as a store may be slow or unreachable.

    `sizes` are by path. `trouble` says why the store could not be listed last.
    """

    def __init__(self, url: ObjectUrl) -> None:
        # Imported here, as its client comes with an extra.
        from pipeline.artifacts.s3 import Bucket

        self.url = url
        self.sizes: Mapping[str, int] = {}
        self.trouble: str | None = None
        self._bucket = Bucket(url)
        self._pause = _SHORTEST_PAUSE
        self._listed_at = -_LONGEST_PAUSE
        self._lists = threading.Lock()
        self._begin()
        if self._lists.acquire(timeout=_PATIENCE):
            self._lists.release()

    def want(self, *, anew: bool) -> None:
        """List it again where that was long ago; `anew`: something may just have been put there."""
        if anew:
            self._pause = _SHORTEST_PAUSE
        if time.monotonic() >= self._listed_at + self._pause:
            self._begin()

    def open(self, location: ObjectUrl, span: str | None) -> "OpenObject | None":
        """The bytes of an object, or of a range of it; None where there are none.

        Raises:
            Unfinished, InvalidInput: the store does not give them.
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
