"""Publishes the results of a run in a thread, while the run goes on."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.jobs import JobKey
    from pipeline.media.facts import MediaMap
    from pipeline.operations.campaign_state import CampaignState
    from pipeline.operations.results_publisher import Publisher
    from pipeline.purchases import Records

# Seconds that a thread may hold the interpreter while others wait for it. With Python's default of 5 ms, the
# coordinator would wait that long after each of the about fifty system calls in a turn.
_SWITCH_INTERVAL = 0.0005
_switching = threading.Lock()


@dataclass(kw_only=True, eq=False, slots=True)
class ResultsPublication:
    """The results of a state at one moment: a thread may write them while the state continues to change.

    `records` are the state's at that moment; no argument may change afterwards.
    """

    publisher: Publisher
    state: CampaignState
    records: Records
    inputs: Mapping[JobKey, str]
    media: MediaMap

    def write(self) -> None:
        """Compute the assignment, and write the results manifest.

        Raises:
            InvalidInput, Unfinished: as `Publisher.publish`.
        """
        with _others_first():
            self.state = self.state.with_records(self.records)
            self.publisher.publish(self.state, self.inputs, self.media)

    def note(self) -> None:
        """Store in the state that they were published. Call this in the thread that owns the state.

        Raises:
            PipelineError: the state accepts no more writes.
        """
        self.publisher.note(self.state, is_all=False)


@contextmanager
def _others_first() -> Iterator[None]:
    """Let other threads take over the interpreter sooner.

    Only one of several runs in a process does this at a time: it could not restore an interval that another has set.
    """
    if not _switching.acquire(blocking=False):
        yield
        return
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
        _switching.release()
