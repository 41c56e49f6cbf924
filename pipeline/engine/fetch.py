"""Fetches all files of one purchase.

A fetch may be repeated, on any machine that sees the same folder. Arguments and results are plain data.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline import record_limits
from pipeline.engine.claim import claimed
from pipeline.engine.fetch_list import Allowance, FetchedFile, FileList, Wanted
from pipeline.engine.listing import step_indexes, unusable_file
from pipeline.errors import BuyingStopped, counted
from pipeline.providers.base import DownloadFailed, Provider, VendorError, Workflow

if TYPE_CHECKING:
    from pipeline.purchases import Output, Step, WorkflowId


@dataclass(frozen=True, slots=True)
class FetchResult:
    """The result of a fetch: the updated lists, and the files by slot (`result/0`, `steps/1/0`).

    `failure`: some files did not arrive, and only a repeated fetch can bring them. `problem` says which file cannot
    be fetched at all, if one cannot; `unusable` is a listed url that cannot be used.
    """

    outputs: tuple[Output, ...]
    steps: tuple[Step, ...]
    files: Mapping[str, FetchedFile]
    failure: VendorError | None = None
    problem: str | None = None
    unusable: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether every wanted file arrived."""
        return self.failure is None and self.problem is None

    def without(self, slots: Collection[str]) -> FetchResult:
        """As if the files in these slots had not arrived."""
        return replace(
            self,
            outputs=_not_fetched(self.outputs, "result", slots),
            steps=tuple(
                replace(step, outputs=_not_fetched(step.outputs, f"steps/{number}", slots))
                for number, step in enumerate(self.steps)
            ),
            files={slot: file for slot, file in self.files.items() if slot not in slots},
        )


def _not_fetched(outputs: Sequence[Output], name: str, slots: Collection[str]) -> tuple[Output, ...]:
    return tuple(
        replace(output, sha256=None) if f"{name}/{index}" in slots else output
        for index, output in enumerate(outputs)
    )


def fetch(
    provider: Provider, workflow_id: WorkflowId, wanted: Wanted, latest: Workflow | None
) -> FetchResult:
    """Fetch what is wanted from the urls of `latest` or of a new response; expired urls are requested again.

    Files that arrive are returned even if others do not.

    Raises:
        VendorError, AccountError: no file arrived completely; the next fetch resumes them.
    """
    with claimed(wanted.beside) as beside:
        return _fetch(provider, workflow_id, replace(wanted, beside=beside), latest)


def _fetch(
    provider: Provider, workflow_id: WorkflowId, wanted: Wanted, latest: Workflow | None
) -> FetchResult:
    allowance = Allowance(record_limits.LARGEST_PURCHASE - _bytes_here(wanted))
    lists = [FileList(provider, wanted, allowance, "result", wanted.outputs)]
    for number, step in enumerate(wanted.steps if wanted.with_steps else ()):
        lists.append(FileList(provider, wanted, allowance, f"steps/{number}", step.outputs))
    try:
        workflow, failure = _fill(lists, wanted.steps, provider, workflow_id, latest)
        problem = next((each.problem for each in lists if each.problem is not None), None)
        if failure is None and problem is not None and wanted.is_open:
            # The vendor may list it again.
            failure = VendorError(problem)
        if failure is not None and not any(each.files for each in lists):
            raise failure
    except BaseException:
        for each in lists:
            each.drop()
        raise
    result, *steps = lists
    return FetchResult(
        outputs=tuple(result.outputs),
        steps=tuple(
            replace(step, outputs=tuple(steps[number].outputs)) if steps else step
            for number, step in enumerate(wanted.steps)
        ),
        files={f"{each.name}/{index}": file for each in lists for index, file in each.files.items()},
        failure=failure,
        problem=problem if failure is None else None,
        unusable=unusable_file(workflow, with_steps=wanted.with_steps),
    )


def _bytes_here(wanted: Wanted) -> int:
    """The bytes of the files that were fetched before and are here."""
    slots = {f"result/{index}": output for index, output in enumerate(wanted.outputs)}
    for number, step in enumerate(wanted.steps):
        slots |= {f"steps/{number}/{index}": output for index, output in enumerate(step.outputs)}
    return sum(slots[slot].bytes or 0 for slot in wanted.here)


def _fill(
    lists: Sequence[FileList],
    steps: Sequence[Step],
    provider: Provider,
    workflow_id: WorkflowId,
    latest: Workflow | None,
) -> tuple[Workflow, VendorError | None]:
    """Fetch what can be fetched of `lists`; returns the response that the last came from, and why others did not."""
    result, *of_steps = lists
    workflow, count = latest or provider.get(workflow_id), -1
    while True:
        indexes = step_indexes(steps, workflow)
        result.fetch_missing(workflow.result)
        for number, each in enumerate(of_steps):
            each.fetch_missing(workflow.steps[indexes[number]][1] if number in indexes else ())
        failures = [failure for each in lists for failure in each.failures.values()]
        fetched = sum(len(each.files) for each in lists)
        # Each new response has to yield a file; otherwise urls that never work would be requested for ever.
        if fetched == count or not any(failure.expired for failure in failures):
            return workflow, _combined(failures)
        try:
            workflow, count = provider.get(workflow_id), fetched
        except (VendorError, BuyingStopped):
            if not fetched:
                raise
            return workflow, _combined(failures)


def _combined(failures: Sequence[DownloadFailed]) -> DownloadFailed | None:
    """One failure for all of `failures`; None if there are none."""
    if not failures:
        return None
    others = f", and {counted(len(failures) - 1, 'other file')}" if len(failures) > 1 else ""
    return DownloadFailed(
        f"{failures[0]}{others}",
        after=max((each.after for each in failures if each.after is not None), default=None),
        expired=any(each.expired for each in failures),
        lasting=all(each.lasting for each in failures),
    )
