"""Turns names on the command line into keys and purchases."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts.file_names import named
from pipeline.errors import InvalidInput, UsageError, did_you_mean, printable
from pipeline.jobs import Coordinates, JobKey
from pipeline.manifest.expand import expand
from pipeline.operations.plan import plan_of
from pipeline.paths import real_path
from pipeline.planning.hints import not_made_again
from pipeline.planning.make import may_serve
from pipeline.planning.orphan_names import possible_coordinates
from pipeline.planning.plan import ALL, Action, Entry, PlanArguments, PlanOptions
from pipeline.planning.saved_plan import SavedPlan, carried_out
from pipeline.planning.select import ALONE, Shared, apart, matching_keys, select_keys, undecided
from pipeline.planning.selection_grammar import Candidate, exact_names
from pipeline.purchases import OUTCOME_UNKNOWN, Purchase, Records
from pipeline.results.job_status import job_status

if TYPE_CHECKING:
    from pipeline.manifest.model import Campaign
    from pipeline.operations.campaign_state import CampaignState
    from pipeline.schemes import OutputLocation

_SHORTEST_ID = 4
# A name that contains one of these is meant as a selection.
_OF_SELECTIONS = frozenset("*?[:,+")


def selected_keys(
    state: CampaignState,
    select: Sequence[str],
    exclude: Sequence[str],
    *,
    idle: Iterable[Purchase] = (),
    shared: Shared = ALONE,
) -> frozenset[JobKey] | None:
    """The selected keys; None, which means all, if there are no expressions.

    `idle` are purchases that a plan does not list, whose keys can be selected too.

    Raises:
        UsageError: an expression is invalid or matches nothing; the message has the nearest keys.
    """
    if not (select or exclude):
        return None
    listed = _candidates(state, ALL)
    keys = {each.key for each in listed}
    more = [_orphan(each) for each in idle if each.key not in keys]
    return select_keys([*listed, *more], select, exclude, shared)


def undecided_orphans(
    state: CampaignState, orphans: Iterable[Purchase], expressions: Iterable[str]
) -> dict[str, list[Purchase]]:
    """By expression, the orphans of which the records do not tell whether it matches them."""
    known = [each for each in orphans if each.key not in state.assignment.matcher.jobs]
    candidates = [_orphan(each) for each in known]
    keys = {expression: undecided(candidates, expression) for expression in expressions}
    found = {expression: [each for each in known if each.key in keys[expression]] for expression in keys}
    return {expression: purchases for expression, purchases in found.items() if purchases}


def names_in(campaigns: Sequence[Campaign], expressions: Sequence[str]) -> frozenset[str]:
    """The `exact_names` of the expressions in several campaigns."""
    return exact_names(expressions, _coordinates(campaigns)) if len(campaigns) > 1 else frozenset()


def _coordinates(campaigns: Iterable[Campaign]) -> Iterator[Coordinates]:
    for campaign in campaigns:
        # What is wrong with its jobs is told when they are made for use.
        with suppress(InvalidInput):
            yield from (job.coordinates for job in expand(campaign))


def plan_options(state: CampaignState, arguments: PlanArguments, shared: Shared = ALONE) -> PlanOptions:
    """Plan options from the command line.

    Raises:
        UsageError: as `selected_keys`; or a purchase to be made again is not selected, is approved, or its outcome is
            unknown.
    """
    options = PlanOptions(retry_failed=arguments.retry_failed)
    if arguments.replace:
        listed = _candidates(state, options)
        keys = select_keys(listed, arguments.replace, (), apart(shared, listed))
        options = replace(options, replace=keys)
    if arguments.select or arguments.exclude:
        candidates = _candidates(state, options)
        keys = select_keys(candidates, arguments.select, arguments.exclude, shared)
        _assert_selected(candidates, arguments.replace, keys, shared)
        options = replace(options, selected=keys, replace=options.replace & keys)
    _assert_replaceable(state, options.replace)
    return options


def _assert_selected(
    candidates: Sequence[Candidate], replaced: Iterable[str], keys: Collection[JobKey], shared: Shared
) -> None:
    """Check that something of what is to be made again is selected; otherwise nothing would be, without a word."""
    for expression in replaced:
        found = matching_keys(candidates, [expression], (), apart(shared, candidates))
        if found and found.isdisjoint(keys):
            raise UsageError(
                f"'{printable(expression)}' is to be made again, but none of its jobs is selected"
            )


def saved_plan_options(state: CampaignState, saved: SavedPlan) -> PlanOptions:
    """Plan options of a saved plan: the jobs that it lists stay selected, and what was carried out is not repeated.

    Raises:
        UsageError: a purchase would be made again that is approved or whose outcome is unknown.
    """
    arguments, done = saved.arguments, carried_out(saved, state.records)
    options = PlanOptions(retry_failed=arguments.retry_failed, carried_out=done)
    if arguments.replace:
        listed = _candidates(state, options)
        keys = matching_keys(listed, arguments.replace, (), apart(ALONE, listed))
        # What the plan goes on with may be done by now.
        goes_on = {each.key for each in saved.actions if each.action in {Action.RESUME, Action.DOWNLOAD}}
        options = replace(options, replace=keys - done - goes_on)
    if arguments.select or arguments.exclude:
        saved_keys = {action.key for action in saved.actions}
        keys = matching_keys(_candidates(state, options), arguments.select, arguments.exclude) | saved_keys
        options = replace(options, selected=keys, replace=options.replace & keys)
    _assert_replaceable(state, options.replace)
    return options


def purchase_named(state: CampaignState, name: str) -> Purchase:
    """The purchase of that id (a unique prefix is enough), or the one that serves the job of that key.

    A purchase for that key in `attention` takes precedence.

    Raises:
        UsageError: there is none, or there are several.
    """
    assignment, records, key = state.assignment, state.records, JobKey(name)
    in_attention = assignment.matcher.in_attention(key)
    if key in assignment.by_key and not in_attention:
        return assignment.by_key[key]
    last = assignment.matcher.last(key)
    candidates = in_attention or ([last] if last is not None else _by_id(name, records))
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        ids = ", ".join(sorted(each.id for each in candidates))
        raise UsageError(f"{printable(name)} matches several purchases; name one of them: {ids}")
    if key in assignment.matcher.jobs:
        void = sorted(
            (each for each in records.purchases.values() if each.key == key), key=lambda each: each.age
        )
        hint = f"; its last purchase, which bought nothing, is {void[-1].id}" if void else ""
        raise UsageError(f"nothing has been bought for {printable(name)} yet{hint}")
    known = [*assignment.matcher.jobs, *records.purchases]
    raise UsageError(f"no job or purchase '{printable(name)}'{did_you_mean(name, known)}")


def purchases_named(state: CampaignState, name: str) -> list[tuple[JobKey | None, Purchase]]:
    """Purchases that a reviewer means by `name`: a job's key, a purchase's id, an output file, or a selection.

    Each comes with the key that was meant; None if the purchase itself was named. A selection means those of its
    jobs for which something was bought. An empty selection (no job is `status:failed` now, for example) is
    not an error.

    Raises:
        UsageError: the name matches nothing, or nothing was bought for what it matches.
    """
    matcher, key = state.assignment.matcher, JobKey(name)
    if key in matcher.jobs or matcher.last(key) is not None or _by_id(name, state.records):
        return [(key if key in matcher.jobs else None, purchase_named(state, name))]
    of_file = _purchase_of_file(state, name)
    if of_file is not None:
        return [of_file]
    try:
        keys = sorted(selected_keys(state, [name], []) or ())
    except UsageError:
        if _OF_SELECTIONS.isdisjoint(name):
            purchase_named(state, name)  # its error suggests purchases too
        raise
    served = ((each, state.assignment.by_key.get(each) or matcher.last(each)) for each in keys)
    found: list[tuple[JobKey | None, Purchase]] = [
        (each, purchase) for each, purchase in served if purchase is not None
    ]
    if keys and not found:
        raise UsageError(f"'{printable(name)}': nothing has been bought for it yet")
    return found


def _purchase_of_file(state: CampaignState, name: str) -> tuple[JobKey | None, Purchase] | None:
    """The purchase whose file is at the path `name`, with the key of the job; None if no purchase has that file.

    A file that was set aside belongs to no job.
    """
    relative = _path_below(state.workspace.output, name)
    if relative is None:
        return None
    index = state.outputs().index
    digest = index.digest(relative)
    for job in state.assignment.jobs:
        # A job that is to be bought again keeps its earlier file until then.
        purchase = state.assignment.by_key.get(job.key) or state.assignment.matcher.last(job.key)
        if purchase is None or not relative.startswith(job.path):
            continue
        if any(
            (each.path, each.output.sha256) == (relative, digest)
            for each in named(purchase, job.path, steps=True)
        ):
            return job.key, purchase
    purchase_id = index.purchase_id(relative, digest)
    found = None if purchase_id is None else state.records.purchases.get(purchase_id)
    return None if found is None else (None, found)


def _path_below(output: OutputLocation, name: str) -> str | None:
    """The path, relative to the output folder, of the file that a person named; None if it is not in there."""
    if not isinstance(output, Path):
        return name.removeprefix(f"{output}/") if name.startswith(f"{output}/") else None
    # Unlike pathlib's, this returns False for a name that no file can have.
    if not os.path.isfile(name):  # noqa: PTH113
        return None
    path, folder = real_path(Path(name)), real_path(output)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else None


def purchase_by_id(state: CampaignState, name: str) -> Purchase:
    """The purchase of that id; a unique prefix is enough.

    Raises:
        UsageError: there is none, or there are several.
    """
    found = _by_id(name, state.records)
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(sorted(each.id for each in found))
        raise UsageError(f"{printable(name)} matches several purchases; name one of them: {ids}")
    raise UsageError(f"no purchase '{printable(name)}'{did_you_mean(name, state.records.purchases)}")


def _by_id(name: str, records: Records) -> list[Purchase]:
    if len(name) < _SHORTEST_ID:
        return []
    return [each for purchase_id, each in records.purchases.items() if purchase_id.startswith(name.lower())]


def _assert_replaceable(state: CampaignState, keys: Collection[JobKey]) -> None:
    for key in sorted(keys):
        purchase = state.assignment.by_key.get(key)
        if purchase is not None and purchase.id in state.decisions.approved:
            raise UsageError(f"{printable(key)}: {purchase.id} is approved; withdraw the approval first")
    # Purchases that may serve later are checked too: once flagged, they would be ignored, whatever they cost.
    unknown = [
        (key, purchase)
        for key in sorted(keys)
        for purchase in may_serve(state.assignment, key)
        if purchase.status in OUTCOME_UNKNOWN
    ]
    if unknown:
        raise UsageError(not_made_again(state.workspace.target, unknown, state.elsewhere()))


def _candidates(state: CampaignState, options: PlanOptions) -> list[Candidate]:
    """Every job and orphan with the fields that a selection may use, including its action in a plan of `options`."""
    return [_candidate(state, entry) for entry in plan_of(state, options).entries]


def _orphan(purchase: Purchase) -> Candidate:
    return Candidate(
        key=purchase.key,
        job=None,
        status=purchase.status.value,
        action=Action.ORPHAN.value,
        recorded=possible_coordinates(purchase),
    )


def _candidate(state: CampaignState, entry: Entry) -> Candidate:
    if entry.job is None:
        assert entry.purchase is not None  # noqa: S101 - an orphan's entry always has one
        return _orphan(entry.purchase)
    status = job_status(entry.job, state.assignment).status
    return Candidate(key=entry.key, job=entry.job, status=status, action=entry.action.value)
