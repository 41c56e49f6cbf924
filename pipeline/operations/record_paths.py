"""The locations of records that the operator chose, and the flags that chose them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InvalidInput, printable
from pipeline.operations.shown_paths import shown_path
from pipeline.paths import leads_nowhere, link_to_nothing, real_path
from pipeline.schemes import (
    DatabaseUrl,
    ObjectUrl,
    OutputLocation,
    StateLocation,
    assert_location,
    assert_named_as,
    is_database,
    is_object_store,
    path_argument,
)

if TYPE_CHECKING:
    from pipeline.operations.environment import Environment
    from pipeline.operations.given_variables import GivenVariables
    from pipeline.planning.shards import Shard

_LONGEST_TARGET = 4000
# By flag, the kind of record, as `assert_named_as` names it.
_KINDS = {"--state": "a state", "--results": "results", "--output": "media"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPaths:
    """The locations that the operator chose for records, None: beside the manifest; and whether it is a rehearsal.

    A `shard` keeps its own records beside those. `state` may be the address of a database, which contains a password.

    Raises:
        UsageError: an address is given instead of a path, or the extra that it needs is not installed; or the name is
            that of another kind of record.
    """

    state: str | None = field(default=None, repr=False)
    results: str | None = None
    output: str | None = None
    emulate: bool = False
    shard: Shard | None = None

    def __post_init__(self) -> None:
        for name, value in self.by_flag().items():
            if name == "--state" and is_database(value or ""):
                # Raises an error if the extra is missing, before anything else is done.
                import_module("pipeline.state.postgres")
            elif name == "--output" and is_object_store(value or ""):
                import_module("pipeline.artifacts.s3")
                ObjectUrl.parse(value or "")
            else:
                assert_location(name, value)
                # An existing file is judged by its content, when it is read.
                if value and not os.path.lexists(value) and not value.endswith(("/", os.sep)):
                    assert_named_as(Path(value), _KINDS[name])

    @property
    def output_location(self) -> OutputLocation | None:
        """The location that the operator chose for files."""
        return output_location(self.output) if self.output else None

    def by_flag(self) -> dict[str, str | None]:
        """Each path by the flag that sets it."""
        return {"--state": self.state, "--results": self.results, "--output": self.output}


def state_location(given: str) -> StateLocation:
    """The location that `--state` names.

    Raises:
        UsageError: it is a URL whose password cannot be separated from the rest.
        InvalidInput: a link on the way to it leads to nothing.
    """
    return DatabaseUrl(given) if is_database(given) else record_path(given)


def record_path(given: str | Path) -> Path:
    """The real path of records that the operator names.

    Raises:
        InvalidInput: a link on the way to them leads to nothing. Taken for records that do not exist yet, they would
            have everything bought again.
    """
    # Before links are followed: what a link to nothing leads to looks like any path at which nothing is yet.
    if (link := link_to_nothing(Path(given))) is not None:
        raise InvalidInput(leads_nowhere(printable(shown_path(link))))
    return real_path(Path(given))


def output_location(given: str) -> OutputLocation:
    """The location that `--output` names.

    Raises:
        UsageError: it is a URL that names no location in an object store.
    """
    return ObjectUrl.parse(given) if is_object_store(given) else real_path(Path(given))


def target_of(manifest: Path, flags: Sequence[str], variables: GivenVariables) -> str:
    """The manifest with the flags that choose its records and give its vars, quoted for a shell, for hints."""
    given = (word for flag in variables.flags() for word in flag)
    return printable(shlex.join((shown_path(manifest), *flags, *given)), _LONGEST_TARGET)


def hinted_flags(paths: RecordPaths, environment: Environment) -> Sequence[str]:
    """The flags that chose `paths`, as a suggested command needs them."""
    return record_flags(_typed(paths, environment))


def record_flags(paths: RecordPaths) -> Sequence[str]:
    """The flags that chose `paths`; an address is without its password."""
    if paths.emulate:
        return ("--emulate",)
    given = {**paths.by_flag(), "--state": _state_argument(paths.state) if paths.state else None}
    return [
        word for flag, value in given.items() if value is not None for word in (flag, _without_detours(value))
    ]


def _typed(paths: RecordPaths, environment: Environment) -> RecordPaths:
    """`paths` without the address of a database that the environment has, with its password, for every command."""
    in_environment = environment.variables.get("PIPELINE_STATE")
    is_known = is_database(paths.state or "") and paths.state == in_environment
    return replace(paths, state=None) if is_known else paths


def _without_detours(given: str) -> str:
    """A path without `..` behind a folder, as a person would write it, where it leads to the same."""
    if ".." not in given.split("/") or "://" in given:
        return given
    path = Path(os.path.normpath(given))
    slash = "/" if given.endswith("/") else ""
    return f"{path}{slash}" if real_path(path) == real_path(Path(given)) else given


def _state_argument(given: str) -> str:
    location = state_location(given)
    return location.argument if isinstance(location, DatabaseUrl) else path_argument(shown_path(location))
