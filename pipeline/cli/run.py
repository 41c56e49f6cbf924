"""`pipeline run`: does what the plan says. Run again, it continues where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli.context import campaign_here, open_workspace, plan_arguments
from pipeline.cli.json_documents import outcome_document
from pipeline.cli.observing import Events, Observers, events_to, final_tally, observers
from pipeline.cli.options import DEFAULT_LISTEN, CampaignFlags
from pipeline.cli.process_environment import is_terminal, program
from pipeline.cli.run_output import RunConsole
from pipeline.cli.signals import stopping
from pipeline.cli.terminal import Closed, say, say_json, say_on_stderr
from pipeline.cli.what_to_do import ReplacedCode
from pipeline.errors import Declined, ExitCode, InvalidInput, Unfinished, UsageError, most_urgent, printable
from pipeline.executors.choice import workers_of
from pipeline.files import assert_replaces, write_atomically
from pipeline.operations.installed import assert_vendor_installed
from pipeline.operations.plan import assert_current, read_saved_plan, reading_manifest_of
from pipeline.operations.run import open_for_run, require_records
from pipeline.operations.run_options import RunOptions
from pipeline.operations.selection import plan_options, saved_plan_options
from pipeline.operations.webhooks import receiving
from pipeline.results.junit import as_junit
from pipeline.schemes import assert_path
from pipeline.standard_output import stdout

if TYPE_CHECKING:
    from pipeline.engine.checkpoint import Checkpoint
    from pipeline.errors import Problem
    from pipeline.operations.campaign_state import CampaignState
    from pipeline.operations.outcome import Outcome
    from pipeline.operations.workspace import Workspace
    from pipeline.planning.plan import Plan
    from pipeline.planning.saved_plan import SavedPlan
    from pipeline.state.store import Change
    from pipeline.webhooks.receipt import Webhooks


def run(source: Path | None, given: dict[str, Any]) -> int:
    """Run the command with these flags, and return its exit code."""
    if given["events"] == "-" and given["output_format"] == "json":
        raise UsageError("--events - and --format json both want stdout; give --events a file")
    if source is None and given["serve"] is not None and _is_manifest(given["serve"]):
        # The address may be left out, so the word after the flag may be the manifest.
        assert_path("--serve", given["serve"], is_only_path=True)
        source, given = Path(given["serve"]), {**given, "serve": DEFAULT_LISTEN}
    source = source or campaign_here()
    saved = read_saved_plan(source)
    workspace = _with_what_is_asked(_open_workspace(source, saved, given), saved, given)
    assert_vendor_installed(workspace)
    if given["junit"]:
        assert_replaces_junit(Path(given["junit"]))
    workers = workers_of(given["executor"], workspace.environment.variables, workspace.scratch / "workers")
    with ExitStack() as stack:
        stop = stack.enter_context(stopping())
        planned = partial(_options, saved=saved, given=given)
        state = stack.enter_context(open_for_run(workspace, planned, frozen=given["frozen"]))
        if given["require_results"]:
            require_records(state)
        webhooks = _webhooks(stack, workspace, given) if state.writable else None
        events = stack.enter_context(events_to(given["events"])) if given["events"] else None
        watching = stack.enter_context(observers(state, given))
        options = replace(
            planned(state),
            checkpoint=_checkpoint(workspace, saved, given["checkpoint"]) if given["checkpoint"] else None,
            webhooks=webhooks,
            on_change=watching.notify_change if events is None else partial(_notify_both, events, watching),
            observe=watching.wrap_provider,
            open_workers=workers,
        )
        on_stderr = given["events"] == "-" or "json" in (given["output_format"], given["log_format"])
        console = RunConsole(
            state,
            options,
            stop,
            on_stderr=on_stderr,
            replaces=bool(given["replace"]),
            gallery=_gallery_command(workspace),
            on_begin=lambda: watching.notify_selection(state.keys_of_run(options.plan.selected)),
            on_tally=watching.notify_tally,
        )
        check = partial(assert_current, saved, name=str(source)) if saved is not None else _any_plan
        outcome = console.carry_out(check, ask=not (given["yes"] or saved or workspace.emulated))
        watching.notify_tally(final_tally(outcome))
        watching.notify_unbought(outcome.unbought)
        code = most_urgent(
            {outcome.code, *_report_end(workspace, outcome, state.warnings, watching, events, given)}
        )
    if console.is_declined and code == ExitCode.UNFINISHED:
        raise Declined
    return ReplacedCode(code) if console.has_replaced else code


def _report_end(
    workspace: Workspace,
    outcome: Outcome,
    warnings: Iterable[Problem],
    watching: Observers,
    events: Events | None,
    given: Mapping[str, Any],
) -> list[ExitCode]:
    """Write what was asked for at the end of a run; return the codes of what could not be written."""
    reports: list[Callable[[], None]] = [partial(watching.notify_end, outcome.code)]
    reports += [events.assert_written] if events is not None else []
    if given["junit"]:
        reports.append(partial(write_junit, Path(given["junit"]), workspace.campaign.name, outcome))
    if given["output_format"] == "json":
        document = outcome_document(workspace.campaign.name, outcome, workspace.results_name, warnings)
        reports.insert(0, partial(say_json, document))
    return list(_write_reports(reports))


def _is_manifest(word: str) -> bool:
    return Path(word).suffix.lower() in {".yaml", ".yml", ".json"}


def _webhooks(stack: ExitStack, workspace: Workspace, given: Mapping[str, Any]) -> Webhooks | None:
    """The webhooks that the vendor is to call, open within `stack`; None if none are requested."""
    url, listen = given["webhook_url"], given["webhook_listen"]
    if not url:
        if listen:
            raise UsageError(
                "--webhook-listen waits for the vendor's calls; --webhook-url says where it calls"
            )
        return None
    webhooks = stack.enter_context(receiving(workspace, url, listen))
    if not webhooks.templates:
        say_on_stderr(
            "warning: the catalogue lists no template of this campaign as taking a webhook, so none is sent; "
            "`webhook: true` in a file under `catalog.file` marks one that does"
        )
    return webhooks


def _gallery_command(workspace: Workspace) -> str:
    """The command that opens the gallery; empty if no person would see it."""
    if not (workspace.emulated or is_terminal(stdout())):
        return ""
    return f"{program()} report {workspace.target} --open"


def _write_reports(reports: Iterable[Callable[[], None]]) -> Iterator[ExitCode]:
    """Write reports, and yield the code of each that cannot be written; the outcome of the run is not hidden."""
    for write in reports:
        try:
            write()
        except (Unfinished, Closed) as error:
            if str(error):
                say(f"error: {printable(str(error))}", err=True)
            yield ExitCode.UNFINISHED


def _notify_both(events: Events, watching: Observers, change: Change) -> None:
    events(change)
    watching.notify_change(change)


def _any_plan(_plan: Plan) -> None:
    pass  # No plan was reviewed, so any plan is accepted.


def _open_workspace(source: Path, saved: SavedPlan | None, given: dict[str, Any]) -> Workspace:
    flags = CampaignFlags.of(given)
    if saved is None:
        return open_workspace(source, flags)
    own = ("select", "exclude", "replace", "retry_failed", "variables", "variable_files")
    if any(given[name] for name in own):
        raise UsageError(
            "a saved plan has its own vars, selection, --replace and --retry-failed; pass none of them"
        )
    if saved.emulated != given["emulate"] and not saved.emulated:
        raise UsageError("this plan was not made with --emulate")
    flags = replace(flags, emulate=saved.emulated)
    with reading_manifest_of(saved, source) as manifest:
        workspace = open_workspace(manifest, flags, saved.variables)
    if workspace.campaign.name != saved.campaign:
        raise InvalidInput(f"{source}: a plan of '{saved.campaign}', not of '{workspace.campaign.name}'")
    return workspace


def _with_what_is_asked(workspace: Workspace, saved: SavedPlan | None, given: Mapping[str, Any]) -> Workspace:
    """The workspace with the terms on which the run buys: concurrent shards must all have the same."""
    arguments = plan_arguments(given) if saved is None else saved.arguments
    caps = {name: given[name] for name in ("max_creates", "max_credits") if given[name] is not None}
    asked = {
        **{
            name: sorted(expressions)
            for name in ("select", "exclude", "replace")
            if (expressions := getattr(arguments, name))
        },
        **({"retry_failed": True} if arguments.retry_failed else {}),
        **caps,
    }
    return replace(workspace, asked=json.dumps(asked) if asked else "")


def _options(
    state: CampaignState,
    saved: SavedPlan | None,
    given: dict[str, Any],
) -> RunOptions:
    """The options that flags set, without observers, provider, checkpoint and webhooks."""
    planned = (
        plan_options(state, plan_arguments(given)) if saved is None else saved_plan_options(state, saved)
    )
    return RunOptions(
        plan=planned,
        concurrency=given["concurrency"],
        in_flight=given["in_flight"],
        rate=given["rate"],
        max_creates=given["max_creates"],
        max_credits=given["max_credits"],
        fail_threshold=given["fail_threshold"],
        request_timeout=given["request_timeout"],
        max_poll_interval=given["poll_interval"],
        wait=not given["no_wait"],
        download=not given["no_download"],
        fail_fast=given["fail_fast"],
        frozen=given["frozen"],
    )


def _checkpoint(workspace: Workspace, saved: SavedPlan | None, command: str) -> Checkpoint:
    from pipeline.engine.checkpoint import Checkpoint
    from pipeline.operations.provider import key_variables

    return Checkpoint(
        command=command,
        inputs=tuple(sorted({*workspace.inputs, *(() if saved is None else saved.inputs)})),
        environment=workspace.environment.variables,
        keys=key_variables(workspace.campaign.provider.name),
    )


def assert_replaces_junit(path: Path) -> None:
    """Check, before anything is done, that a report at `path` would replace nothing but another report.

    Raises:
        UsageError: something else is there.
    """
    try:
        assert_replaces(
            path, lambda head: head.lstrip().startswith((b"<?xml", b"<testsuite")), "a JUnit report"
        )
    except OSError as error:
        raise UsageError(f"--junit {printable(str(path))}: {error.strerror or error}") from error


def write_junit(path: Path, campaign: str, outcome: Outcome) -> None:
    """Write the jobs as a JUnit report.

    Raises:
        Unfinished: it cannot be written.
    """
    try:
        write_atomically(path, as_junit(campaign, outcome.jobs, outcome.inputs))
    except OSError as error:
        raise Unfinished(f"{path}: cannot be written: {error.strerror}") from error
