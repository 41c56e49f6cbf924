"""Which manifest is meant, where it may be left out, and what is named beside it."""

import os
from collections.abc import Sequence
from pathlib import Path

from pipeline.artifacts.file_names import MEDIA_SUFFIXES
from pipeline.errors import UsageError, printable
from pipeline.manifest.discover import campaigns_beside, find


def campaign_here() -> Path:
    """The one campaign of the working folder.

    Raises:
        UsageError: there is none, or there are several.
    """
    found = campaigns_beside(Path())
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(printable(str(each)) for each in found[:5])
        raise UsageError(f"several campaigns are here; name one: {names}{', …' if len(found) > 5 else ''}")
    raise UsageError("there is no campaign here; name a MANIFEST")


def manifests_of(paths: Sequence[Path]) -> list[Path]:
    """The manifests that `paths` name, files or folders; where there are none, that of the working folder.

    Raises:
        InvalidInput: a path does not exist, or a folder holds no campaign.
        UsageError: the working folder does not hold just one.
    """
    return find(paths) if paths else [campaign_here()]


def split_words(words: Sequence[str], missing: str, most: int | None = None) -> tuple[Path, tuple[str, ...]]:
    """The manifest and the names that were given as `words`; a manifest that was left out is that of the folder.

    The first word is one only if it ends as manifests do, or names a file that is no medium. `missing` is what has
    to be named, of which there may be `most`.

    Raises:
        UsageError: nothing is named, or too much; or no manifest is, and the folder does not hold just one.
    """
    names = tuple(words)
    manifest: Path | None = None
    if names and _is_manifest(names[0]):
        manifest, names = Path(names[0]), names[1:]
    if not names:
        raise UsageError(f"missing {missing}")
    if most is not None and len(names) > most:
        raise UsageError(f"expected one {missing}, not {len(names)}: {printable(' '.join(names), 200)}")
    return manifest or campaign_here(), names


def _is_manifest(word: str) -> bool:
    path = Path(word)
    if path.suffix.lower() in {".yaml", ".yml"}:
        return True
    # A video of the output folder is named to be reviewed.
    return os.path.isfile(word) and path.suffix.lower().removeprefix(".") not in MEDIA_SUFFIXES  # noqa: PTH113 - pathlib raises for too long a word
