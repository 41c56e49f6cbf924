import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifest.limited import outcomes
from pipeline.json_values import Json
from pipeline.manifest.templating import TemplateError
from pipeline.manifest.templating.dotted import Named
from pipeline.manifest.templating.sandbox import ENVIRONMENT
from pipeline.manifest.texts import TextTemplate

SCOPE: dict[str, object] = {
    "season": "spring",
    "image": {"id": "blue", "vars": {"name": "Blue Runner"}},
    "prompt": Named("a walk {{ 7 * 7 }}", {"name": "walk"}),
    "style": Named("noir", {"id": "noir", "vars": {"positive": "dark"}}),
    "backgrounds": {"beach": "https://cdn/beach.mp4"},
    "background": "beach",
    "duration": 5,
    "share": 0.5,
    "long": True,
    "nothing": None,
    "items": "a data value, not a method",
    "sizes": [3, 1, 2],
    "names": ["b", "A", "b"],
    "pairs": [["a", 1], ["b", 2]],
}


def value(source: str, **scope: object) -> Json:
    return TextTemplate.compile(source).render_value({**SCOPE, **scope})


def text(source: str, **scope: object) -> str:
    return TextTemplate.compile(source).render_text({**SCOPE, **scope})


def error(source: str, **scope: object) -> TemplateError:
    with pytest.raises(TemplateError) as caught:
        value(source, **scope)
    return caught.value


class TestValues:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            *(("{{ duration }}", 5), ("{{ share }}", 0.5), ("{{ long }}", True), ("{{ nothing }}", None)),
            *(("{{ sizes }}", [3, 1, 2]), ("{{ backgrounds }}", {"beach": "https://cdn/beach.mp4"})),
            *(
                ("{{ duration + 1 }}", 6),
                ("{{ duration / 2 }}", 2.5),
                ("{{ -duration }}", -5),
                ("{{ 7 // 2 }}", 3),
            ),
            *(
                ("{{ [1, {'a': long}] }}", [1, {"a": True}]),
                ("{{ (1, 2) }}", [1, 2]),
                ("{{ 'a' + 'b' }}", "ab"),
            ),
            *(("{{ 5 if long }}", 5), ("{{ 5 if not long }}", None), ("{{ 1 < 2 <= 2 }}", True)),
            *(("{{ duration in sizes or image.id == 'blue' }}", True), ("{{ duration == '5' }}", False)),
            *(("{{ duration }}\n", 5), ("{{ 1 }} ", "1 "), ("5", "5"), ("", "")),
        ],
    )
    def test_single_expression_keeps_its_type_and_anything_else_is_text(
        self, source: str, expected: Json
    ) -> None:
        found = value(source)
        assert found == expected
        assert type(found) is type(expected)

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("{{ image.vars.name }} in {{ season }}", "Blue Runner in spring"),
            ("{{ backgrounds[background] }}", "https://cdn/beach.mp4"),
            ("{{ long }} {{ nothing }} {{ share }} {{ duration }}", "true  0.5 5"),
            ("{{ long ~ duration ~ nothing }}!", "true5!"),
            (
                "{% for x in sizes %}{{ loop.index }}:{{ x }}{{ ', ' if not loop.last }}{% endfor %}",
                "1:3, 2:1, 3:2",
            ),
            ("{% for name, n in pairs if n > 1 %}{{ name }}{% else %}none{% endfor %}", "b"),
            ("{% for key in backgrounds %}{{ key }}{% endfor %}", "beach"),
            ("{% if long %}yes{% elif nothing %}no{% endif %}", "yes"),
            ("{# a note #}{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
            ("a\r\nb {{ 1 }}\n", "a\nb 1"),
            ("plain text }} with a line feed\n", "plain text }} with a line feed"),
        ],
    )
    def test_text_is_rendered(self, source: str, expected: str) -> None:
        assert text(source) == expected

    def test_rendered_text_is_not_rendered_again(self) -> None:
        assert value("{{ prompt }}") == "a walk {{ 7 * 7 }}"
        assert text("{{ prompt }}, {{ prompt.name }}") == "a walk {{ 7 * 7 }}, walk"

    def test_named_text_is_returned_as_a_plain_string(self) -> None:
        assert type(value("{{ prompt }}")) is str
        assert type(value("{{ [prompt] }}")) is list
        assert type(text("{{ prompt }}")) is str

    def test_dots_look_up_data_first(self) -> None:
        assert value("{{ scope.items ~ scope.keys }}", scope={"items": "mine", "keys": 1}) == "mine1"

    @pytest.mark.parametrize(
        ("source", "names"),
        [
            ("{{ a.b[c] | default(d) }}", {"a", "c", "d"}),
            ("{% for x in xs %}{{ x }}{{ loop.index }}{% endfor %}", {"xs"}),
            ("plain", set()),
        ],
    )
    def test_template_lists_the_names_it_uses(self, source: str, names: set[str]) -> None:
        assert TextTemplate.compile(source).names == names

    def test_template_knows_whether_it_is_one_expression(self) -> None:
        assert TextTemplate.compile("{{ a }}").is_expression
        assert not any(
            TextTemplate.compile(each).is_expression
            for each in ("{{ a }}{{ b }}", "a", " {{ a }}", "{% if a %}{% endif %}")
        )

    def test_template_is_compiled_once(self) -> None:
        assert TextTemplate.compile("{{ a }} once") is TextTemplate.compile("{{ a }} once")


class TestFilters:
    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            *(
                ("-5 | abs", 5),
                ("'ab cd' | capitalize", "Ab cd"),
                ("names | first", "b"),
                ("'abc' | last", "c"),
            ),
            *(
                ("'1.5' | float", 1.5),
                ("'x' | float(2.0)", 2.0),
                ("'12' | int", 12),
                ("'ff' | int(base=16)", 255),
            ),
            *(("'1.9' | int", 1), ("'x' | int(0)", 0), ("2.9 | int", 2), ("names | join(', ')", "b, A, b")),
            *(("sizes | length", 3), ("'AB' | lower", "ab"), ("sizes | max", 3), ("sizes | min", 1)),
            *(
                ("'aaa' | replace('a', 'b', 2)", "bba"),
                ("2.567 | round(2)", 2.57),
                ("2.1 | round(0, 'ceil')", 3.0),
            ),
            *(
                ("2.9 | round(method='floor')", 2.0),
                ("sizes | sort", [1, 2, 3]),
                ("names | sort", ["A", "b", "b"]),
            ),
            *(("sizes | sort(reverse=true)", [3, 2, 1]), ("'a, b' | split(', ')", ["a", "b"])),
            *(("' a  b ' | split", ["a", "b"]), ("5 | string", "5"), ("true | string", "true")),
            *(
                ('"don\'t stop-it" | title', "Don't Stop-It"),
                ("' a ' | trim", "a"),
                ("'xax' | trim('x')", "a"),
            ),
            *(("'hello big world' | truncate(12, leeway=0)", "hello..."), ("'hello' | truncate(4)", "hello")),
            *(("'hello world' | truncate(8, true, '…', 0)", "hello w…"), ("names | unique", ["b", "A"])),
            *(
                ("'ab' | upper", "AB"),
                ("'a b/ü' | urlencode", "a%20b/%C3%BC"),
                ("{'a': 'b c'} | urlencode", "a=b+c"),
            ),
            *(("nope | default('x')", "x"), ("'' | default('x')", ""), ("'' | default('x', true)", "x")),
            *(("nope.deep['er'] | default(1)", 1), ("image.vars.none | default(image.id)", "blue")),
            *(("[] | first | default('none')", "none"), ("[] | max | default(0)", 0)),
        ],
    )
    def test_filter_gives_its_documented_result(self, expression: str, expected: Json) -> None:
        found = value("{{ " + expression + " }}")
        assert found == expected
        assert type(found) is type(expected)

    def test_tojson_writes_plain_json(self) -> None:
        written = text("{{ data | tojson }}", data={"a": ["<b>'é'&", 1.5, None, True], "p": SCOPE["prompt"]})
        assert written == """{"a": ["<b>'é'&", 1.5, null, true], "p": "a walk {{ 7 * 7 }}"}"""

    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            *(("nope is defined", False), ("nope.x is undefined", True), ("nothing is none", True)),
            *(
                ("season is string", True),
                ("long is number", False),
                ("5 is number", True),
                ("long is boolean", True),
            ),
            *(
                ("4 is even", True),
                ("4 is odd", False),
                ("9 is divisibleby 3", True),
                ("1 is in sizes", True),
            ),
            *(
                ("'pr' is in season", True),
                ("5 is eq 5", True),
                ("5 is gt 6", False),
                ("nothing is not none", False),
            ),
        ],
    )
    def test_test_gives_its_documented_result(self, expression: str, expected: bool) -> None:
        assert value("{{ " + expression + " }}") is expected

    @pytest.mark.parametrize(
        "expression",
        [
            *(
                "'x' | int",
                "nothing | float",
                "season | join",
                "[sizes] | join",
                "season | sort",
                "[1, 'a'] | sort",
            ),
            *("'abc' | upper(1)", "5 | length", "nothing | lower", "season | split('')", "'a' | truncate(1)"),
            *("5 | round('a')", "5 | round(0, 'up')", "5 | round(99)", "'a' is even", "1 is divisibleby 0"),
            *(
                "[] | first",
                "sizes | abs",
                "sizes | string",
                "'zz' | int(base=99)",
                "5 is in 5",
                "1e300 | int",
            ),
        ],
    )
    def test_unsuitable_value_is_an_error_and_never_a_guess(self, expression: str) -> None:
        assert error("{{ " + expression + " }}").line == 1


class TestErrors:
    @pytest.mark.parametrize(
        ("source", "line", "message"),
        [
            ("{{ seson }}", 1, "'seson' is undefined; did you mean 'season'?"),
            ("a\nb {{ seson }}", 2, "'seson' is undefined; did you mean 'season'?"),
            ("{{\n\nseson | upper }} a", 3, "'seson' is undefined; did you mean 'season'?"),
            ("{{ image.vras }}", 1, "'vras' is undefined; did you mean 'vars'?"),
            ("{{ {5: 1, none: 2, 'yes': 3}.yse }}", 1, "'yse' is undefined; did you mean 'yes'?"),
            ("{{ backgrounds['beech'] }}", 1, "'beech' is undefined; did you mean 'beach'?"),
            ("{{ prompt.title }}", 1, "a text has no 'title'"),
            (
                "{{ style.positive }}",
                1,
                "'positive' is undefined, but its vars have it: write '.vars.positive'",
            ),
            ("{{ image.name }}", 1, "'name' is undefined, but its vars have it: write '.vars.name'"),
            ("{{ image['name'] }}", 1, "'name' is undefined, but its vars have it: write '.vars.name'"),
            ("{{ name == 'x' }}", 1, "'name' is undefined; did you mean 'image.vars.name'?"),
            ("{{ positive }}", 1, "'positive' is undefined; did you mean 'style.vars.positive'?"),
            ("{{ season == null }}", 1, "'null' is undefined; write 'none'"),
            ("{{ NIL }}", 1, "'NIL' is undefined; write 'none'"),
            ("{{ duration == TRUE }}", 1, "'TRUE' is undefined; write 'true'"),
            ("{{ season = 'x' }}", 1, "a single '=' compares nothing; write '=='"),
            ("{{ sizes[7] }}", 1, "there is no item 7 in a list"),
            ("{{ season | uper }}", 1, "there is no filter 'uper'; did you mean 'upper'?"),
            ("{{ season is strng }}", 1, "there is no test 'strng'; did you mean 'string'?"),
            ("a {{ sizes }}", 1, "a list cannot be part of a text; use 'join' or 'tojson'"),
            ("\n{{ 1 / 0 }}", 2, "a division by zero"),
            ("{{ season * 5 }}", 1, "expected a number, found a text"),
            ("{{ season + 5 }}", 1, "expected a number, found a text"),
            ("{{ long + 1 }}", 1, "expected a number, found true or false"),
            (
                "{{ season < 5 }}",
                1,
                "'<' cannot compare a text with a number; '| int' after a text makes a number of it",
            ),
            ("{{ sizes >= none }}", 1, "'>=' cannot compare a list with null"),
            ("{% for c in season %}{% endfor %}", 1, "a loop needs a list, found a text"),
            ("a\n{{ season.upper() }}", 2, "a call is not allowed"),
            ("{{ season[1:2] }}", 1, "a slice is not allowed"),
            ("\n{% set x = 1 %}", 2, "'set' is not allowed"),
            ("{% include 'x' %}", 1, "'include' is not allowed"),
            ("{{ a", 1, "unexpected end of template"),
            ("\n{% if a %}", 2, "Unexpected end of template"),
            ("\n\n{% foo %}", 3, "Encountered unknown tag 'foo'"),
            ("{{ 9999999999999999999 }}", 1, "the number becomes too large: more than 18 digits"),
            ("{{ 1e999 }}", 1, "the number becomes too large"),
            ("{{ duration if nope else 1 }}", 1, "'nope' is undefined"),
            ("{{ [nope] }}", 1, "'nope' is undefined"),
            ("{{ {'a': [nope]} | tojson }}", 1, "'nope' is undefined"),
            ("{{ nope == 1 }}", 1, "'nope' is undefined"),
            ("{{ not nope }}", 1, "'nope' is undefined"),
            ("{{ nope ~ 'a' }}", 1, "'nope' is undefined"),
            ("{{ backgrounds[nope] }}", 1, "'nope' is undefined"),
            ("{{ nope + 1 }}", 1, "'nope' is undefined"),
            ("{{ -nope }}", 1, "'nope' is undefined"),
            ("{{ nope is none }}", 1, "'nope' is undefined"),
            ("{% for x in nope %}{% endfor %}", 1, "'nope' is undefined"),
        ],
    )
    def test_error_has_its_line(self, source: str, line: int, message: str) -> None:
        found = error(source)
        assert (found.line, found.message[: len(message)]) == (line, message)
        assert str(found) == found.message

    @pytest.mark.parametrize(
        ("expression", "message"),
        [
            ("duration => 5", "there is no '=>'; write '>='"),
            ("duration =< 5", "there is no '=<'; write '<='"),
            ("duration <> 5", "there is no '<>'; write '!='"),
            ("duration === 5", "there is no '==='; write '=='"),
            ("duration !== 5", "there is no '!=='; write '!='"),
            ("long && duration", "there is no '&&'; write 'and'"),
            ("long & duration", "there is no '&'; write 'and'"),
            ("long || duration", "there is no '||'; write 'or'"),
            ("!long", "there is no '!'; write 'not'"),
            ("!(long or duration)", "there is no '!'; write 'not'"),
            ("long AND duration", "there is no 'AND'; write 'and'"),
            ("long Or duration", "there is no 'Or'; write 'or'"),
            ("NOT long", "there is no 'NOT'; write 'not'"),
            ("long ? 1 : 2", "there is no '?'; write '… if … else …'"),
            ("nope ?? 1", "there is no '??'; write '| default(…)'"),
            ("season == “spring”", "“ quotes no text here; write '…' or \"…\""),
            ("season == '&& || \\' !' || long", "there is no '||'; write 'or'"),
            ("season = '&&'", "a single '=' compares nothing; write '=='"),
            ("nope | default(1, boolean=true) 5", "expected token 'end of print statement', got 'integer'"),
            ("season 'a && b'", "expected token 'end of print statement', got 'string'"),
            ("season == 'a", "a quote, ', is opened and never closed"),
            ('season == "a', 'a quote, ", is opened and never closed'),
            ("season eq 'x'", "there is no 'eq'; write '=='"),
            ("duration ge 5", "there is no 'ge'; write '>='"),
            ("season contains 'x'", "there is no 'contains'; write '… in …'"),
            ("season is 'x'", "a test follows 'is', as in 'is defined'; to compare, write '=='"),
            ("duration is not 5", "a test follows 'is not', as in 'is defined'; to compare, write '!='"),
            ("{{ season }}", "braces inside braces; write the name without them"),
            ("image.vars.eq 5", "expected token 'end of print statement', got 'integer'"),
            # What is quoted, commented, or named so is right: the fault is elsewhere.
            ("'a}}b' = season", "a single '=' compares nothing; write '=='"),
            ("1 }}{# {{ don't }} #}{{ season = 1", "a single '=' compares nothing; write '=='"),
            (
                "1 }}{% raw %}{{ don't }}{% endraw %}{{ season = 1",
                "a single '=' compares nothing; write '=='",
            ),
            ("{'a': {'b': 1}} = \"it's\"", "a single '=' compares nothing; write '=='"),
            ("gt }}{{ eq = 1", "a single '=' compares nothing; write '=='"),
            ("season if gt else eq = 1", "a single '=' compares nothing; write '=='"),
            ("(AND) = Or", "a single '=' compares nothing; write '=='"),
            ("long and contains = 1", "a single '=' compares nothing; write '=='"),
            ("duration is gt 5 season", "expected token 'end of print statement', got 'season'"),
            ("duration is eq 5 season", "expected token 'end of print statement', got 'season'"),
            ("image.is 5", "expected token 'end of print statement', got 'integer'"),
            ("season = 1 }}{{ 'a", "a single '=' compares nothing; write '=='"),
        ],
    )
    def test_operator_of_another_language_is_answered_with_ours(self, expression: str, message: str) -> None:
        assert error("Go! {{ season }} &&\n{{ 1 }}" + f"{{{{ {expression} }}}} || !").line == 2
        told = error(f"{{{{ {expression} }}}}")
        assert told.message == message

    @pytest.mark.parametrize(
        ("start", "repeated", "end"),
        [
            ("", "{{", ""),
            ("", "{{ !", ""),
            ("", "{% '", ""),
            ("", "{# {{ ' }}", ""),
            ("{{ ", "\\'", ""),
            ("{{ '", "\\'", "\\"),
            ('{{ "', '\\"', "\\"),
            ("{{ ", "is not ", "="),
            ("{{ season ", "=", ""),
            ("{{ season = 1 ", "eq\t", "'"),
        ],
    )
    def test_slip_is_looked_for_in_one_pass(
        self, monkeypatch: pytest.MonkeyPatch, start: str, repeated: str, end: str
    ) -> None:
        read: list[int] = []
        lex = ENVIRONMENT.lex

        def counted(source: str) -> Iterator[tuple[int, str, str]]:
            read.append(len(source))
            return lex(source)

        monkeypatch.setattr(ENVIRONMENT, "lex", counted)
        source = start + repeated * 2_000 + end

        assert error(source).line == 1
        assert read in ([], [len(source)])

    @pytest.mark.parametrize("name", ["my-size", "my.size"])
    def test_name_that_needs_brackets_is_shown_in_them(self, name: str) -> None:
        names = {"id": "blue", "vars": {name: 5}}
        told = error("{{ image.vars.NAME }}".replace("NAME", name), image=names)
        assert told.message == f"'my' is undefined; write '{name}' in brackets: …['{name}']"
        assert value("{{ image.vars['NAME'] }}".replace("NAME", name), image=names) == 5

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            (
                "{% for x in sizes %}" * 3 + "{% endfor %}" * 3,
                "the template is too large, or too deeply nested",
            ),
            ("{{ " + "not " * 50 + "1 }}", "the template is too large, or too deeply nested"),
            ("{{ 1 }}" * 2100, "the template is too large, or too deeply nested"),
            ("{{ _value }}", "the name '_value' is not allowed"),
            ("{{ self }}", "the name 'self' is not allowed"),
            ("{% for x in sizes recursive %}{{ x }}{% endfor %}", "a recursive loop is not allowed"),
            ("{{ season | replace(*names) }}", "arguments with * are not allowed"),
            ("{% for x in sizes %}{{ loop.cycle }}{% endfor %}", "something else has no 'cycle'"),
            ("{{ (long_text + long_text) | length }}", "a text of 80,000 characters"),
            ("{{ sizes | join(long_text) | length }}", "a text of 80,003 characters"),
            ("{{ numbers | join(long_text) }}", "the joined text becomes too long"),
            ("{{ long_text | replace('x', 'xx') | length }}", "'replace' makes the text too long"),
            (
                "{% for x in numbers %}{{ long_text }}{% endfor %}",
                "the text becomes too long: more than 65,536",
            ),
        ],
        ids=lambda value: value[:50],
    )
    def test_costly_or_unsafe_template_is_rejected_for_that_reason(self, source: str, message: str) -> None:
        found = error(source, long_text="x" * 40_000, numbers=list(range(50)))
        assert found.message.startswith(message)

    def test_rendered_text_is_limited_to_64_kib(self) -> None:
        assert len(text("{{ a }}b", a="x" * 65_535)) == 65_536
        assert "65,537 characters (65,537 bytes)" in error("{{ a }}", a="x" * 65_537).message
        assert "(65,537 bytes)" in error("{{ a }}b", a="é" * 32_768).message

    def test_plain_text_may_exceed_the_template_limit(self) -> None:
        assert len(text("x" * 60_000)) == 60_000
        assert "longer than 16,384 bytes" in error("{{ a }}" + "x" * 16_384).message

    def test_loop_is_limited_to_256_items(self) -> None:
        source = "{% for x in xs %}.{% endfor %}"
        assert text(source, xs=list(range(256))) == "." * 256
        assert "257 items; at most 256" in error(source, xs=list(range(257))).message


HOSTILE = [
    # more memory or time than there is
    *("{{ 'a' * 10**9 }}", "{{ 'a' * 1000000000 }}", "{{ [0] * 1000000000 }}", "{{ 'a' * big * big }}"),
    *("{{ '%1000000000d' % 1 }}", "{{ '{:>1000000000}'.format(1) }}", "{{ '%1000000000d' | format(1) }}"),
    *(
        "{{ 10 ** 10 ** 10 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ range(999999999) | list }}",
        "{{ range(99999) | join }}",
    ),
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% for a in xs %}{% for b in xs %}{% endfor %}{% endfor %}",
    "{% for a in few %}{% for b in few %}{% for c in few %}{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in few %}{% for b in few %}" + "{{ '' }}" * 1900 + "{% endfor %}{% endfor %}",
    "{% for a in few %}{% for b in few %}{{ '' if xs == xs }}{% endfor %}{% endfor %}",
    "{% for a in few %}{% for b in few %}{{ '' if -1 in xs }}{% endfor %}{% endfor %}",
    "{% for a in few %}{% for b in few %}{{ '' if -1 is in xs }}{% endfor %}{% endfor %}",
    "{% for a in few %}{% for b in few %}{{ xs | sort | length }}{% endfor %}{% endfor %}",
    "{% for a in few %}{% for b in few if text | title | lower | upper == '' %}{% endfor %}{% endfor %}",
    "{% for a in few %}{% for b in few %}{{ '' if data | tojson == '' }}{% endfor %}{% endfor %}",
    "{% for a in few %}{% for b in few %}{{ text }}{% endfor %}{% endfor %}",
    "{{ [" + "xs, " * 500 + "] }}",
    "{{ [" + "xs, " * 500 + "] | tojson }}",
    *("{{ xs | batch(2) | list }}", "{{ 'a' | slice(1000000000) | list }}", "{{ 'a' | center(1000000000) }}"),
    *("{{ text | indent(1000000000) }}", "{{ text | wordwrap(1) }}", "{{ 'a'.ljust(1000000000) }}"),
    *("{{ 'a'.zfill(1000000000) }}", "{{ '\\t'.expandtabs(1000000000) }}", "{{ text | replace('x', text) }}"),
    *("{{ text | replace('', text) }}", "{{ xs | join(text) }}", "{{ text ~ text }}", "{{ text + text }}"),
    "{{ " + " + ".join(["text"] * 30) + " }}",
    "{{ text | replace('x', 'xx') | replace('x', 'xx') | replace('x', 'xx') }}",
    "{% set ns = namespace(x='aa') %}" + "{% set ns.x = ns.x ~ ns.x %}" * 40 + "{{ ns.x }}",
    *(
        "{{ lipsum(n=99999) }}",
        "{{ cycler(1) }}",
        "{{ 1 | round(999999999) }}",
        "{{ 'x' | truncate(5, end=text) }}",
    ),
    *(
        "{{ big * big }}",
        "{{ " + " * ".join(["big"] * 35) + " }}",
        "{{ " + "9" * 5000 + " }}",
        "{{ 1e308 * 10 }}",
    ),
    # errors of other types
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% for x in few recursive %}{{ loop(few) }}{% endfor %}",
    *("{{ " + "(" * 1000 + "1" + ")" * 1000 + " }}", "{{ " + "[" * 5000, "{{ " + "not " * 3000 + "1 }}"),
    *("{{ " + "1 + " * 2000 + "1 }}", "{{ " + "1 and " * 2000 + "1 }}", "{{ few" + "[0]" * 3000 + " }}"),
    *(
        "{{ few" + " | string" * 1500 + " }}",
        "{{ " + "-" * 3000 + "1 }}",
        "{{ " + "1 if 1 else " * 900 + "1 }}",
    ),
    "{% if 1 %}" * 100 + "{% endif %}" * 100,
    "{% for x in few %}" * 21 + "{% endfor %}" * 21,
    *("{% include 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}", "{% extends 'x' %}"),
    *("{% block x %}{% endblock %}", "{% call x() %}{% endcall %}", "{% filter upper %}x{% endfilter %}"),
    *(
        "{% with x = 1 %}{% endwith %}",
        "{% autoescape true %}{% endautoescape %}",
        "{% do x %}",
        "{% debug %}",
    ),
    *(
        "{{ '\\ud83d' }}",
        "{{ '\\ud83d' | urlencode }}x",
        "{{ self }}",
        "{{ super() }}",
        "{{ loop }}",
        "{{ caller() }}",
    ),
    *(
        "{% for loop in few %}{% endfor %}",
        "{% for x, y in few %}{% endfor %}",
        "{% for x in few %}{{ loop }}{% endfor %}",
    ),
    *(
        "{{ upper }}",
        "{{ '" + "x" * 20000 + "' }}",
        "{{ \x00 }}",
        "{{ @ }}",
        "{{ 0x }}",
        "{{ 1__0 }}",
    ),
    # out of the sandbox
    *(
        "{{ ''.__class__ }}",
        "{{ ''['__class__'] }}",
        "{{ '' | attr('__class__') }}",
        "{{ few.__class__.__mro__ }}",
    ),
    *(
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ self.__init__.__globals__ }}",
        "{{ few.append(1) }}",
    ),
    *(
        "{{ cycler.__init__.__globals__.os.environ }}",
        "{{ data.keys() }}",
        "{{ data.items }}",
        "{{ _value }}",
    ),
    *(
        "{{ prompt.__class__ }}",
        "{{ prompt.format }}",
        "{{ prompt['format'](x=1) }}",
        "{{ missing.__class__ }}x",
    ),
    *(
        "{{ '{0.__class__}' | format(1) }}",
        "{{ ('{0.__class__}' ~ '').format(1) }}",
        "{{ ''.format_map({}) }}",
    ),
    *(
        "{{ environment }}",
        "{{ context }}",
        "{{ config }}",
        "{{ request }}",
        "{{ namespace }}",
        "{{ dict() }}",
    ),
    *(
        "{% for x in few %}{{ loop.__init__ }}{% endfor %}",
        "{% for x in few %}{{ loop.cycle(1) }}{% endfor %}",
    ),
    *(
        "{{ few | map('upper') | list }}",
        "{{ few | selectattr('x') }}",
        "{{ few | random }}",
        "{{ few | sort(attribute='__class__') }}",
    ),
    *(
        "{{ 'a' | _items(1) }}",
        "{{ few | _measured }}",
        "{{ few | upper(*few) }}",
        "{{ few | upper(**data) }}",
    ),
    *(
        "{{ ('x' | urlize) }}",
        "{{ {'a b': 1} | xmlattr }}",
        "{{ env.HOME }}",
        "{{ env['HOME'] }}",
        "${HOME}{{ HOME }}",
    ),
    *(
        "{% trans %}x{% endtrans %}",
        "{{ 1 is callable }}",
        "${HOME}{{ HOME }}",
        "{{ few is sameas few }}",
        "{{ 'a' is filter }}",
    ),
]


@pytest.fixture(scope="module")
def hostile_outcomes() -> dict[str, str]:
    judge = """
from pipeline.manifest.templating.dotted import Named
from pipeline.manifest.templating import TemplateError
from pipeline.manifest.texts import TextTemplate

SCOPE = {
    "few": list(range(256)), "xs": list(range(100_000)), "text": "x" * 65_000, "big": 10**17,
    "data": {str(n): ["x" * 50] * 20 for n in range(1000)}, "prompt": Named("{0.__class__}", {"name": "walk"}),
}

def judge(case):
    try:
        template = TextTemplate.compile(case)
        return "rendered: " + repr(template.render_value(SCOPE))[:200]
    except TemplateError as error:
        return f"{error.line}: {error}"
    except BaseException as error:
        return f"escaped: {type(error).__name__}: {error}"[:200]
"""
    return outcomes(judge, HOSTILE)


@pytest.mark.parametrize("source", HOSTILE, ids=lambda source: source[:60])
def test_hostile_template_is_rejected_cheaply(source: str, hostile_outcomes: dict[str, str]) -> None:
    outcome = hostile_outcomes.get(source, "never judged")
    line, _, message = outcome.partition(": ")
    assert line.isdigit(), outcome
    assert 0 < len(message) < 300


PIECES = st.sampled_from(
    [
        *(
            "{{ ",
            " }}",
            "{% ",
            " %}",
            "{# ",
            " #}",
            "if ",
            "else ",
            "endif",
            "for ",
            "x ",
            "in ",
            "xs ",
            "endfor",
            "| ",
        ),
        *(
            "upper ",
            "default ",
            "join ",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            ".",
            ",",
            "'",
            '"',
            "1 ",
            "- ",
            "+ ",
            "* ",
            "~ ",
        ),
        *(
            "not ",
            "is ",
            "defined ",
            "a",
            "\n",
            "==",
            "/",
            "//",
            "true ",
            "none ",
            "loop",
            "set ",
            "raw ",
            "%",
            "**",
        ),
    ]
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=30), JSON, JSON)
def test_any_template_gives_json_or_a_template_error(source: str, x: Json, xs: Json) -> None:
    line = 1
    try:
        json.dumps(TextTemplate.compile(source).render_value({"x": x, "xs": xs}))
    except TemplateError as failure:
        line = failure.line
    assert 1 <= line <= source.count("\n") + source.count("\r") + 1


@given(JSON)
def test_value_passes_through_unchanged(x: Json) -> None:
    found = TextTemplate.compile("{{ x }}").render_value({"x": x})
    assert repr(found) == repr(x)


@given(JSON)
def test_tojson_reads_back(x: Json) -> None:
    assert json.loads(TextTemplate.compile("{{ x | tojson }}").render_text({"x": x})) == x


@given(st.text().filter(lambda source: not any(mark in source for mark in ("{{", "{%", "{#"))))
def test_text_without_a_template_loses_only_one_line_feed(source: str) -> None:
    assert TextTemplate.compile(source).render_text({}) == source.removesuffix("\n")
