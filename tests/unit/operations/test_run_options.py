"""What a run is asked from Python: caps and shares that are numbers, as nothing else caps anything."""

from typing import Any

import pytest
from support.protection import fails_without

from pipeline.engine.run_settings import RunSettings
from pipeline.errors import UsageError
from pipeline.manifest.model import Limits
from pipeline.manifest.settings import build_limits
from pipeline.operations.run_options import RunOptions, settings_without_manifest


@fails_without("pipeline.operations.run_options:RunOptions.__post_init__", "for name in ('max_creates'")
@pytest.mark.parametrize("name", ["max_creates", "max_credits"])
@pytest.mark.parametrize("cap", [-1, 1.5, float("nan"), float("inf"), True, "3"])
def test_a_cap_that_caps_nothing(name: str, cap: Any) -> None:
    with pytest.raises(UsageError, match=f"{name}: expected a whole number, 0 or more"):
        RunOptions(**{name: cap})


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf"), True, "0.5"])
def test_a_share_that_is_none(share: Any) -> None:
    with pytest.raises(UsageError, match="fail_threshold: expected a share from 0 to 1"):
        RunOptions(fail_threshold=share)


def test_what_is_fine() -> None:
    made = RunOptions(max_creates=0, max_credits=10**9, fail_threshold=1)
    assert (made.max_creates, made.max_credits, made.fail_threshold) == (0, 10**9, 1)


def test_the_default_limits_of_a_run_are_those_of_a_manifest() -> None:
    assert settings_without_manifest(max_poll_interval=30) == RunSettings()
    assert build_limits(None) == Limits()
