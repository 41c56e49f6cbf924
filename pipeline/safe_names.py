"""Turns names that anybody may have chosen into file names that are safe on every system."""

import hashlib
import re
import unicodedata
from functools import lru_cache

_LONGEST_PART = 100
# Matches most parts, which then need no check of each character.
_PLAIN = re.compile(r"[A-Za-z0-9_=,+@](?:[A-Za-z0-9._=,+@-]*[A-Za-z0-9_=,+@-])?")
_DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    # Windows reads a superscript as its digit.
    *(f"{name}{n}" for name in ("com", "lpt") for n in "123456789¹²³"),
}


# Cached, because a run calls this a dozen times for each job.
@lru_cache(maxsize=1024)
def safe_path(path: str) -> str:
    """`path` with each part made safe on every system, and at most 100 bytes long.

    Letters and digits of any script (in NFC) with their combining marks stay, and so do `._=,+@-`; anything else
    becomes `-`. No part begins with a dot or dash, ends with a dot, is empty, or is a reserved Windows name. A part
    that is changed or cut ends in `-` and 8 digits of its hash, so that different parts stay different; replaced
    white space alone does not count as a change.
    """
    return "/".join(_safe_part(part) for part in path.split("/") if part not in ("", "."))


@lru_cache(maxsize=4096)  # the parts of paths recur
def _safe_part(part: str) -> str:
    if _PLAIN.fullmatch(part) and len(part) <= _LONGEST_PART and not _is_device(part):
        return part
    return _made_safe(part)


def _is_device(part: str) -> bool:
    return part.split(".", 1)[0].casefold() in _DEVICES


def _made_safe(part: str) -> str:
    composed = unicodedata.normalize("NFC", part)
    spaced = "".join("-" if character.isspace() else character for character in composed)
    safe = _replaced(spaced).lstrip(".-")
    # Windows drops trailing dots, and the rest may be the name of another file.
    safe = safe.rstrip(".") or "_"
    if _is_device(safe):
        safe = f"_{safe}"
    if safe == spaced and len(safe.encode()) <= _LONGEST_PART:
        return safe
    digest = hashlib.sha256(composed.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    cut = safe.encode()[: _LONGEST_PART - 9].decode(errors="ignore")
    return f"{cut}-{digest}"


def _replaced(text: str) -> str:
    """`text` with a dash for each character that is not allowed in a safe name."""
    safe: list[str] = []
    after_letter = False
    for character in text:
        kind = unicodedata.category(character)[0]
        # A combining mark without a letter would combine with whatever precedes it.
        after_letter = kind in "LN" or (kind == "M" and after_letter)
        safe.append(character if after_letter or character in "._=,+@-" else "-")
    return "".join(safe)
