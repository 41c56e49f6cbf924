"""Compares two texts word by word; for long texts, only the parts around each change are shown."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

# A text up to this length is shown in full; of a longer one, `_CONTEXT` characters around each change.
LONGEST_WHOLE = 120
_CONTEXT = 30
# A changed part is cut to this length. It begins with what differs, so no change is hidden.
_LONGEST_PART = 200
# In the worst case, comparing takes the product of the word counts; above this, the rest counts as one change.
_MAX_COMPARED = 4_000_000

# Letters of scripts that put no space between words (Thai to Khmer, Japanese, Chinese): each counts as a word.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_WORD_LETTER = re.compile(rf"(?![{_UNSPACED}])\w")
_WORDS = re.compile(rf"\s+|(?:{_WORD_LETTER.pattern})+|[^\s]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A part of a text, and whether it changed."""

    text: str
    changed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TextChange:
    """One change with its context; for short texts, all of `old` and `new`."""

    old: tuple[Span, ...]
    new: tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hunk:
    """Characters `old_start` to `old_end` of the old text became `new_start` to `new_end` of the new one."""

    old_start: int
    old_end: int
    new_start: int
    new_end: int


def text_changes(old: str, new: str) -> Iterator[TextChange]:
    """The changes from `old` to `new`, in order; one change if both are short."""
    hunks = list(_hunks(old, new))
    if max(len(old), len(new)) <= LONGEST_WHOLE:
        yield TextChange(
            old=tuple(_whole(old, [(each.old_start, each.old_end) for each in hunks])),
            new=tuple(_whole(new, [(each.new_start, each.new_end) for each in hunks])),
        )
        return
    for hunk in hunks:
        yield TextChange(
            old=tuple(_around(old, hunk.old_start, hunk.old_end)),
            new=tuple(_around(new, hunk.new_start, hunk.new_end)),
        )


def _whole(text: str, changed: Sequence[tuple[int, int]]) -> Iterator[Span]:
    at = 0
    for start, end in changed:
        if at < start:
            yield Span(text=text[at:start])
        if start < end:
            yield Span(text=text[start:end], changed=True)
        at = end
    if at < len(text):
        yield Span(text=text[at:])


def _around(text: str, start: int, end: int) -> Iterator[Span]:
    before, after = max(0, start - _CONTEXT), min(len(text), end + _CONTEXT)
    lead = text[before:start]
    yield Span(text=f"…{lead}" if before > 0 else lead)
    part = text[start:end]
    if len(part) > _LONGEST_PART:
        yield Span(text=f"{part[: _LONGEST_PART - 1]}…", changed=True)
        return
    yield Span(text=part, changed=True)
    trail = text[end:after]
    yield Span(text=f"{trail}…" if after < len(text) else trail)


def _hunks(old: str, new: str) -> Iterator[_Hunk]:
    """The changes; those close to each other are merged, and long ones are trimmed."""
    joined: _Hunk | None = None
    for hunk in _word_hunks(old, new):
        if joined is None:
            joined = hunk
        elif hunk.old_start - joined.old_end <= _CONTEXT and max(len(old), len(new)) > LONGEST_WHOLE:
            joined = _Hunk(
                old_start=joined.old_start,
                old_end=hunk.old_end,
                new_start=joined.new_start,
                new_end=hunk.new_end,
            )
        else:
            yield _trimmed(old, new, joined)
            joined = hunk
    if joined is not None:
        yield _trimmed(old, new, joined)


def _word_hunks(old: str, new: str) -> Iterator[_Hunk]:
    start = _common_prefix(old, new)
    # Start at the beginning of a word, so that words are not split.
    while start > 0 and (_is_inside_word(old, start) or _is_inside_word(new, start)):
        start -= 1
    old_words, new_words = _WORDS.findall(old[start:]), _WORDS.findall(new[start:])
    if len(old_words) * len(new_words) > _MAX_COMPARED:
        yield _Hunk(old_start=start, old_end=len(old), new_start=start, new_end=len(new))
        return
    old_at, new_at = _offsets(old_words, start), _offsets(new_words, start)
    matcher = SequenceMatcher(None, old_words, new_words, autojunk=False)
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if tag != "equal":
            yield _Hunk(
                old_start=old_at[old_from],
                old_end=old_at[old_to],
                new_start=new_at[new_from],
                new_end=new_at[new_to],
            )


def _trimmed(old: str, new: str, hunk: _Hunk) -> _Hunk:
    """`hunk`, without the common prefix of both sides if it is too long to be shown."""
    old_part, new_part = old[hunk.old_start : hunk.old_end], new[hunk.new_start : hunk.new_end]
    if max(len(old_part), len(new_part)) <= _LONGEST_PART:
        return hunk
    same = _common_prefix(old_part, new_part)
    return _Hunk(
        old_start=hunk.old_start + same,
        old_end=hunk.old_end,
        new_start=hunk.new_start + same,
        new_end=hunk.new_end,
    )


def _common_prefix(old: str, new: str) -> int:
    length = min(len(old), len(new))
    if old[:length] == new[:length]:
        return length
    return next(at for at in range(length) if old[at] != new[at])


def _is_inside_word(text: str, at: int) -> bool:
    return 0 < at < len(text) and all(map(_WORD_LETTER.match, text[at - 1 : at + 1]))


def _offsets(words: Sequence[str], start: int) -> list[int]:
    """The offsets at which each word begins, and the last one ends."""
    found = [start]
    for word in words:
        found.append(found[-1] + len(word))
    return found
