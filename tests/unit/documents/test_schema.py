import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.documents import schema, schema_messages
from pipeline.documents.node import Document, SourceFile, merge
from pipeline.documents.schema_findings import findings, make_validator
from pipeline.documents.schema_terms import FORMS
from pipeline.documents.yaml_reader import parse_yaml
from pipeline.errors import Problem
from pipeline.json_values import Json

TEXT: Json = {"type": "string", "minLength": 1}


def with_key(key: str) -> Json:
    properties: Json = {key: TEXT, "id": TEXT}
    return {"type": "object", "additionalProperties": False, "required": [key], "properties": properties}


SHAPES: dict[str, Json] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "kind"],
    "properties": {
        "id": {
            "type": "string",
            "description": "Lower case letters only. More is not told.",
            "pattern": "^[a-z]+$",
            "examples": ["blue"],
        },
        "kind": {"enum": ["circle", "square", None]},
        "version": {"type": "integer", "const": 1},
        "size": {"type": ["integer", "null"], "minimum": 1, "maximum": 9},
        "share": {"type": "number", "exclusiveMinimum": 0},
        "title": {"type": "string", "minLength": 1, "maxLength": 5},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3},
        "names": {"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}, "minProperties": 1},
        "item": {"oneOf": [TEXT, with_key("path"), with_key("url")]},
    },
}


@pytest.fixture(autouse=True)
def _named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_messages, "FORMS", {**FORMS, "^[a-z]+$": "one lower-case word"})


def told(text: str, rules: dict[str, Json] = SHAPES) -> list[str]:
    """The problems of a document, by position, path and message."""
    document = Document(parse_yaml(text, SourceFile(Path("c.yaml"), "c.yaml", "")))
    validator = make_validator(rules)
    return [
        str(document.problem(each.message, *each.path, at_key=each.at_key))
        for each in findings(document.root.plain(), validator)
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("vesion: 1", "c.yaml:3:1: vesion: unknown key; did you mean 'version'?"),
        ("id2: {a: 1}", "c.yaml:3:1: id2: unknown key; did you mean 'id'?"),
        ("item.path: x", """c.yaml:3:1: ["item.path"]: unknown key; write 'path' below 'item'"""),
        (
            "zzz: 1",
            "c.yaml:3:1: zzz: unknown key; expected one of id, kind, version, size, …",
        ),
        ("version: 2", "c.yaml:3:10: version: expected 1, found 2"),
        ("version: '1'", "c.yaml:3:10: version: expected 1, found the text '1'"),
        ("size: 5,000", "c.yaml:3:7: size: expected a whole number, found the text '5,000'; write 5000"),
        ("size: a", "c.yaml:3:7: size: expected a whole number, found the text 'a'"),
        ("size: 1.0", "c.yaml:3:7: size: expected a whole number, found the number 1.0"),
        ("size: true", "c.yaml:3:7: size: expected a whole number, found true"),
        ("size: 0", "c.yaml:3:7: size: expected at least 1, found 0"),
        ("size: 10", "c.yaml:3:7: size: expected at most 9, found 10"),
        ("share: 0", "c.yaml:3:8: share: expected more than 0, found 0"),
        ("title: ''", "c.yaml:3:8: title: expected a text that is not empty"),
        ("title: sixsix", "c.yaml:3:8: title: expected at most 5 characters, found 6"),
        ("title: ~", "c.yaml:3:8: title: expected a text, found nothing"),
        ("tags: 5", "c.yaml:3:7: tags: expected a list of texts, found the number 5"),
        ("tags: []", "c.yaml:3:7: tags: expected at least 1 in the list, found 0"),
        ("tags: [a, 5]", "c.yaml:3:11: tags[1]: expected a text, found the number 5"),
        ("names: {B: 1}", "c.yaml:3:9: names.B: wrong key: expected one lower-case word; found 'B'"),
        (
            "item: true",
            "c.yaml:3:7: item: expected a text, a mapping with 'path' or a mapping with 'url', found true",
        ),
        ("item: ''", "c.yaml:3:7: item: expected a text that is not empty"),
        ("item: {paht: x}", "c.yaml:3:8: item.paht: unknown key; did you mean 'path'?"),
        ("item: {id: x}", "c.yaml:3:1: item: missing key: expected one of 'path', 'url'"),
        ("item: {path: x, url: y}", "c.yaml:3:17: item.url: 'url' cannot be used together with 'path'"),
        ("item: {url: 5, id: x}", "c.yaml:3:13: item.url: expected a text, found the number 5"),
        ("item: {path: ''}", "c.yaml:3:14: item.path: expected a text that is not empty"),
    ],
)
def test_error_says_what_was_expected(line: str, problem: str) -> None:
    [found] = told(f"id: blue\nkind: circle\n{line}\n")
    beginning, cut, _ = problem.partition(", …")
    assert found.startswith(beginning) if cut else found == problem


def test_invalid_choice_suggests_the_nearest() -> None:
    assert told("id: blue\nkind: cirle\n") == [
        "c.yaml:2:7: kind: expected one of 'circle', 'square', found 'cirle'; did you mean 'circle'?"
    ]


def test_pattern_mismatch_is_explained_with_an_example() -> None:
    assert told("id: Blue\nkind: circle\n") == [
        "c.yaml:1:5: id: expected one lower-case word, for example 'blue'; found 'Blue'"
    ]


def patterns(rules: Json) -> Iterator[str]:
    """Every pattern of a schema."""
    match rules:
        case dict():
            if isinstance(pattern := rules.get("pattern"), str):
                yield pattern
            for inner in rules.values():
                yield from patterns(inner)
        case list():
            for inner in rules:
                yield from patterns(inner)


def test_every_pattern_has_a_description() -> None:
    used = {pattern for name in schema.CHECKED for pattern in patterns(schema.load(name))}
    assert used == set(FORMS)


def test_malformed_time_is_reported_with_a_corrected_form() -> None:
    document: Json = {"version": 1, "purchases": [{"bought_at": "yesterday"}]}
    assert "purchases[0].bought_at: expected a time in UTC, like 2026-03-01T12:00:00Z; found 'yesterday'" in (
        schema.check_json(document, "results")
    )


def test_each_missing_key_is_reported_once_at_its_mapping() -> None:
    inner: dict[str, Json] = {"type": "object", "properties": {"shape": SHAPES}}
    assert told("shape:\n  size: 5\n", inner) == [
        "c.yaml:1:1: shape: missing key 'id'",
        "c.yaml:1:1: shape: missing key 'kind'",
    ]


def test_all_errors_are_reported_at_once() -> None:
    assert len(told("id: 5\nkind: x\nsize: a\ntags: [1, 2]\nfoo: 1\n")) == 6


@pytest.mark.parametrize("key", ["base_url", "api_key", "proxy", "webhook_url"])
def test_key_reserved_for_the_operator_is_explained(key: str) -> None:
    assert told(f"id: a\nkind: circle\n{key}: x\n") == [
        f"c.yaml:3:1: {key}: unknown key; only the operator sets this, by a flag or the environment"
    ]


def test_message_never_contains_a_large_value() -> None:
    problems = told(f"id: {'X' * 5000}\nkind: {'y' * 5000}\n{'k' * 1000}: 1\n")
    assert len(problems) == 3
    assert all(len(problem) < 300 for problem in problems)


def test_problems_are_sorted_by_position_within_their_file() -> None:
    base = parse_yaml("version: 1\njobs: [{id: 5}]\n", SourceFile(Path("b.yaml"), "b.yaml", ""))
    text = "version: 1\nfoo: 1\nname: x\ntemplates: {o: {}}\n"
    over = parse_yaml(text, SourceFile(Path("a.yaml"), "a.yaml", ""))
    problems: list[Problem] = schema.check(Document(merge(base, over)), "campaign")
    assert [str(problem.position) for problem in problems] == ["a.yaml:2:1", "a.yaml:4:13", "b.yaml:2:13"]


def test_json_problem_is_reported_by_path() -> None:
    assert schema.check_json({"version": 1, "jobs": [{"id": "x", "repeat": 0}]}, "campaign") == [
        "jobs[0].repeat: expected at least 1, found 0"
    ]
    assert schema.check_json([], "campaign") == ["expected a mapping with 'version', found a list"]


def test_too_deep_json_is_reported() -> None:
    recursive: dict[str, Json] = {"items": {"$ref": "#"}}
    value: Json = []
    for _ in range(3000):
        value = [value]
    [finding] = findings(value, make_validator(recursive))
    assert finding.message == "nested too deeply"


@pytest.mark.parametrize("name", ["campaign", "catalog"])
def test_packaged_schema_is_valid(name: str) -> None:
    loaded = schema.load(name)
    make_validator(loaded).check_schema(loaded)
    assert loaded == json.loads(schema.text(name))


@pytest.mark.parametrize("name", ["../campaign", "none", ""])
def test_unknown_schema_name_is_rejected(name: str) -> None:
    with pytest.raises(KeyError):
        schema.text(name)


@pytest.mark.parametrize("reference", ["http://127.0.0.1:9/x.json", "file:///etc/hostname"])
def test_external_reference_is_not_followed(reference: str) -> None:
    # In a separate process, as an audit hook cannot be removed.
    program = """
import sys
def watch(event, arguments):
    if event.startswith("socket.") or (event == "open" and "hostname" in str(arguments[0])):
        print("REACHED OUT", event, flush=True)
sys.addaudithook(watch)
from pipeline.documents.schema_findings import findings, make_validator
try:
    findings({}, make_validator({"$ref": sys.argv[1]}))
except Exception as error:
    print(type(error).__name__)
"""
    command = [sys.executable, "-c", program, reference]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "REACHED OUT" not in said
    assert "_WrappedReferencingError" in said


def test_only_invalid_items_of_a_long_list_are_checked_in_detail(monkeypatch: pytest.MonkeyPatch) -> None:
    item: Json = {
        "type": "object",
        "properties": {"id": {"$ref": "#/$defs/id"}},
        "propertyNames": {"maxLength": 3},
    }
    validator = make_validator({"$defs": {"id": {"type": "string"}}, "items": item})
    wrong: Json = {"id": 1}
    right: list[Json] = [{"id": str(number)} for number in range(1000)]
    long: Json = [*right, wrong, {"long name": 1}]
    looked_at = []
    descend = type(validator).descend

    def noting(self: object, instance: object, *rest: object, **options: object) -> object:
        looked_at.append(instance)
        return descend(self, instance, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(type(validator), "descend", noting)

    assert [each.path for each in findings(long, validator)] == [(1000, "id"), (1001, "long name")]
    assert wrong in looked_at
    assert len(looked_at) < 10


def test_stopped_check_is_reported() -> None:
    found = told("".join(f"key{number}: 1\n" for number in range(1000)))
    assert len(found) == 201
    assert found[-1].endswith("too many problems: checking stops here, and there may be more")


def test_grammars_are_compiled_only_for_who_checks_a_value_by_one(tmp_path: Path) -> None:
    """The schema library would compile them as it is imported: nothing else that a command does takes as long."""
    compiling = "print('compiled')\ndef is_valid_syntax(term, value): return value == 'sound'\n"
    (tmp_path / "rfc3987_syntax.py").write_text(compiling, encoding="utf-8")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pipeline.documents.schema import findings\n"
        "print(len(findings([], 'results')) > 0)\n"
        "import jsonschema\n"
        "print([jsonschema.FormatChecker().conforms(each, 'iri') for each in ('sound', 'odd')])\n"
    )

    ended = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)

    assert ended.stdout.splitlines() == ["True", "compiled", "[True, False]"]
