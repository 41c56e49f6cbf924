"""Reads the Content-Range of a 206: which part of a file the response says that it is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_RANGE = re.compile(
    r"(?:bytes\s+)?(?:(?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18})|\*)\s*/\s*(?P<size>[0-9]{1,18}|\*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ContentRange:
    """The part from byte `first` to byte `last` of a file of `size` bytes; None is what the response leaves open.

    The body may be shorter or longer than that.
    """

    first: int | None
    last: int | None
    size: int | None

    @property
    def end(self) -> int | None:
        """The size of the file if it ends with this part."""
        return self.size if self.last is None else self.last + 1


def content_range(headers: Mapping[str, str]) -> ContentRange | None:
    """The range that these headers state, which may leave everything open; None if it cannot be read."""
    found = _RANGE.fullmatch(headers.get("content-range", "*/*").strip())
    if found is None:
        return None
    first, last, size = (
        None if found[name] in (None, "*") else int(found[name]) for name in ("first", "last", "size")
    )
    return ContentRange(first, last, size)
