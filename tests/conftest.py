"""Hypothesis profiles: `default` draws the same examples in every run; a PostgreSQL; how many tests run at once.

`HYPOTHESIS_PROFILE=random` draws new examples, and `soak` many of them.
"""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings
from support.postgres import postgres

__all__ = ["postgres"]

# How fast an example is drawn or run depends on the machine and says nothing about the code.
settings.register_profile("random", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("soak", settings.get_profile("random"), max_examples=5_000)
# A test that fails tells of the change that is tested, not of an old fault that was found by chance: those are what
# `make soak` looks for.
settings.register_profile("default", settings.get_profile("random"), derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# A shell makes background processes ignore Ctrl-C, which the processes of the tests would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# So does `nohup` with SIGHUP, which a run then ignores too.
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two per core (`-n auto`): much of a test is waiting for a slow vendor or a process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 2 * cores
