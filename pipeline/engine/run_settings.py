"""The settings of a run, put together from the manifest and the flags by `pipeline.operations.run_options`."""

from dataclasses import dataclass

from pipeline.purchases import Status
from pipeline.state.store import Caps


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How a run goes about it.

    `max_poll_interval` is the longest wait, in seconds, between two polls of one workflow. `concurrency` bounds
    the calls under way, `rate` (None: not at all) the requests a second, `in_flight` the workflows that are bought
    and not ended. Without `wait` a run only buys, without `download` it leaves the files at the vendor. `fail_fast`
    ends buying with the first failure; with `canary` one job of each template goes first, the rest of that template
    when it has succeeded.
    """

    concurrency: int = 8
    in_flight: int = 50
    rate: float | None = None
    max_poll_interval: float = 30.0
    caps: Caps = Caps()
    report_errors: bool = False
    wait: bool = True
    download: bool = True
    fail_fast: bool = False
    canary: bool = False

    @property
    def accepted(self) -> frozenset[str]:
        """The statuses under way with which the run is to leave a job."""
        if not self.wait:
            return frozenset({Status.SUBMITTED.value, Status.SUCCEEDED.value})
        return frozenset() if self.download else frozenset({Status.SUCCEEDED.value})
