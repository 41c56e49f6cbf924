"""The compiled schemas accept exactly what the schema library accepts."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.documents import schema
from pipeline.documents.schema_compiler import _KEYWORDS, compile_schema
from pipeline.documents.schema_findings import make_validator
from pipeline.documents.yaml_reader import read_yaml
from pipeline.json_values import Json

ROOT = Path(__file__).parents[3]
TESTS = ROOT / "tests"
MIXED = TESTS / "golden" / "mixed"


def plain(path: Path) -> Any:
    return read_yaml(path, path.name).root.plain()


def saved_plan() -> Json:
    plan = json.loads((MIXED / "plan.json").read_text("utf-8"))
    arguments = {"vars": {"a": [1]}, "select": ["a"], "exclude": [], "replace": [], "retry_failed": False}
    head = {"version": 1, "campaign": "mixed", "manifest": "campaign.yaml"}
    for action in plan["actions"][:5]:
        action |= {"fingerprint": f"v1:{'0' * 64}", "bought": 1}
    return {**head, "arguments": {**arguments, "emulate": True}, **plan, "actions": plan["actions"][:9]}


def printed_plan() -> Json:
    plan = json.loads((MIXED / "plan.json").read_text("utf-8"))
    return {"campaign": "mixed", **plan, "actions": plan["actions"][:3]}


def results() -> Json:
    found = json.loads((MIXED / "mixed.results.json").read_text("utf-8"))
    return {**found, "jobs": found["jobs"][:9], "purchases": found["purchases"]}


# Valid documents that use much of their schemas.
SOUND: dict[str, list[Json]] = {
    "campaign": [
        plain(MIXED / "campaign.yaml"),
        plain(TESTS / "manifests" / "valid" / "everything.yaml"),
        plain(ROOT / "manifests" / "base.yaml"),
        plain(ROOT / "examples" / "quickstart" / "campaign.yaml"),
    ],
    "catalog": [
        plain(ROOT / "pipeline" / "manifest" / "catalog.yaml"),
        plain(TESTS / "manifests" / "valid" / "my-templates.yaml"),
    ],
    "decisions": [plain(MIXED / "mixed.decisions.yaml")],
    "plan": [saved_plan(), {"campaigns": [printed_plan(), printed_plan()]}],
    "results": [results()],
}

KEYS = st.sampled_from(
    ["id", "name", "path", "url", "version", "x", "options", "image", "a b", "", "x-1", "\n", "9"]
)
SCALARS = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        -1,
        1.0,
        0.5,
        2,
        10**9,
        10**20,
        "",
        "1",
        "a",
        "A b",
        "x" * 201,
        "\n",
        "é",
        "60m",
        "https://a.example/x.png",
    ]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=5,
)


def positions(value: Any) -> list[tuple[Any, Any]]:
    """Every list and mapping in a value, with each of its indexes or keys."""
    inner = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value))
        if isinstance(value, list)
        else []
    )
    return [(value, key) for key, _ in inner] + [
        position for _, each in inner for position in positions(each)
    ]


@st.composite
def damaged(draw: st.DrawFn, name: str) -> Json:
    """A valid document, changed in up to three positions, which often makes it invalid."""
    document = copy.deepcopy(draw(st.sampled_from(SOUND[name])))
    for _ in range(draw(st.integers(0, 3))):
        if not (known := positions(document)):
            break
        holder, key = draw(st.sampled_from(known))
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                holder[key] = draw(VALUES)
            case "remove":
                del holder[key]
            case _ if isinstance(holder, dict):
                holder[draw(KEYS)] = draw(VALUES)
            case _:
                holder.append(draw(VALUES))
    return draw(VALUES) if draw(st.integers(0, 50)) == 0 else document


def judged(name: str) -> Callable[[Json], bool]:
    """Whether the schema library accepts a value."""
    return make_validator(schema.load(name)).is_valid


@pytest.mark.parametrize("name", schema.CHECKED)
class TestOurSchemas:
    def test_valid_document_is_accepted(self, name: str) -> None:
        for document in SOUND[name]:
            assert judged(name)(document)
            assert schema.is_valid(document, name)

    def test_every_keyword_of_our_schemas_is_supported(self, name: str) -> None:
        whole = schema.load(name)
        parts = whole.get("$defs", {})
        assert isinstance(parts, dict)
        for part in ("", *parts):
            compile_schema({**whole, "$ref": f"#/$defs/{part}"} if part else whole)(None)

    def test_damaged_document_is_judged_as_by_the_library(self, name: str) -> None:
        expected = judged(name)

        @given(damaged(name))
        def same(document: Json) -> None:
            assert schema.is_valid(document, name) == expected(document)

        same()


SMALL = st.integers(0, 3)
FEW = st.sampled_from(["a", "b", "x"])
TYPES = st.sampled_from(["array", "boolean", "integer", "null", "number", "object", "string"])
CONSTANTS = st.sampled_from([None, True, False, 0, 1, 1.0, "a", "1"])
NAMES = st.lists(FEW, max_size=2, unique=True)
SIMPLE: st.SearchStrategy[Any] = (
    st.booleans() | st.fixed_dictionaries({"type": TYPES}) | st.fixed_dictionaries({"const": CONSTANTS})
)
SEVERAL = st.lists(SIMPLE, min_size=1, max_size=3)
NAMED = st.dictionaries(FEW, SIMPLE, max_size=3)
NONE: dict[str, st.SearchStrategy[Any]] = {}
OF_TEXTS = {"pattern": st.sampled_from(["a", "^a", "[0-9]$", "^$"]), "minLength": SMALL, "maxLength": SMALL}

# Each keyword with its possible values, and the neighbours that affect its meaning.
KEYWORDS: dict[str, tuple[st.SearchStrategy[Any], dict[str, st.SearchStrategy[Any]]]] = {
    "$ref": (st.sampled_from(["#/$defs/text", "#/$defs/tree", "#/$defs/tree/items"]), NONE),
    "additionalProperties": (SIMPLE, {"properties": NAMED}),
    "allOf": (SEVERAL, NONE),
    "anyOf": (SEVERAL, NONE),
    "const": (CONSTANTS, NONE),
    "dependentRequired": (st.dictionaries(FEW, NAMES, max_size=2), NONE),
    "enum": (st.lists(CONSTANTS, min_size=1, max_size=3), NONE),
    "exclusiveMaximum": (SMALL, NONE),
    "exclusiveMinimum": (SMALL, NONE),
    "if": (SIMPLE, {"then": SIMPLE, "else": SIMPLE}),
    "items": (SIMPLE, NONE),
    "maxItems": (SMALL, NONE),
    "maxProperties": (SMALL, NONE),
    "maximum": (SMALL, NONE),
    "minItems": (SMALL, NONE),
    "minProperties": (SMALL, NONE),
    "minimum": (SMALL, NONE),
    "not": (SIMPLE, NONE),
    "oneOf": (SEVERAL, NONE),
    "patternProperties": (
        st.dictionaries(st.sampled_from(["a", "[ab]", "^$"]), SIMPLE, min_size=1, max_size=2),
        {"properties": NAMED, "additionalProperties": SIMPLE},
    ),
    "properties": (NAMED, NONE),
    "propertyNames": (st.fixed_dictionaries({}, optional=OF_TEXTS), NONE),
    "required": (NAMES, NONE),
    "type": (TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True), NONE),
    **{keyword: (rule, NONE) for keyword, rule in OF_TEXTS.items()},
}
TELL_NOTHING = {
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "default",
    "deprecated",
    "description",
    "examples",
    "title",
}
DEFINED: dict[str, Any] = {
    "text": {"type": "string", "minLength": 1},
    "tree": {"type": ["array", "integer"], "items": {"$ref": "#/$defs/tree"}},
}
# Values on which keywords differ: numbers around their bounds, and values that Python considers equal.
NEAR = st.sampled_from(
    [*range(5), 1.0, 2.5, True, False, None, "", "a", "1", "ba", "abcd", [], [1], [True], {}, {"a": 1}]
)
JUDGED = NEAR | st.lists(NEAR, max_size=4) | st.dictionaries(FEW, NEAR, max_size=3) | VALUES


def agree(made: dict[str, Any], value: Json) -> None:
    """Assert that the compiled schema and the library agree."""
    whole = {**made, "$defs": DEFINED}
    assert compile_schema(whole)(value) == make_validator(whole).is_valid(value)


class TestAnySchema:
    def test_every_supported_keyword_is_tested(self) -> None:
        assert {*KEYWORDS, "then", "else", *TELL_NOTHING} == set(_KEYWORDS)

    @pytest.mark.parametrize("keyword", KEYWORDS)
    def test_keyword_means_the_same_as_in_the_library(self, keyword: str) -> None:
        rule, beside = KEYWORDS[keyword]
        given(st.fixed_dictionaries({keyword: rule}, optional=beside), JUDGED)(agree)()

    @pytest.mark.parametrize("value", [{"a": "long"}, {"a": "x"}, {"a": 5}, {"b": 5}, {"x": 5}], ids=str)
    def test_known_name_that_matches_a_pattern_must_satisfy_both(self, value: Json) -> None:
        text, long = {"type": "string"}, {"minLength": 2}
        agree(
            {"patternProperties": {"[ab]": text}, "properties": {"a": long}, "additionalProperties": False},
            value,
        )

    @given(st.data(), st.sets(st.sampled_from(sorted(KEYWORDS)), min_size=2, max_size=3), JUDGED)
    def test_combined_keywords_mean_the_same_as_in_the_library(
        self, data: st.DataObject, keywords: set[str], value: Json
    ) -> None:
        agree({keyword: data.draw(KEYWORDS[keyword][0]) for keyword in sorted(keywords)}, value)

    @pytest.mark.parametrize(
        "unknown",
        [
            {"uniqueItems": True},
            {"properties": {"a": {"minContains": 1}}},
            {"enum": [[1]]},
            {"$ref": "https://a.example/schema.json"},
        ],
        ids=str,
    )
    def test_unknown_keyword_is_rejected(self, unknown: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"not known|not supported|another document"):
            compile_schema(unknown)
