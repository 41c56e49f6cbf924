"""Files are named by the manifest and their content type, never by the server."""

import hashlib
import json
from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.protection import fails_without

from artifacts.folder import bought, film, job
from pipeline.artifacts import file_names
from pipeline.artifacts.file_names import NAMING, named, path_in_slot, set_aside, suffix
from pipeline.purchases import PurchaseId, Step
from pipeline.safe_names import safe_path


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("video/mp4", "mp4"),
        ("VIDEO/MP4", "mp4"),
        ("video/mp4; codecs=avc1", "mp4"),
        ("image/jpeg", "jpg"),
        ("audio/mpeg", "mp3"),
        ("audio/x-ms-wma", "wma"),
        ("audio/ac3", "ac3"),
        ("audio/vnd.dts", "dts"),
        ("audio/x-caf", "caf"),
        ("audio/basic", "au"),
        ("video/mp2t", "ts"),
        ("text/html", "bin"),
        ("text/xml", "bin"),
        ("text/x+xml", "bin"),
        ("text/javascript; charset=utf-8", "bin"),
        ("text/plain", "txt"),
        ("text/markdown; charset=utf-8", "md"),
        ("text/csv", "csv"),
        ("text/tab-separated-values", "tsv"),
        ("text/srt", "srt"),
        ("text/x-ssa", "txt"),
        ("application/x-ndjson", "ndjson"),
        ("", "bin"),
        ("../../etc/passwd", "bin"),
    ],
)
def test_suffix_comes_from_content_type(content_type: str, expected: str) -> None:
    assert suffix(content_type) == expected


def test_other_suffixes_are_another_version_of_the_names() -> None:
    """Results that named the files before are only written anew if the version grows: change both."""
    rules = [
        sorted(file_names._SUFFIXES.items()),
        sorted(file_names._OTHERS.items()),
        sorted(file_names._RUN),
    ]
    digest = hashlib.sha256(json.dumps(rules).encode()).hexdigest()
    assert (NAMING, digest[:16]) == (1, "916bd3edda6dd7be")


def test_further_outputs_are_numbered() -> None:
    a = job("a")
    purchase = replace(bought(1, a), outputs=(film("1"), film("2", "image/png"), film("3")))
    assert [(each.path, each.slot) for each in named(purchase, "r/a")] == [
        ("r/a.mp4", "result/0"),
        ("r/a-2.png", "result/1"),
        ("r/a-3.mp4", "result/2"),
    ]


def test_steps_get_their_own_folder_in_order_and_only_if_requested() -> None:
    crop = Step("crop_to_content", (film("1", "image/png"), film("2", "image/png")))
    purchase = bought(1, job("a"), "film", steps=(crop, Step("create_media", (film("3"),))))
    assert [each.path for each in named(purchase, "r/a")] == ["r/a.mp4"]
    assert [(each.path, each.slot) for each in named(purchase, "r/a", steps=True)] == [
        ("r/a.mp4", "result/0"),
        ("r/a.steps/01-crop_to_content.png", "steps/0/0"),
        ("r/a.steps/01-crop_to_content-2.png", "steps/0/1"),
        ("r/a.steps/02-create_media.mp4", "steps/1/0"),
    ]


def test_set_aside_file_name_carries_suffix_that_no_safe_path_contains() -> None:
    one = replace(bought(1, job("a"), "film"), id=PurchaseId("0123456789abcdef"))
    assert next(named(one, set_aside("r/a", one.id))).path == "r/a~0123456.mp4"
    assert next(named(one, "r/a~7654321")).path == f"{safe_path('r/a~7654321')}.mp4"
    assert "~" not in safe_path("r/a~7654321")


def test_set_aside_path_ends_with_purchase_id() -> None:
    assert set_aside("r/a", PurchaseId("0123456789abcdef")) == "r/a~0123456"


hostile = st.text(alphabet=st.sampled_from("a.é/\\~:\0\n\ud800-＊ \u202e"), max_size=12) | st.sampled_from(
    ["../../etc/passwd", "/etc/passwd", "C:\\x", "con", "nul.txt", ".ssh/id", "a" * 300, "a/../../b", ""]
)


@fails_without(
    "pipeline.artifacts.file_names:_step_stem",
    "return",
    swap=("safe_path(f'{number + 1:02}-{flow}')", "f'{number + 1:02}-{flow}'"),
)
@fails_without(
    "pipeline.artifacts.file_names:_safe_stem",
    "return",
    swap=("safe_path(stem.removesuffix(suffix)", "stem.removesuffix(suffix"),
)
@given(hostile, hostile)
def test_no_stem_or_step_escapes_the_folder(stem: str, flow: str) -> None:
    purchase = bought(1, job("a"), "film", steps=(Step(flow, (film("s"),)),))
    for each in named(purchase, stem, steps=True):
        path = PurePosixPath(each.path)
        assert not path.is_absolute()
        assert not any(part.startswith((".", "-")) or part in ("", "..") for part in path.parts)
        assert not any(character in each.path for character in "\0\n\\:\u202e\ud800")
        assert all(len(part.encode()) <= 120 for part in path.parts)
        each.path.encode()


@pytest.mark.parametrize("stem", ["r/a", "r/a~0000001", "../.x", ""])
def test_single_file_has_the_same_path_as_in_the_full_list(stem: str) -> None:
    crop = Step("crop/to", (film("1", "image/png"), film("2", "image/png")))
    purchase = bought(1, job("a"), "film", "another", steps=(crop, Step("", (film("3"),))))

    for each in named(purchase, stem, steps=True):
        assert path_in_slot(purchase, stem, each.slot) == each.path
    for slot in ("result/2", "steps/0/2", "steps/2/0", "steps", "", "steps/x/0", "result/0/0"):
        assert path_in_slot(purchase, stem, slot) is None
