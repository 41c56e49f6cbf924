"""Checks a `-wal` file for commits that SQLite would skip silently.

SQLite reads frames up to the first one that does not match its checksum, and regards that as the end of the file: a
commit interrupted by a power failure. A damaged byte further up has the same effect, and everything that was
acknowledged after it is lost without an error. What distinguishes the two is a later commit that is followed by
another frame: a run continues after a commit only when that commit, and everything before it, is on disk.

Once everything is in the main file, the `-wal` is rewritten from its beginning, with another salt. Old commits may
then follow an interrupted one, but nothing is missing: the main file has their pages.

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
    """A frame in the file; the checksum covers `head`, `content`, and everything before them."""

    page: int
    is_commit: bool
    salt: tuple[int, int]
    checksum: _Checksum
    head: bytes
    content: bytes

    def continues(self, checksum: _Checksum, order: str) -> bool:
        """Whether this frame is complete, and was written directly after the frame with that checksum."""
        return _continued(checksum, self.head + self.content, order) == self.checksum


def skips_commits(content: bytes, page_size: int, page_of_main: Callable[[int], bytes]) -> bool:
    """Whether there are acknowledged commits after the frame at which SQLite would stop reading this `-wal`.

    `page_of_main` returns a page of the main file by its number, counted from 1.
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
    """Whether the main file lacks the newest version of a page that is in a complete frame."""
    newest: dict[int, bytes | None] = {}
    for before, frame in itertools.pairwise(frames):
        newest[frame.page] = frame.content if frame.continues(before.checksum, order) else None
    return any(content not in (None, page_of_main(page)) for page, content in newest.items())


def _continued(checksum: _Checksum, content: bytes, order: str) -> _Checksum:
    """The checksum continued over `content`."""
    one, other = checksum
    words = iter(struct.unpack(f"{order}{len(content) // 4}I", content))
    for first, second in zip(words, words, strict=True):
        one = one + first + other & _WORD
        other = other + second + one & _WORD
    return one, other
