"""Removes our key from what the vendor's server sends back: an echoed key must be neither printed nor stored."""

import html
import json
import re
from functools import lru_cache

# A very short key, as the emulator accepts, may occur in a response by chance.
_SHORTEST = 8
_INSTEAD = "***"


def without_key(body: bytes, key: str) -> bytes:
    """`body` without the key, as it is or escaped in JSON, a url or HTML, in any encoding that JSON may have.

    The bytes are searched, not the parsed JSON: a body that was cut off is kept too.
    """
    if len(key) < _SHORTEST:
        return body
    # In UTF-8, the key is ASCII among bytes that must stay as they are, valid or not.
    for encoding in ("latin-1", json.detect_encoding(body)):
        if not encoding.startswith("utf-8"):
            text, found = _spellings(key).subn(_INSTEAD, body.decode(encoding, "replace"))
            body = text.encode(encoding, "replace") if found else body
    return body


def text_without_key(text: str, key: str) -> str:
    """`text` without the key, in any of the spellings that `without_key` knows."""
    return text if len(key) < _SHORTEST else _spellings(key).sub(_INSTEAD, text)


@lru_cache(maxsize=8)
def _spellings(key: str) -> re.Pattern[str]:
    parts = re.findall(r"\\+|[^\\]", key, re.DOTALL)
    after = ["", *parts]
    return re.compile(
        "".join(
            _backslashes(len(part), is_first=not before) if part[0] == "\\" else _spellings_of(part, before)
            for before, part in zip(after, parts, strict=False)
        )
    )


def _spellings_of(character: str, before: str) -> str:
    plain, code = re.escape(character), ord(character)
    # The number of backslashes grows with each JSON text inside another one. Backslashes of the key before this
    # character have taken all of them.
    least = 0 if before.startswith("\\") else 1
    escaped = (
        rf"\\{{{least},8}}(?:u(?i:{code:04x})|{plain})",
        *_codes(code),
        re.escape(html.escape(character)),
        plain,  # last: a part of an escape that is left behind would make the JSON invalid
    )
    return f"(?:{'|'.join(escaped)})"


def _backslashes(number: int, *, is_first: bool) -> str:
    """So many backslashes of the key, or more: how they are divided among its characters is never tried."""
    by_code = "|".join((r"\\++u(?i:005c)", *_codes(ord("\\"))))
    start = r"(?<!\\)" if is_first else ""
    return rf"{start}(?:(?:{by_code}){{{number}}}+|\\{{{number},}}+)"


def _codes(code: int) -> tuple[str, ...]:
    return f"%(?i:{code:02x})", f"&#0{{0,4}}(?:{code}|(?i:x0{{0,4}}{code:x}));"
