"""Local images: found inside the project, told by their content, and hashed once.

The vendor gets the bytes, so what is not plainly an image never leaves this machine.
"""

import hashlib
import os
import struct
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pipeline import files
from pipeline.errors import did_you_mean
from pipeline.jobs import LocalFile

LARGEST = 25 * 1000 * 1000
_BLOCK = 1 << 20
LFS_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(slots=True)
class Images:
    """The local images of one campaign. Each distinct file is read once.

    `folder` is the manifest's, which the paths of files are relative to; `root` the project's.
    """

    folder: Path
    root: Path
    _hashes: dict[Path, str] = field(default_factory=dict)

    def local(self, path: str, base: Path) -> LocalFile:
        """The image that a file in `base` names.

        Raises:
            ValueError: it is missing, not inside the project, or no image that the vendor takes.
        """
        real = files.readable(path, base, self.root)
        if real not in self._hashes:
            self._hashes[real] = _hash_of_image(real, path)
        relative = PurePosixPath(os.path.relpath(real, self.folder)).as_posix()
        return LocalFile(unicodedata.normalize("NFC", relative), self._hashes[real])


def _missing(real: Path, path: str) -> str:
    """Says that a file is missing, and which one beside it is meant perhaps."""
    folder = real.parent
    try:
        beside = [entry.name for entry in os.scandir(folder)]
    except OSError:
        return f"there is no such file: {path}"
    near = did_you_mean(real.name, (name for name in beside if not name.startswith(".")))
    return f"there is no such file: {path}{near}"


def _hash_of_image(real: Path, path: str) -> str:
    digest = hashlib.sha256()
    size = 0
    try:
        for block in _blocks(real):
            if not size:
                _refuse_other(block, path)
            size += len(block)
            if size > LARGEST:
                break
            digest.update(block)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(_missing(real, path)) from None
    except OSError as error:
        reason = "it is a folder" if real.is_dir() else error.strerror or "not a regular file"
        raise ValueError(f"{path} cannot be read: {reason}") from None
    if not size:
        raise ValueError(f"{path} is empty")
    if size > LARGEST:
        raise ValueError(f"{path} is larger than 25 MB, the most that the vendor takes")
    return digest.hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    with os.fdopen(files.open_regular(path), "rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _refuse_other(head: bytes, path: str) -> None:
    if head.startswith(LFS_POINTER):
        raise ValueError(f"{path} is a Git LFS pointer, not the image itself; fetch it with 'git lfs pull'")
    is_one, wrong = _judged(head)
    if not is_one:
        raise ValueError(f"{path} is {_other_kind(head)}; the vendor takes JPEG, PNG and WebP")
    if wrong:
        raise ValueError(f"{path} is a broken image: {wrong}")


def _judged(head: bytes) -> tuple[bool, str]:
    """Whether it begins as an image that the vendor takes, and what is wrong with its header."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return True, _wrong_with_png(head)
    if head.startswith(b"\xff\xd8"):
        return True, _wrong_with_jpeg(head)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return True, _wrong_with_webp(head)
    return False, ""


def _wrong_with_png(head: bytes) -> str:
    if len(head) < 33 or head[8:16] != b"\x00\x00\x00\rIHDR":
        return "its PNG header is cut short or damaged"
    width, height = struct.unpack(">II", head[16:24])
    return "" if width and height else "it has no width or no height"


def _wrong_with_jpeg(head: bytes) -> str:
    """Walk the segments up to the frame header, which holds the size."""
    at = 2
    while at + 4 <= len(head):
        if head[at] != 0xFF:
            return "its JPEG header is damaged"
        marker = head[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if at + 9 > len(head):
                break
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return "" if width and height else "it has no width or no height"
        if marker in (0xD9, 0xDA):
            return "its JPEG header names no size"
        at += 2 + struct.unpack(">H", head[at + 2 : at + 4])[0]
    # Large metadata may push the frame header beyond what is looked at; then the beginning must do.
    return "" if len(head) >= _BLOCK else "its JPEG header is cut short"


def _wrong_with_webp(head: bytes) -> str:
    if len(head) < 20 or head[12:16] not in (b"VP8 ", b"VP8L", b"VP8X"):
        return "its WebP header is cut short or damaged"
    return ""


_KINDS = (
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"II*\0", "a TIFF"),
    (b"MM\0*", "a TIFF"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1aE\xdf\xa3", "a video"),
)


def _other_kind(head: bytes) -> str:
    for magic, kind in _KINDS:
        if head.startswith(magic):
            return kind
    if head[4:8] == b"ftyp":
        return {b"avif": "an AVIF", b"heic": "a HEIC", b"mif1": "a HEIF"}.get(head[8:12], "a video")
    text = head[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "an HTML page (a download that went wrong?)"
    if text.startswith((b"<?xml", b"<svg")):
        return "an SVG or XML text"
    return "no image"
