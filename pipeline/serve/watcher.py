"""Watches campaigns and adds every change to the feed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.operations.review import record
from pipeline.operations.workspace import TOOL
from pipeline.planning.forecast import outlook
from pipeline.report.data import VERSION

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.purchases import PurchaseId
    from pipeline.results.decisions import Decision
    from pipeline.serve.campaign_watch import CampaignWatch
    from pipeline.serve.feed import Feed

# Seconds between two looks: short, but looking takes no more than a share of the time.
_SHORTEST_PAUSE = 0.2
_LONGEST_PAUSE = 0.6
_SHARE = 1 / 14
# Seconds that an ending run waits for the last stills, and then for browsers to fetch what they will go on showing.
_STILLS_TIMEOUT = 5.0
_BROWSERS_TIMEOUT = 2.0
# Seconds between two computations of what a run would do.
_PLAN_INTERVAL = 20.0


class Watcher:
    """Watches the campaigns of a page."""

    def __init__(
        self,
        campaigns: Sequence[CampaignWatch],
        feed: Feed,
        *,
        can_decide: bool,
        makes_stills: bool,
    ) -> None:
        self.campaigns = campaigns
        self.feed = feed
        self.can_decide = can_decide
        self._makes_stills = makes_stills
        self._lock = threading.Lock()
        self._deciding = threading.Lock()
        self._stopped = threading.Event()
        self._whole: tuple[str, bytes] | None = None
        self._planned_at = time.monotonic() + _PLAN_INTERVAL

    def page_data(self) -> bytes:
        """Everything that the page shows, with the id of the last event that it includes."""
        with self._lock:
            if self._whole is None or self._whole[0] != self.feed.last_id:
                self._whole = (self.feed.last_id, _line(self._page_data()))
            return self._whole[1]

    def look(self) -> None:
        """Look at every campaign now, and send what has changed."""
        with self._lock:
            self._plan_now_and_then()
            changes: list[Json] = [each for one in self.campaigns if (each := one.look()) is not None]
            if changes:
                self.feed.add(_line({"campaigns": changes}))

    def record(
        self, decide: Callable[[Sequence[CampaignWatch]], tuple[CampaignWatch, PurchaseId, list[Decision]]]
    ) -> dict[str, Json]:
        """Write the decisions made by `decide` to disk, then send the changes to every browser.

        If there are none, nothing is written.

        Returns the changed parts of the page, with the id of the last event that they include, and what the next run
        makes because of it, or makes no longer.

        Raises:
            UsageError: the decision is not possible.
            InvalidInput, Unfinished: it cannot be written.
        """
        # One after another: each is told what follows from it, and not from another one.
        with self._deciding:
            with self._lock:
                watch, purchase_id, made = decide(self.campaigns)
                watch.plan()  # while a run goes on, the last one may be some seconds old
                before = watch.next_run
            if made:
                record(watch.workspace, made, watch.purchases)
            self.look()
            with self._lock:
                after = watch.next_run
                changes: list[Json] = [{"number": watch.number, **watch.rows.about(purchase_id)}]
                follows = outlook(before, after) if before is not None and after is not None else None
                return {"event": self.feed.last_id, "changes": changes, "outlook": follows}

    def still(self, name: str) -> bytes:
        """The still of the file whose hash begins with `name`; empty if there is none."""
        for each in self.campaigns:
            if (digest := each.rows.by_short_hash.get(name)) is not None and (
                still := each.stills.still(digest)
            ):
                return still
        return b""

    def run(self) -> None:
        """Look at all campaigns repeatedly until `stop`, and less often the more time a look takes."""
        pause = _SHORTEST_PAUSE
        while not self._stopped.wait(pause):
            began = time.thread_time()
            with suppress(OSError):  # a file may vanish while it is read
                self.look()
            spent = time.thread_time() - began
            pause = min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, spent / _SHARE))

    def finish(self) -> None:
        """Send the end of a run and its last stills, waiting for these only while browsers are connected."""
        self.look()  # finds the last files, and requests their stills
        deadline = time.monotonic() + _STILLS_TIMEOUT
        for each in self.campaigns:
            if self.feed.listeners:
                each.stills.wait(max(0.0, deadline - time.monotonic()))
        self.look()
        self.feed.end(_BROWSERS_TIMEOUT)

    def stop(self) -> None:
        """Stop looking, and end every stream."""
        self._stopped.set()
        self.feed.close()
        for each in self.campaigns:
            each.stills.close()

    def _plan_now_and_then(self) -> None:
        if time.monotonic() >= self._planned_at:
            self._planned_at = time.monotonic() + _PLAN_INTERVAL
            for each in self.campaigns:
                each.plan()

    def _page_data(self) -> dict[str, Json]:
        return {
            "version": VERSION,
            "tool": TOOL,
            "posters": self._makes_stills,
            "videos": True,
            "live": {
                "event": self.feed.last_id,
                "can_decide": self.can_decide,
            },
            "campaigns": [each.whole() for each in self.campaigns],
        }


def _line(data: Json) -> bytes:
    # A lone surrogate may come from a vendor's JSON; UTF-8 cannot encode it.
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
