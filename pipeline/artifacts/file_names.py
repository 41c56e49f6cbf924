"""Names for the files of a purchase: from the manifest and the content type, never from the server."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.safe_names import safe_path

if TYPE_CHECKING:
    from pipeline.purchases import Output, Purchase, PurchaseId
    from pipeline.schemes import OutputLocation

# The version of these names; it grows whenever the same purchase would have files of other names.
NAMING = 1

# The content types of media, and the suffix of each.
_SUFFIXES = {
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/quicktime": "mov",
    "video/x-matroska": "mkv",
    "video/x-msvideo": "avi",
    "video/mpeg": "mpg",
    "video/ogg": "ogv",
    "video/3gpp": "3gp",
    "video/x-flv": "flv",
    "video/x-ms-wmv": "wmv",
    "video/x-ms-asf": "asf",
    "video/mp2t": "ts",
    "video/x-yuv4mpeg": "y4m",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/avif": "avif",
    "image/heic": "heic",
    "image/heif": "heif",
    "image/bmp": "bmp",
    "image/tiff": "tiff",
    "image/jxl": "jxl",
    "image/svg+xml": "svg",
    "image/x-portable-anymap": "pnm",
    "image/x-portable-bitmap": "pbm",
    "image/x-portable-graymap": "pgm",
    "image/x-portable-pixmap": "ppm",
    "image/x-portable-arbitrarymap": "pam",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/ogg": "ogg",
    "audio/opus": "opus",
    "audio/flac": "flac",
    "audio/aac": "aac",
    "audio/aiff": "aiff",
    "audio/amr": "amr",
    "audio/midi": "mid",
    "audio/webm": "weba",
    "audio/x-matroska": "mka",
    "audio/3gpp": "3gp",
    "audio/x-ms-wma": "wma",
    "audio/ac3": "ac3",
    "audio/vnd.dts": "dts",
    "audio/x-caf": "caf",
    "audio/basic": "au",
}

# Other types that may accompany media.
_OTHERS = {
    "application/json": "json",
    "application/pdf": "pdf",
    "application/zip": "zip",
    "model/gltf-binary": "glb",
    "application/ld+json": "json",
    "application/x-ndjson": "ndjson",
    "application/x-subrip": "srt",
    "application/yaml": "yaml",
    "text/csv": "csv",
    "text/markdown": "md",
    "text/srt": "srt",
    "text/tab-separated-values": "tsv",
    "text/vtt": "vtt",
    "text/yaml": "yaml",
}
# A page or program that a browser would run stays a `.bin`; every other kind of text can be read as plain text.
_RUN = frozenset({"text/html", "text/xml", "text/javascript", "text/ecmascript"})

_SLOT = re.compile(r"(?:result|steps/(?P<step>[0-9]{1,6}))/(?P<index>[0-9]{1,6})")

MEDIA_SUFFIXES = frozenset(_SUFFIXES.values())


def suffix(content_type: str) -> str:
    """The suffix for a content type, without the dot; `bin` for an unknown one."""
    bare = content_type.partition(";")[0].strip().lower()
    is_text = bare.startswith("text/") and bare.partition("+")[0] not in _RUN and not bare.endswith("+xml")
    return _SUFFIXES.get(bare) or _OTHERS.get(bare) or ("txt" if is_text else "bin")


@dataclass(frozen=True, slots=True)
class NamedFile:
    """One file of a purchase with its name. `path` is below the output folder; `slot` says which output it is."""

    path: str
    slot: str
    output: Output


def is_outside(path: str) -> bool:
    """Whether a path leads out of the output folder: to where that was before, whose files are only read."""
    return path.startswith("../")


def from_outside(path: str, *, folder: str) -> str:
    """A path below the output folder, whose name is `folder`, as one that leads out of it and in again.

    So the files of a former output folder that are inside the present one are named: they are only read, too.
    """
    return path if is_outside(path) else f"../{folder}/{path}"


def located(folder: OutputLocation, path: str) -> OutputLocation:
    """The location of `path`, which is relative to the output folder; that need not exist."""
    if isinstance(folder, Path) and is_outside(path):
        return Path(os.path.normpath(folder / path))
    return folder / path


def named(purchase: Purchase, stem: str, steps: bool = False) -> Iterator[NamedFile]:
    """Every file of `purchase` as it is named under `stem`; with `steps`, those of its steps too.

    Results are `stem.ext`, `stem-2.ext`, …; steps `stem.steps/01-flow.ext`. A stem from a results manifest
    may be anything, so it is made safe here; if nothing of it is left, the purchase's id replaces it.
    """
    safe = _safe_stem(purchase, stem)
    for index, output in enumerate(purchase.outputs):
        yield NamedFile(_numbered(safe, index, output), f"result/{index}", output)
    if steps:
        for number, step in enumerate(purchase.steps):
            name = _step_stem(safe, number, step.flow)
            for index, output in enumerate(step.outputs):
                yield NamedFile(_numbered(name, index, output), f"steps/{number}/{index}", output)


def path_in_slot(purchase: Purchase, stem: str, slot: str) -> str | None:
    """The path that `named` gives the file in `slot`; None if there is none. Takes constant time."""
    name, outputs = _safe_stem(purchase, stem), purchase.outputs
    found = _SLOT.fullmatch(slot)
    if found is None:
        return None
    if found["step"] is not None:
        number = int(found["step"])
        if number >= len(purchase.steps):
            return None
        name, outputs = _step_stem(name, number, purchase.steps[number].flow), purchase.steps[number].outputs
    index = int(found["index"])
    return _numbered(name, index, outputs[index]) if index < len(outputs) else None


def _safe_stem(purchase: Purchase, stem: str) -> str:
    suffix = set_aside("", purchase.id)
    # Our own suffix of a file that was set aside must survive as it is.
    aside = suffix if stem.endswith(suffix) else ""
    return f"{safe_path(stem.removesuffix(suffix)) or purchase.id}{aside}"


def _step_stem(stem: str, number: int, flow: str) -> str:
    return f"{stem}.steps/{safe_path(f'{number + 1:02}-{flow}')}"


def _numbered(stem: str, index: int, output: Output) -> str:
    further = f"-{index + 1}" if index else ""
    return f"{stem}{further}.{suffix(output.content_type)}"


def set_aside(stem: str, purchase_id: PurchaseId) -> str:
    """The stem of a purchase's files once another purchase has taken their place."""
    return f"{stem}~{purchase_id[:7]}"
