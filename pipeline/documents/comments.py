"""The comments of a YAML file that is written anew: they stay with the values at which they stood."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.documents.node import Node

# A comment behind a value; a '#' in quotes, or behind other characters than a blank, begins none.
_QUOTED = r"""(?<![^\s\[{,:])(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')"""
_BEHIND = re.compile(rf"(?:{_QUOTED}|[^#]|(?<!\s)#)*+(#.*)")
Path = tuple[str | int, ...]


def with_comments_of(old: Node, new: Node) -> str:
    """The text of `new`, in block style, with the comments of `old` at each value that both have."""
    lines = new.source.text.rstrip("\n").split("\n")
    own = {line.strip() for line in lines}
    above, behind, last = _comments(old)
    # From the end, so that the lines that are still to come keep their numbers.
    for path, node in reversed(list(_values(new))):
        number = node.key_line - 1
        comments = [each for each in above.get(path, ()) if each not in own]
        if path in behind and isinstance(node.value, str):
            # The text may go on in the next line.
            comments.append(behind[path])
        elif path in behind:
            lines[number] += f"  {behind[path]}"
        indent = " " * (len(lines[number]) - len(lines[number].lstrip(" ")))
        lines[number:number] = [f"{indent}{each}" for each in comments]
    return "\n".join([*lines, *(each for each in last if each not in own), ""])


def _comments(root: Node) -> tuple[Mapping[Path, list[str]], Mapping[Path, str], list[str]]:
    """The comments above and behind each value, and those below the last."""
    above: dict[Path, list[str]] = {}
    behind: dict[Path, str] = {}
    seen, block_in = 0, 1_000_000
    for path, node in _values(root):
        if node.key_line <= seen:
            continue  # of several on one line the first; or an alias, which is elsewhere
        above[path] = list(_between(root, seen, node.key_line, block_in))
        found = _BEHIND.fullmatch(root.source.raw_line(node.key_line))
        if found is not None:
            behind[path] = found[1]
        seen = node.key_line
        block_in = node.key_column - 1 if node.block else 1_000_000
    return above, behind, list(_between(root, seen, root.source.text.count("\n") + 2, block_in))


def _between(root: Node, first: int, last: int, block_in: int) -> Iterator[str]:
    """The comments between two lines. What is indented further than the key of a block belongs to its text."""
    for number in range(first + 1, last):
        line = root.source.raw_line(number)
        text = line.lstrip(" ")
        if text.startswith("#") and len(line) - len(text) <= block_in:
            yield text.rstrip()


def _values(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Each value inside a tree, the outer ones first, in the order in which they are written."""
    match node.value:
        case Mapping():
            inside: list[tuple[str | int, Node]] = [*node.value.items()]
        case tuple():
            inside = [*enumerate(node.value)]
        case _:
            return
    for step, inner in inside:
        yield (*path, step), inner
        yield from _values(inner, (*path, step))
