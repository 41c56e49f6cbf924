"""Errors in JSON are reported with their line and column at any depth."""

import json
from pathlib import Path

import pytest

from pipeline.documents import json_locations
from pipeline.documents.json_locations import located
from pipeline.documents.json_reader import parse_json
from pipeline.documents.node import Finding
from pipeline.errors import InvalidInput

TEXT = """\ufeff{
  "version": 1,
  "rows": [
    {"id": "a\\"}]", "deep": {"x": [10, {"y": null}]}},
    {
      "id" :
        "b"
    }
  ],
  "named": {"k": {"v": [1, 2]}}
}
""".removeprefix("\ufeff")


@pytest.mark.parametrize(
    ("path", "at_key", "position"),
    [
        ((), False, "1:1"),
        (("version",), False, "2:14"),
        (("version",), True, "2:3"),
        (("rows",), False, "3:11"),
        (("rows", 0), False, "4:5"),
        (("rows", 0, "id"), False, "4:12"),
        (("rows", 0, "deep", "x", 1, "y"), True, "4:41"),
        (("rows", 0, "deep", "x", 1, "y"), False, "4:46"),
        (("rows", 1, "id"), True, "6:7"),
        (("rows", 1, "id"), False, "7:9"),
        (("named", "k", "v", 1), False, "10:28"),
        # A missing key is reported at its parent.
        (("rows", 1, "deep", "x"), False, "5:5"),
        (("none",), True, "1:1"),
    ],
)
def test_finding_is_located_at_its_value_or_key(
    path: tuple[str | int, ...], at_key: bool, position: str
) -> None:
    (problem,) = located([Finding(path, "wrong", at_key)], TEXT, "r.json")
    assert str(problem.position) == f"r.json:{position}"


def test_many_findings_are_located_in_one_pass_in_order() -> None:
    text = json.dumps({"rows": [{"id": number} for number in range(1000)]}, indent=1)
    found = located([Finding(("rows", number, "id"), "wrong") for number in (999, 0, 500)], text, "r.json")
    assert [str(each) for each in found] == [
        f"r.json:{3 + 3 * number + 1}:10: rows[{number}].id: wrong" for number in (999, 0, 500)
    ]


def refusal(text: str) -> str:
    with pytest.raises(InvalidInput) as raised:
        parse_json(text, "r.json")
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": 1,\n "a": 2}', "r.json:2:2: the key 'a' is written twice, first at r.json:1:2"),
        (
            '{"rows": [\n{"id": 1},\n{"id": 1, "in": {"x": [{"b": 1},\n {"b": 1, "b": 2}]}}]}',
            "r.json:4:11: the key 'b' is written twice, first at r.json:4:3",
        ),
        ('{"media": {"a": {},\n"a": {}}}', "r.json:2:1: the key 'a' is written twice, first at r.json:1:12"),
        (
            '{"a": 1, "\\u0061": 2}',
            "r.json:1:10: the key 'a' is written twice, first at r.json:1:2",
        ),
        ('{"a": {"b": 1, "b": 2}, ', "r.json:1:16: the key 'b' is written twice, first at r.json:1:8"),
        ('{"a":\n' + "[" * 65 + "1" + "]" * 65 + "}", "r.json:2:64: nested more than 64 levels deep"),
        ('{"a":\n' + "[" * 90_000, "r.json:2:64: nested more than 64 levels deep"),
    ],
)
def test_unreadable_json_is_reported_with_its_position(text: str, told: str) -> None:
    assert refusal(text) == told


def test_unique_key_is_not_a_duplicate(tmp_path: Path) -> None:
    assert json_locations.double_key(TEXT) is None
    assert json_locations.double_key("[1, ") is None
