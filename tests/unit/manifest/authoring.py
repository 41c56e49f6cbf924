"""Writes small campaigns to disk, as a person would, and returns what they become."""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import InvalidInput, Problem
from pipeline.jobs import Job
from pipeline.json_values import Json
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load
from pipeline.manifest.model import Campaign

HEAD = "version: 1\nname: spring\n"
OVERLAY = "templates: {overlay: {template_id: overlay_gray_5443}}\n"
# A template that the catalogue does not know, so that any options are accepted.
ANYTHING = "templates: {any: {template_id: something_new}}\n"

# Every way in which a manifest can name a file, here `PATH`.
READERS = {
    "a base": "extends: PATH\n" + ANYTHING,
    "one of several bases": "extends: [PATH]\n" + ANYTHING,
    "a prompt": ANYTHING + "prompts: {walk: {file: PATH}}\n",
    "a prompt of a list": ANYTHING + "prompts: [{id: walk, file: PATH}]\n",
    "a table of images": ANYTHING + "image_sets: {shoes: {csv: PATH}}\n",
    "a table of prompts": ANYTHING + "prompts: [{csv: PATH}]\n",
    "a table of an axis": ANYTHING + "jobs: [{id: hero, matrix: {style: {csv: PATH}}}]\n",
    "an image": ANYTHING + "image_sets: {shoes: [PATH]}\n",
    "several images": ANYTHING + "image_sets: {shoes: [{images: [PATH]}]}\n",
    "a pattern": ANYTHING + "image_sets: {shoes: {glob: 'PATH'}}\n",
    "an option's file": "templates: {any: {template_id: new, options: {u: {file: PATH}}}}\n",
    "a catalogue": ANYTHING + "catalog: {file: PATH}\n",
}


def png(shade: int = 0) -> bytes:
    """A PNG of one pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixel = zlib.compress(bytes([0, shade]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


@dataclass(frozen=True)
class Project:
    """A project folder; manifests are written to its `campaign.yaml` by default."""

    root: Path

    def write(self, path: str, content: str | bytes) -> Path:
        """Write a file of the project."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        return target

    def image(self, path: str, shade: int = 0) -> Path:
        """Write an image of the project."""
        return self.write(path, png(shade))

    def load(
        self, text: str, path: str = "campaign.yaml", variables: Mapping[str, Json] | None = None
    ) -> Campaign:
        """The campaign of a manifest with this text after the usual head."""
        return load(self.write(path, HEAD + text), name=path, variables=variables or {})

    def jobs(self, text: str, path: str = "campaign.yaml") -> list[Job]:
        """The jobs of such a manifest."""
        return list(expand(self.load(text, path)))

    def keys(self, text: str) -> list[str]:
        """The keys of its jobs."""
        return [job.key for job in self.jobs(text)]

    def problems(self, text: str, path: str = "campaign.yaml") -> list[Problem]:
        """The errors and warnings of such a manifest."""
        doubts: list[Problem] = []
        try:
            campaign = self.load(text, path)
            doubts += campaign.warnings
            for _ in expand(campaign, doubts.append):
                pass
        except InvalidInput as error:
            return [*error.problems]
        return doubts

    def messages(self, text: str) -> str:
        """The errors and warnings as text."""
        return "\n".join(str(problem) for problem in self.problems(text))
