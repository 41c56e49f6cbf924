"""The public Python face: `import pipeline`, then load, expand, plan, run.

It does what the commands of the same names do, and returns values where they print. Everything that is
not named here may change between releases.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pipeline.cli.acting import Known, Scene, known, scene, served_by
from pipeline.cli.options import CampaignFlags
from pipeline.cli.publishing import Publisher
from pipeline.cli.vendor import vendor
from pipeline.engine.report import RunReport, RunSettings, Stop, Tally
from pipeline.engine.run import execute
from pipeline.errors import (
    AccountError,
    BuyingStopped,
    ExitCode,
    InvalidInput,
    PipelineError,
    Problem,
    StateLocked,
    UsageError,
)
from pipeline.jobs import Job, Json
from pipeline.manifest import Campaign, expand
from pipeline.manifest import load as load_manifest
from pipeline.planning.actions import ALL, Action, Asked, Entry, Plan
from pipeline.planning.make import make
from pipeline.planning.price import Limits, refusal
from pipeline.providers.base import Provider
from pipeline.purchases import Purchase
from pipeline.results.build import Standing, standing
from pipeline.results.verdict import exit_code
from pipeline.serving import Serving, serve
from pipeline.state.store import Caps

__all__ = [
    "AccountError",
    "Action",
    "Asked",
    "BuyingStopped",
    "Campaign",
    "Entry",
    "ExitCode",
    "InvalidInput",
    "Job",
    "Outcome",
    "PipelineError",
    "Plan",
    "Problem",
    "Provider",
    "Purchase",
    "Standing",
    "StateLocked",
    "UsageError",
    "expand",
    "load",
    "plan",
    "run",
]

_TIMEOUT = 60.0


def load(manifest: str | Path, variables: Mapping[str, Json] | None = None) -> Campaign:
    """Read a manifest and everything that it names; `variables` win over its vars.

    Raises:
        InvalidInput: it is wrong; carries every problem with its place.
    """
    return load_manifest(Path(manifest), variables=dict(variables or {}))


def plan(
    manifest: str | Path,
    *,
    variables: Mapping[str, Json] | None = None,
    emulate: bool = False,
    asked: Asked = ALL,
) -> Plan:
    """What a run would do for each job, and what it would cost. Asks no network and no key, writes nothing.

    Raises:
        InvalidInput: manifest, state or results are wrong.
    """
    with known(_scene(manifest, variables, emulate=emulate), writable=False) as facts:
        return make(facts.serving, facts.shelf().survey(facts.serving), asked)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: by key how each job stands, what `pipeline run` would exit with, and why it stopped."""

    jobs: Mapping[str, Standing]
    code: ExitCode
    notes: tuple[str, ...]

    @property
    def is_done(self) -> bool:
        """Whether every job is done."""
        return self.code is ExitCode.OK


def run(
    manifest: str | Path,
    *,
    variables: Mapping[str, Json] | None = None,
    emulate: bool = False,
    asked: Asked = ALL,
    provider: Provider | None = None,
    on_event: Callable[[str, str], None] | None = None,
) -> Outcome:
    """Buy what is missing, fetch it, and write the results manifest; called again, it goes on where it stopped.

    The key comes from `VIMMERSE_API_KEY` unless `provider` is given. `on_event` hears the key of a job and what
    happened to it.

    Raises:
        InvalidInput: manifest, state or results are wrong.
        BuyingStopped: a cap would be passed; nothing was bought.
        StateLocked: another run holds the state.
        AccountError: there is no key.
    """
    place = _scene(manifest, variables, emulate=emulate)
    limits = place.campaign.limits
    settings = RunSettings(
        concurrency=limits.concurrency,
        in_flight=limits.in_flight,
        caps=Caps(limits.max_creates, limits.max_credits, limits.budget),
        report_errors=place.campaign.provider.report_errors,
        canary=limits.canary,
    )
    with known(place, writable=True) as facts:
        return _carry_out(facts, settings, asked, provider, on_event)


def _carry_out(
    facts: Known,
    settings: RunSettings,
    asked: Asked,
    provider: Provider | None,
    on_event: Callable[[str, str], None] | None,
) -> Outcome:
    shelf = facts.shelf()
    made = make(facts.serving, shelf.survey(facts.serving), asked)
    spent = sum(purchase.cost for purchase in facts.records.purchases.values())
    caps = settings.caps
    if made.buying and (why := refusal(made, Limits(caps.max_creates, caps.max_credits, caps.budget), spent)):
        raise BuyingStopped(why)
    report = RunReport()
    publisher = Publisher(facts.scene, facts.published)

    def publish() -> Serving:
        records = facts.store.records()
        serving = serve(facts.jobs, records, facts.decisions)
        facts.store.serve(served_by(serving))
        publisher.publish(serving, records, facts.decisions, report.inputs)
        return serving

    try:
        if made.asks_vendor or made.moves_files:
            if made.buying:
                shelf.assert_writable()
            with ExitStack() as held:
                seller = provider or held.enter_context(vendor(facts.scene, _TIMEOUT))
                execute(
                    made,
                    facts.records,
                    store=facts.store,
                    provider=seller,
                    shelf=shelf,
                    manifest_folder=facts.scene.campaign.manifest.parent,
                    settings=settings,
                    reporter=_Listener(on_event),
                    report=report,
                    stop=Stop(),
                    publish=publish,
                )
    finally:
        serving = publish()
    return _outcome(made, serving, report, facts.scene)


def _outcome(made: Plan, serving: Serving, report: RunReport, place: Scene) -> Outcome:
    selected = {each.key for each in made.entries if each.action is not Action.PINNED or each.purchase}
    jobs = {
        job.name: standing(job, serving, report.inputs, report.blocked)
        for job in serving.jobs
        if job.name in selected
    }
    threshold = place.campaign.limits.fail_threshold
    code = exit_code(serving, selected, report.codes, report.inputs, report.blocked, threshold)
    return Outcome(jobs, code, tuple(report.notes))


def _scene(manifest: str | Path, variables: Mapping[str, Json] | None, *, emulate: bool) -> Scene:
    flags = CampaignFlags(None, None, None, (), (), emulate)
    return scene(Path(manifest), flags, dict(variables or {}))


class _Listener:
    """A reporter that passes on what happens and shows nothing."""

    def __init__(self, on_event: Callable[[str, str], None] | None) -> None:
        self._on_event = on_event

    def show(self, tally: Tally) -> None:
        """Nobody looks."""

    def tell(self, key: str, what: str) -> None:
        """Pass it on."""
        if self._on_event is not None:
            self._on_event(key, what)

    def warn(self, message: str) -> None:
        """Pass it on, as of no job."""
        self.tell("", message)

    def close(self) -> None:
        """Nothing is held."""
