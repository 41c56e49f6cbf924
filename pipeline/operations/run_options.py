"""Options of one run, and the settings made from them and the manifest; no other module combines the two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.engine.run_settings import RunSettings
from pipeline.errors import UsageError
from pipeline.manifest.model import Campaign, Limits
from pipeline.operations.caps import caps_of
from pipeline.planning.plan import ALL, Plan, PlanOptions
from pipeline.planning.split import caps_of_part
from pipeline.providers.api_settings import REQUEST_TIMEOUT

if TYPE_CHECKING:
    from pipeline.engine.checkpoint import Checkpoint
    from pipeline.executors.choice import OpenExecutor
    from pipeline.planning.shards import Shard
    from pipeline.providers.base import Provider
    from pipeline.state.store import Change
    from pipeline.webhooks.receipt import Webhooks


def ignore_change(_change: Change) -> None:
    """Do nothing: no events were requested."""


def as_it_is(provider: Provider) -> Provider:
    """The provider itself: its calls are not observed."""
    return provider


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Options of one run besides the manifest; None: as in the manifest.

    `rate` is in calls a second. `request_timeout` is the longest that one call may take, `max_poll_interval` the
    longest wait between two polls of one workflow, both in seconds. Caps may only be lowered, since the manifest's
    were reviewed. `provider` replaces the one that the manifest names; `webhooks` are the addresses that the vendor
    is to call; `on_change` is called with every step once it is on disk; the run uses what `observe` returns for the
    provider. `open_workers` opens the executor of the calls that may be repeated; None: this process makes them.
    """

    plan: PlanOptions = ALL
    concurrency: int | None = None
    in_flight: int | None = None
    rate: float | None = None
    max_creates: int | None = None
    max_credits: int | None = None
    fail_threshold: float | None = None
    request_timeout: float = REQUEST_TIMEOUT
    max_poll_interval: float = 30.0
    wait: bool = True
    download: bool = True
    fail_fast: bool = False
    frozen: bool = False
    provider: Provider | None = None
    checkpoint: Checkpoint | None = None
    webhooks: Webhooks | None = None
    on_change: Callable[[Change], None] = ignore_change
    observe: Callable[[Provider], Provider] = as_it_is
    open_workers: OpenExecutor | None = None

    def __post_init__(self) -> None:
        # Python callers may pass anything, and comparisons alone let wrong types through.
        for name in ("max_creates", "max_credits"):
            cap = getattr(self, name)
            if cap is not None and (type(cap) is not int or cap < 0):
                raise UsageError(f"{name}: expected a whole number, 0 or more, found {cap!r:.40}")
        share = self.fail_threshold
        if share is not None and (type(share) not in (int, float) or not 0 <= share <= 1):
            raise UsageError(f"fail_threshold: expected a share from 0 to 1, found {share!r:.40}")


def run_settings(campaign: Campaign, options: RunOptions) -> RunSettings:
    """The settings of a run of `campaign`.

    Raises:
        UsageError: a cap is above the manifest's.
    """
    limits = campaign.limits
    return RunSettings(
        concurrency=options.concurrency or limits.concurrency,
        in_flight=options.in_flight or limits.in_flight,
        rate=options.rate or limits.rate,
        max_poll_interval=options.max_poll_interval,
        caps=caps_of(campaign, max_creates=options.max_creates, max_credits=options.max_credits),
        report_errors=campaign.provider.report_errors,
        wait=options.wait,
        download=options.download,
        fail_fast=options.fail_fast,
        canary=limits.canary,
    )


def settings_without_manifest(max_poll_interval: float) -> RunSettings:
    """The settings for collecting without a manifest: the default limits, and no caps."""
    limits = Limits()
    return RunSettings(
        concurrency=limits.concurrency, in_flight=limits.in_flight, max_poll_interval=max_poll_interval
    )


def settings_of_shard(settings: RunSettings, shard: Shard, part: Plan) -> RunSettings:
    """The settings with the shard's share of each limit that applies to all shards together.

    If a limit has no line here, each of N shards obeys it alone, so together they reach N times the limit. `part` is
    the shard's part of the plan.
    """
    return replace(
        settings,
        caps=caps_of_part(settings.caps, part),
        concurrency=shard.share(settings.concurrency),
        in_flight=shard.share(settings.in_flight),
        rate=None if settings.rate is None else settings.rate / shard.count,
    )


def fail_threshold(campaign: Campaign, options: RunOptions) -> float:
    """The largest share of failed jobs, 0 to 1, with which a run of `campaign` still succeeds."""
    return campaign.limits.fail_threshold if options.fail_threshold is None else options.fail_threshold
