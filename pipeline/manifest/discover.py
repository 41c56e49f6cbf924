"""Finds campaign files in folders."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pipeline import files
from pipeline.documents.yaml_reader import read_yaml
from pipeline.errors import InvalidInput, Position, Problem
from pipeline.paths import follow_links

_SUFFIXES = (".yaml", ".yml")
_REQUIRED_KEYS = (
    re.compile(r"^[\"']?version[\"']?\s*:", re.MULTILINE),
    re.compile(r"^[\"']?name[\"']?\s*:", re.MULTILINE),
)
# In braces, as in JSON, the top level may be indented. Two opening braces begin another tool's template.
_BRACES = re.compile(r"(?:\ufeff|\s++|#.*\n|---)*+\{(?!\{)")
_REQUIRED_KEYS_IN_BRACES = (
    re.compile(r"[{,\s][\"']?version[\"']?\s*:"),
    re.compile(r"[{,\s][\"']?name[\"']?\s*:"),
)
_LOOKED_AT = 2 << 20


def find(paths: Iterable[Path]) -> list[Path]:
    """The campaigns that `paths` name: files as they are, and those found in folders.

    In a folder and below it, a campaign is a YAML file whose own top level has a version and a name. Each
    comes once, in the order given; those of a folder are sorted.

    Raises:
        InvalidInput: a path does not exist, or a folder holds no campaign.
    """
    found: dict[Path, None] = {}
    problems = []
    for path in paths:
        # Unlike pathlib, these treat a name that is too long as absent.
        if os.path.isdir(path):  # noqa: PTH112
            campaigns, wrong = _campaigns_in(path)
            problems += wrong
            found |= dict.fromkeys(campaigns)
        elif os.path.exists(path):  # noqa: PTH110
            found[path] = None
        else:
            problems.append(Problem("there is no such file", Position(str(path))))
    if problems:
        raise InvalidInput(problems)
    return list(found)


def campaigns_beside(folder: Path) -> list[Path]:
    """The campaigns directly in `folder`, sorted; links are not followed."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False))
    except OSError:
        return []
    files_here = [folder / name for name in names if name.endswith(_SUFFIXES) and not name.startswith(".")]
    return [file for file in files_here if _is_campaign(file, str(file))]


def _campaigns_in(folder: Path) -> tuple[list[Path], list[Problem]]:
    """The campaigns below a folder, and an error for each link not followed, as a stranger may have made it."""
    campaigns: list[Path] = []
    problems: list[Problem] = []
    try:
        follow_links(folder)
    except ValueError as error:
        return [], [Problem(str(error), Position(str(folder)))]
    for file in _yaml_files(folder):
        try:
            real = follow_links(file)
        except ValueError as error:
            if file.exists():
                problems.append(Problem(str(error), Position(str(file), 1, 1)))
            continue
        if _is_campaign(real, str(file)):
            campaigns.append(file)
    if not campaigns and not problems:
        message = "there is no campaign here: no YAML file has a 'version' and a 'name'"
        problems.append(Problem(message, Position(str(folder))))
    return campaigns, problems


def _yaml_files(folder: Path) -> Iterator[Path]:
    # Before Python 3.12, `os.walk` recurses into each level of folders, so it is called for one folder at a time.
    waiting = [folder]
    while waiting:
        where, folders, names = next(os.walk(waiting.pop()), (folder, [], []))
        # Hidden folders belong to tools, and `node_modules` holds other people's packages.
        below = [name for name in folders if not name.startswith(".") and name != "node_modules"]
        waiting += [
            each for name in sorted(below, reverse=True) if not (each := Path(where, name)).is_symlink()
        ]
        for name in sorted(names):
            if name.endswith(_SUFFIXES) and not name.startswith("."):
                yield Path(where, name)


def named_campaign(path: Path) -> str | None:
    """The name at the top level of the file at `path`; None if there is none or it cannot be read."""
    try:
        root = read_yaml(path, str(path)).root
    except InvalidInput:
        return None
    name = root.value.get("name") if isinstance(root.value, Mapping) else None
    return name.value if name is not None and isinstance(name.value, str) else None


def _is_campaign(path: Path, name: str) -> bool:
    try:
        root = read_yaml(path, name).root
    except InvalidInput:
        # It cannot be parsed, so go by its text: if it is a campaign, its errors must be reported.
        return _looks_like_campaign(path)
    return isinstance(root.value, Mapping) and {"version", "name"} <= root.value.keys()


def _looks_like_campaign(path: Path) -> bool:
    try:
        with os.fdopen(files.open_regular(path), "rb") as file:
            head = file.read(_LOOKED_AT)
    except PermissionError:
        return True  # It may be a campaign, and one that is silently skipped would seem checked.
    except OSError:
        return False
    if files.is_lfs_pointer(head):
        return True  # As above.
    text = head.decode("utf-8", errors="replace")
    patterns = _REQUIRED_KEYS_IN_BRACES if _BRACES.match(text) else _REQUIRED_KEYS
    return all(pattern.search(text) for pattern in patterns)
