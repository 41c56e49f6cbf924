"""Metrics, and their text for Prometheus. Not safe to use from several threads: the caller must lock."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Figures:
    """A counter or a gauge: one figure for each combination of label values."""

    def __init__(self, name: str, kind: Literal["counter", "gauge"], about: str, labels: str = "") -> None:
        self._name = name
        self._kind = kind
        self._about = about
        self._labels = labels.split()
        self._values: dict[tuple[str, ...], float] = {}

    def add(self, amount: float, *values: str) -> None:
        """Add `amount`."""
        self._values[values] = self._values.get(values, 0.0) + amount

    def set(self, figure: float, *values: str) -> None:
        """Set the current value."""
        self._values[values] = figure

    def lines(self, common: Mapping[str, str]) -> Iterator[str]:
        """As Prometheus reads them, each with the labels `common` too."""
        yield from _heading(self._name, self._kind, self._about)
        for values, figure in self._values.items():
            labels = {**common, **dict(zip(self._labels, values, strict=True))}
            yield _sample(self._name, labels, figure)


class Histogram:
    """The number of observations up to each of `bounds`, by one label."""

    def __init__(self, name: str, about: str, bounds: Sequence[float], label: str = "") -> None:
        self._name = name
        self._about = about
        self._bounds = bounds
        self._label = label
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def observe(self, figure: float, value: str = "") -> None:
        """Count one observation."""
        counts = self._counts.setdefault(value, [0] * (len(self._bounds) + 1))
        counts[bisect_left(self._bounds, figure)] += 1
        self._sums[value] = self._sums.get(value, 0.0) + figure

    def lines(self, common: Mapping[str, str]) -> Iterator[str]:
        """As Prometheus reads them, each with the labels `common` too."""
        yield from _heading(self._name, "histogram", self._about)
        for value, counts in self._counts.items():
            labels = {**common, **({self._label: value} if self._label else {})}
            for bound, count in zip((*self._bounds, float("inf")), accumulate(counts), strict=True):
                yield _sample(f"{self._name}_bucket", {**labels, "le": _number(bound)}, count)
            yield _sample(f"{self._name}_sum", labels, self._sums[value])
            yield _sample(f"{self._name}_count", labels, sum(counts))


def _heading(name: str, kind: str, about: str) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"


def _sample(name: str, labels: Mapping[str, str], figure: float) -> str:
    shown = ",".join(f'{label}="{_escaped(value)}"' for label, value in labels.items())
    return f"{name}{{{shown}}} {_number(figure)}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(figure: float) -> str:
    if figure == float("inf"):
        return "+Inf"
    return str(int(figure)) if figure == int(figure) else repr(figure)
