"""Texts that look the same on a screen, though they are written with other characters."""

import unicodedata
from functools import lru_cache
from typing import Final

# Letters that look like those of the Latin alphabet: Cyrillic ones, Greek ones, then odd Latin ones. Unicode's own
# table of these is not part of Python.
_LATIN: Final = str.maketrans(
    "\u0430\u0441\u0435\u0456\u0458\u043e\u0440\u0455\u0445\u0443\u04bb\u0501\u051b\u051d\u0475\u04af\u04cf"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0423\u0406\u0405\u0408\u04ae\u051a\u051c"
    "\u03b1\u03b9\u03bf\u03bd\u03c1\u03c5\u03b3\u03f2\u03f3"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03f9\u037f"
    "\u0131\u0251\u0261",
    "aceijopsxyhdqwvylABEKMHOPCTXYISJYQWaiovpuycjABEZHIKMNOPTYXCJiag",
)
# What Unicode calls these is drawn in another size or place than the plain characters.
_SEEN: Final = ("<super>", "<sub>", "<fraction>", "<circle>", "<square>", "<vertical>")


def look_alike(one: str, other: str) -> bool:
    """Whether both look the same: they differ at most in their Unicode form, in width, or in an alphabet."""
    return folded(one) == folded(other)


def folded(text: str) -> str:
    """What is the same for texts that look alike, such as a composed and a decomposed é."""
    if text.isascii():
        return text
    return "".join(map(_plain, unicodedata.normalize("NFC", text)))


@lru_cache(1 << 14)
def _plain(character: str) -> str:
    if unicodedata.decomposition(character).startswith(_SEEN):
        return character
    return unicodedata.normalize("NFKC", character).translate(_LATIN)


def in_ascii(text: str) -> str:
    """A text with all but ASCII escaped."""
    return text.encode("ascii", "backslashreplace").decode("ascii")
