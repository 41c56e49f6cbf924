"""JSON writes a character beyond U+FFFF as two escapes; every reader of JSON combines them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.campaigns import spring

from pipeline.documents.json_reader import parse_json
from pipeline.documents.node import SourceFile
from pipeline.documents.yaml_reader import parse_yaml, read_scalar, read_yaml
from pipeline.errors import InvalidInput
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load

PAIR = "\\ud83d\\udc4d"
THUMB = "\U0001f44d"
TEXTS = st.lists(st.sampled_from([THUMB, "a", "\\", '"', "\\ud83d", "\\udc4d"])).map("".join)


def read(folder: Path, text: str) -> object:
    (folder / "x.yaml").write_text(text)
    return read_yaml(folder / "x.yaml", "x.yaml").root.plain()


@pytest.mark.parametrize("indent", [None, 2])
def test_pair_is_decoded_in_values_and_keys(tmp_path: Path, indent: int | None) -> None:
    written = {"a": THUMB, THUMB: [f"x{THUMB}{THUMB}y", "\\ud83d", "\\", '"']}

    assert read(tmp_path, json.dumps(written, indent=indent)) == written
    assert parse_json(json.dumps(written, indent=indent), "x.json") == written


def test_escaped_backslash_does_not_start_a_pair(tmp_path: Path) -> None:
    written = {"a": PAIR, "b": f"\\{THUMB}"}

    assert read(tmp_path, json.dumps(written)) == written


@pytest.mark.parametrize("half", ["\\ud83d", "\\udc4d", "\\udc4d\\ud83d", f"{PAIR}\\ud83d"])
def test_lone_surrogate_is_still_rejected(tmp_path: Path, half: str) -> None:
    with pytest.raises(InvalidInput):
        read(tmp_path, f'{{"a": "{half}"}}')
    with pytest.raises(InvalidInput):
        parse_json(f'{{"a": "{half}"}}', "x.json")
    with pytest.raises(ValueError):
        read_scalar(f'"{half}"')


def test_text_that_is_not_an_escape_is_unchanged(tmp_path: Path) -> None:
    written = f'a: {PAIR}\nb: \'"{PAIR}"\'  # "{PAIR}"\nc: |\n  "{PAIR}"\nd: "\\\\u"\n'
    assert read(tmp_path, written) == {"a": PAIR, "b": f'"{PAIR}"', "c": f'"{PAIR}"\n', "d": "\\u"}


@pytest.mark.parametrize(
    "written",
    [
        f'a: "x{PAIR}{PAIR}"',
        f'# "\na: "x{PAIR}\\\n  {PAIR}"',
        f'{{a: "x{PAIR}{PAIR}"}}',
        f'---\na:\n  "x{THUMB}{PAIR}"',
    ],
)
def test_pair_is_decoded_in_any_text_in_double_quotes(tmp_path: Path, written: str) -> None:
    assert read(tmp_path, written) == {"a": f"x{THUMB}{THUMB}"}


@given(st.lists(st.tuples(st.sampled_from(["plain", "single", "double", "block"]), TEXTS), max_size=5))
def test_pairs_are_joined_in_double_quotes_only(values: list[tuple[str, str]]) -> None:
    lines, expected = [f'# "{PAIR}'], {}
    for number, (style, text) in enumerate(values):
        name = f"k{number}"
        if style == "double":
            lines.append(f"{name}: {json.dumps(text)}")
            expected[name] = text
        elif style == "single":
            lines.append(f"{name}: '{text.replace(THUMB, PAIR)}'")
            expected[name] = text.replace(THUMB, PAIR)
        elif style == "block":
            lines.append(f"{name}: |-\n  -{text.replace(THUMB, PAIR)}")
            expected[name] = f"-{text.replace(THUMB, PAIR)}"
        else:
            lines.append(f"{name}: x{text.replace(THUMB, PAIR)}x")
            expected[name] = f"x{text.replace(THUMB, PAIR)}x"
    text = "\n".join([*lines, "end: true"])
    assert parse_yaml(text, SourceFile(Path("x.yaml"), "x.yaml", "")).plain() == {**expected, "end": True}


@pytest.mark.parametrize("half", ["\\ud83d", "\\udc4d"])
def test_lone_surrogate_is_rejected_where_it_stands(tmp_path: Path, half: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(tmp_path, f'a: "{PAIR}"\nb: "{PAIR}x{half}"')
    assert str(refused.value.problems[0].position) == f"x.yaml:2:{len('b: _x') + len(PAIR) + 3}"


def test_position_after_a_pair_is_correct(tmp_path: Path) -> None:
    text = f'{{"a": "{PAIR}{PAIR}",\n "b": "x", "c": "{PAIR}", "c": 1}}'

    with pytest.raises(InvalidInput) as refused:
        read(tmp_path, text)

    second = text.splitlines()[1].rindex('"c"') + 1
    assert str(refused.value.problems[0].position) == f"x.yaml:2:{second}"


def test_quoted_var_may_contain_a_pair() -> None:
    assert read_scalar(f'"{PAIR}!"') == f"{THUMB}!"


def test_json_manifest_may_contain_pairs(tmp_path: Path) -> None:
    written = json.dumps(
        spring(
            image_sets={},
            prompts={THUMB: f"a walk {THUMB}"},
            templates={"t": {"template_id": "mine", "options": {"prompt": "{{ prompt }}"}}},
        )
    )
    assert PAIR in written
    (tmp_path / "campaign.yaml").write_text(written)

    (job,) = expand(load(tmp_path / "campaign.yaml"))

    assert job.coordinates.prompt == THUMB
    assert job.request.options["prompt"] == f"a walk {THUMB}"
