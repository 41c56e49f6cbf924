"""Only texts of names and dots are rendered without Jinja, with the same result."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.documents.scalars import resolve
from pipeline.manifest.templating import TemplateError
from pipeline.manifest.templating.dotted import Declined, Named, parts_of, text_of, value_of
from pipeline.manifest.templating.jinja import JinjaTemplate
from pipeline.manifest.texts import TextTemplate

# Existing names, and words that mean something else to Jinja, in some places or in all.
WORDS = [
    "a",
    "b",
    "name",
    "x1",
    "A_b",
    "items",
    "loop",
    "range",
    "true",
    "True",
    "none",
    "None",
    "false",
    "self",
]
WORDS += [
    "not",
    "and",
    "or",
    "in",
    "is",
    "if",
    "else",
    "for",
    "set",
    "raw",
    "super",
    "caller",
    "_a",
    "ä",
    "1",
    "",
]
NAMES = st.sampled_from(WORDS)
FEW = st.sampled_from(["a", "b", "name", "x1"])
BLANKS = st.sampled_from(["", " ", "  ", "\t", "\n", "-", "+", " -"])
LITERALS = st.sampled_from(
    [
        "",
        "text ",
        "é 日本",
        "{",
        "}",
        "}}",
        "%}",
        "#}",
        "\n",
        "\r",
        "\r\n",
        "{# no #}",
        "{% raw %}",
        "{{",
        "\0",
        "\ud800",
        ".",
    ]
)
PLAIN: st.SearchStrategy[Any] = st.sampled_from(
    [
        "",
        "blue",
        "{{ a }}",
        "é",
        "\0",
        "\udc00",
        "x" * 40_000,
        0,
        5,
        -1,
        2.5,
        1e300,
        10**30,
        True,
        False,
        None,
        Named("named", {"name": "its name", "vars": {"a": "b"}}),
        resolve("19.90"),
        resolve("+5"),
    ]
)
DATA: st.SearchStrategy[Any] = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(FEW, inner, max_size=3)
        | st.dictionaries(FEW, inner, max_size=3).map(MappingProxyType)
    ),
    max_leaves=8,
)


@st.composite
def chains(draw: st.DrawFn) -> str:
    """Names in braces, mostly ones that are rendered without Jinja."""
    if draw(st.integers(0, 3)):
        names = [draw(st.sampled_from(["a", "b"])), *draw(st.lists(FEW, max_size=2))]
        return f"{{{{ {'.'.join(names)} }}}}"
    names = draw(st.lists(NAMES, min_size=1, max_size=4))
    return f"{{{{{draw(BLANKS)}{'.'.join(names)}{draw(BLANKS)}}}}}"


SOURCES = st.lists(LITERALS | chains(), min_size=1, max_size=4).map("".join)
SCOPES = st.fixed_dictionaries({"a": DATA, "b": DATA}, optional={"name": DATA, "loop": DATA, "range": DATA})

Outcome = tuple[str, str, object]


def outcome(render: Callable[[], object]) -> Outcome:
    """The outcome: a value and its type, or the message and its line."""
    try:
        value = render()
    except TemplateError as error:
        return ("error", error.message, error.line)
    return ("value", repr(value), type(value))


def jinja(source: str) -> JinjaTemplate | None:
    """The template as compiled for Jinja; None if it is refused."""
    try:
        return JinjaTemplate(source)
    except TemplateError:
        return None


@given(SOURCES)
def test_accepted_template_is_valid_in_jinja_with_the_same_names(source: str) -> None:
    parts = parts_of(source)
    if parts is None or all(isinstance(part, str) for part in parts):
        return
    template = jinja(source)
    assert template is not None
    assert TextTemplate.compile(source).names == template.names
    assert TextTemplate.compile(source).is_expression == template.is_expression
    assert TextTemplate.compile(source).shown == template.shown
    assert TextTemplate.compile(source).names_in_vars == template.names_in_vars


@given(
    st.sampled_from(["vars", "vars.a", "vars.b.c", "a.vars", "x"]), st.sampled_from(["vars", "vars.a", "b"])
)
def test_names_in_vars_are_those_jinja_sees(one: str, other: str) -> None:
    source = f"{{{{ {one} }}}}-{{{{ {other} }}}}"
    assert TextTemplate.compile(source).names_in_vars == JinjaTemplate(source).names_in_vars


@given(SOURCES, SCOPES)
@example("{{ a }}{{ b }}", {"a": "x" * 40_000, "b": "x" * 40_000})
@example("{{ a.name }}", {"a": Named("text", {"name": "its name"})})
@example("{{ a }}", {"a": Named("text", {"name": "its name"})})
@example("{{ a }}", {"a": [Named("text", {"name": "its name"})]})
@example("{{ a }}\n", {"a": True})
@example("{{ a.upper }}", {"a": Named("text", {"name": "its name"})})
def test_rendered_result_equals_that_of_jinja(source: str, scope: Mapping[str, object]) -> None:
    parts = parts_of(source)
    if parts is None or (template := jinja(source)) is None:
        return
    with suppress(Declined):
        assert outcome(lambda: text_of(parts, scope)) == outcome(lambda: template.render_text(scope))
    if template.is_expression:
        with suppress(Declined):
            assert outcome(lambda: value_of(parts, scope)) == outcome(lambda: template.render_value(scope))


@given(SOURCES, SCOPES)
def test_errors_equal_those_of_jinja(source: str, scope: Mapping[str, object]) -> None:
    template = jinja(source)
    if template is None or not any(delimiter in source for delimiter in ("{{", "{%", "{#")):
        return
    ours = TextTemplate.compile(source)
    assert outcome(lambda: ours.render_text(scope)) == outcome(lambda: template.render_text(scope))
    if template.is_expression:
        assert outcome(lambda: ours.render_value(scope)) == outcome(lambda: template.render_value(scope))


@pytest.mark.parametrize(
    "source",
    [
        "{{ image.vars.name }} in {{ season }}",
        "{{prompt}}",
        "{{ job.key }}\n",
        "a } b }} {{ x }}} %} #}",
    ],
)
def test_dotted_names_are_accepted(source: str) -> None:
    assert parts_of(source) is not None


@pytest.mark.parametrize(
    "source",
    [
        *("{{ a | upper }}", "{{ a[b] }}", "{{ a.0 }}", "{{ a + b }}", "{{ 'a' }}", "{{ 5 }}", "{{ a() }}"),
        *("{{ true }}", "{{ not }}", "{{ self }}", "{{ self.a }}", "{{ _a }}", "{{ a._b }}", "{{ ä }}"),
        *(
            "{{- a }}",
            "{{ a -}}",
            "{{ a",
            "{{{ a }}",
            "{% if a %}{% endif %}",
            "{# a #}{{ a }}",
            "a\r\n{{ a }}",
        ),
        *("{{ a }}" * 201, f"{{{{ {'a.' * 20}a }}}}"),
    ],
)
def test_anything_else_is_left_to_jinja(source: str) -> None:
    assert parts_of(source) is None


@pytest.mark.parametrize(
    ("source", "scope"),
    [
        ("{{ a }}", {}),
        ("{{ a.b }}", {"a": {}}),
        ("{{ a.b }}", {"a": "text"}),
        ("{{ a.upper }}", {"a": "text"}),
        ("{{ a.name }}", {"a": "text"}),
        ("{{ a }}!", {"a": [1]}),
        ("{{ a }}!", {"a": {"b": 1}}),
        ("{{ a }}!", {"a": "\0"}),
        ("{{ a }}{{ a }}", {"a": "x" * 40_000}),
    ],
    ids=str,
)
def test_failed_lookup_is_left_to_jinja_for_its_error(source: str, scope: dict[str, object]) -> None:
    parts = parts_of(source)
    assert parts is not None
    with pytest.raises(Declined):
        text_of(parts, scope)
    with pytest.raises(TemplateError):
        TextTemplate.compile(source).render_text(scope)


def test_jinja_is_not_loaded_for_dotted_names() -> None:
    program = """
import json, sys
from pipeline.manifest.texts import TextTemplate
before = TextTemplate.compile("{{ a.b }}, {{ c }}").render_text({"a": {"b": "x"}, "c": 5})
early = "jinja2" in sys.modules
after = TextTemplate.compile("{{ c + 1 }}").render_value({"c": 5})
print(json.dumps([before, early, after, "jinja2" in sys.modules]))
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert json.loads(said) == ["x, 5", False, 6, True]


@pytest.mark.parametrize("value", [[1], {"b": 1}, MappingProxyType({"b": 1})], ids=str)
def test_list_or_mapping_is_left_to_jinja_to_copy_and_count(
    value: object,
) -> None:
    parts = parts_of("{{ a }}")
    assert parts is not None
    with pytest.raises(Declined):
        value_of(parts, {"a": value})
    assert TextTemplate.compile("{{ a }}").render_value({"a": value}) is not value
