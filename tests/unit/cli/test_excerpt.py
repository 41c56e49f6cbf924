"""The quoted line of a file: the mark stands under the position, however narrow the terminal."""

import pytest

from pipeline.cli.terminal import problem_lines, width, wrapped
from pipeline.errors import Position, Problem

LINE = "  overlay: {template_id: overlay_gray_5443, options: {motion_type: Auto, prompt: '{{ matrix.x }}'}}"


def quoted(line: str, column: int, columns: int | None) -> tuple[str, str]:
    """The quoted line and the line with the mark, as a terminal of `columns` shows them."""
    problem = Problem("unknown name", position=Position("a.yaml", 6, column), source=line)
    lines = list(problem_lines([problem], lambda text, _colour: text, columns))
    if columns is not None:
        lines = [part for each in lines[1:] for part in wrapped(each, columns)]
    assert len(lines[-2:]) == 2
    assert columns is None or len(lines) == 2
    return lines[-2], lines[-1]


@pytest.mark.parametrize("columns", [50, 80, 132, None])
@pytest.mark.parametrize("wanted", ["overlay:", "overlay_gray", "Auto", "prompt", "matrix", "}}'"])
def test_mark_stands_under_the_position(columns: int | None, wanted: str) -> None:
    shown, mark = quoted(LINE, LINE.index(wanted) + 1, columns)

    assert shown[len(mark) - 1 :].startswith(wanted)
    assert columns is None or width(shown) <= columns


@pytest.mark.parametrize("columns", [50, 80])
def test_mark_stands_under_the_position_after_wide_letters(columns: int) -> None:
    line = (
        "  prompt: 雨上がりの路地を赤いハイカットがゆっくり歩く。水たまりにネオンがにじみ {{ rain }}, seed: 4"
    )
    shown, mark = quoted(line, line.index("rain") + 1, columns)

    before, _, _ = shown.partition("rain")
    assert width(before) == len(mark) - 1
    assert width(shown) <= columns


def test_position_beyond_the_line_is_marked_at_its_end() -> None:
    shown, mark = quoted(LINE, len(LINE) + 1, 50)

    assert len(mark) == len(shown) + 1
