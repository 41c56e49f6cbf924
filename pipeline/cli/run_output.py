"""Output of a run: its plan, the confirmation, and the closing sentence."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import verbosity
from pipeline.cli.process_environment import can_redraw, columns_of, is_terminal
from pipeline.cli.progress import (
    BarReporter,
    LineReporter,
    LogReporter,
    TallyingReporter,
    ignore_tally,
    json_log,
)
from pipeline.cli.signals import asking
from pipeline.cli.terminal import Closed, paint_for, problem_lines, say, untrusted_block
from pipeline.errors import ExitCode, UsageError, counted, most_urgent, printable
from pipeline.operations.run import CampaignRun
from pipeline.operations.shown_paths import shown_path
from pipeline.planning.hints import (
    elsewhere_hint,
    gone_at_vendor_advice,
    idle_gone_at_vendor_advice,
    unknown_advice,
    unknown_outcome,
)
from pipeline.planning.plan import Action
from pipeline.planning.show import as_text, totals
from pipeline.purchases import PENDING, Reason, Status, bought_nothing
from pipeline.results.job_status import ELSEWHERE, JobStatus
from pipeline.standard_output import stdout

if TYPE_CHECKING:
    from pipeline.engine.reporter import Reporter, Stop, Tally
    from pipeline.jobs import JobKey
    from pipeline.operations.campaign_state import CampaignState
    from pipeline.operations.outcome import Outcome
    from pipeline.operations.run_options import RunOptions
    from pipeline.planning.plan import Entry, Plan
    from pipeline.purchases import Purchase

_MAX_LISTED = 40
_WORDS = {
    Status.DONE.value: "done",
    Status.SUCCEEDED.value: "finished, not downloaded",
    ELSEWHERE: "under way elsewhere",
    Status.SUBMITTED.value: "still running",
    Status.SUBMITTING.value: "needing attention",
    Status.ATTENTION.value: "needing attention",
    Status.FAILED.value: "failed",
    PENDING: "not bought",
}
_PARTLY_HERE = "finished, not all downloaded"
_WITHOUT_RESULT = "finished without a usable result"
_UNKNOWN = {Status.SUBMITTING.value, Status.ATTENTION.value}
_NOT_BOUGHT_AGAIN = "to be bought again, and {was} not"
_FAILED_AGAIN = "bought again and failed"
_REFUSED_AGAIN = "sent again and refused"


def open_line_reporter() -> AbstractContextManager[Reporter]:
    """A reporter that prints events as lines on stderr."""
    return closing(LineReporter(partial(say, err=True), quiet=verbosity().quiet))


class RunConsole:
    """Carries out the plan of one campaign and prints its progress.

    `on_stderr`: stdout is needed for something else; `replaces`: `--replace` was given. `gallery` is the command that
    opens the gallery, printed for a person. `on_begin` is called once the plan may be carried out, `on_tally` with
    each tally of jobs. `is_declined` tells whether the person did not want to buy, `has_replaced` whether the same
    command might buy once more what this run, or an earlier one, has bought again.
    """

    def __init__(
        self,
        state: CampaignState,
        options: RunOptions,
        stop: Stop,
        *,
        on_stderr: bool = False,
        replaces: bool = False,
        gallery: str = "",
        on_begin: Callable[[], None] = lambda: None,
        on_tally: Callable[[Tally], None] = ignore_tally,
    ) -> None:
        self._on_begin = on_begin
        self._state = state
        self._options = options
        self._stop = stop
        self._run = CampaignRun(state, options, stop)
        self._replaces = replaces
        self._gallery = gallery
        self._on_tally = on_tally
        self._say = partial(say, err=on_stderr)
        # Nothing obeys a line of a JSON log as a command.
        self._untrusted_block = nullcontext if json_log() else partial(untrusted_block, err=on_stderr)
        self._on_stderr = on_stderr
        self._collects = False
        self.is_declined = False
        self.has_replaced = False
        stream = sys.stderr if on_stderr else stdout()
        self._paint = paint_for(stream, no_color=verbosity().no_color)
        self._columns = columns_of(stream)

    def carry_out(self, check: Callable[[Plan], None], *, ask: bool) -> Outcome:
        """Show the plan, buy what it says, fetch, write the results, and print the outcome.

        `check` raises an error if the plan is not the one that was reviewed.
        """
        plan = self._run.plan()
        check(plan)
        with self._untrusted_block():
            self._announce(plan)
        return self._carry_out(plan, lambda: self._may_begin(plan, ask=ask))

    def collect(self) -> Outcome:
        """Fetch what is paid for and missing here, and buy nothing."""
        self._collects = True
        plan = self._run.plan_of_collecting()
        self._run.report_altered(plan)
        return self._carry_out(plan, lambda: True)

    def _carry_out(self, plan: Plan, may_begin: Callable[[], bool]) -> Outcome:
        with _uncollected():
            outcome = self._run.carry_out(plan, self._open_reporter, may_begin)
        self.has_replaced = self._replaces and bool(outcome.bought or plan.not_replaced)
        try:
            with self._untrusted_block():
                for line in self._closing_lines(outcome, plan):
                    self._say(line)
        except Closed as closed:
            # The reports are still to be written, and a signal's code takes precedence.
            if str(closed):
                say(f"error: {closed}", err=True)
            return replace(outcome, code=most_urgent({outcome.code, ExitCode.UNFINISHED}))
        return outcome

    def _announce(self, plan: Plan) -> None:
        for warning in problem_lines(self._state.warnings, self._paint, self._columns):
            self._say(warning)
        if verbosity().quiet:
            return
        lines = as_text(plan, self._paint) if len(plan.entries) <= _MAX_LISTED else totals(plan, self._paint)
        for line in lines:
            self._say(line)

    def _may_begin(self, plan: Plan, *, ask: bool) -> bool:
        if why := self._run.exceeded_limit(plan):
            self._run.report.add_reason(ExitCode.STOPPED_BUYING, why)
            return False
        can_ask = is_terminal(sys.stdin) and is_terminal(stdout())
        if ask and plan.buying and can_ask and json_log() is not None:
            raise UsageError("--log-format json asks no questions: check `pipeline plan`, then pass --yes")
        if ask and plan.buying and can_ask and not self._confirmed():
            self._run.report.add_reason(ExitCode.UNFINISHED, "nothing was bought")
            self.is_declined = True
            return False
        self._on_begin()
        return True

    def _confirmed(self) -> bool:
        from pipeline.operations.provider import vendor

        with vendor(self._state.workspace, self._options.request_timeout):
            pass  # Fails without a key, before the person is asked.
        try:
            with asking(self._stop):
                return click.confirm("Buy?", default=False, err=self._on_stderr)
        except click.Abort:
            self._say()  # The cursor is still on the line of the question.
            return False

    @contextmanager
    def _open_reporter(self) -> Iterator[Reporter]:
        with self._open_shown_reporter() as reporter:
            yield TallyingReporter(reporter, self._on_tally)

    def _open_shown_reporter(self) -> AbstractContextManager[Reporter]:
        if (log := json_log()) is not None:
            return closing(LogReporter(log, quiet=verbosity().quiet))
        if can_redraw(sys.stderr) and not verbosity().quiet:
            return closing(BarReporter(sys.stderr, verbose=verbosity().verbose > 0))
        return open_line_reporter()

    def _closing_lines(self, outcome: Outcome, plan: Plan) -> Iterator[str]:
        yield from self._problems(outcome)
        for note in outcome.notes:
            # The limit that a plan exceeds is reported with the plan.
            if note != plan.limit or verbosity().quiet:
                yield printable(note)
        if not verbosity().quiet:
            yield from self._summary(outcome, plan)

    def _problems(self, outcome: Outcome) -> Iterator[str]:
        inputs = self._run.report.inputs
        wrong = list(_failed_or_unknown(outcome.jobs, inputs))
        for key, job_status in wrong[:_MAX_LISTED]:
            error = inputs.get(key) or (job_status.purchase.error if job_status.purchase else None)
            if _is_unknown(job_status):
                error = unknown_outcome(error)
            elif job_status.reason == ELSEWHERE:
                error = None  # it says how that machine's run ended, as far as this one knows
            line = self._paint(f"  {printable(key)}: {_what_failed(job_status, key in inputs)}", "red")
            yield f"{line}: {printable(error)}" if error else line
        if len(wrong) > _MAX_LISTED:
            target = self._state.workspace.target
            yield f"  and {len(wrong) - _MAX_LISTED:,} more; `pipeline status {target}` lists all of them"
        for key in outcome.to_be_bought_again[:_MAX_LISTED]:
            yield f"  {printable(key)}: not made again yet; the next run buys it, even without --replace"
        for purchase in outcome.unsettled:
            line = f"  {printable(purchase.key)} ({purchase.id}): needs attention, serves no job now"
            yield self._paint(line, "red")

    def _summary(self, outcome: Outcome, plan: Plan) -> Iterator[str]:
        yield from self._made(outcome, plan)
        yield from self._left_to_do(outcome, plan)
        yield from self._where(outcome)
        if self._stop.code is not None:
            without = ", without --replace," if self.has_replaced else ""
            yield f"Stopped; run again{without} to continue."

    def _made(self, outcome: Outcome, plan: Plan) -> Iterator[str]:
        """The number of jobs by what became of them, and how many were bought again in vain, or not bought again."""
        counts = Counter(
            _WITHOUT_RESULT if key in outcome.without_result else _word(job_status)
            for key, job_status in outcome.jobs.items()
        )
        listed = ", ".join(f"{number:,} {word}" for word, number in sorted(counts.items()))
        yield f"{listed or self._without_jobs(plan)}."
        again = Counter(_what_became_of_buying_again(entry, outcome) for entry in plan.buying)
        for what in (_NOT_BOUGHT_AGAIN, _FAILED_AGAIN, _REFUSED_AGAIN):
            if number := again[what]:
                was = "was" if number == 1 else "were"
                yield f"{number:,} of these {was} {what.format(was=was)}."

    def _left_to_do(self, outcome: Outcome, plan: Plan) -> Iterator[str]:
        """What a person has to do next, or that there was nothing to do."""
        if outcome.waiting:
            yield f"{counted(len(outcome.waiting), 'job waits', 'jobs wait')} for someone to approve the source."
        if not_needed := self._not_needed(plan):
            of_it = "it" if not_needed == 1 else "each"
            are = counted(not_needed, "job is", "jobs are")
            yield f"{are} not bought: another take of {of_it} is approved."
        target = self._state.workspace.target
        if outcome.to_resolve:
            yield unknown_advice(target, outcome.to_resolve)
        elif outcome.jobs and (nothing := self._nothing_done(outcome, plan)):
            yield nothing
        gone = [key for key, job_status in outcome.jobs.items() if self._is_gone(job_status)]
        lacks_files = any(
            each.status == Status.SUCCEEDED.value and not self._is_gone(each)
            for each in outcome.jobs.values()
        )
        if self._options.download and self._stop.code is None and lacks_files:
            yield f"`pipeline collect {target}` downloads the rest (see docs/reference/errors.md#failed-downloads)."
        if gone:
            yield gone_at_vendor_advice(target, gone)
        serving = {each.purchase.id for each in outcome.jobs.values() if each.purchase is not None}
        if idle := sorted(self._run.report.without_workflow - serving):
            yield idle_gone_at_vendor_advice(target, idle)

    def _is_gone(self, job_status: JobStatus) -> bool:
        """Whether the files of a job are not here, and the vendor no longer has the workflow that made them."""
        purchase = job_status.purchase
        return purchase is not None and purchase.id in self._run.report.without_workflow

    def _nothing_done(self, outcome: Outcome, plan: Plan) -> str:
        """That there was nothing to collect or to buy; empty if there was."""
        if self._collects:
            return "" if plan.asks_vendor else "Nothing to collect."
        purchases = [each.purchase for each in outcome.jobs.values() if each.purchase is not None]
        if plan.buying or len(purchases) < len(outcome.jobs):
            return ""
        is_all_bought = not any(map(bought_nothing, purchases)) and not self._not_needed(plan)
        return f"Nothing was bought{': everything was bought before' if is_all_bought else ''}."

    def _not_needed(self, plan: Plan) -> int:
        """The number of takes that a run does not buy, as another one is approved: they are not in the outcome."""
        return 0 if self._collects else sum(each.purchase is None for each in plan.of(Action.PINNED))

    def _where(self, outcome: Outcome) -> Iterator[str]:
        """Where the files and the results are, and how to see them."""
        has_files = any(
            each.status == Status.DONE.value
            or (each.purchase is not None and each.purchase.is_partly_fetched)
            for each in outcome.jobs.values()
        )
        if has_files:
            yield f"Files:   {printable(shown_path(self._state.workspace.output))}/"
        if outcome.published:
            yield f"Results: {printable(self._state.workspace.results_name)}"
        if self._gallery and has_files:
            yield f"Gallery: `{printable(self._gallery)}`"

    def _without_jobs(self, plan: Plan) -> str:
        """The closing words of a run without jobs."""
        if plan.followed:
            number = len({each.id for each in plan.followed})
            return counted(number, "purchase that serves no job", "purchases that serve no job") + " checked"
        if self._collects:
            return "Nothing to collect"
        # A shard may get no job at all, without any selection.
        is_empty = self._state.split is not None and not self._state.published_assignment.jobs
        return "No jobs in this shard" if is_empty else "No jobs matched"


@contextmanager
def _uncollected() -> Iterator[None]:
    """Exempt all present objects from garbage collection: jobs and plan are needed to the end.

    A collection that visits all of 10,000 jobs takes a tenth of a second, during which everything else waits.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _what_became_of_buying_again(entry: Entry, outcome: Outcome) -> str | None:
    """What to say of a job that was to be bought again; None if its status says enough."""
    if entry.purchase is None or entry.key not in outcome.jobs:
        return None
    bought = outcome.last_bought.get(entry.key)
    if bought is None:
        return _NOT_BOUGHT_AGAIN if _is_as_before(entry, entry.purchase, outcome) else None
    if bought.status is not Status.FAILED:
        return None
    return _REFUSED_AGAIN if bought.reason is Reason.REJECTED else _FAILED_AGAIN


def _is_as_before(entry: Entry, before: Purchase, outcome: Outcome) -> bool:
    """Whether what served a job before still does, and no problem with its inputs says why."""
    after = outcome.jobs[entry.key]
    is_left = after.status != PENDING and entry.key not in outcome.inputs
    return is_left and after.purchase is not None and after.purchase.id == before.id


def _word(job_status: JobStatus) -> str:
    if job_status.purchase is not None and job_status.purchase.is_partly_fetched:
        return _PARTLY_HERE
    return _WORDS[ELSEWHERE if job_status.reason == ELSEWHERE else job_status.status]


def _is_unknown(job_status: JobStatus) -> bool:
    return job_status.status in _UNKNOWN and job_status.reason != ELSEWHERE


def _failed_or_unknown(
    statuses: Mapping[JobKey, JobStatus], inputs: Collection[JobKey]
) -> Iterator[tuple[JobKey, JobStatus]]:
    bad = {Status.FAILED.value, *_UNKNOWN}
    return (
        (key, job_status) for key, job_status in statuses.items() if job_status.status in bad or key in inputs
    )


def _what_failed(job_status: JobStatus, input_failed: bool) -> str:
    if input_failed and job_status.purchase is not None:
        # The earlier purchase, which was to be made again, still serves the job.
        return f"{_word(job_status)}, not made again ({Reason.INPUT.value})"
    if _is_unknown(job_status):
        return "needs attention"
    if job_status.reason == ELSEWHERE and job_status.purchase is not None:
        return elsewhere_hint(job_status.purchase.bought_at)
    reason = f" ({job_status.reason})" if job_status.reason else ""
    return f"{_word(job_status)}{reason}"
