"""How commands on a page name a campaign and its records, without showing where the project is on this machine.

All commands of a page are for one folder, `folder_of_commands`, and name every path relative to it.
"""

import os
import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pipeline.operations.given_variables import GivenVariables, quoted
from pipeline.operations.shown_paths import relative
from pipeline.paths import project_root, real_path
from pipeline.schemes import DatabaseUrl, OutputLocation, StateLocation, path_argument


def folder_of_commands(manifests: Collection[Path]) -> Path:
    """The working folder, in which the page is made.

    If that is not in the only project of the page, nor this project in it, the project: the way there would show the
    folders of this machine.
    """
    [project, *others] = {project_root(each) for each in manifests}
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it is gone
        return Path(os.path.commonpath([project, *others]))
    is_near = here.is_relative_to(project) or project.is_relative_to(here)
    return here if others or is_near else project


def page_command(manifest: Path, folder: Path) -> str:
    """The manifest as an argument."""
    return shlex.quote(relative(manifest, folder))


def page_flags(chosen: Mapping[str, StateLocation | OutputLocation], folder: Path, *, emulated: bool) -> str:
    """The flags that choose the records; `chosen` has, by flag, their location."""
    if emulated:
        return "--emulate"
    return shlex.join(
        word for flag, location in chosen.items() for word in (flag, _argument(location, folder))
    )


def results_argument(
    results: Path | None,
    chosen: Mapping[str, StateLocation | OutputLocation],
    folder: Path,
    *,
    emulated: bool,
) -> str:
    """The results as an argument of a command that needs no manifest, with its flags; empty without `results`."""
    if results is None:
        return ""
    others = {flag: location for flag, location in chosen.items() if flag != "--results"}
    return f"{page_command(results, folder)} {page_flags(others, folder, emulated=emulated)}".rstrip()


def page_variables(given: GivenVariables, folder: Path) -> list[str]:
    """The flags of the vars that were `given`, each quoted for a shell."""
    return quoted(given.flags(lambda file: relative(real_path(file), folder)))


def _argument(location: StateLocation | OutputLocation, folder: Path) -> str:
    if isinstance(location, DatabaseUrl):
        return location.argument
    return path_argument(relative(location, folder)) if isinstance(location, Path) else str(location)


def selection_flags(select: Sequence[str], exclude: Sequence[str]) -> str:
    """The flags that select the same jobs."""
    given = [("--select", each) for each in select] + [("--exclude", each) for each in exclude]
    return shlex.join(word for pair in given for word in pair)
