"""Plays random histories until there are enough of each kind or the time is up; `make soak`.

Progress is kept in a folder, so a soak that was stopped continues. The first history that breaks a promise ends it
with 1, and is played again by the next soak.

Settings come from the environment: `SOAK_KINDS` (all of `WHAT`), `SOAK_TIMES` (200) of each kind, `SOAK_SECONDS`
(at most 3600), `SOAK_FOLDER` (`build/soak`), `PIPELINE_TEST_SEED`.
"""

import json
import os
import shutil
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from support.chance import Chance, seed_of_tests, vendor_in
from support.fork_server import each, the_fork_server

AT_ONCE = 4
WHAT = {
    "kill": "runs killed at a random moment",
    "term": "runs terminated at a random moment",
    "store": "runs killed whose files go to an object store",
    "faults": "plans of faults at the vendor",
}
PROVED = (
    "After each history, once the campaign was left in peace: no purchase was sent twice and no job paid twice; "
    "every workflow that was paid for is in the state, or its purchase needs attention; every job is done, "
    "honestly failed or in attention; every file is whole by its hash."
)


@dataclass
class Soak:
    """The progress of a soak, kept in `file`.

    `done` counts the runs that were disturbed or the fault plans; `played` counts the histories.
    """

    file: Path
    seed: int
    done: Counter[str] = field(default_factory=Counter)
    played: Counter[str] = field(default_factory=Counter)

    @classmethod
    def resumed(cls, file: Path) -> "Soak":
        """The soak in `file`, or a new one if there is none or the requested seed differs."""
        kept = json.loads(file.read_text()) if file.exists() else None
        asked = os.environ.get("PIPELINE_TEST_SEED")
        if kept is None or (asked is not None and int(asked) != kept["seed"]):
            return cls(file, seed_of_tests())
        return cls(file, kept["seed"], Counter(kept["done"]), Counter(kept["played"]))

    def keep(self) -> None:
        kept = {"seed": self.seed, "done": self.done, "played": self.played}
        beside = self.file.with_suffix(".new")
        beside.write_text(json.dumps(kept))
        beside.replace(self.file)

    def batch(self, kind: str, times: int) -> list[Chance]:
        """The next histories to play; none once there are enough."""
        if self.done[kind] >= times:
            return []
        first = self.played[kind]
        return [Chance(kind, self.seed, number) for number in range(first, first + AT_ONCE)]

    def count(self, kind: str, played: list[list[int]]) -> None:
        """Count a batch of histories and the runs disturbed in each."""
        self.played[kind] += len(played)
        self.done[kind] += len(played) if kind == "faults" else sum(map(len, played))
        self.keep()

    def __str__(self) -> str:
        return ", ".join(f"{self.done[kind]:,} {what}" for kind, what in WHAT.items())


def play(batch: list[Chance], folder: Path) -> list[list[int]]:
    """Play histories in parallel, each with its own vendor; the folder of one that fails is kept."""

    def one(chance: Chance) -> list[int]:
        here = folder / f"{chance.kind}-{chance.number}"
        shutil.rmtree(here, ignore_errors=True)
        with vendor_in(here / "vendor") as vendor:
            codes = chance.play(here, vendor, the_fork_server())
        shutil.rmtree(here)
        return codes

    return each(one, batch, AT_ONCE)


def main() -> int:
    """Continue the soak; returns 0 if all promises hold, 1 if one is broken, 3 if the time is up."""
    folder = Path(os.environ.get("SOAK_FOLDER", "build/soak"))
    times = int(os.environ.get("SOAK_TIMES", "200"))
    till = time.monotonic() + float(os.environ.get("SOAK_SECONDS", "3600"))
    kinds = os.environ.get("SOAK_KINDS", " ".join(WHAT)).split()
    folder.mkdir(parents=True, exist_ok=True)
    soak = Soak.resumed(folder / "soak.json")
    say(f"PIPELINE_TEST_SEED={soak.seed}, so far: {soak}")
    for turn in count():
        batches = {kind: batch for kind in kinds if (batch := soak.batch(kind, times))}
        if not batches:
            break
        if time.monotonic() >= till:
            say(f"The time is up. So far: {soak}. `make soak` goes on.\n{PROVED}")
            return 3
        for kind, batch in batches.items():
            try:
                soak.count(kind, play(batch, folder))
            except AssertionError as error:
                say(f"DOES NOT HOLD (see {folder}): {error}")
                return 1
        if turn % 5 == 4:
            say(f"{soak}")
    say(f"{soak}: all of it holds.\n{PROVED}")
    (folder / "soak.json").unlink()
    return 0


def say(words: str) -> None:
    """Write a line immediately."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
