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
    return re.compile("".join(map(_spellings_of, key)))


def _spellings_of(character: str) -> str:
    plain, code = re.escape(character), ord(character)
    escaped = (
        # The number of backslashes grows with each JSON text inside another one.
        rf"\\{{1,8}}(?:u(?i:{code:04x})|{plain})",
        f"%(?i:{code:02x})",
        f"&#0{{0,4}}(?:{code}|(?i:x0{{0,4}}{code:x}));",
        re.escape(html.escape(character)),
        plain,  # last: a part of an escape that is left behind would make the JSON invalid
    )
    return f"(?:{'|'.join(escaped)})"
