"""The limits of what can be recorded, each defined once.

The same limits apply to manifests, the vendor's responses, `state import` and results: `validate` refuses what
exceeds them, values in responses are cut or left out, and records are refused. The schemas repeat the numbers; a test
keeps both equal.
"""

import math
import re
from collections.abc import Iterable
from typing import TypeGuard

# Characters of a job's key, and of its files' path below the output folder.
LONGEST_KEY = 8_192
# Bytes of the complete path of a file that a manifest may ask for: no system accepts a longer one in one call.
LONGEST_PATH = 4_096
# Bytes of it that are reserved for what is appended: the steps' folder, a number, the names of temporary files.
PATH_ROOM = 192
LONGEST_URL = 8_192
# Characters of names: of a campaign, a template, a step, a content type.
LONGEST_NAME = 200
# Characters of a date, which is stored as the vendor wrote it.
LONGEST_DATE = 100
# Bytes of any other text, in UTF-8.
LONGEST_TEXT = 64 << 10
# Levels of lists and mappings in a document.
DEEPEST = 64
# Levels in the value of an option, which is five levels deep itself: document, list, purchase, request, options.
DEEPEST_OPTION = DEEPEST - 5
# The absolute value of an integer is smaller than this: other readers of JSON and YAML keep no more digits.
LARGEST_INTEGER = 10**18
LARGEST_CREDITS = 1_000_000_000
LARGEST_FILE = 1 << 53
# Images of a request, outputs of a purchase or of a step, and steps.
MAX_MEDIA = 1_000
# Files of a job: a purchase's outputs, and those of each of its steps.
MAX_FILES = MAX_MEDIA * (MAX_MEDIA + 1)
# Bytes of all files of one purchase that may be fetched.
LARGEST_PURCHASE = 20 << 30
# Inputs of a purchase.
MAX_INPUTS = 100
# Purchases that one replaces.
MAX_REPLACED = 1_000
# Keys of which results tell apart from their jobs' rows what served them last.
MAX_SERVED = 1_000_000
# How often the purchase that serves a job is known to have changed.
MAX_SERIAL = 1_000_000_000


_SURROGATE = re.compile("[\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Whether every form of record can store the text: databases refuse NUL, and UTF-8 has no lone surrogates."""
    return "\0" not in text and (text.isascii() or not _SURROGATE.search(text))


def is_name(text: str, longest: int) -> bool:
    """Whether `text` can be recorded in a field of at most `longest` characters."""
    return len(text) <= longest and is_storable(text)


def is_text(text: str) -> bool:
    """Whether `text` can be recorded in a field for any text."""
    return _has_room(text) and is_storable(text)


def fitted(text: str) -> str:
    """`text` made recordable: cut if it is too long, with `?` for characters that cannot be stored."""
    if is_text(text):
        return text
    plain = text.replace("\0", "?").encode("utf-8", "replace").decode()
    return plain.encode()[:LONGEST_TEXT].decode(errors="ignore")


def _has_room(text: str) -> bool:
    return len(text) * 4 <= LONGEST_TEXT or len(text.encode("utf-8", "surrogatepass")) <= LONGEST_TEXT


def check_text(text: str) -> None:
    """Refuse a text that cannot be sent.

    Raises:
        ValueError: it is too long, or contains a NUL or a lone surrogate.
    """
    if len(text) * 4 > LONGEST_TEXT and (size := len(text.encode("utf-8", "surrogatepass"))) > LONGEST_TEXT:
        raise ValueError(
            f"a text of {len(text):,} characters ({size:,} bytes); at most {LONGEST_TEXT:,} bytes are allowed"
        )
    if "\0" in text:
        raise ValueError("a text cannot hold a NUL character")
    if not text.isascii() and _SURROGATE.search(text):
        raise ValueError("a text cannot hold half of a surrogate pair; write the character itself")


def check_value(value: object, name: str) -> None:
    """Check that the value of an option can be recorded.

    Raises:
        ValueError: it is nested too deeply, or contains a text or a number that cannot be recorded.
    """
    level: Iterable[object] = [value]
    # `value` itself is the options, or the list of images, so it may go one level deeper.
    for _ in range(DEEPEST_OPTION + 1):
        level = [inner for each in level for inner in _checked(each, name)]
        if not level:
            return
    if any(isinstance(each, list | dict) for each in level):
        raise ValueError(f"{name}: nested more than {DEEPEST_OPTION} levels deep")
    for each in level:
        _checked(each, name)


def _checked(value: object, name: str) -> Iterable[object]:
    """Check a value without its inner values, and return those."""
    match value:
        case str():
            check_named_text(value, name)
        case dict():
            for key in value:
                check_named_text(key, name)
            return value.values()
        case list():
            return value
        case int() if abs(value) >= LARGEST_INTEGER:
            raise ValueError(f"{name}: a number of more than 18 digits")
        case float() if not math.isfinite(value):
            raise ValueError(f"{name}: not a finite number")
    return ()


def check_named_text(text: str, name: str) -> None:
    """Check that a text can be recorded.

    Raises:
        ValueError: it cannot; the message begins with `name`.
    """
    if not is_text(text):
        raise ValueError(unfit(text, name, f"{LONGEST_TEXT:,} bytes"))


def unfit(text: str, name: str, most: str) -> str:
    """Why a text cannot be recorded in a field of at most `most`."""
    if not is_storable(text):
        return f"{name}: holds characters that cannot be written"
    return f"{name}: a text of {len(text):,} characters; at most {most} are kept"


def is_serial(value: object) -> TypeGuard[int]:
    """Whether it is a serial that can be recorded."""
    return type(value) is int and 1 <= value <= MAX_SERIAL
