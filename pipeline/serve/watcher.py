"""Watches campaigns and adds every change to the feed."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from pipeline.json_values import Json
from pipeline.operations.review import record
from pipeline.operations.workspace import TOOL
from pipeline.report.data import VERSION
from pipeline.results.decisions import Decision
from pipeline.serve.campaign_watch import CampaignWatch
from pipeline.serve.feed import Feed

# Seconds between two looks: short, but of the time no more than a share is spent on looking.
_SHORTEST_PAUSE = 0.2
_LONGEST_PAUSE = 0.6
_SHARE = 1 / 14
# Seconds that the end of a run waits for stills of what was made last, and then for browsers to fetch what they show.
_STILLS_PATIENCE = 5.0
_BROWSERS_PATIENCE = 2.0
# Seconds between two plans, which show what a run would do.
_PLAN_INTERVAL = 20.0


class Watcher:
    """The campaigns of a page."""

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
        self._stopped = threading.Event()
        self._whole: tuple[str, bytes] | None = None
        self._planned_at = time.monotonic() + _PLAN_INTERVAL

    def page_data(self) -> bytes:
        """Everything that the page shows, with the id of the event up to which it holds."""
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
        self, decide: Callable[[Sequence[CampaignWatch]], tuple[CampaignWatch, list[Decision]]]
    ) -> dict[str, Json]:
        """Write the decisions on a purchase, and on others because of it, to disk, then send it to every browser.

        Returns what of the page has changed by it, with the id of the event up to which that holds.

        Raises:
            UsageError: the decision is not possible.
            InvalidInput, Unfinished: it cannot be written.
        """
        with self._lock:
            watch, made = decide(self.campaigns)
        record(watch.workspace, made)
        self.look()
        with self._lock:
            changes: list[Json] = [{"number": watch.number, **watch.rows.about(made[0].purchase)}]
            return {"event": self.feed.last_id, "changes": changes}

    def still(self, name: str) -> bytes:
        """The still of the file whose hash begins with `name`; empty where there is none."""
        for each in self.campaigns:
            if (digest := each.rows.by_short_hash.get(name)) is not None and (
                still := each.stills.still(digest)
            ):
                return still
        return b""

    def run(self) -> None:
        """Look until stopped."""
        pause = _SHORTEST_PAUSE
        while not self._stopped.wait(pause):
            began = time.thread_time()
            with suppress(OSError):  # a file may go while it is looked at
                self.look()
            spent = time.thread_time() - began
            pause = min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, spent / _SHARE))

    def finish(self) -> None:
        """Report how a run ended, with the stills of what it made last, for as long as somebody waits for them."""
        self.look()  # what was made last is found here, and its still is wanted
        deadline = time.monotonic() + _STILLS_PATIENCE
        for each in self.campaigns:
            if self.feed.listeners:
                each.stills.wait(max(0.0, deadline - time.monotonic()))
        self.look()
        self.feed.end(_BROWSERS_PATIENCE)

    def stop(self) -> None:
        """Look no more, and end every stream."""
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
    # A lone surrogate may come from a vendor's JSON, and no browser takes one.
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
