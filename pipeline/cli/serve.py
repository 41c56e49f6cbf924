"""`pipeline serve`: serves the live gallery, with review in the browser."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.context import manifests_of, open_workspaces
from pipeline.cli.options import (
    DEFAULT_LISTEN,
    OUTPUT,
    CampaignFlags,
    campaign_options,
    flag,
    manifests_argument,
    verbosity,
)
from pipeline.cli.parameters import TEXT
from pipeline.cli.signals import ended_by_signals
from pipeline.cli.terminal import say
from pipeline.errors import ExitCode, Stopped, UsageError
from pipeline.operations.review import assert_name, reviewer

if TYPE_CHECKING:
    from pipeline.operations.campaign_state import CampaignState
    from pipeline.operations.run_note import RunNote
    from pipeline.operations.workspace import Workspace
    from pipeline.serve.server import LivePage
    from pipeline.serve.state_source import StateOfRun


@click.command("serve")
@manifests_argument
@flag("--listen", default=DEFAULT_LISTEN, show_default=True, metavar="ADDR", help="Where to listen.")
@flag("--token-file", type=OUTPUT, metavar="FILE", help="A file with the token (mode 0600).")
@flag("--read-only", is_flag=True, help="Show only; accept no reviews.")
@flag(
    "--as",
    "by",
    type=TEXT,
    metavar="NAME",
    help="The name to record with decisions (default: git's user.name).",
)
@flag("--webhook-url", metavar="URL", help="Store the vendor's calls below URL for `run` and `collect`.")
@flag("--open", "opened", is_flag=True, help="Open the page in the browser.")
@campaign_options
def command(manifests: tuple[Path, ...], **given: Any) -> int:
    """Show MANIFEST as a live page until interrupted: progress, credits, and review by mouse or keyboard.

    It reads the state, never locks it and never buys; decisions go to the decisions file, as with `approve`.
    The first line it prints, once it answers, is its address with a token; without the token it shows nothing.
    Listening beyond this machine needs --token-file, which is created if it does not exist.
    """
    flags = CampaignFlags.of(given)
    paths = manifests_of(manifests)
    page = live_page(open_workspaces(paths, flags), given, paths, flags)
    for warning in page.warnings:
        say(f"warning: {warning}", err=True)

    def on_ready(url: str) -> None:
        say(f"The page is at {url}")
        if not verbosity().quiet:
            if page.for_others:
                say(page.for_others, err=True)
            say("Ctrl-C ends it.", err=True)
        if given["opened"]:
            with suppress(webbrowser.Error):
                webbrowser.open(url)

    try:
        with ended_by_signals():
            page.serve(on_ready)
    except Stopped as stopped:
        # Ctrl-C is the normal end of this command, so there is no error to report.
        if not verbosity().quiet:
            say("Stopped; every decision is saved.", err=True)
        return stopped.exit_code
    return ExitCode.OK


def live_page(
    workspaces: Sequence[Workspace], given: dict[str, Any], paths: Sequence[Path], flags: CampaignFlags
) -> LivePage:
    """The page that the flags describe.

    Raises:
        UsageError: the extra is missing, or the flags are invalid.
        InvalidInput: the records of a campaign are invalid.
    """
    try:
        # An optional extra that loads slowly.
        from pipeline.serve.access import listen_address
        from pipeline.serve.server import LivePage, ServeSettings
    except ImportError as error:
        raise missing_extra() from error

    settings = ServeSettings(
        address=listen_address(given["listen"]),
        token_file=given["token_file"],
        read_only=given["read_only"],
        by=assert_name(given["by"]) or reviewer(workspaces[0]),
    )
    return LivePage(
        workspaces,
        settings,
        reopen=lambda number: open_workspaces([paths[number]], flags)[0],
        webhook_url=given["webhook_url"],
    )


def page_of_run(
    state: CampaignState, listen: str, token_file: Path | None, note: Callable[[], RunNote]
) -> tuple[StateOfRun, LivePage]:
    """The page of a run that continues in this process and keeps a `note`, and the source that feeds it.

    Raises:
        UsageError: the extra is missing, or it may not listen there.
    """
    try:
        from pipeline.serve.access import listen_address
        from pipeline.serve.server import LivePage, ServeSettings
        from pipeline.serve.state_source import StateOfRun
    except ImportError as error:
        raise missing_extra() from error

    settings = ServeSettings(
        address=listen_address(listen), token_file=token_file, by=reviewer(state.workspace)
    )
    source = StateOfRun(state.records, state.store, note)
    return source, LivePage([state.workspace], settings, source=source)


def missing_extra() -> UsageError:
    """The error if the extra `serve` is not installed."""
    return UsageError("serving needs the extra 'serve': pip install 'campaign-pipeline[serve]'")
