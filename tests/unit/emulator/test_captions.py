"""Text drawn on pictures: any text in any script, on machines with and without fonts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.emulator import captions, fonts, lettering
from pipeline.emulator.captions import Caption
from pipeline.emulator.fonts import BUILT_IN, Face, spelling
from pipeline.emulator.lettering import Run, printable, runs, width
from pipeline.emulator.settings import Size

SIZES = [Size(320, 180), Size(180, 320), Size(200, 200), Size(100, 4096), Size(4096, 100)]
SCRIPTS = {
    "accents": "Ein Läufer überquert die Brücke, 5 €",
    "arabic": "عداء يرتدي حذاءً أحمر يقفز فوق بركة",
    "hebrew and latin": "שלום: the runner says hello",
    "japanese": "赤いランニングシューズが夜明けの水たまりを飛び越える" * 4,
    "thai": "ผู้ชายวิ่งข้ามสะพาน",
    "devanagari": "लाल जूते",
    "emoji": "👟 dance 💃🏽 👨‍👩‍👧 🏳️‍🌈 🇩🇪",
    "one long word": "https://cdn.example.com/" + "a" * 500,
    "marks alone": "\u0301\u0301 \u200d\u200c \ufe0f",
    "nothing": " \t\n",
}


@pytest.fixture(params=["with the machine's fonts", "without fonts", "without shaping"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    caches = (fonts._faces, fonts.face_for, lettering.runs)
    if request.param == "without fonts":
        monkeypatch.setattr(fonts, "_font_folders", tuple)
    if request.param == "without shaping":
        monkeypatch.setattr(lettering, "_SHAPES_TEXT", False)
    for cache in caches:
        cache.cache_clear()
    yield request.param
    for cache in caches:
        cache.cache_clear()


def assert_inside(caption: Caption, size: Size) -> None:
    for picture, (x, y) in caption.patches:
        assert 0 <= x <= x + picture.width <= size.width
        assert 0 <= y <= y + picture.height <= size.height


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size.width}x{size.height}")
@pytest.mark.usefixtures("machine")
def test_every_script_is_drawn_inside_the_frame(size: Size, text: str) -> None:
    for caption in (
        captions.foot(size, text, text),
        captions.badges(size, [text, text], "take 2", (9, 9, 9)),
        captions.title(size, text),
    ):
        assert_inside(caption, size)


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=900), size=st.sampled_from(SIZES))
def test_any_text_is_drawn_inside_the_frame(text: str, size: Size) -> None:
    assert_inside(captions.foot(size, text, text[:99]), size)
    assert_inside(captions.badges(size, [text], text[:9], (9, 9, 9)), size)


def test_character_that_is_wider_than_a_row_is_drawn_inside_the_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(captions, "width", lambda text, _font_size: 1000.0 * len(text))

    for size in SIZES:
        assert_inside(captions.foot(size, "x", "y"), size)


@pytest.mark.parametrize("text", list(SCRIPTS.values())[:7], ids=list(SCRIPTS)[:7])
@pytest.mark.usefixtures("machine")
def test_two_texts_of_any_script_look_different(text: str) -> None:
    first, second = (captions.foot(SIZES[0], each, "") for each in (text, text[: len(text) // 2]))

    assert [patch.tobytes() for patch, _ in first.patches] != [patch.tobytes() for patch, _ in second.patches]


@pytest.mark.parametrize("word", ["first", "last"])
def test_long_prompt_shows_its_beginning_and_end(word: str) -> None:
    middle = " and so on" * 100
    shown = captions._wrapped(f"first{middle} last", 18, 300, most=3)

    assert len(shown) == 3
    assert word in " ".join(shown)
    assert all(width(row, 18) <= 300 for row in shown)


def test_frame_too_small_for_text_still_has_its_strip() -> None:
    tiny = Size(64, 36)

    assert captions.foot(tiny, "text", "note") == Caption()
    one, other = (captions.strip(tiny, seed).patches[0][0] for seed in (1, 2))
    assert one.tobytes() != other.tobytes()
    assert_inside(captions.strip(tiny, 1, at_top=True), tiny)


@pytest.mark.parametrize(
    ("character", "written"),
    [
        ("é", "e"),
        ("ﬁ", "fi"),
        ("€", "[euro sign]"),
        ("👟", "[athletic shoe]"),
        ("中", "[4E2D]"),
        ("ب", "[628]"),
    ],
)
def test_character_without_glyph_is_spelled_out(character: str, written: str) -> None:
    assert spelling(character) == written


@pytest.mark.parametrize("machine", ["without fonts"], indirect=True)
@pytest.mark.usefixtures("machine")
def test_emoji_without_font_is_spelled_out_with_its_modifiers() -> None:
    assert runs("a 💃🏽!") == (Run(BUILT_IN, "a [dancer]!"),)


def test_control_and_bidi_characters_are_not_drawn() -> None:
    assert (
        printable("\x1b[31m red\u202e\u2066 two\nlines\ttab \ud800e\u0301\ufeff")
        == "[31m red two lines tab é"
    )


def test_invalid_font_file_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "Arial.ttf"
    path.write_bytes(b"no font")

    assert not Face(path).draws("a")
    assert not Face(tmp_path / "gone.ttf").draws("a")
