"""One run, from the plan that it shows to the sentence that it ends with."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import click

from pipeline.artifacts.shelf import Shelf
from pipeline.cli.acting import Known, served_by, shown_path
from pipeline.cli.environment import is_terminal
from pipeline.cli.options import manner
from pipeline.cli.publishing import Publisher
from pipeline.cli.stopping import asking
from pipeline.cli.terminal import paint_for, problem_lines, say, untrusted_block
from pipeline.cli.vendor import vendor
from pipeline.engine.checkpoint import Checkpoint
from pipeline.engine.progress import BarReporter, LineReporter
from pipeline.engine.report import RunReport, RunSettings, Stop
from pipeline.engine.run import execute
from pipeline.errors import ExitCode, PipelineError, printable
from pipeline.planning.actions import ALL, Action, Asked, Plan
from pipeline.planning.collect import paid_for
from pipeline.planning.make import make
from pipeline.planning.price import Limits, refusal
from pipeline.planning.show import as_text, totals
from pipeline.purchases import Records, Status
from pipeline.results.build import Standing, standing
from pipeline.results.verdict import exit_code
from pipeline.serving import Serving, serve
from pipeline.state.store import Change

_MOST_LISTED = 40
_WORDS = {
    Status.DONE.value: "done",
    Status.SUCCEEDED.value: "finished, not fetched",
    Status.SUBMITTED.value: "still running",
    Status.SUBMITTING.value: "in need of attention",
    Status.ATTENTION.value: "in need of attention",
    Status.FAILED.value: "failed",
    "pending": "not bought",
}


@dataclass(frozen=True)
class Orders:
    """What a run was told on the command line.

    `timeout` is what one call may take, in seconds. `check` raises where the plan is not the one that was
    reviewed.
    """

    settings: RunSettings
    timeout: float
    asked: Asked = ALL
    check: Callable[[Plan], None] | None = None
    checkpoint: Checkpoint | None = None
    on_change: Callable[[Change], None] = lambda _change: None
    frozen: bool = False
    fail_threshold: float = 0.0
    events_on_stdout: bool = False

    @property
    def enough(self) -> set[str]:
        """The statuses under way with which the run is to leave a job."""
        if not self.settings.wait:
            return {Status.SUBMITTED.value, Status.SUCCEEDED.value}
        return set() if self.settings.download else {Status.SUCCEEDED.value}


class Running:
    """Carries out the plan of one campaign, with the lock held. `outcome` is how its jobs stand at the end."""

    def __init__(self, facts: Known, orders: Orders, stop: Stop) -> None:
        self.outcome: dict[str, Standing] = {}
        self._facts = facts
        self._orders = orders
        self._stop = stop
        self._report = RunReport()
        self._publisher = Publisher(facts.scene, facts.published)
        self._paint = paint_for(sys.stdout, no_color=manner().no_color)

    def carry_out(self, *, ask: bool) -> ExitCode:
        """Show the plan, buy what it says, fetch, write the results, and say how it ended."""
        shelf = self._facts.shelf()
        plan = make(self._facts.serving, shelf.survey(self._facts.serving), self._orders.asked)
        if self._orders.check is not None:
            self._orders.check(plan)
        with untrusted_block():
            self._announce(plan)
        try:
            if self._may_go_on(plan, ask=ask):
                self._execute(plan, shelf)
        finally:
            # However it ended, what is on disk now is published.
            serving = self._publish()
            self._have_published()
        with untrusted_block():
            return self._conclude(plan, serving)

    def collect(self) -> ExitCode:
        """Fetch what is paid for and not here, and buy nothing."""
        shelf = self._facts.shelf()
        selected = self._orders.asked.selected
        known = self._facts.records.purchases.values()
        plan = paid_for(
            make(self._facts.serving, shelf.survey(self._facts.serving), self._orders.asked),
            [each for each in known if selected is None or each.key in selected],
            shelf.lacks,
        )
        try:
            self._execute(plan, shelf)
        finally:
            serving = self._publish()
        with untrusted_block():
            return self._conclude(plan, serving)

    def _announce(self, plan: Plan) -> None:
        if manner().quiet:
            return
        for warning in problem_lines(self._facts.scene.campaign.warnings, self._paint):
            self._say(warning)
        lines = as_text(plan, self._paint) if len(plan.entries) <= _MOST_LISTED else totals(plan, self._paint)
        for line in lines:
            self._say(line)

    def _say(self, line: str) -> None:
        say(line, err=self._orders.events_on_stdout)

    def _may_go_on(self, plan: Plan, *, ask: bool) -> bool:
        caps = self._orders.settings.caps
        spent = sum(purchase.cost for purchase in self._facts.records.purchases.values())
        limits = Limits(caps.max_creates, caps.max_credits, caps.budget)
        if plan.buying and self._orders.frozen:
            self._report.stop(
                ExitCode.STOPPED_BUYING, f"{len(plan.buying):,} to buy, but --frozen: nothing was done"
            )
            return False
        if plan.buying and (why := refusal(plan, limits, spent)):
            self._report.stop(ExitCode.STOPPED_BUYING, why)
            return False
        person = is_terminal(sys.stdin) and is_terminal(sys.stdout)
        if ask and plan.buying and person and not self._says_yes():
            self._report.stop(ExitCode.UNFINISHED, "nothing was bought")
            return False
        return True

    def _says_yes(self) -> bool:
        with vendor(self._facts.scene, self._orders.timeout):
            pass  # Without a key there is nothing to ask.
        try:
            with asking(self._stop):
                return click.confirm("Buy?", default=False)
        except click.Abort:
            return False

    def _execute(self, plan: Plan, shelf: Shelf) -> None:
        place = self._facts.scene
        if not plan.asks_vendor and not plan.moves_files:
            return
        if plan.buying and self._orders.settings.download:
            shelf.assert_writable()
        with vendor(place, self._orders.timeout) as provider, closing(self._reporter(plan)) as reporter:
            execute(
                plan,
                self._facts.records,
                store=self._facts.store,
                provider=provider,
                shelf=shelf,
                manifest_folder=place.campaign.manifest.parent,
                settings=self._orders.settings,
                reporter=reporter,
                report=self._report,
                stop=self._stop,
                publish=lambda: self._write(*self._now()),
                checkpoint=self._orders.checkpoint,
                on_change=self._orders.on_change,
            )

    def _reporter(self, plan: Plan) -> BarReporter | LineReporter:
        if is_terminal(sys.stderr) and not manner().quiet:
            jobs = sum(entry.action is not Action.ORPHAN for entry in plan.entries)
            return BarReporter(sys.stderr, jobs, verbose=manner().verbose > 0)
        return LineReporter(partial(say, err=True), quiet=manner().quiet)

    def _now(self) -> tuple[Serving, Records]:
        """What is on disk now, and which job it serves."""
        records = self._facts.store.records()
        return serve(self._facts.jobs, records, self._facts.decisions), records

    def _write(self, serving: Serving, records: Records) -> None:
        """Write the results manifest.

        Raises:
            PipelineError: it cannot be written.
        """
        self._facts.store.serve(served_by(serving))
        self._publisher.publish(serving, records, self._facts.decisions, self._report.inputs)

    def _publish(self) -> Serving:
        """Write the last results manifest of this run, or say why that cannot be."""
        serving, records = self._now()
        try:
            self._write(serving, records)
        except PipelineError as error:
            self._report.stop(error.exit_code, str(error))
        return serving

    def _have_published(self) -> None:
        """Have the last word published too; also that a wave was given up."""
        if self._orders.checkpoint is None:
            return
        try:
            self._orders.checkpoint()
        except PipelineError as error:
            self._report.stop(error.exit_code, str(error))

    def _conclude(self, plan: Plan, serving: Serving) -> ExitCode:
        # A take that is not needed, as another is approved, is no unfinished job.
        selected = {each.key for each in plan.entries if each.action is not Action.PINNED or each.purchase}
        stopped = set(self._report.codes)
        if self._stop.code is not None:
            stopped.add(self._stop.code)
        code = exit_code(
            serving,
            selected,
            stopped,
            self._report.inputs,
            self._report.blocked,
            self._orders.fail_threshold,
            self._orders.enough,
        )
        stands = {
            job.name: standing(job, serving, self._report.inputs, self._report.blocked)
            for job in serving.jobs
            if job.name in selected
        }
        self.outcome = stands
        for line in self._closing(stands, plan, serving):
            self._say(line)
        return code

    def _closing(self, stands: dict[str, Standing], plan: Plan, serving: Serving) -> Iterator[str]:
        for key, stand in list(_unhappy(stands))[:_MOST_LISTED]:
            error = self._report.inputs.get(key) or (stand.purchase.error if stand.purchase else None)
            reason = f" ({stand.reason})" if stand.reason else ""
            line = self._paint(f"  {printable(key)}: {_WORDS[stand.status]}{reason}", "red")
            yield f"{line}: {printable(error)}" if error else line
        for idle in (*serving.earlier, *serving.orphans):
            if idle.status is Status.ATTENTION:
                line = f"  {printable(idle.key)} ({idle.id}): in need of attention, serves no job now"
                yield self._paint(line, "red")
        for note in self._report.notes:
            yield printable(note)
        if manner().quiet:
            return
        counts = Counter(_WORDS[stand.status] for stand in stands.values())
        yield ", ".join(f"{number:,} {word}" for word, number in sorted(counts.items())) + "."
        if not plan.buying and all(stand.purchase is not None for stand in stands.values()):
            yield "Nothing was bought: everything that is asked for was bought before."
        if any(stand.status == Status.DONE.value for stand in stands.values()):
            yield f"Files:   {printable(shown_path(self._facts.scene.output))}/"
        yield f"Results: {printable(self._facts.scene.results_name)}"
        if self._stop.code is not None:
            yield "Stopped; run again to go on."


def _unhappy(stands: dict[str, Standing]) -> Iterator[tuple[str, Standing]]:
    bad = {Status.FAILED.value, Status.ATTENTION.value, Status.SUBMITTING.value}
    return ((key, stand) for key, stand in stands.items() if stand.status in bad)
