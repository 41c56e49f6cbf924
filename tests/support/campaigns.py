"""Campaigns on disk, each written in one literal."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

Content = str | bytes | Mapping[str, Any]


def picture(colour: str = "red") -> bytes:
    """A tiny PNG: a block of `colour` on a transparent ground."""
    image = Image.new("RGBA", (24, 16))
    image.paste(colour, (6, 4, 18, 12))
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


def spring(**changes: Any) -> dict[str, Any]:
    """A campaign of one image and two prompts, 100 credits each, with `changes` at its top level."""
    return {
        "version": 1,
        "name": "spring",
        "templates": {
            "loop": {"template_id": "each_explodedloop_0226", "options": {"prompt": "{{ prompt }}"}}
        },
        "image_sets": {"shoes": ["images/red.png"]},
        "prompts": {"walk": "a walk in the park", "dance": "a dance in the rain"},
        **changes,
    }


def chained(**changes: Any) -> dict[str, Any]:
    """A campaign of two stages: a sketch of an image, then a video of the sketch."""
    return {
        "version": 1,
        "name": "stages",
        "templates": {
            "sketch": {"template_id": "vim_sketch_me", "options": {"pipeline_mode": "image"}},
            "film": {"template_id": "each_explodedloop_0226", "options": {"prompt": "{{ prompt }}"}},
        },
        "image_sets": {"shoes": ["images/red.png"], "sketches": {"outputs_of": "sketch"}},
        "prompts": {"spin": "it spins"},
        "jobs": [
            {"id": "sketch", "templates": ["sketch"], "image_sets": ["shoes"], "prompts": []},
            {"id": "film", "templates": ["film"], "image_sets": ["sketches"]},
        ],
        **changes,
    }


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with a campaign in it."""

    folder: Path
    name: str

    @property
    def manifest(self) -> Path:
        return self.folder / "campaign.yaml"

    @property
    def state(self) -> Path:
        return self.folder / ".pipeline" / f"{self.name}.db"

    @property
    def results_file(self) -> Path:
        return self.folder / f"{self.name}.results.json"

    def write(self, files: Mapping[str, Content]) -> None:
        """Write files; a mapping is a manifest, and JSON is YAML too."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Mapping):
                content = json.dumps(content, indent=2)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def results(self) -> Any:
        """The results manifest."""
        return json.loads(self.results_file.read_bytes())

    def jobs(self) -> dict[str, Any]:
        """The jobs of the results manifest, by key."""
        return {job["key"]: job for job in self.results()["jobs"]}

    def statuses(self) -> dict[str, str]:
        """The status of each job in the results manifest, by key."""
        return {key: job["status"] for key, job in self.jobs().items()}

    def output(self) -> dict[str, bytes]:
        """The files that were fetched, by their path below the campaign's output folder."""
        folder = self.folder / "output" / self.name
        return _contents(folder)

    def tree(self) -> dict[str, tuple[int, bytes]]:
        """Everything in the folder: any change of a file, or a new modification time, makes a difference."""
        return {
            str(path.relative_to(self.folder)): (
                path.stat().st_mtime_ns,
                path.read_bytes() if path.is_file() else b"",
            )
            for path in sorted(self.folder.rglob("*"))
        }


def campaign(folder: Path, files: Mapping[str, Content] | None = None) -> Project:
    """A project of `files` over a red image; `campaign.yaml` is its manifest, `spring()` if none is given."""
    manifest = (files or {}).get("campaign.yaml", spring())
    name = manifest.get("name") if isinstance(manifest, Mapping) else None
    project = Project(folder, str(name or "spring"))
    project.write({"campaign.yaml": spring(), "images/red.png": picture(), **(files or {})})
    return project


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
