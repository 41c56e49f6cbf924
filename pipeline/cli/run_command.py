"""The flags of `pipeline run`, kept apart so that shell completion need not import the run machinery."""

from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import (
    DEFAULT_LISTEN,
    FILE,
    INPUT,
    OUTPUT,
    argument,
    campaign_options,
    executor_option,
    flag,
    format_option,
    replanning_options,
    selection_options,
    shard_options,
    timing_options,
    together,
)
from pipeline.cli.parameters import NumberRange

pacing_options = together(
    flag("--concurrency", type=click.IntRange(1, 256), metavar="N", help="Requests in flight at once."),
    flag("--in-flight", type=click.IntRange(1, 100_000), metavar="N", help="Workflows in flight at once."),
    flag(
        "--rate",
        type=NumberRange(0, 10_000, min_open=True),
        metavar="N",
        help="Requests per second to the vendor, of all kinds together.",
    ),
    executor_option,
    timing_options,
)
buying_options = together(
    flag("--yes", is_flag=True, help="Do not ask before buying. Without a terminal, nothing is asked."),
    flag("--max-creates", type=click.IntRange(0), metavar="N", help="Buy at most N in this run."),
    flag("--max-credits", type=click.IntRange(0), metavar="N", help="Spend at most N credits in this run."),
    flag("--frozen", is_flag=True, help="Do nothing and exit with code 4 if anything would be bought."),
    flag("--fail-fast", is_flag=True, help="Buy nothing more once a job has failed."),
    flag(
        "--fail-threshold",
        type=NumberRange(0, 1),
        metavar="SHARE",
        help="The share of failed jobs, 0 to 1, that a run tolerates.",
    ),
    flag("--no-wait", is_flag=True, help="Buy, and exit without waiting."),
    flag("--no-download", is_flag=True, help="Leave the files at the vendor; download them later."),
)
webhook_options = together(
    flag("--webhook-url", metavar="URL", help="Have the vendor call below URL when a workflow ends."),
    flag("--webhook-listen", metavar="ADDR", help="Listen for these calls at HOST:PORT during the run."),
)
records_options = together(
    flag(
        "--checkpoint",
        metavar="COMMAND",
        help="The command that publishes the results before each wave, such as a git push.",
    ),
    flag(
        "--require-results",
        is_flag=True,
        help="Exit with code 3 unless the state or the results have a purchase.",
    ),
    flag(
        "--events", type=FILE, metavar="FILE|-", help="Append a JSON object for each step of each purchase."
    ),
    flag("--junit", type=FILE, metavar="FILE", help="Write the jobs as a JUnit report."),
)

observing_options = together(
    flag(
        "--serve",
        is_flag=False,
        flag_value=DEFAULT_LISTEN,
        metavar="[ADDR]",
        help=f"Show the run as a live page, at {DEFAULT_LISTEN} or at ADDR.",
    ),
    flag("--token-file", type=OUTPUT, metavar="FILE", help="A file with the page's token (mode 0600)."),
    flag("--metrics", metavar="ADDR", help="Serve Prometheus metrics at http://ADDR/metrics (HOST:PORT)."),
    flag("--metrics-file", type=FILE, metavar="FILE", help="Write metrics to FILE, for the node exporter."),
)


def _begin_log(_ctx: click.Context, _option: click.Parameter, value: str) -> str:
    if value == "json":
        from pipeline.cli.progress import begin_json_log

        begin_json_log()
    return value


log_format_option = flag(
    "--log-format",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    # Eager, so that errors in the other flags are reported in this format too.
    is_eager=True,
    callback=_begin_log,
    help="The format of lines on stderr; json writes one object per line.",
)


@click.command("run")
@argument("source", type=INPUT, required=False, metavar="[MANIFEST|PLAN]")
@buying_options
@selection_options
@replanning_options
@pacing_options
@webhook_options
@records_options
@shard_options
@observing_options
@log_format_option
@format_option("text", "json")
@campaign_options
def command(source: Path | None, **given: Any) -> int:
    """Buy what MANIFEST asks for and does not have yet, and download it. Run again to continue where it stopped.

    Nothing is bought twice: not after a kill, not on another machine that has the results manifest. A PLAN
    that `plan --out` saved is carried out exactly, or refused with what has changed since.
    """
    from pipeline.cli.run import run

    return run(source, given)
