"""Campaigns of any size, written as files: from a table, with a line for each job, or from a matrix."""

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAME = "bench"
TEMPLATE = "each_explodedloop_0226"
CREDITS = 100
# More than any campaign here has: what is measured must not end at a limit.
_LIMITS = {"max_creates": 1_000_000}


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign on disk, in a folder of its own."""

    folder: Path
    jobs: int

    @property
    def manifest(self) -> Path:
        """What commands are called with."""
        return self.folder / "campaign.yaml"

    @property
    def results(self) -> Path:
        """Its results manifest."""
        return self.folder / f"{NAME}.results.json"

    @property
    def state(self) -> Path:
        """Its state, a SQLite file."""
        return self.folder / ".pipeline" / f"{NAME}.db"


def from_table(folder: Path, jobs: int) -> Campaign:
    """One line of a table for each job, as a catalogue of products has it."""
    folder.mkdir(parents=True)
    _table(folder / "products.csv", jobs)
    return _written(folder, jobs, "products.csv", {"id": "hero"})


def from_matrix(folder: Path, jobs: int) -> Campaign:
    """Ten products or more, times three axes of at most ten values each."""
    folder.mkdir(parents=True)
    products = max(jobs // 1000, 1)
    rest = jobs // products
    axes: dict[str, list[str]] = {}
    for name in ("locale", "scene", "light"):
        size = min(rest, 10)
        axes[name] = [f"{name}{number}" for number in range(size)]
        rest //= size
    made = products
    for values in axes.values():
        made *= len(values)
    if made != jobs:
        raise ValueError(f"no matrix of these axes has {jobs} jobs; take 10, 100 or a multiple of 1,000")
    _table(folder / "products.csv", products)
    return _written(folder, jobs, "products.csv", {"id": "hero", "matrix": axes})


SHAPES: Mapping[str, Callable[[Path, int], Campaign]] = {"table": from_table, "matrix": from_matrix}


def _table(path: Path, products: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("id", "url", "name", "colour"))
        for number in range(products):
            url = f"https://cdn.example.com/products/{number:06}.png"
            rows.writerow((f"p{number:06}", url, f"Runner {number}", ("red", "green", "blue")[number % 3]))


def _written(folder: Path, jobs: int, table: str, rule: Mapping[str, Any]) -> Campaign:
    where = "".join(f" {{{{ {axis} }}}}" for axis in rule.get("matrix", {}))
    manifest = {
        "version": 1,
        "name": NAME,
        "templates": {
            "loop": {
                "template_id": TEMPLATE,
                "options": {"prompt": "{{ prompt }}", "aspect_ratio": "{{ shape }}"},
            }
        },
        "vars": {"shape": "9:16", "season": "spring"},
        "image_sets": {"products": {"csv": table}},
        "prompts": {
            "turn": f"{{{{ image.vars.name }}}} in {{{{ image.vars.colour }}}}, {{{{ season }}}}{where}"
        },
        "jobs": [rule],
        "limits": _LIMITS,
    }
    campaign = Campaign(folder, jobs)
    # JSON is YAML too.
    campaign.manifest.write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    return campaign
