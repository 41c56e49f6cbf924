"""Local images: found inside the project, recognised by content, and hashed once.

The vendor receives the bytes, so a file that is not plainly an image never leaves this machine.
"""

import hashlib
import os
import re
import struct
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pipeline import files, paths
from pipeline.errors import Suggestions
from pipeline.jobs import LocalFile
from pipeline.manifest.globs import pattern_hint

LARGEST = 25 * 1000 * 1000


@dataclass(slots=True)
class Images:
    """The local images of one campaign. Each distinct file is read once.

    `folder` is the manifest's, to which the paths of files are relative; `root` is the project's.
    """

    folder: Path
    root: Path
    _hashes: dict[Path, str] = field(default_factory=dict)
    _named: set[Path] = field(default_factory=set)
    _suggestions: Suggestions = field(default_factory=Suggestions)

    @property
    def read(self) -> Collection[Path]:
        """The paths of the images found so far: the real ones, and those by which they are named, as by a link."""
        return self._hashes.keys() | self._named

    def local(self, path: str, base: Path) -> LocalFile:
        """The image that a file in `base` names.

        Raises:
            ValueError: it is missing, outside the project, or not an image that the vendor accepts.
        """
        real = paths.readable(path, base, self.root)
        relative = Path(os.path.relpath(real, self.folder)).as_posix()
        paths.check_name(relative)
        if real not in self._hashes:
            self._hashes[real] = _hash_of_image(real, path, self._suggestions)
        if (named := base / path) != real:
            self._named.add(named)
        return LocalFile(unicodedata.normalize("NFC", relative), self._hashes[real])


def _missing(real: Path, path: str, suggestions: Suggestions) -> str:
    """The message for a missing file, with a file beside it that may be meant."""
    if hint := pattern_hint(path):
        return f"there is no such file: {path}{hint}"
    folder = real.parent
    try:
        beside = [entry.name for entry in os.scandir(folder) if not entry.is_dir()]
    except OSError:
        return f"there is no such file: {path}"
    # Without the suffix, which makes all images alike.
    stems = {PurePosixPath(name).stem: name for name in beside if not name.startswith(".")}
    near = suggestions.nearest(real.stem, stems)
    meant = "" if near is None else f"; did you mean '{PurePosixPath(path).with_name(stems[near])}'?"
    return f"there is no such file: {path}{meant}"


def _hash_of_image(real: Path, path: str, suggestions: Suggestions) -> str:
    try:
        with os.fdopen(files.open_regular(real), "rb") as file:
            content = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(_missing(real, path, suggestions)) from None
    except OSError as error:
        reason = "it is a folder" if real.is_dir() else error.strerror or "not a regular file"
        raise ValueError(f"{path} cannot be read: {reason}") from None
    if not content:
        raise ValueError(f"{path} is empty")
    if files.is_lfs_pointer(content):
        raise ValueError(
            f"{path} is a Git LFS pointer, not the image itself; download it with 'git lfs pull'"
        )
    if len(content) > LARGEST:
        raise ValueError(f"{path} is larger than 25 MB, the most that the vendor takes")
    try:
        check_image(content)
    except ValueError as error:
        raise ValueError(f"{path} is {error}") from None
    return hashlib.sha256(content).hexdigest()


_CUT_SHORT = "it is truncated (no end marker)"
_NO_SIZE = "it has no width or height"
# In scan data, 0xFF begins a marker unless a stuffing, restart or fill byte follows.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_END, _JPEG_SCAN = 0xD9, 0xDA
_JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})


def check_image(content: bytes) -> None:
    """Refuse content that is not a complete image of a kind that the vendor accepts.

    Raises:
        ValueError: it is something else, damaged, or truncated; the message continues from "this is".
    """
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        wrong = _wrong_with_png(content)
    elif content.startswith(b"\xff\xd8"):
        wrong = _wrong_with_jpeg(content)
    elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        wrong = _wrong_with_webp(content)
    else:
        raise ValueError(f"{_other_kind(content)}; the vendor takes JPEG, PNG and WebP")
    if wrong:
        raise ValueError(f"a broken image: {wrong}")


def _wrong_with_png(content: bytes) -> str:
    if len(content) < 33 or content[12:16] != b"IHDR":
        return "its PNG header is truncated or damaged"
    if not all(struct.unpack(">II", content[16:24])):
        return _NO_SIZE
    at, has_picture = 8, False
    while at + 12 <= len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        if kind == b"IEND":
            return "" if has_picture else "it contains no image"
        has_picture = has_picture or kind == b"IDAT"
        at += 12 + length
    return _CUT_SHORT


def _wrong_with_jpeg(content: bytes) -> str:
    at, has_size = 2, False
    while at + 2 <= len(content):
        marker = content[at + 1]
        if content[at] != 0xFF and not has_size:
            return "its JPEG header is damaged"
        if content[at] != 0xFF or marker in (0x00, 0xFF):
            # A fill byte, or data that decoders skip.
            at = _next_marker(content, at)
            continue
        if marker == _JPEG_END or (marker == _JPEG_SCAN and not has_size):
            return "" if has_size else "its JPEG header names no size"
        if marker in _JPEG_ALONE:
            at += 2
            continue
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        if length < 2 and at + 4 <= len(content):
            return "its JPEG header is damaged"
        if marker in _JPEG_FRAMES:
            height, width = content[at + 5 : at + 7], content[at + 7 : at + 9]
            if len(width) == 2 and not (any(height) and any(width)):
                return _NO_SIZE
            has_size = True
        at += 2 + length
        if marker == _JPEG_SCAN:
            at = _next_marker(content, at)
    return _CUT_SHORT


def _next_marker(content: bytes, start: int) -> int:
    found = _JPEG_MARKER.search(content, start)
    return found.start() if found else len(content)


def _wrong_with_webp(content: bytes) -> str:
    if len(content) < 20 or content[12:16] not in (b"VP8 ", b"VP8L", b"VP8X"):
        return "its WebP header is truncated or damaged"
    end = 8 + int.from_bytes(content[4:8], "little")
    at, has_picture = 12, False
    while at + 8 <= end:
        kind, length = struct.unpack("<4sI", content[at : at + 8]) if at + 8 <= len(content) else (b"", 0)
        if at + 8 + length > len(content):
            return _CUT_SHORT
        has_picture = has_picture or kind in (b"VP8 ", b"VP8L", b"ANMF")
        at += 8 + length + length % 2
    return "" if has_picture else "it contains no image"


_KINDS = (
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"II*\0", "a TIFF"),
    (b"MM\0*", "a TIFF"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1aE\xdf\xa3", "a video"),
)


def _other_kind(content: bytes) -> str:
    for magic, kind in _KINDS:
        if content.startswith(magic):
            return kind
    if content[4:8] == b"ftyp":
        return {b"avif": "an AVIF", b"heic": "a HEIC", b"mif1": "a HEIF"}.get(content[8:12], "a video")
    text = content[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "an HTML page (a download that went wrong?)"
    if text.startswith((b"<?xml", b"<svg")):
        return "an SVG or XML text"
    return "no image"
