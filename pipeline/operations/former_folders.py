"""Finds the files of a campaign that lie where its output folder was before."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts.file_names import from_outside
from pipeline.operations.shown_paths import relative
from pipeline.paths import real_path, refuse_hidden

if TYPE_CHECKING:
    from pipeline.operations.workspace import Workspace
    from pipeline.results.file import ResultsFile
    from pipeline.state.store import PlacedFile


def files_in_former_folders(
    workspace: Workspace,
    placed: Callable[[], Sequence[PlacedFile]],
    results: Iterable[ResultsFile],
    earlier_names: Iterable[str],
) -> list[PlacedFile]:
    """Those of the `placed` files that are still below a former output folder; their paths lead out of the present.

    They do so even if they are inside the present folder: see `from_outside`.

    Former ones may be the default folders of this name and of `earlier_names`, and where `results` saw `placed` files
    last. Results may be a stranger's, so they only say where to look for what a state of this machine has placed.
    `placed` is read only if there may be a former folder.
    """
    output, home = workspace.local_output, workspace.campaign.manifest.parent
    if output is None:
        return []
    last = "/emulated" if workspace.emulated else ""
    defaults = [f"output/{name}{last}" for name in (workspace.campaign.name, *earlier_names)]
    defaults = [each for each in defaults if home / each != output and (home / each).is_dir()]
    seen = _files_seen(results)
    if not defaults and not seen:
        return []
    files = placed()
    paths = {each.path for each in files}
    present = workspace.heading().output
    elsewhere = ((path, digest) for path, digest in seen if path.removeprefix(f"{present}/") not in paths)
    folders = dict.fromkeys((*defaults, *_folders_of(elsewhere, files)))
    found: list[PlacedFile] = []
    for folder in (Path(os.path.normpath(home / each)) for each in folders if each != present):
        for file in files:
            there = Path(os.path.normpath(folder / file.path))
            path = relative(there, output)
            led_out = from_outside(path, folder=output.name)
            if paths.isdisjoint({path, led_out}) and _is_plainly_below(home, there):
                found.append(replace(file, path=led_out))
    return found


def _files_seen(results: Iterable[ResultsFile]) -> list[tuple[str, str]]:
    """Path and hash of each file that `results` saw."""
    files = (file for each in results for row in each.jobs for file in row.get("outputs", ()))
    return [(file["path"], file["sha256"]) for file in files if "sha256" in file]


def _folders_of(seen: Iterable[tuple[str, str]], placed: Iterable[PlacedFile]) -> Iterator[str]:
    """The folders below which the files `seen` have the paths of `placed` files with these bytes."""
    paths: dict[str, set[str]] = {}
    for each in placed:
        paths.setdefault(each.sha256, set()).add(each.path)
    for path, digest in seen:
        for end in paths.get(digest, ()):
            if path.endswith(f"/{end}"):
                yield path.removesuffix(f"/{end}")


def _is_plainly_below(home: Path, path: Path) -> bool:
    """Whether a regular file is at `path`, below `home`, neither hidden there nor behind a link."""
    try:
        refuse_hidden(path.relative_to(home))
    except ValueError:  # not below it either
        return False
    return path.is_file() and real_path(path) == path
