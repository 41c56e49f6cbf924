"""The entry point: finds and runs the command; the only module that exits."""

from __future__ import annotations

import errno
import importlib
import itertools
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

import click

import pipeline
from pipeline import failpoints, system
from pipeline.cli.help_text import HelpContext, with_readable_help
from pipeline.cli.options import verbosity_options
from pipeline.cli.process_environment import columns_of, failure
from pipeline.cli.what_to_do import RECOVER, pages, what_to_do
from pipeline.errors import (
    Declined,
    ExitCode,
    InvalidInput,
    PipelineError,
    Problem,
    Unfinished,
    did_you_mean,
    printable,
)
from pipeline.standard_output import reserve_stdout, stdout
from pipeline.system import leave_no_core

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# The short help texts are here so that `pipeline --help` imports none of the commands.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("pipeline.cli.init", "Start a small campaign that runs as it is."),
    "validate": ("pipeline.cli.validate", "Check manifests and list every problem with its line."),
    "expand": ("pipeline.cli.expand", "List the jobs of a manifest, with their requests."),
    "plan": ("pipeline.cli.plan", "Show what a run would do, and what it would cost."),
    "doctor": ("pipeline.cli.doctor", "Check that this machine is ready for a run; buys nothing."),
    "run": ("pipeline.cli.run_command", "Buy what is missing and download it; run again to continue."),
    "approve": ("pipeline.cli.review:approve", "Approve a take: it stays, whatever is edited later."),
    "reject": ("pipeline.cli.review:reject", "Reject a take; buys nothing."),
    "redo": ("pipeline.cli.review:redo", "Send a take back: the next run buys the job again."),
    "undecide": ("pipeline.cli.review:undecide", "Take a decision back; stars and notes stay."),
    "rate": ("pipeline.cli.rate", "Send your rating to the vendor."),
    "collect": ("pipeline.cli.collect", "Download what is paid for but not here; buys nothing."),
    "show": ("pipeline.cli.show", "Show everything known about a job or a purchase."),
    "verify": ("pipeline.cli.verify", "Check that manifest, state and results agree."),
    "status": ("pipeline.cli.status", "Show the status of the jobs."),
    "results": ("pipeline.cli.results", "Rewrite the results manifest."),
    "merge": ("pipeline.cli.merge", "Merge results or decisions, for example from two branches."),
    "report": ("pipeline.cli.report", "Make a gallery of the results; it opens from disk."),
    "serve": ("pipeline.cli.serve", "Serve the gallery live: progress, and review in the browser."),
    "resolve": ("pipeline.cli.resolve", "Resolve a purchase whose outcome is unknown."),
    "state": ("pipeline.cli.state", "Export or import the state as JSON."),
    "prune": ("pipeline.cli.delete:prune", "Delete what no job needs, here and at the vendor."),
    "destroy": ("pipeline.cli.delete:destroy", "Delete everything, here and at the vendor."),
    "templates": ("pipeline.cli.templates", "List the vendor's templates."),
    "schema": ("pipeline.cli.schema", "Print a JSON Schema, for an editor."),
    "emulator": ("pipeline.cli.emulator", "Run the vendor's API on this machine, making real media."),
}
EXIT_CODES: dict[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "some jobs failed, or `verify` found a difference",
    ExitCode.CHANGES: "`plan --detailed-exitcode`: there is something to do",
    ExitCode.INVALID: "the manifest, the state or the results are invalid",
    ExitCode.STOPPED_BUYING: "buying stopped: a limit of yours, `--frozen`, or no credit left",
    ExitCode.ACCOUNT: "no key, or the vendor refused it",
    ExitCode.LOCKED: "another run is working on this campaign",
    ExitCode.ATTENTION: "an unknown outcome needs a person: `pipeline resolve`",
    ExitCode.UNFINISHED: "not finished: run again",
    ExitCode.USAGE: "wrong usage",
    ExitCode.BUG: "a bug in pipeline",
    ExitCode.HUNG_UP: "the terminal was closed; everything is saved",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C); everything is saved",
    ExitCode.TERMINATED: "terminated; everything is saved",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    context_class = HelpContext

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name or "command")
        return with_readable_help(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(
                f"{error.message.rstrip('.')}{did_you_mean(args[0], COMMANDS)}", ctx
            ) from None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names of commands, without importing a command for its help."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=short)
            for name, (_, short) in COMMANDS.items()
            if name.startswith(incomplete)
        ]

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, short) for name, (_, short) in COMMANDS.items()])

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code.value), meaning) for code, meaning in EXIT_CODES.items()])
        formatter.write_paragraph()
        formatter.write_text(f"What to do for code N: {RECOVER}")
        if (folder := pages()) is not None:
            formatter.write_paragraph()
            formatter.write_text("The pages that messages name are in this folder:")
            # Never broken, so that it can be copied.
            formatter.write(f"`{folder}`\n")


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(pipeline.__version__, prog_name="pipeline")
@verbosity_options
def cli() -> None:
    """Media campaigns in git: YAML in, videos out, and nothing paid for twice.

    A campaign is a manifest of templates, image sets and prompts. `validate` it, `plan` it, `run` it.
    """


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    leave_no_core()
    code: int = ExitCode.UNFINISHED
    if fill_in_streams():
        reserve_stdout()
        code = called(sys.argv[1:])
    else:
        sys.stderr.write("error: stdout is closed; redirect it to a file or to /dev/null\n")
    try:
        stdout().flush()
    except (OSError, ValueError):
        code = code or ExitCode.UNFINISHED
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    # Calls that hang must not keep the process alive: the outcome of the command is decided and on disk.
    os._exit(int(code))


def called(arguments: list[str]) -> int:
    """Run one command line and return its exit code; every error is reported on stderr."""
    if not all(map(_is_argument, arguments)):
        click.echo("error: an argument holds a NUL character, or half of a surrogate pair", err=True)
        return ExitCode.USAGE
    with stderr_restored():
        return _called(arguments)


def _is_argument(text: str) -> bool:
    """Whether the text could be an argument of a process; a caller within this process may pass any string."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _in_our_words(error: click.ClickException) -> str:
    """What is wrong with the command line, worded as every other error; its help if there is only a name."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error.format_message()
    message = error.format_message().rstrip(".")
    message = re.sub("is not a valid integer( range)?", "is not a whole number", message)
    message = re.sub("is not a valid float( range)?", "is not a number", message)
    if isinstance(error, click.BadParameter) and error.ctx is not None and error.param is not None:
        source = error.ctx.get_parameter_source(error.param.name or "")
        if source is click.core.ParameterSource.ENVIRONMENT:
            message = f"{message} (from {error.param.envvar})"
    text = f"error: {message[:1].lower()}{message[1:]}"
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return text
    return f"{text}\n{context.get_usage()}\nTry `{context.command_path} --help` for help."


def _called(arguments: list[str]) -> int:
    # Imported here so that `--help` stays fast: only output needs colours and problems.
    from pipeline.cli.terminal import Closed, say
    from pipeline.schemes import without_secrets

    arm_failpoint()
    try:
        outcome: Any = cli.main(arguments, prog_name="pipeline", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        click.echo(without_secrets(_in_our_words(error)), err=True)
        return ExitCode.USAGE
    except Closed as closed:
        if str(closed):
            say(f"error: {closed}", err=True)
        return ExitCode.UNFINISHED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except PipelineError as error:
        _report(error, no_color="--no-color" in arguments)
        return error.exit_code
    except MemoryError:
        say("error: out of memory; everything done so far is on disk, run again with more", err=True)
        return ExitCode.UNFINISHED
    except Exception as error:  # noqa: BLE001 - whatever else it is, it is a bug, and reported as one
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            say(f"error: {printable(str(error.filename), 100)}: {error.strerror}", err=True)
            return ExitCode.USAGE
        say(
            "a bug in pipeline (see docs/how-to/recover.md#exit-code-70); everything done so far is on disk: "
            "report it with what follows and `pipeline --version`, and run it again",
            err=True,
        )
        sys.excepthook(*sys.exc_info())
        return ExitCode.BUG
    code = outcome if isinstance(outcome, int) else ExitCode.OK
    # `validate` lists the errors of files, each with its line.
    if code != ExitCode.INVALID:
        _say_what_to_do(code)
    return code


def _report(error: PipelineError, *, no_color: bool) -> None:
    if isinstance(error, Declined):
        return
    from pipeline.cli.terminal import paint_for, problem_lines, say

    problems = error.problems if isinstance(error, InvalidInput) else (Problem(str(error)),)
    paint = paint_for(sys.stderr, no_color=no_color)
    for line in problem_lines(problems, paint, columns_of(sys.stderr)):
        say(line, err=True)
    if not any("(see docs/" in problem.message for problem in problems):
        _say_what_to_do(error.exit_code)


def _say_what_to_do(code: int) -> None:
    from pipeline.cli.terminal import say

    if (advice := what_to_do(code)) is not None:
        say(advice, err=True)


def arm_failpoint() -> None:
    """Arm the failpoint that `PIPELINE_FAIL_AT` names: crash tests try every point at which a run may be killed."""
    planned = failure()
    if planned is None:
        return
    wanted, kind = planned
    reached = itertools.count(1)

    def fail(name: str) -> None:
        if next(reached) != wanted:
            return
        if kind == "kill":
            system.kill_self()
        if kind == "full":
            raise Unfinished(f"{name}: no space left on the device")
        raise RuntimeError(f"failpoint: {name}")

    failpoints.arm(fail)


def fill_in_streams() -> bool:
    """Replace each standard stream that is closed with the null device; False if stdout was closed.

    Otherwise the next file to be opened, such as the state, would get the file descriptor of that stream, and
    whatever writes to the descriptor would write into that file.
    """
    has_stdout = sys.stdout is not None
    # In the order of their descriptors, since each open takes the lowest that is free.
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - a stream, kept to the end
    if not has_stdout:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - as above
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - as above
    return has_stdout


@contextmanager
def stderr_restored() -> Iterator[None]:
    """Restore stderr at the end, which `--log-format` may replace with another stream."""
    before = sys.stderr
    try:
        yield
    finally:
        if sys.stderr is not before:
            sys.stderr.close()
            sys.stderr = before
