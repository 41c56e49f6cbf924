"""Looks into a `-wal` file for commits that SQLite would skip in silence.

SQLite reads frames up to the first one that does not match its checksum and regards that as the end of the file:
a commit in whose middle the power was cut. A damaged byte further up has the same effect, and everything that was
acknowledged after it is lost without an error. A later commit that another frame continues distinguishes the two:
a run continues from a commit only when that commit, and all before it, is on disk.

Once everything is in the main file, the `-wal` is written again from its beginning, with another salt. Such commits
may then stand behind one that was cut off, but nothing is missing: the main file has their pages.

The format is SQLite's own (https://sqlite.org/walformat.html), which its compatibility promise covers.
"""

import itertools
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_BIG_ENDIAN_CHECKSUM = 0x377F0683
_WORD = 0xFFFF_FFFF

_Checksum = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame as it lies in the file; the checksum covers `head` and `content` and all before them."""

    page: int
    is_commit: bool
    salt: tuple[int, int]
    checksum: _Checksum
    head: bytes
    content: bytes

    def continues(self, checksum: _Checksum, order: str) -> bool:
        """Whether it was written behind the frame of that checksum, and is whole."""
        return _continued(checksum, self.head + self.content, order) == self.checksum


def skips_commits(content: bytes, page_size: int, page_of_main: Callable[[int], bytes]) -> bool:
    """Whether acknowledged commits stand behind the frame at which SQLite would stop reading this `-wal`.

    `page_of_main` gives the page of a number, counted from 1, as the main file has it.
    """
    if len(content) < _HEADER.size:
        return False
    magic, _, _, _, salt, other_salt, *checksum = _HEADER.unpack_from(content)
    order = ">" if magic == _BIG_ENDIAN_CHECKSUM else "<"
    frames = list(_frames(content, page_size))
    last = _continued((0, 0), content[:24], order)
    if list(last) == checksum:
        end = _end(frames, (salt, other_salt), last, order)
    elif frames:
        (salt, other_salt), end = frames[0].salt, 0
    # A new generation of the file has the next salt.
    if any(frame.salt[0] == (salt + 1) & _WORD for frame in frames):
        return False
    skipped = [frame for frame in frames[end:] if frame.salt == (salt, other_salt)] if frames else []
    return _has_continued_commit(skipped, order) and _are_missed(skipped, order, page_of_main)


def _frames(content: bytes, page_size: int) -> Iterator[_Frame]:
    size = _FRAME.size + page_size
    for start in range(_HEADER.size, len(content) - size + 1, size):
        page, pages, salt, other_salt, one, other = _FRAME.unpack_from(content, start)
        yield _Frame(
            page=page,
            is_commit=pages != 0,
            salt=(salt, other_salt),
            checksum=(one, other),
            head=content[start : start + 8],
            content=content[start + _FRAME.size : start + size],
        )


def _end(frames: Sequence[_Frame], salt: tuple[int, int], last: _Checksum, order: str) -> int:
    """The number of frames that SQLite reads."""
    for number, frame in enumerate(frames):
        if frame.salt != salt or not frame.continues(last, order):
            return number
        last = frame.checksum
    return len(frames)


def _has_continued_commit(frames: Sequence[_Frame], order: str) -> bool:
    return any(
        frame.is_commit and after.continues(frame.checksum, order)
        for frame, after in itertools.pairwise(frames)
    )


def _are_missed(frames: Sequence[_Frame], order: str, page_of_main: Callable[[int], bytes]) -> bool:
    """Whether the newest form of a page is in whole frames of these, and not in the main file."""
    newest: dict[int, bytes | None] = {}
    for before, frame in itertools.pairwise(frames):
        newest[frame.page] = frame.content if frame.continues(before.checksum, order) else None
    return any(content not in (None, page_of_main(page)) for page, content in newest.items())


def _continued(checksum: _Checksum, content: bytes, order: str) -> _Checksum:
    """The checksum of what went before, carried on over `content`."""
    one, other = checksum
    words = iter(struct.unpack(f"{order}{len(content) // 4}I", content))
    for first, second in zip(words, words, strict=True):
        one = one + first + other & _WORD
        other = other + second + one & _WORD
    return one, other
