import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from manifest.limited import outcomes

from pipeline.documents.node import Document, Node, SourceFile, merge, text_position
from pipeline.documents.problem_list import number_of
from pipeline.documents.text_file import read_source
from pipeline.documents.yaml_reader import dump_yaml, parse_yaml, read_scalar, read_yaml
from pipeline.errors import InvalidInput, Position, Problem
from pipeline.json_values import Json
from pipeline.record_limits import DEEPEST

SOURCE = SourceFile(Path("/project/c.yaml"), "c.yaml", "")


def read(text: str | bytes) -> Node:
    return parse_yaml(text, SOURCE)


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        read(text)
    return [str(problem) for problem in caught.value.problems]


def at(node: Node | None) -> tuple[int, int]:
    assert node is not None
    return node.line, node.column


class TestValues:
    @pytest.mark.parametrize(
        ("word", "value"),
        [
            *(("no", "no"), ("on", "on"), ("yes", "yes"), ("y", "y"), ("NO", "NO")),
            *(("12:30", "12:30"), ("12:30:00", "12:30:00"), ("2026-02-31", "2026-02-31"), ("1_000", "1_000")),
            *(("true", True), ("False", False), ("null", None), ("~", None), ("", None)),
            *(("5", 5), ("-5", -5), ("+5", 5), ("0", 0), ("0x1F", 31), ("0o17", 15)),
            *(("9" * 18, int("9" * 18)), ("1e3", 1000.0), ("1.10", 1.1), (".5", 0.5), ("1.", 1.0)),
            *(("-1.5E-2", -0.015), ("=", "="), ("1.2.3", "1.2.3"), ("5px", "5px"), (".", "."), ("'5'", "5")),
        ],
    )
    def test_plain_scalar_follows_yaml_1_2(self, word: str, value: Json) -> None:
        found = read(f"a: {word}\n").plain()
        assert isinstance(found, dict)
        assert found == {"a": value}
        assert isinstance(found["a"], type(value))

    @pytest.mark.parametrize(
        ("word", "hint"),
        [
            *(
                ("017", "leading zero"),
                ("08", "leading zero"),
                ("9" * 19, "19 digits"),
                ("9" * 5000, "5,000 digits"),
            ),
            *(
                (".nan", "quote it"),
                ("-.inf", "quote it"),
                ("1e400", "too large"),
                ("0x" + "f" * 5000, "too many"),
            ),
        ],
    )
    def test_ambiguous_number_is_rejected(self, word: str, hint: str) -> None:
        [problem] = problems(f"a: {word}\n")
        assert problem.startswith("c.yaml:1:4: a: ")
        assert hint in problem
        assert read(f"a: '{word}'\n").plain() == {"a": word}

    def test_alias_has_the_anchored_value_and_its_own_key(self) -> None:
        node = read("a: &x {b: 1}\nc: *x\n")
        assert node.plain() == {"a": {"b": 1}, "c": {"b": 1}}
        alias = node.child("c")
        assert alias is not None
        assert at(alias) == (1, 4)
        assert (alias.key_line, alias.key_column) == (2, 1)

    @pytest.mark.parametrize("text", ["a: 1\r\nb: |\r\n  x\r\n  y\r\n", "a: 1\rb: |\r  x\r  y\r"])
    def test_all_line_endings_read_the_same(self, text: str) -> None:
        assert read(text).plain() == {"a": 1, "b": "x\ny\n"}

    def test_leading_byte_order_mark_is_dropped(self) -> None:
        assert at(read("\ufeffa: 1\n".encode()).child("a")) == (1, 4)


class TestPositions:
    TEXT = "a:\n  - b: 'é😀'\n    c: x\n  - |\n    line\nd: {e: [1, 22]}\n"

    @pytest.mark.parametrize(
        ("path", "location"),
        [
            *((("a",), (2, 3)), (("a", 0), (2, 5)), (("a", 0, "b"), (2, 8)), (("a", 0, "c"), (3, 8))),
            *((("a", 1), (4, 5)), (("d",), (6, 4)), (("d", "e", 1), (6, 12))),
        ],
    )
    def test_every_value_knows_its_position(
        self, path: tuple[str | int, ...], location: tuple[int, int]
    ) -> None:
        assert at(Document(read(self.TEXT)).node(*path)) == location

    def test_problem_has_position_and_path(self) -> None:
        problem = Document(read(self.TEXT)).problem("bad", "d", "e", 1)
        assert str(problem) == "c.yaml:6:12: d.e[1]: bad"
        assert problem.source == "d: {e: [1, 22]}"

    def test_problem_of_a_key_is_located_at_the_key(self) -> None:
        assert Document(read(self.TEXT)).problem("bad", "d", "e", at_key=True).position == Position(
            "c.yaml", 6, 5
        )

    def test_missing_value_is_located_at_its_parent(self) -> None:
        problem = Document(read(self.TEXT)).problem("missing", "d", "z", "y")
        assert str(problem) == "c.yaml:6:4: d.z.y: missing"

    def test_unusual_key_is_quoted_in_the_path(self) -> None:
        assert Document(read("'a.b': {'c d': 1}\n")).problem("bad", "a.b", "c d").path == '["a.b"]["c d"]'

    def test_long_line_is_truncated_in_the_quote(self) -> None:
        assert len(Document(read(f"a: {'x' * 5000}\n")).problem("bad", "a").source) < 200

    @pytest.mark.parametrize(
        ("text", "line", "location"),
        [
            *(("a: |\n  one\n  two\n  three\n", 3, (4, 3)), ("a: |\n\n    one\n", 2, (3, 5))),
            *(
                ("a: >\n  one\n  still one\n\n  two\n", 2, (5, 3)),
                ("a: >\n  one\n    alone\n  two\n", 2, (3, 5)),
            ),
            *(('a: "one\\ntwo"\n', 2, (1, 4)), ("a: one\n", 1, (1, 4))),
        ],
    )
    def test_line_within_a_text_is_located_in_the_file(
        self, text: str, line: int, location: tuple[int, int]
    ) -> None:
        node = read(text).child("a")
        assert node is not None
        assert text_position(node, line) == Position("c.yaml", *location)


class TestRefused:
    def test_each_duplicate_key_is_reported_with_the_position_of_the_first(self) -> None:
        assert problems("a: 1\nb: {c: 1, c: 2}\na: 3\na: 4\n") == [
            "c.yaml:2:11: b: the key 'c' is written twice, first at c.yaml:2:5",
            "c.yaml:3:1: the key 'a' is written twice, first at c.yaml:1:1",
            "c.yaml:4:1: the key 'a' is written twice, first at c.yaml:1:1",
        ]

    def test_key_that_is_written_twice_hides_no_other_problem(self) -> None:
        assert [each[:11] for each in problems("a: 1\na: {b: 017, c: *d}\ne: !x 1\n")] == [
            "c.yaml:2:1:",
            "c.yaml:2:8:",
            "c.yaml:2:16",
            "c.yaml:3:4:",
        ]

    def test_quoted_key_is_the_same_key(self) -> None:
        assert "written twice" in problems("a: 1\n'a': 2\n")[0]

    @pytest.mark.parametrize("key", ["5", "true", "~", "1.5", ".nan", "007"])
    def test_non_string_key_is_rejected(self, key: str) -> None:
        assert problems(f"{key}: x\n") == [f"c.yaml:1:1: the key '{key}' is not a text; write it in quotes"]

    @pytest.mark.parametrize("key", ["no", "on", "12:30"])
    def test_key_that_yaml_1_1_would_convert_is_a_string(self, key: str) -> None:
        assert read(f"{key}: x\n").plain() == {key: "x"}

    @pytest.mark.parametrize("text", ["? [a, b]\n: x\n", "{a: 1}: x\n", "a: &x b\n*x : c\n"])
    def test_key_is_a_plain_string(self, text: str) -> None:
        assert "key" in problems(text)[0]

    def test_values_under_an_invalid_key_are_still_checked(self) -> None:
        assert len(problems("5: {a: 017}\n{x: y}: 2\nb: .nan\n")) == 4

    @pytest.mark.parametrize(
        "tag", ["!!python/object/apply:os.system", "!!binary", "!!set", "!!str", "!own", "!", "!<tag:x,1:y>"]
    )
    def test_tags_are_rejected(self, tag: str) -> None:
        [problem] = problems(f"a: {tag} x\n")
        assert problem.startswith("c.yaml:1:4: a: the tag ")

    @pytest.mark.parametrize("value", ["!!set {x, y}", "!!python/tuple [1]", "!!omap [x: 1]", "!own {}"])
    def test_tag_on_list_or_mapping_is_rejected(self, value: str) -> None:
        [problem] = problems(f"a: {value}\n")
        assert problem.startswith("c.yaml:1:4: a: the tag ")

    def test_tag_on_key_is_rejected(self) -> None:
        [problem] = problems("!!str a: x\n")
        assert problem.startswith("c.yaml:1:1: the tag ")

    def test_merge_key_error_suggests_extends(self) -> None:
        assert problems("a: &x {b: 1}\nc:\n  <<: *x\n") == [
            "c.yaml:3:3: c: merge keys (<<) are not supported; use 'extends', or write the values out"
        ]

    def test_key_that_no_record_can_hold_is_reported_as_that(self) -> None:
        assert problems('"a\\0": 1\n') == ["c.yaml:1:1: a text cannot hold a NUL character"]

    @pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "\ufeff", "---\n", "---\n...\n"])
    def test_empty_file_is_reported_at_line_1(self, text: str) -> None:
        assert problems(text) == ["c.yaml:1:1: the file is empty"]

    def test_second_document_is_reported_where_it_begins(self) -> None:
        assert problems("a: 1\n---\nb: 2\n") == [
            "c.yaml:2:1: a second document begins here; a file holds one"
        ]

    def test_merge_conflict_is_recognised(self) -> None:
        text = "a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> theirs\n<<<<<<< HEAD\n>>>>>>> theirs\n"
        found = problems(text)
        assert [problem.partition(": ")[0] for problem in found] == ["c.yaml:2:1", "c.yaml:7:1"]
        assert all("merge conflict" in problem for problem in found)

    def test_conflict_marker_within_a_text_is_not_a_conflict(self) -> None:
        assert read("a: |\n  <<<<<<< HEAD\n  =======\n").plain() == {"a": "<<<<<<< HEAD\n=======\n"}

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"a: 1\nb: \xff\n", "c.yaml:2:4: this is not UTF-8 (byte 0xFF)"),
            (b"a: \xed\xa0\xbd\n", "c.yaml:1:4: this is not UTF-8"),
            ("a: 1".encode("utf-16"), "c.yaml:1:1: this is UTF-16"),
            (b"a: x\x00\n", "c.yaml:1:5: a NUL character"),
            (b"a: \x1b[31m\n", "c.yaml:1:4: a control character (U+001B)"),
            ("a: b\n\ufeffc: d\n".encode(), "c.yaml:2:1: a byte order mark"),
            ("a: b\u2028c\n".encode(), "c.yaml:1:5: a Unicode line separator (U+2028)"),
            ("a: b\x85c\n".encode(), "c.yaml:1:5: a Unicode line separator (U+0085)"),
        ],
    )
    def test_invalid_bytes_are_reported_with_their_position(self, content: bytes, problem: str) -> None:
        assert problems(content)[0].startswith(problem)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("\x1ba: 017\nb: 1\nb: 2\n", ["1:1: a control", "1:5: a: ", "3:1: the key 'b' is written twice"]),
            ("a: 'x\x07\x08'\n'b\x07': &c 017\n", ["1:6: ", "1:7: ", "2:3: a control", "2:7: b: "]),
            ("a: 1\n\ufeffb: !x 2\n", ["2:1: a byte order mark", "2:5: b: the tag '!x'"]),
            ("a: b\u2028c\nd: [1\n", ["1:5: a Unicode line separator", "2:4: the list that is opened here"]),
            ("a: b\x07: c\n", ["1:5: a control"]),
            ("\x07\n", ["1:1: a control"]),
        ],
    )
    def test_character_that_is_refused_hides_no_other_problem(self, text: str, expected: list[str]) -> None:
        found = problems(text)
        assert len(found) == len(expected)
        assert all(each.startswith(f"c.yaml:{begin}") for each, begin in zip(found, expected, strict=True)), (
            found
        )

    @pytest.mark.parametrize("escape", [r'"\0"', r'"\ud83d"', r'"\U00110000"'])
    def test_escape_of_an_invalid_character_is_rejected(self, escape: str) -> None:
        assert problems(f"a: {escape}\n")[0].startswith("c.yaml:1:")

    def test_text_limit_is_in_bytes_and_reported_in_characters_too(self) -> None:
        assert read(f"a: {'é' * (32 << 10)}\n").plain() == {"a": "é" * (32 << 10)}
        [problem] = problems(f"a: {'é' * ((32 << 10) + 1)}\n")
        assert "32,769 characters (65,538 bytes)" in problem

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("a: {{ x }}\n", 'c.yaml:1:5: a: a template needs quotes around all of it: "{{ … }}"'),
            ("a: {% if x %}b\n", "c.yaml:1:5: a text that begins with a template needs quotes"),
            ("a:\n\tb: 1\n", "c.yaml:2:1: a tab in the indentation"),
            ("a: b: c\n", "c.yaml:1:5: a ':' is not expected here"),
            ("a: 'b\n", "c.yaml:1:4: a quote that is opened here is never closed"),
            ("a: [1, 2\nb: 3\n", "c.yaml:1:4: the list that is opened here is not closed"),
            (
                "a: {b: the #1 shoe, c: 1}\n",
                "c.yaml:1:4: the mapping that is opened here is not closed; expected ',' or '}'; what follows ' #'",
            ),
            ("a: 1\nb\n", "c.yaml:2:1: a key without ':'"),
            ("a: @b\n", "c.yaml:1:4: a text that begins with '@' needs quotes"),
            ("a: *b* c\n", "c.yaml:1:6: a text that begins with '*' or '&' needs quotes"),
            (
                "a: *b c\n",
                "c.yaml:1:4: a: there is no anchor &b above; text that begins with * needs quotes",
            ),
            ("a: &boat 1\nb: *baot\n", "c.yaml:2:4: b: there is no anchor &baot above; did you mean 'boat'?"),
        ],
    )
    def test_common_mistake_is_explained_with_its_fix(self, text: str, problem: str) -> None:
        assert problems(text)[0].startswith(problem)

    def test_reading_stops_after_too_many_problems(self) -> None:
        found = problems("".join(f"{n}: x\n" for n in range(5000)))
        assert len(found) == 101
        assert "too many problems: reading stops here, and there may be more" in found[-1]

    @pytest.mark.parametrize(
        "text", [b"a: \x01\n" * 5000, b"<<<<<<< ours\na: 1\n=======\n>>>>>>> theirs\n" * 5000]
    )
    def test_problems_beyond_the_limit_are_counted(self, tmp_path: Path, text: bytes) -> None:
        path = tmp_path / "c.yaml"
        path.write_bytes(text)
        with pytest.raises(InvalidInput) as caught:
            read_yaml(path, "c.yaml")
        assert len(caught.value.problems) == 101
        assert caught.value.problems[-1].message == "and 4,900 more errors, not listed"

    def test_warnings_beyond_the_limit_are_counted(self, tmp_path: Path) -> None:
        path = tmp_path / "c.yaml"
        path.write_text("".join(f"k{n}: Get the #1 shoe\n" for n in range(5000)))
        warnings = read_yaml(path, "c.yaml").warnings
        assert len(warnings) == 101
        assert number_of("warning", warnings) == 5000


HOSTILE = {
    "alias bomb": "\n".join(
        [
            "a0: &a0 [x,x,x,x,x,x,x,x,x]",
            *(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)),
        ]
    ),
    "text bomb": f"a: &a {'x' * 60000}\nb: [{','.join(['*a'] * 5000)}]\n",
    "merge bomb": "\n".join(
        ["a0: &a0 {k: x}", *(f"a{n}: &a{n} {{<<: [{','.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 9))]
    ),
    "cycle": "a: &a [*a]\n",
    "cycle through a mapping": "a: &a\n  b: {c: [1, *a]}\n",
    "cycle by an anchor written again": "a: &a 1\nb: &a [*a]\n",
    "deep lists": "[" * 200_000,
    "deep mappings": "{a: " * 100_000,
    "deep dashes": "- " * 30_000,
    # The parser accepts this depth, but recursion over the tree would fail.
    "rather deep lists": "[" * 900 + "]" * 900,
    "rather deep dashes": "- " * 900 + "x",
    "just too deep": "[" * 65 + "]" * 65,
    "deep block": "".join(f"{' ' * n}a:\n" for n in range(1200)),
    "deep keys": "? " * 30_000,
    "many values": f"[{'1,' * 900_000}]",
    "many anchors": "".join(
        f"k{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" if n else "k0: &a0 x\n" for n in range(40)
    ),
    "long key": f"{'k' * 100_000}: 1\n",
    "many quotes": "'" * 1_000_000,
    "many anchors without an end": "&a " * 300_000,
    "many unknown aliases": f"[{'*x,' * 200_000}]",
}


@pytest.fixture(scope="module")
def hostile_outcomes() -> dict[str, str]:
    judge = """
from pathlib import Path
from pipeline.errors import InvalidInput
from pipeline.record_limits import DEEPEST
from pipeline.documents.node import SourceFile
from pipeline.documents.yaml_reader import parse_yaml

def judge(case):
    try:
        parse_yaml(case, SourceFile(Path("c.yaml"), "c.yaml", ""))
    except InvalidInput as error:
        return str(error.problems[0])
    return "read"
"""
    return outcomes(judge, list(HOSTILE.values()))


@pytest.mark.parametrize("name", HOSTILE)
def test_malicious_file_is_rejected_with_its_position(name: str, hostile_outcomes: dict[str, str]) -> None:
    outcome = hostile_outcomes.get(HOSTILE[name], "never judged")
    assert outcome.startswith("c.yaml:")
    assert len(outcome) < 500


def test_one_anchor_may_be_used_many_times() -> None:
    node = read("a: &a {b: [1, 2]}\nc:\n" + "  - *a\n" * 300)
    found = node.plain()
    assert isinstance(found, dict)
    assert found["c"] == [{"b": [1, 2]}] * 300


def test_large_legitimate_file_is_read() -> None:
    text = "".join(f"k{n}:\n  path: images/{n}.png\n  n: {n}\n" for n in range(16_000))
    found = read(text).plain()
    assert isinstance(found, dict)
    assert found["k15999"] == {"path": "images/15999.png", "n": 15999}


class TestFiles:
    def problem(self, path: Path, limit: int = 2 << 20) -> str:
        with pytest.raises(InvalidInput) as caught:
            read_yaml(path, "c.yaml", limit)
        return str(caught.value)

    def test_file_is_reported_under_the_given_name(self, tmp_path: Path) -> None:
        (tmp_path / "x.yaml").write_text("a: 5\n")
        assert read_yaml(tmp_path / "x.yaml", "my.yaml").at("a") == Position("my.yaml", 1, 4)

    def test_path_that_is_not_a_file_is_reported(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        assert "this is a folder" in self.problem(tmp_path)
        assert "there is no such file" in self.problem(tmp_path / "none.yaml")
        assert "not a regular file" in self.problem(tmp_path / "fifo")
        assert "not a regular file" in self.problem(Path("/dev/zero"))
        assert "cannot be read" in self.problem(tmp_path / "loop")
        assert "cannot be read" in self.problem(tmp_path / "a\0b")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    def test_unreadable_file_is_reported(self, tmp_path: Path) -> None:
        (tmp_path / "c.yaml").touch(mode=0)
        assert "Permission denied" in self.problem(tmp_path / "c.yaml")

    def test_oversized_file_is_reported(self, tmp_path: Path) -> None:
        (tmp_path / "c.yaml").write_bytes(b"# " + b"x" * (3 << 20))
        assert "larger than 2,097,152 bytes" in self.problem(tmp_path / "c.yaml")

    def test_text_file_has_normalised_line_endings_and_all_other_characters(self, tmp_path: Path) -> None:
        (tmp_path / "p.j2").write_bytes("\ufeffone\r\ntwo\u2028é👩‍🚀\r".encode())
        assert read_source(tmp_path / "p.j2", "p.j2").text == "one\ntwo\u2028é👩‍🚀\n"


class TestWithoutTheFastParser:
    @pytest.mark.parametrize(
        "text",
        [
            *("a: {b: [1, 'x']}\nc: |\n  t\n", "a: 1\na: 2\n", "a: [1\nb: 2\n", "a: 'x\n", "a:\n\tb: 1\n"),
            *("a: b: c\n", "a: 1\nb\n", "a: &a [*a]\n", "a: {{ x }}\n", "- a\nb: 1\n", "a: 1\n---\nb: 1\n"),
        ],
    )
    def test_values_and_problems_are_the_same(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def outcome() -> object:
            try:
                return read(text).plain()
            except InvalidInput as error:
                return [str(problem) for problem in error.problems]

        fast = outcome()
        monkeypatch.setattr("pipeline.documents.yaml_reader._LOADER", yaml.SafeLoader)
        assert outcome() == fast

    @pytest.mark.parametrize("escape", [r'"\ud83d"', r'"\UFFFFFFFF"', r'"\U00110000"'])
    def test_invalid_escape_is_reported_too(self, escape: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pipeline.documents.yaml_reader._LOADER", yaml.SafeLoader)
        assert problems(f"a: {escape}\n")


class TestMerge:
    def merged(self, base: str, over: str) -> Document:
        one = parse_yaml(base, SourceFile(Path("base.yaml"), "base.yaml", ""))
        return Document(merge(one, parse_yaml(over, SOURCE)))

    def test_mappings_merge_and_other_values_replace(self) -> None:
        document = self.merged("a: {x: 1, y: [1, 2]}\nb: 1\n", "a: {y: [3], z: 4}\nb: {c: 1}\n")
        assert document.root.plain() == {"a": {"x": 1, "y": [3], "z": 4}, "b": {"c": 1}}

    def test_null_removes_a_key(self) -> None:
        assert self.merged("a: {x: 1, y: 2}\nb: 1\n", "a: {x: ~}\nb: ~\n").root.plain() == {"a": {"y": 2}}

    def test_every_value_remembers_its_file(self) -> None:
        document = self.merged("a:\n  x: 1\n", "a: {z: 4}\n")
        assert document.at("a", "x") == Position("base.yaml", 2, 6)
        assert document.at("a", "z") == Position("c.yaml", 1, 8)
        assert document.problem("bad", "a", "x").source == "  x: 1"


class TestOneScalar:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            *(
                ("5", 5),
                ("true", True),
                ("no", "no"),
                ("", None),
                ("'5'", "5"),
                ('"a\\tb"', "a\tb"),
                (" x ", "x"),
            ),
            *(("a: b", "a: b"), ("#fff", "#fff"), ("[1, 2]", "[1, 2]"), ("{{ x }}", "{{ x }}"), ("*x", "*x")),
        ],
    )
    def test_scalar_reads_as_in_a_file(self, text: str, value: Json) -> None:
        found = read_scalar(text)
        assert found == value
        assert type(found) is type(value)

    @pytest.mark.parametrize(
        "text", ["017", ".nan", "'a", "'a' b", "'a': b", "'a', b", "x\0y", '"\\0"', "'", "\udcff"]
    )
    def test_unrepresentable_value_is_rejected(self, text: str) -> None:
        with pytest.raises(ValueError):
            read_scalar(text)


# The characters that a manifest, and thus what we write, can hold.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.text(CHARACTERS, max_size=20) | st.sampled_from(
    [
        "no",
        "1e3",
        "017",
        "0o7",
        ".nan",
        "<<",
        "=",
        "~",
        "",
        " ",
        "12:30",
        "2026-02-31",
        "a: b",
        "- a",
        "{{ x }}",
        "\n",
        "x\n\n",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18) + 1, 10**18 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4))
def test_written_yaml_reads_back(value: dict[str, Json]) -> None:
    found = read(dump_yaml(value)).plain()
    assert found == value
    assert repr(found) == repr(value)  # 1, 1.0 and true are equal in Python


@given(
    st.text(st.sampled_from("ab:-[]{},*&!|>'\"#%@`?~ \n\t\\<=0.5e"), max_size=60)
    | st.text(max_size=40)
    | st.binary(max_size=40)
)
def test_any_file_is_read_or_rejected_with_a_position(content: str | bytes) -> None:
    found: tuple[Problem, ...] | None = None
    try:
        read(content)
    except InvalidInput as error:
        found = error.problems
    assert found is None or (found and all(problem.position and problem.message for problem in found))


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), VALUES, min_size=1, max_size=6))
def test_key_position_matches_the_text(value: dict[str, Json]) -> None:
    text = dump_yaml(value)
    node = read(text)
    for key in value:
        child = node.child(key)
        assert child is not None
        assert text.split("\n")[child.key_line - 1][child.key_column - 1 :].startswith(
            (key, f'"{key}"', f"'{key}'")
        )


def test_deepest_allowed_nesting_is_usable() -> None:
    depth = DEEPEST
    node = read("[" * depth + "]" * depth)
    assert dump_yaml(node.plain())
    assert merge(node, node).plain() == node.plain()
