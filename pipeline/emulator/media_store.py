"""The files of an emulator: uploaded inputs and rendered media.

Each workflow and each uploaded image has a folder named by its id, the media id.
"""

import hashlib
import re
import secrets
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.files import write_atomically

_MEDIA_ID = re.compile(r"[0-9a-f]{24}")
_FILE_NAME = re.compile(r"[a-z0-9_-]{1,60}\.[a-z0-9]{3,4}")
_LOOPBACK_HOSTS = {"127.0.0.1", "localhost", "::1"}


class MediaStore:
    """Files by their media id and their name.

    Raises:
        OSError: the folder cannot be created.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def folder_of(self, media_id: str) -> Path:
        """The folder of that id, made if it is missing."""
        folder = self.folder / media_id
        folder.mkdir(exist_ok=True)
        return folder

    def write(self, media_id: str, name: str, content: bytes) -> None:
        """Store a file.

        Raises:
            OSError: it could not be written.
        """
        write_atomically(self.folder / media_id / name, content)

    def add_image(self, content: bytes, suffix: str) -> tuple[str, str]:
        """Store an uploaded image under a new id; returns the id and the file's name.

        Raises:
            OSError: it could not be written.
        """
        media_id, name = new_media_id(), f"image{suffix}"
        self.write(media_id, name, content)
        return media_id, name

    def find(self, media_id: str, name: str) -> Path | None:
        """The file that a url names; None if there is none."""
        if not _MEDIA_ID.fullmatch(media_id) or not _FILE_NAME.fullmatch(name):
            return None
        path = self.folder / media_id / name
        return path if path.is_file() else None

    def find_by_url(self, url: str) -> Path | None:
        """The file behind one of the emulator's own urls, even with an earlier port; None for any other url."""
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError:
            return None
        segments = parts.path.strip("/").split("/")
        if host not in _LOOPBACK_HOSTS or len(segments) != 3 or segments[0] != "media":
            return None
        return self.find(segments[1], segments[2])

    def remove(self, media_id: str) -> None:
        """Remove the folder of that id, if there is one."""
        shutil.rmtree(self.folder / media_id, ignore_errors=True)


def new_media_id() -> str:
    """An unused id."""
    return secrets.token_hex(12)


def signature(media_id: str) -> str:
    """The query that a media url must have, like the signed urls of an object store."""
    return hashlib.sha256(f"emulator:{media_id}".encode()).hexdigest()[:16]


def image_suffix(content: bytes) -> str | None:
    """The suffix of a JPEG, PNG or WebP by its first bytes; None for anything else."""
    if content.startswith(b"\xff\xd8\xff"):
        return ".jpg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return ".png"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return ".webp"
    return None


def media_suffix(content: bytes) -> str | None:
    """Like `image_suffix`, but also for an MP4."""
    return ".mp4" if content[4:8] == b"ftyp" else image_suffix(content)
