"""Arms a failpoint for the crash tests, which walk over every moment at which a machine can be lost."""

import itertools

from pipeline import failpoints, system
from pipeline.cli.environment import failure
from pipeline.errors import Unfinished


def arm_failpoint() -> None:
    """Have the failpoint that `PIPELINE_FAIL_AT` names fail, if it names one."""
    planned = failure()
    if planned is None:
        return
    wanted, kind = planned
    reached = itertools.count(1)

    def fail(name: str) -> None:
        if next(reached) != wanted:
            return
        if kind == "kill":
            system.kill_self()
        if kind == "full":
            raise Unfinished(f"{name}: no space left on the device")
        raise RuntimeError(f"failpoint: {name}")

    failpoints.arm(fail)
