"""Safe names are valid on every system, and different names stay different."""

import hashlib
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.safe_names import _made_safe, _safe_part, safe_path

# Difficult on some system: separators, device names, control and bidi characters, long and unusual letters.
pieces = st.sampled_from(
    [
        *(
            "/",
            "\\",
            "..",
            ".",
            "-",
            "~",
            " ",
            "\0",
            "\n",
            "\x1b[2J",
            "\u202e",
            ":",
            "*",
            '"',
            "\ud800",
            "_",
            "=",
        ),
        *(
            "CON",
            "nul",
            "com1",
            "LPT¹",
            "a",
            "ß",
            "ﬁ",
            "e\u0301",
            "\u0958",
            "\u0bbe",
            "\u0345",
            "日本",
            "\U0001f388",
        ),
        *("x" * 60, "é" * 40),
    ]
)
wild = st.lists(pieces, max_size=6).map("".join) | st.text(max_size=12)


@given(wild)
@example("x" * 99 + ".")
@example("." * 300)
@example("con.tar.gz")
@example("LPT¹.txt")
@example("a" + "\ud800" * 120)
def test_safe_path_is_harmless_on_every_system(path: str) -> None:
    safe = safe_path(path)
    assert not safe.startswith("/")
    for part in safe.split("/") if safe else []:
        assert 0 < len(part.encode()) <= 100
        assert part[0] not in ".-"
        assert not part.endswith((".", " "))
        assert part.split(".")[0].casefold() not in {"con", "prn", "aux", "nul", "com1", "lpt9", "lpt¹"}
        assert all(each in "._=,+@-" or unicodedata.category(each)[0] in "LMN" for each in part)
        assert unicodedata.is_normalized("NFC", part)


@given(st.text(alphabet="aZ9._=,+@-COMnul1 ", max_size=12) | st.text(alphabet="x", min_size=99, max_size=101))
@example("com1")
@example("nul.txt")
@example("a\n")
def test_fast_path_equals_the_full_conversion(part: str) -> None:
    assert _safe_part(part) == _made_safe(part)


@given(wild)
@example("\u0958\u0bbe")
def test_safe_name_is_unchanged(path: str) -> None:
    assert safe_path(safe_path(path)) == safe_path(path)


@given(wild)
def test_safe_path_is_independent_of_unicode_normalisation(path: str) -> None:
    assert safe_path(unicodedata.normalize("NFD", path)) == safe_path(path)


@given(st.text(alphabet="ab", min_size=101, max_size=120), st.text(alphabet="ab", min_size=101, max_size=120))
def test_long_names_that_differ_stay_different(one: str, other: str) -> None:
    assert (safe_path(one) == safe_path(other)) == (one == other)


@given(wild, wild)
@example("a", "-a")
@example("a", ".a.")
@example("_con", "con")
@example("\U0001f44d", "\U0001f44e")
@example("\u0915\u093f", "\u0915\u0940")
@example("a\u0301", "a")
@example("-\u0301", "*\u0301")
def test_names_that_differ_in_more_than_white_space_stay_different(one: str, other: str) -> None:
    def told_apart(path: str) -> list[str]:
        composed = unicodedata.normalize("NFC", path)
        spaced = "".join("-" if each.isspace() else each for each in composed)
        return [part for part in spaced.split("/") if part not in ("", ".")]

    assert safe_path(one) != safe_path(other) or told_apart(one) == told_apart(other)


def test_name_with_replaced_characters_ends_with_its_hash() -> None:
    name = "Grüße! \U0001f44d"
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    assert safe_path(f"a/{unicodedata.normalize('NFD', name)}/b") == f"a/Grüße----{digest}/b"


def test_combining_marks_stay_with_their_letters() -> None:
    assert safe_path("कि/की/ก็/שָׁלוֹם") == unicodedata.normalize("NFC", "कि/की/ก็/שָׁלוֹם")


def hashed(part: str, begins: str) -> str:
    return f"{begins}-{hashlib.sha256(part.encode()).hexdigest()[:8]}"


@pytest.mark.parametrize(
    ("path", "safe"),
    [
        ("hero/overlay/blue", "hero/overlay/blue"),
        ("Grüße_1=a,b+c@d-e.mp4", "Grüße_1=a,b+c@d-e.mp4"),
        ("../etc/passwd", f"{hashed('..', '_')}/etc/passwd"),
        ("/etc//./passwd", "etc/passwd"),
        ("-rf", hashed("-rf", "rf")),
        (".git/config", f"{hashed('.git', 'git')}/config"),
        ("CON", hashed("CON", "_CON")),
        ("nul.txt", hashed("nul.txt", "_nul.txt")),
        ("name.", hashed("name.", "name")),
        ("a b\tc", "a-b-c"),
        ("日本語", "日本語"),
    ],
)
def test_safe_names_are_as_expected(path: str, safe: str) -> None:
    assert safe_path(path) == safe
