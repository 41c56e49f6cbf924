"""Every flag that commands share, defined once: its name, its help, and its environment variable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from pipeline.cli.parameters import TEXT, Argument, Flag, LocalPath, NumberRange
from pipeline.operations.flag_variables import variable_of

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def flag(name: str, *arguments: str, **settings: Any) -> Callable[[Decorated], Decorated]:
    """A click option that can also be set by `PIPELINE_<NAME>`."""
    return click.option(name, *arguments, cls=Flag, envvar=variable_of(name), show_envvar=False, **settings)


def argument(name: str, **settings: Any) -> Callable[[Decorated], Decorated]:
    """A click argument; commands create all their arguments with this."""
    return click.argument(name, cls=Argument, **settings)


def together(*decorators: Callable[[Any], Any]) -> Callable[[Decorated], Decorated]:
    """Several decorators as one, in the order in which help shows them."""

    def decorate(function: Decorated) -> Decorated:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignFlags:
    """The values of `campaign_options`, and the shard of `run`."""

    state: str | None
    results: str | None
    output: str | None
    variables: tuple[str, ...]
    variable_files: tuple[str, ...]
    emulate: bool
    shard: str | None = None
    shard_by: str = "requests"

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> CampaignFlags:
        """Pick the values from the keyword arguments with which click calls a command."""
        return cls(**{field: given[field] for field in cls.__dataclass_fields__ if field in given})


@dataclass
class Verbosity:
    """How much to print, and whether in colour. Its flags may be before or after the command's name."""

    verbose: int = 0
    quiet: bool = False
    no_color: bool = False


def _set_verbosity(ctx: click.Context, option: click.Parameter, value: int | bool) -> None:
    verbosity = ctx.find_root().ensure_object(Verbosity)
    if value and option.name is not None:
        setattr(verbosity, option.name, value)


verbosity_options = together(
    flag("--verbose", "-v", count=True, expose_value=False, callback=_set_verbosity, help="Print more."),
    flag(
        "--quiet",
        "-q",
        is_flag=True,
        expose_value=False,
        callback=_set_verbosity,
        help="Print only problems, and what you asked to see.",
    ),
    flag("--no-color", is_flag=True, expose_value=False, callback=_set_verbosity, help="No colours."),
)


def verbosity() -> Verbosity:
    """How much the running command prints, and how."""
    return click.get_current_context().find_root().ensure_object(Verbosity)


# Where a live page listens by default.
DEFAULT_LISTEN = "127.0.0.1:8765"

# Readability is checked when the file is read: an unreadable manifest is invalid input, not a usage error.
INPUT = LocalPath(path_type=Path, readable=False)
# For files to be written, and files of settings.
OUTPUT = LocalPath(path_type=Path)
# A path as text, exactly as typed: for files that are checked when they are opened.
FILE = LocalPath(readable=False)

# For commands that never guess which campaign is meant.
required_manifest_argument = argument("manifest", type=INPUT)
# If it is left out, the only campaign in the working folder is meant.
manifest_argument = argument("manifest", type=INPUT, required=False, metavar="[MANIFEST]")
manifests_argument = argument("manifests", nargs=-1, type=INPUT, metavar="[MANIFEST...]")


def manifest_and_names(metavar: str) -> Callable[[Decorated], Decorated]:
    """An argument `words`: a manifest that may be left out, then names; `context.split_words` separates them."""
    return argument("words", nargs=-1, metavar=f"[MANIFEST] {metavar}")


variable_options = together(
    flag(
        "--var",
        "variables",
        multiple=True,
        type=TEXT,
        metavar="NAME=VALUE",
        help="Override a var of the manifest.",
    ),
    flag(
        "--var-file",
        "variable_files",
        multiple=True,
        type=FILE,
        metavar="FILE",
        help="Override vars from a YAML file.",
    ),
)

campaign_options = together(
    flag(
        "--state",
        metavar="PATH",
        help="The state file (default: .pipeline/NAME.db beside the manifest), or postgresql://… for a team's.",
    ),
    flag(
        "--results",
        metavar="PATH",
        help="The results manifest, or its folder (default: beside the manifest).",
    ),
    flag(
        "--output",
        metavar="DIR",
        help="Where files go: a folder, or s3://BUCKET/PREFIX (default: output.dir of the manifest).",
    ),
    variable_options,
    flag("--emulate", is_flag=True, help="Rehearse on the embedded emulator; real records stay untouched."),
    verbosity_options,
)


selection_options = together(
    flag(
        "--select",
        multiple=True,
        type=TEXT,
        metavar="EXPR",
        help="Only these jobs: a glob over keys, status:failed, …",
    ),
    flag("--exclude", multiple=True, type=TEXT, metavar="EXPR", help="Leave these jobs out."),
)


replanning_options = together(
    flag("--retry-failed", is_flag=True, help="Buy failed jobs again."),
    flag(
        "--replace",
        multiple=True,
        type=TEXT,
        metavar="EXPR",
        help="Buy these jobs again; the old files are kept. The key of a job means that job alone.",
    ),
)


executor_option = flag(
    "--executor",
    default="threads",
    metavar="NAME",
    help="What polls and downloads: threads, dask (local processes), or a scheduler at dask://HOST:PORT.",
)


timing_options = together(
    flag(
        "--request-timeout",
        type=NumberRange(0.1, 3600),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="How long one request may take.",
    ),
    flag(
        "--poll-interval",
        type=NumberRange(0.1, 3600),
        default=30.0,
        show_default=True,
        metavar="SECONDS",
        help="The longest wait between two polls of one workflow.",
    ),
)
shard_options = together(
    flag("--shard", metavar="I/N", help="Only shard I of N."),
    flag(
        "--shard-by",
        type=click.Choice(["requests", "credits"]),
        default="requests",
        show_default=True,
        help="What to balance the shards by.",
    ),
)


def format_option(*formats: str) -> Callable[[Decorated], Decorated]:
    """`--format`, with the first as the default."""
    return flag(
        "--format",
        "output_format",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="Output format.",
    )
