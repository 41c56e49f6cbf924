"""The rows of the report, as a table for people and as JSON."""

import json
import operator
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Goal:
    """What a row is to reach: at most, or at least, so much."""

    limit: float
    at_least: bool = False

    def is_met(self, value: float) -> bool:
        """Whether `value` reaches it."""
        compare: Callable[[float, float], bool] = operator.ge if self.at_least else operator.le
        return compare(value, self.limit)

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {_number(self.limit)}"


def at_most(limit: float) -> Goal:
    """A goal that the median must not exceed."""
    return Goal(limit)


def at_least(limit: float) -> Goal:
    """A goal that the median must not fall below."""
    return Goal(limit, at_least=True)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report. `values` has one number a run; `beside` tells what they were held against.

    Without values nothing could be measured, and `beside` tells why.
    """

    what: str
    values: Sequence[float]
    unit: str = "×"
    goal: Goal | None = None
    beside: str = ""

    @property
    def median(self) -> float | None:
        """The number that counts."""
        return statistics.median(self.values) if self.values else None

    @property
    def verdict(self) -> str:
        """Whether the goal is met, as a word; empty where there is none."""
        if self.goal is None:
            return ""
        return "met" if self.median is not None and self.goal.is_met(self.median) else "not met"

    def cells(self) -> tuple[str, ...]:
        """The line as the table shows it."""
        if self.median is None:
            measured = "not measured"
        elif len(self.values) == 1:
            measured = f"{_number(self.median)} {self.unit}"
        else:
            low, high = _number(min(self.values)), _number(max(self.values))
            measured = f"{_number(self.median)} {self.unit} ({low} to {high})"
        goal = f"{self.goal} {self.unit}" if self.goal is not None else ""
        return self.what, measured, self.beside, goal, self.verdict

    def as_json(self) -> dict[str, object]:
        """The line for scripts."""
        return {
            "what": self.what,
            "median": self.median,
            "values": list(self.values),
            "unit": self.unit,
            "goal": None if self.goal is None else str(self.goal),
            "verdict": self.verdict or None,
            "beside": self.beside,
        }


def too_slow(what: str, error: Exception, goal: Goal | None) -> Row:
    """The line of what was given up."""
    return Row(what, [], goal=goal, beside=str(error))


HEADINGS = ("what", "measured", "beside", "goal", "")


def table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table that can be read as it is."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    written = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    written.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(written)


def as_json(rows: Iterable[Row]) -> str:
    """The rows, and the machine that they were measured on, as JSON."""
    return json.dumps({"machine": machine(), "rows": [row.as_json() for row in rows]}, indent=2)


def machine() -> dict[str, str]:
    """What a reader has to know to compare: processor, memory, system, versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("requests", "urllib3", "jinja2")},
    }


def _processor() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("model name"))
    return next(names, platform.machine())


def _number(value: float) -> str:
    """Three digits that count, and no more of them than were measured."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
