"""How commands on a page name a campaign and its records, without showing where the project is on this machine."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.operations.given_variables import GivenVariables, quoted
from pipeline.operations.shown_paths import project_path, relative, shown_path
from pipeline.paths import project_root, real_path
from pipeline.schemes import DatabaseUrl, OutputLocation, StateLocation, path_argument


def page_command(manifest: Path) -> str:
    """The manifest as an argument."""
    return shlex.quote(project_path(manifest))


def page_flags(
    manifest: Path, chosen: Mapping[str, StateLocation | OutputLocation], *, emulated: bool
) -> str:
    """The flags that choose the records; `chosen` has, by flag, their location.

    Paths are relative to the folder from which `page_command` names the manifest.
    """
    if emulated:
        return "--emulate"
    folder = _folder_of_commands(manifest)
    return shlex.join(
        word for flag, location in chosen.items() for word in (flag, _argument(location, folder))
    )


def results_argument(
    results: Path | None,
    manifest: Path,
    chosen: Mapping[str, StateLocation | OutputLocation],
    *,
    emulated: bool,
) -> str:
    """The results as an argument of a command that needs no manifest, with its flags; empty without `results`."""
    if results is None:
        return ""
    others = {flag: location for flag, location in chosen.items() if flag != "--results"}
    return f"{page_command(results)} {page_flags(manifest, others, emulated=emulated)}".rstrip()


def page_variables(manifest: Path, given: GivenVariables) -> list[str]:
    """The flags of the vars that were `given`, each quoted for a shell; paths as those of `page_flags`."""
    folder = _folder_of_commands(manifest)
    return quoted(given.flags(lambda file: relative(real_path(file), folder)))


def _folder_of_commands(manifest: Path) -> Path:
    is_named_from_here = not Path(shown_path(manifest)).is_absolute()
    return Path.cwd() if is_named_from_here else project_root(manifest)


def _argument(location: StateLocation | OutputLocation, folder: Path) -> str:
    if isinstance(location, DatabaseUrl):
        return location.argument
    return path_argument(relative(location, folder)) if isinstance(location, Path) else str(location)


def selection_flags(select: Sequence[str], exclude: Sequence[str]) -> str:
    """The flags that select the same jobs."""
    given = [("--select", each) for each in select] + [("--exclude", each) for each in exclude]
    return shlex.join(word for pair in given for word in pair)
