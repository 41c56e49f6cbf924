"""What each part is given: the product to measure, its yardsticks, a folder, and how much of everything."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.campaigns import SHAPES, Campaign
from benchmarks.installation import Installation, environment
from benchmarks.measuring import PATIENCE, Command


@dataclass
class Bench:
    """One run of the benchmarks.

    `jobs` are the sizes that were asked for, None for those that the table has. With `smoke` everything is as small
    as it can be: that shows that a part works, and nothing else. `patience` is in seconds, for one command.
    """

    installation: Installation
    folder: Path
    smoke: bool = False
    runs: int = 3
    jobs: tuple[int, ...] | None = None
    patience: float = PATIENCE
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def sizes(self, *usual: int, smallest: int = 10) -> tuple[int, ...]:
        """How many jobs a part takes, in turn."""
        return (smallest,) if self.smoke else self.jobs or usual

    def times(self, usual: int | None = None) -> int:
        """How often each measurement is made."""
        return 1 if self.smoke else usual or self.runs

    def shapes(self) -> Iterable[tuple[str, Callable[[Path, int], Campaign]]]:
        """What campaigns are made from."""
        return list(SHAPES.items())[: 1 if self.smoke else None]

    def fresh(self, name: str) -> Path:
        """A path that nothing lies at yet."""
        return self.folder / f"{next(self._numbers)}-{name}"

    def pipeline(
        self,
        *arguments: str | Path,
        folder: Path | None = None,
        around: Mapping[str, str] | None = None,
        output: Path | None = None,
    ) -> Command:
        """A command of the product."""
        return self._command((self.installation.pipeline, *arguments), folder, around, output)

    def python(
        self,
        *arguments: str | Path,
        folder: Path | None = None,
        around: Mapping[str, str] | None = None,
        output: Path | None = None,
    ) -> Command:
        """The interpreter that the product runs on."""
        return self._command((self.installation.python, *arguments), folder, around, output)

    def program(
        self,
        name: str,
        *arguments: object,
        around: Mapping[str, str] | None = None,
        output: Path | None = None,
    ) -> Command:
        """One of `benchmarks.programs`, in the product's environment."""
        module = f"benchmarks.programs.{name}"
        return self.python("-P", "-m", module, *map(str, arguments), around=around, output=output)

    def _command(
        self,
        arguments: tuple[str | Path, ...],
        folder: Path | None,
        around: Mapping[str, str] | None,
        output: Path | None,
    ) -> Command:
        given = environment() if around is None else around
        return Command(arguments, folder or self.folder, given, output, patience=self.patience)
