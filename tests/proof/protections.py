"""What is protected against, by which lines, and the tests that must fail without them; read from TOML.

    [[protection]]
    against = "what may happen"
    file = "pipeline/room/module.py"
    code = '''the lines that protect, as they stand there'''
    instead = '''what is there without them'''
    tests = ["tests/unit/room/test_module.py::test_name"]

Where it takes more than one change to be without it, `also` lists further tables of `file`, `code`, `instead`.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Edit:
    """One change to the code: `code`, which stands once in `file`, becomes `instead`."""

    file: str
    code: str
    instead: str

    def apply(self, root: Path) -> None:
        """Make the change below `root`."""
        path = root / self.file
        text = path.read_text()
        assert text.count(self.code) == 1, (
            f"stands {text.count(self.code)} times in {self.file}:\n{self.code}"
        )
        path.write_text(text.replace(self.code, self.instead))


@dataclass(frozen=True, slots=True)
class Protection:
    """Lines that protect `against` something, and the tests that must fail without them."""

    against: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


def protections() -> list[Protection]:
    """All of them, in the order of the files."""
    return [
        each for path in sorted((ROOT / "tests/proof/protections").glob("*.toml")) for each in _read(path)
    ]


def _read(path: Path) -> Iterator[Protection]:
    written: dict[str, Any] = tomllib.loads(path.read_text())
    for each in written["protection"]:
        edits = (each, *each.get("also", ()))
        yield Protection(
            each["against"],
            tuple(Edit(edit["file"], edit["code"], edit["instead"]) for edit in edits),
            tuple(each["tests"]),
        )
