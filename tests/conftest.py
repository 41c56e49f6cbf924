"""Hypothesis profiles: `default` for every run, `soak` for long ones (`HYPOTHESIS_PROFILE=soak`); a PostgreSQL."""

import os

from hypothesis import HealthCheck, settings
from support.postgres import postgres

__all__ = ["postgres"]

# How fast an example is drawn or run depends on the machine, and tells nothing of the code.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("soak", settings.get_profile("default"), max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
