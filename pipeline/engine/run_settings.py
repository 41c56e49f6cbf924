"""The settings of a run, which `pipeline.operations.run_options` assembles from the manifest and the flags."""

from dataclasses import dataclass

from pipeline.purchases import Status
from pipeline.state.store import Caps


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """The settings of a run.

    `max_poll_interval` is the longest wait, in seconds, between two polls of one workflow. `concurrency` limits the
    calls under way, `rate` the requests a second (None: no limit), `in_flight` the workflows that are bought and have
    not ended. Without `wait`, a run only buys; without `download`, it leaves the files at the vendor. `fail_fast`
    stops buying after the first failure. With `canary`, one job of each template goes first, and the others wait
    until it has succeeded.
    """

    concurrency: int
    in_flight: int
    max_poll_interval: float
    rate: float | None = None
    caps: Caps = Caps()
    report_errors: bool = False
    wait: bool = True
    download: bool = True
    fail_fast: bool = False
    canary: bool = False

    @property
    def accepted(self) -> frozenset[str]:
        """The statuses before `done` in which the run may leave a job."""
        if not self.wait:
            return frozenset({Status.SUBMITTED.value, Status.SUCCEEDED.value})
        return frozenset() if self.download else frozenset({Status.SUCCEEDED.value})
