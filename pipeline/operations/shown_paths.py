"""Paths as people and documents write them, showing no more of this machine than necessary."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.paths import project_root

if TYPE_CHECKING:
    from pipeline.schemes import OutputLocation, StateLocation


def shown_path(path: StateLocation | OutputLocation) -> str:
    """`path` as a person in the working folder would write it; an address without its password."""
    if not isinstance(path, Path):
        return str(path)
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, FileNotFoundError):  # elsewhere, or the working folder is gone
        return str(path)


def project_path(path: Path) -> str:
    """A path as the gallery shows it: relative to the working folder if inside it, else to the project."""
    shown = Path(shown_path(path))
    return shown.as_posix() if not shown.is_absolute() else path.relative_to(project_root(path)).as_posix()


def relative_output(output: OutputLocation, folder: Path) -> str:
    """An output folder relative to `folder`; a URL stays as it is."""
    return relative(output, folder) if isinstance(output, Path) else str(output)


def relative(path: Path, folder: Path) -> str:
    """`path` relative to `folder`, with `/` on every system."""
    return Path(os.path.relpath(path, folder)).as_posix()
