"""`pipeline init`: starts a small campaign that runs as it is."""

import os
import re
import shlex
import unicodedata
from importlib.resources import files
from pathlib import Path

import click

from pipeline.cli.options import OUTPUT, argument, verbosity, verbosity_options
from pipeline.cli.terminal import say
from pipeline.documents.yaml_reader import read_scalar
from pipeline.errors import Unfinished, UsageError, printable
from pipeline.paths import project_root, real_path, refuse_hidden

_MANIFEST = "campaign.yaml"
_NAME = "my-campaign"
_WORKFLOW = ".github/workflows/campaigns.yml"


@click.command("init")
@argument("folder", type=OUTPUT, default=Path(), metavar="[DIR]")
@verbosity_options
def command(folder: Path) -> None:
    """Start a campaign in DIR, or here: a manifest, two images, a CI workflow and files for git.

    It runs on the emulator as it is. Existing files are never overwritten.
    """
    _assert_not_hidden(folder)
    begun = _inventory(folder)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: not a folder")
    # First, so that nothing is written into the folder of another campaign.
    if not _write_new(folder / _MANIFEST, begun.pop(folder / _MANIFEST)):
        raise UsageError(f"{folder / _MANIFEST}: exists already; `init` only starts new campaigns")
    _tell(f"{folder / _MANIFEST}: written")
    for path, content in begun.items():
        written = _write_new(path, content)
        _tell(f"{path}: {'written' if written else _kept(path, content)}")
    _tell("")
    _tell("Next, free of charge (needs campaign-pipeline[emulator]):")
    _tell(f"  pipeline run {shlex.quote(str(folder / _MANIFEST))} --emulate", whole=True)


def _assert_not_hidden(folder: Path) -> None:
    """Refuse a folder in which a campaign could not read its own images."""
    real = real_path(folder)
    try:
        refuse_hidden(real.relative_to(project_root(folder / _MANIFEST)))
    except ValueError as error:
        raise UsageError(f"{folder}: {error}; choose another name") from None


def _inventory(folder: Path) -> dict[Path, bytes]:
    """The files to write, by path. GitHub looks for workflows at the top of the repository only."""
    starter = files("pipeline.cli") / "starter"
    top = project_root(folder / _MANIFEST)
    manifest = (
        (starter / _MANIFEST).read_bytes().replace(_NAME.encode(), _name_for(folder.resolve()).encode())
    )
    return {
        folder / _MANIFEST: manifest,
        folder / "images" / "red.png": (starter / "images" / "red.png").read_bytes(),
        folder / "images" / "blue.png": (starter / "images" / "blue.png").read_bytes(),
        folder / ".gitignore": (starter / "gitignore").read_bytes(),
        folder / ".gitattributes": (starter / "gitattributes").read_bytes(),
        Path(os.path.relpath(top / _WORKFLOW)): (starter / "workflow.yml").read_bytes(),
    }


def _name_for(folder: Path) -> str:
    """A campaign's name, derived from that of its folder, as YAML."""
    plain = unicodedata.normalize("NFKD", folder.name).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", plain).strip("-_")[:100] or _NAME
    return name if _is_text(name) else f'"{name}"'


def _is_text(word: str) -> bool:
    """Whether YAML reads the unquoted word as text; False also for a number that it refuses to read."""
    try:
        return isinstance(read_scalar(word), str)
    except ValueError:
        return False


def _write_new(path: Path, content: bytes) -> bool:
    """Write a new file; False if something has its name, even a dangling link.

    Raises:
        Unfinished: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        return False
    except OSError as error:
        raise Unfinished(f"{path}: cannot be written: {error.strerror}") from error
    return True


def _kept(path: Path, content: bytes) -> str:
    if path.name not in {".gitignore", ".gitattributes"}:
        return "exists already and stays as it is"
    there = path.read_bytes().splitlines() if path.is_file() else []
    missing = [line.decode() for line in content.splitlines() if line not in there]
    return f"exists already and stays as it is; add {', '.join(missing)}" if missing else "stays as it is"


def _tell(line: str, *, whole: bool = False) -> None:
    if not verbosity().quiet:
        say(printable(line), whole=whole)
