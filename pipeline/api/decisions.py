"""The functions of the API that decide on takes."""

import os
from collections.abc import Mapping

from pipeline.api.arguments import (
    Location,
    Manifest,
    Name,
    VariableFiles,
    checked,
    record_paths,
    workspace_for,
)
from pipeline.errors import UsageError
from pipeline.json_values import Json
from pipeline.operations.open_campaign import open_campaign
from pipeline.operations.review import Opinion, decide, reviewer
from pipeline.operations.selection import purchases_named
from pipeline.operations.workspace import Workspace
from pipeline.results.decisions import Decision, Verdict


@checked
def approve(
    manifest: Manifest,
    *names: Name,
    note: str | None = None,
    rating: int | None = None,
    at: float | None = None,
    by: str | None = None,
    variables: Mapping[str, Json] | None = None,
    variable_files: VariableFiles = (),
    state: Location | None = None,
    results: Location | None = None,
    output: Location | None = None,
    emulate: bool = False,
) -> list[Decision]:
    """Approve the takes that `names` refer to: each keeps serving its job, whatever is edited later.

    A name is a job's key, a purchase's id, a file in the output folder, or an expression as for `--select`. `rating`
    is 1 to 5. With `at`, in seconds, `note` is about that moment of the video. `by` is the reviewer's name, by
    default git's `user.name`.

    Raises:
        UsageError: a name matches nothing, or a purchase that has not succeeded; the rating is invalid; or the
            manifest does not use one of the `variables`.
        InvalidInput: manifest, state, results or decisions are invalid.
        Unfinished: the decisions file cannot be written.
    """
    paths = record_paths(state, results, output, emulate=emulate)
    workspace = workspace_for(manifest, variables, variable_files, paths)
    opinion = Opinion(
        verdict=Verdict.APPROVED, rating=rating, note=note, moment=at, by=by or reviewer(workspace)
    )
    return _decide(workspace, opinion, names)


@checked
def reject(
    manifest: Manifest,
    *names: Name,
    note: str | None = None,
    rating: int | None = None,
    at: float | None = None,
    by: str | None = None,
    variables: Mapping[str, Json] | None = None,
    variable_files: VariableFiles = (),
    state: Location | None = None,
    results: Location | None = None,
    output: Location | None = None,
    emulate: bool = False,
) -> list[Decision]:
    """Reject the takes that `names` refer to; this withdraws approvals. Buys nothing.

    Raises:
        UsageError, InvalidInput, Unfinished: as `approve`.
    """
    paths = record_paths(state, results, output, emulate=emulate)
    workspace = workspace_for(manifest, variables, variable_files, paths)
    opinion = Opinion(
        verdict=Verdict.REJECTED, rating=rating, note=note, moment=at, by=by or reviewer(workspace)
    )
    return _decide(workspace, opinion, names)


@checked
def redo(
    manifest: Manifest,
    *names: Name,
    note: str | None = None,
    rating: int | None = None,
    at: float | None = None,
    by: str | None = None,
    variables: Mapping[str, Json] | None = None,
    variable_files: VariableFiles = (),
    state: Location | None = None,
    results: Location | None = None,
    output: Location | None = None,
    emulate: bool = False,
) -> list[Decision]:
    """Send back the takes that `names` refer to: the next plan shows a replacement for each, with its price.

    Raises:
        UsageError, InvalidInput, Unfinished: as `approve`.
    """
    paths = record_paths(state, results, output, emulate=emulate)
    workspace = workspace_for(manifest, variables, variable_files, paths)
    opinion = Opinion(verdict=Verdict.REDO, rating=rating, note=note, moment=at, by=by or reviewer(workspace))
    return _decide(workspace, opinion, names)


@checked
def undecide(
    manifest: Manifest,
    *names: Name,
    by: str | None = None,
    variables: Mapping[str, Json] | None = None,
    variable_files: VariableFiles = (),
    state: Location | None = None,
    results: Location | None = None,
    output: Location | None = None,
    emulate: bool = False,
) -> list[Decision]:
    """Withdraw the verdicts on the takes that `names` refer to, as if there had been none; stars and notes stay.

    Raises:
        UsageError, InvalidInput, Unfinished: as `approve`.
    """
    paths = record_paths(state, results, output, emulate=emulate)
    workspace = workspace_for(manifest, variables, variable_files, paths)
    return _decide(workspace, Opinion(withdraws=True, by=by or reviewer(workspace)), names)


def _decide(workspace: Workspace, opinion: Opinion, names: tuple[Name, ...]) -> list[Decision]:
    if not names:
        raise UsageError("name what is decided on: a key, a purchase, a file or a selection")
    texts = [os.fspath(name) for name in names]
    with open_campaign(workspace, writable=False) as opened:
        return decide(opened, opinion, {name: purchases_named(opened, name) for name in texts})
