"""What of a job could not be recorded, and so must not be bought."""

from collections.abc import Iterator
from pathlib import Path

from pipeline import record_limits
from pipeline.errors import Problem
from pipeline.jobs import Job, LocalFile, Option
from pipeline.manifest.model import Combination, Rule


def unrecordable(job: Job, combination: Combination, rule: Rule, output: Path) -> Iterator[Problem]:
    """What of `job` exceeds the limits of the records, each with its place in the manifest.

    `output` is the folder for its files: one that is paid for must have a path that the system takes.
    """
    if len(job.key) > record_limits.LONGEST_KEY:
        yield rule.location.problem(
            f"a job has a key of {len(job.key):,} characters; at most {record_limits.LONGEST_KEY:,} can be recorded: "
            "give its image, prompt and axes shorter names"
        )
    length = len(f"{output}/{job.path}".encode("utf-8", "surrogateescape")) + record_limits.PATH_ROOM
    if length > record_limits.LONGEST_PATH:
        yield rule.path.location.problem(
            f"the path with its suffix has {length:,} bytes, counted from the root; at most "
            f"{record_limits.LONGEST_PATH:,} make a file: shorten it, or output.dir"
        )
    if combination.item is not None and len(job.request.images) > record_limits.MOST_MEDIA:
        yield combination.item.location.problem(
            f"'{combination.item.id}' has {len(job.request.images):,} images; "
            f"at most {record_limits.MOST_MEDIA:,} can be recorded"
        )
    for name, value in job.request.options.items():
        if isinstance(value, list | dict) and _levels(value) > record_limits.DEEPEST_OPTION:
            yield combination.template.options[name].location.problem(
                f"the value is nested more than {record_limits.DEEPEST_OPTION} levels deep"
            )


def _levels(value: Option) -> int:
    """How deep lists and mappings are nested in it; a file is recorded as a mapping."""
    match value:
        case LocalFile():
            return 1
        case list():
            return 1 + max(map(_levels, value), default=0)
        case dict():
            return 1 + max(map(_levels, value.values()), default=0)
        case _:
            return 0
