"""Options of one run, and the settings that follow from them and the manifest: put together here only."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.engine.run_settings import RunSettings
from pipeline.errors import UsageError
from pipeline.executors.choice import OpenExecutor
from pipeline.manifest.model import Campaign, Limits
from pipeline.operations.caps import caps_of
from pipeline.planning.plan import ALL, Plan, PlanOptions
from pipeline.planning.shards import Shard
from pipeline.planning.split import caps_of_part
from pipeline.state.store import Change
from pipeline.webhooks.receipt import Webhooks

if TYPE_CHECKING:
    from pipeline.engine.checkpoint import Checkpoint
    from pipeline.providers.base import Provider


def ignore_change(_change: Change) -> None:
    """Do nothing: no events were asked for."""


def as_it_is(provider: "Provider") -> "Provider":
    """The provider itself, where its calls are not observed."""
    return provider


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Options of one run besides the manifest; None: as in the manifest.

    `rate` is in calls a second. `request_timeout` is what one call may take, `max_poll_interval` the longest wait
    between two polls of one workflow, both in seconds. Caps may only be lowered, as the manifest's were reviewed.
    `provider` replaces the one that the manifest names; `webhooks` are the addresses that the vendor is to call;
    `on_change` is called with every step once it is on disk; `observe` may wrap the provider, and is used in its
    place. `open_workers` opens what makes the calls that may be repeated, where this process is not to.
    """

    plan: PlanOptions = ALL
    concurrency: int | None = None
    in_flight: int | None = None
    rate: float | None = None
    max_creates: int | None = None
    max_credits: int | None = None
    fail_threshold: float | None = None
    request_timeout: float = 60.0
    max_poll_interval: float = 30.0
    wait: bool = True
    download: bool = True
    fail_fast: bool = False
    frozen: bool = False
    provider: "Provider | None" = None
    checkpoint: "Checkpoint | None" = None
    webhooks: Webhooks | None = None
    on_change: Callable[[Change], None] = ignore_change
    observe: "Callable[[Provider], Provider]" = as_it_is
    open_workers: OpenExecutor | None = None

    def __post_init__(self) -> None:
        # From Python anything may come, and no comparison stops what is no number.
        for name in ("max_creates", "max_credits"):
            cap = getattr(self, name)
            if cap is not None and (type(cap) is not int or cap < 0):
                raise UsageError(f"{name}: expected a whole number, 0 or more, found {cap!r:.40}")
        share = self.fail_threshold
        if share is not None and (type(share) not in (int, float) or not 0 <= share <= 1):
            raise UsageError(f"fail_threshold: expected a share from 0 to 1, found {share!r:.40}")


def run_settings(campaign: Campaign, options: RunOptions) -> RunSettings:
    """How a run of `campaign` goes about it.

    Raises:
        UsageError: a cap is above the manifest's.
    """
    limits = campaign.limits
    return RunSettings(
        concurrency=options.concurrency or limits.concurrency,
        in_flight=options.in_flight or limits.in_flight,
        rate=options.rate or limits.rate,
        max_poll_interval=options.max_poll_interval,
        caps=caps_of(limits, max_creates=options.max_creates, max_credits=options.max_credits),
        report_errors=campaign.provider.report_errors,
        wait=options.wait,
        download=options.download,
        fail_fast=options.fail_fast,
        canary=limits.canary,
    )


def settings_without_manifest(max_poll_interval: float) -> RunSettings:
    """How what is paid for is followed where there is no manifest: with the default limits, and no caps."""
    limits = Limits()
    return RunSettings(
        concurrency=limits.concurrency, in_flight=limits.in_flight, max_poll_interval=max_poll_interval
    )


def settings_of_shard(settings: RunSettings, shard: Shard, part: Plan, spent: int) -> RunSettings:
    """The share that a shard has of each limit that holds for all shards together.

    A limit with no line here is obeyed by each of N shards, so that together they reach N times as much. `part` is
    what the shard does of the plan, `spent` the credits of all runs so far.
    """
    return replace(
        settings,
        caps=caps_of_part(settings.caps, part, spent),
        concurrency=shard.share(settings.concurrency),
        in_flight=shard.share(settings.in_flight),
        rate=None if settings.rate is None else settings.rate / shard.count,
    )


def fail_threshold(campaign: Campaign, options: RunOptions) -> float:
    """The share of failed jobs, 0 to 1, with which a run of `campaign` still counts as good."""
    return campaign.limits.fail_threshold if options.fail_threshold is None else options.fail_threshold
