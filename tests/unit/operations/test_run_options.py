"""Options of a run from Python: caps and shares must be numbers, as nothing else limits anything."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from manifest.authoring import ANYTHING, Project
from support.protection import fails_without

from pipeline.assignment import assign
from pipeline.cli.run_command import command as run_command
from pipeline.engine.run_settings import RunSettings
from pipeline.errors import UsageError
from pipeline.manifest.model import Campaign, Limits
from pipeline.manifest.settings import build_limits
from pipeline.operations.run_options import (
    RunOptions,
    fail_threshold,
    run_settings,
    settings_of_shard,
    settings_without_manifest,
)
from pipeline.planning.plan import Plan
from pipeline.planning.shards import Shard
from pipeline.purchases import Records
from pipeline.state.store import Caps

# A value of each limit that is not its default.
LIMITS: dict[str, Any] = {
    "max_creates": 7,
    "max_credits": 70,
    "budget": 700,
    "concurrency": 3,
    "in_flight": 11,
    "rate": 2.5,
    "fail_threshold": 0.25,
    "canary": True,
}
# The settings that each shard obeys on its own. The others are limits that all shards keep together.
OF_EACH_SHARD = {
    "max_poll_interval",
    "report_errors",
    "wait",
    "download",
    "fail_fast",
    "canary",
}


@fails_without("pipeline.operations.run_options:RunOptions.__post_init__", "for name in ('max_creates'")
@pytest.mark.parametrize("name", ["max_creates", "max_credits"])
@pytest.mark.parametrize("cap", [-1, 1.5, float("nan"), float("inf"), True, "3"])
def test_invalid_cap_is_rejected(name: str, cap: Any) -> None:
    with pytest.raises(UsageError, match=f"{name}: expected a whole number, 0 or more"):
        RunOptions(**{name: cap})


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf"), True, "0.5"])
def test_invalid_share_is_rejected(share: Any) -> None:
    with pytest.raises(UsageError, match="fail_threshold: expected a share from 0 to 1"):
        RunOptions(fail_threshold=share)


def test_valid_options_are_accepted() -> None:
    made = RunOptions(max_creates=0, max_credits=10**9, fail_threshold=1)
    assert (made.max_creates, made.max_credits, made.fail_threshold) == (0, 10**9, 1)


def test_default_limits_equal_those_of_a_manifest() -> None:
    assert build_limits(None) == Limits()
    settings = settings_without_manifest(max_poll_interval=30)
    limits = Limits()
    assert (settings.concurrency, settings.in_flight) == (limits.concurrency, limits.in_flight)


def test_defaults_of_flags_equal_those_of_options() -> None:
    flags = {each.name: each.default for each in run_command.params}
    options = RunOptions()
    assert flags["request_timeout"] == options.request_timeout
    assert flags["poll_interval"] == options.max_poll_interval


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
def test_each_manifest_limit_is_read_and_reaches_the_run(tmp_path: Path, name: str) -> None:
    assert name in LIMITS, f"add a value of {name}, which is not its default, to LIMITS"
    value = LIMITS[name]
    unlimited = Project(tmp_path).load(ANYTHING)
    limited = Project(tmp_path).load(f"{ANYTHING}limits: {{{name}: {json.dumps(value)}}}\n")
    assert getattr(limited.limits, name) == value
    assert _in_force(limited) != _in_force(unlimited)


def _in_force(campaign: Campaign) -> tuple[RunSettings, float]:
    return run_settings(campaign, RunOptions()), fail_threshold(campaign, RunOptions())


def test_each_setting_is_divided_among_shards_or_listed_as_per_shard() -> None:
    settings = RunSettings(
        concurrency=8, in_flight=50, max_poll_interval=30, rate=4.0, caps=Caps(max_creates=5, budget=500)
    )
    nothing = Plan(entries=(), assignment=assign((), Records()))
    divided = settings_of_shard(settings, Shard(index=1, count=2), nothing)
    names = {field.name for field in fields(RunSettings)}
    changed = {name for name in names if getattr(divided, name) != getattr(settings, name)}
    assert names - changed == OF_EACH_SHARD, (
        "a new setting needs a line in settings_of_shard, or a name in OF_EACH_SHARD"
    )
