"""Removes our key from what the vendor's server sends back: an echoed key must be neither printed nor stored."""

import json
import re
from base64 import b64encode
from collections.abc import Collection
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from functools import lru_cache
from html.entities import html5
from typing import Any, TypeVar, cast

from pipeline.providers.base import Media

T = TypeVar("T")

# A very short key, as the emulator accepts, may occur in a response by chance.
_SHORTEST = 8
# A shorter one is a word like any other, even where it stands alone.
_SHORTEST_ALONE = 4
# The fields of results that are messages; a short key in any other may be a part of an id or a name.
_MESSAGES = frozenset({"reason", "response", "error"})
# The fields of results without which what was paid for is lost.
USED_FIELDS = frozenset({"workflow_id", "id", "url"})
_INSTEAD = "***"
_KEYS_OF_PLUGINS: set[str] = set()


def without_key(body: bytes, key: str) -> bytes:
    """`body` without the key, in any of its spellings, in any encoding that JSON may have.

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
    """`text` without the key, in any of its spellings."""
    return text if len(key) < _SHORTEST else _spellings(key).sub(_INSTEAD, text)


def message_without_key(text: str, key: str) -> str:
    """A message without the key; also without a short one, where it stands alone."""
    if len(key) >= _SHORTEST:
        return text_without_key(text, key)
    return text if len(key) < _SHORTEST_ALONE else _alone(key).sub(_INSTEAD, text)


def note_key(key: str) -> None:
    """Note the key of a plug-in of this process, which logs, warns and prints as it likes."""
    if key:
        _KEYS_OF_PLUGINS.add(key)


def without_noted_keys(text: str) -> str:
    """A line that may be a plug-in's, without the keys that were noted."""
    for key in tuple(_KEYS_OF_PLUGINS):
        text = message_without_key(text, key)
    return text


def result_without_key(value: T, key: str, kept: Collection[str] = ()) -> T:
    """A result of the port without the key in its texts, except in the fields that are `kept`.

    One that has none is returned as it is.
    """
    return _cleaned(value, key, kept, is_message=False)


def _cleaned(value: T, key: str, kept: Collection[str], *, is_message: bool) -> T:
    cleaned: Any = value
    match value:
        case Enum():
            pass
        case str():
            cleaned = (message_without_key if is_message else text_without_key)(value, key)
        case Media():
            # The query may have to have the key. It is used, but never recorded.
            bare, mark, query = value.url.partition("?")
            clean = text_without_key(bare, key)
            is_kept = "url" in kept and clean != bare
            cleaned = replace(
                value,
                url=value.url if is_kept else clean + mark + query,
                recorded_as=text_without_key(value.recorded_as or (clean if is_kept else ""), key),
                content_type=text_without_key(value.content_type, key),
            )
        case tuple() | list():
            cleaned = tuple(_cleaned(each, key, kept, is_message=is_message) for each in value)
            cleaned = list(cleaned) if isinstance(value, list) else cleaned
        case _ if is_dataclass(value) and not isinstance(value, type):
            parts = {each.name: getattr(value, each.name) for each in fields(value)}
            changed = {
                name: part if name in kept else _cleaned(part, key, kept, is_message=name in _MESSAGES)
                for name, part in parts.items()
            }
            cleaned = value if changed == parts else replace(value, **changed)
    return value if cleaned == value else cast("T", cleaned)


@lru_cache(maxsize=8)
def _alone(key: str) -> re.Pattern[str]:
    """A short key that is no part of a longer word, number or id."""
    return re.compile(rf"(?<![\w-])(?<!\w\.){_escaped(key)}(?![\w-]|\.\w)")


@lru_cache(maxsize=8)
def _spellings(key: str) -> re.Pattern[str]:
    """The key as it is, escaped in JSON, a url or HTML, or in base64 or hexadecimal, also as a part of a text."""
    encoded = key.encode()
    return re.compile(
        "|".join(
            (*(_in_base64(encoded, before) for before in range(3)), rf"(?i:{encoded.hex()})", _escaped(key))
        )
    )


def _in_base64(key: bytes, before: int) -> str:
    """The key in base64, after so many bytes (modulo 3).

    Of the characters that it shares with its neighbours, only the last is removed: before the first one may be a
    backslash, which would be left behind.
    """
    text = b64encode(bytes(before) + key).decode().rstrip("=")
    end = (before + len(key)) * 4 // 3
    own = "".join(map(_of_base64, text[-(-before * 4 // 3) : end]))
    return own if end == len(text) else f"{own}[A-Za-z0-9+/_-]?"


def _of_base64(character: str) -> str:
    match character:
        case "+" | "/":
            return f"(?:{'-' if character == '+' else '_'}|{_spellings_of(character, '')})"
        case _:
            return character


def _escaped(key: str) -> str:
    parts = re.findall(r"\\+|[^\\]", key, re.DOTALL)
    after = ["", *parts]
    return "".join(
        _backslashes(len(part), is_first=not before) if part[0] == "\\" else _spellings_of(part, before)
        for before, part in zip(after, parts, strict=False)
    )


def _spellings_of(character: str, before: str) -> str:
    plain, code = re.escape(character), ord(character)
    # The number of backslashes grows with each JSON text inside another one. Backslashes of the key before this
    # character have taken all of them.
    least = 0 if before.startswith("\\") else 1
    escaped = (
        rf"\\{{{least},8}}(?:u(?i:{code:04x})|{plain})",
        *_codes(code),
        plain,  # last: a part of an escape that is left behind would make the JSON invalid
    )
    return f"(?:{'|'.join(escaped)})"


def _backslashes(number: int, *, is_first: bool) -> str:
    """So many backslashes of the key, or more: how they are divided among its characters is never tried."""
    by_code = "|".join((r"\\++u(?i:005c)", *_codes(ord("\\"))))
    start = r"(?<!\\)" if is_first else ""
    return rf"{start}(?:(?:{by_code}){{{number}}}+|\\{{{number},}}+)"


def _codes(code: int) -> tuple[str, ...]:
    """A character in HTML, by name or number, or in a url."""
    names = [re.escape(name[:-1]) for name, text in html5.items() if text == chr(code) and name[-1] == ";"]
    number = rf"{_HASH}0{{0,4}}(?:{code}|(?i:x0{{0,4}}{code:x}))"
    # A url last: of the `%26` before `amp;`, the rest would be left behind.
    return f"{_AMPERSAND}(?:{'|'.join([*names, number])}){_SEMICOLON}", f"{_PERCENT}(?i:{code:02x})"


def _delimiter(character: str, name: str) -> str:
    """What begins or ends an escape, as the texts around that escape may escape it again."""
    code = f"{ord(character):02x}"
    in_json, in_url = rf"\\{{1,8}}u00{code}", f"{_PERCENT}{code}"
    in_html = f"&(?:{name}|#0{{0,4}}{ord(character)}|#x0{{0,4}}{code});"
    return f"(?i:{in_html}|{in_url}|{in_json}|{character})"


# Texts are escaped again inside others: `%252F`, `%26lt%3B`, `&amp;lt;`, and in JSON `\\u0026lt;`.
_PERCENT = r"(?i:%|\\{1,8}u0025|&(?:percnt|#0{0,4}37|#x0{0,4}25);)(?:25){0,4}"
_HASH = _delimiter("#", "num")
_SEMICOLON = _delimiter(";", "semi")
_AMPERSAND = rf"{_delimiter('&', 'amp')}(?:(?:amp|{_HASH}(?:38|(?i:x26))){_SEMICOLON}){{0,4}}"
