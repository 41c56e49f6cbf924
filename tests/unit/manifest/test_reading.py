"""How files named by a manifest are read, and what YAML silently does to a text."""

import pickle
import unicodedata
from collections.abc import Mapping
from typing import Literal

import pytest

from manifest.authoring import ANYTHING, HEAD, READERS, Project, png
from pipeline.documents.yaml_reader import read_scalar
from pipeline.errors import Problem
from pipeline.json_values import Json
from pipeline.manifest.discover import find
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load

NOT_ONE_EXPRESSION = (
    "expected one expression and nothing around it, as in \"{{ locale == 'en' }}\"; "
    "'and', 'or' and 'not' go inside the braces"
)
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 321\n"


class TestPointers:
    @pytest.mark.parametrize("reader", READERS)
    def test_lfs_pointer_is_named_wherever_a_file_is_read(self, project: Project, reader: str) -> None:
        project.write("file", POINTER)
        told = "\n".join(
            str(problem) for problem in project.problems(READERS[reader].replace("PATH", "file"))
        )
        assert "Git LFS pointer" in told
        assert "download it with 'git lfs pull'" in told

    def test_manifest_that_is_an_lfs_pointer_is_found_and_reported(self, project: Project) -> None:
        manifest = project.write("campaign.yaml", POINTER)
        assert find([project.root]) == [manifest]


class TestNames:
    @pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
    def test_file_name_is_the_same_in_any_normal_form(
        self, project: Project, on_disk: Literal["NFC", "NFD"]
    ) -> None:
        folder = unicodedata.normalize(on_disk, "prömpts")
        project.write(f"{folder}/dänce.j2".replace("ä", unicodedata.normalize(on_disk, "ä")), "it dances")
        project.write(f"{folder}/p.csv", "id,text\na,it walks\n")
        project.write(f"{folder}/base.yaml", "version: 1\n" + ANYTHING)
        keys = project.keys(
            "extends: prömpts/base.yaml\nprompts: [{id: dance, file: prömpts/dänce.j2}, {csv: prömpts/p.csv}]\n"
        )
        assert keys == ["main/any/dance", "main/any/a"]


class TestOwnKeys:
    def test_keys_that_begin_with_x_are_free_for_anchors(self, project: Project) -> None:
        project.write("base.yaml", "version: 1\nx-base: [1]\n")
        (job,) = project.jobs(
            "extends: base.yaml\nx-options: &shared {o: shared}\nx-null:\n"
            "templates: {any: {template_id: something_new, options: *shared}}\n"
        )
        assert job.request.options == {"o": "shared"}

    def test_other_unknown_keys_are_still_reported(self, project: Project) -> None:
        told = project.messages("x-a: 1\ny-b: 2\nX-c: 3\n" + ANYTHING)
        assert [line.split(": ")[1] for line in told.splitlines() if "unknown key" in line] == ["y-b", "X-c"]

    def test_x_keys_are_allowed_only_at_the_top_level(self, project: Project) -> None:
        assert "limits.x-a: unknown key" in project.messages("limits: {x-a: 1}\n" + ANYTHING)

    def test_further_image_column_is_accepted_beside_an_unknown_one(self, project: Project) -> None:
        project.write("rows.csv", "a,b\nhttps://a.example/1.png,https://a.example/2.png\n")
        told = project.messages(
            ANYTHING + "image_sets: {shoes: {csv: rows.csv, columns: {url: a, url_2: b, ulr: b}}}\n"
        )
        assert "image_sets.shoes.columns.ulr: unknown key; did you mean 'url'?" in told
        assert "url_2" not in told


def warned(project: Project, text: str, variables: Mapping[str, Json] | None = None) -> list[str]:
    """The warnings of an accepted manifest, except the one about its unknown template."""
    warnings = list(project.load(text, variables=variables).warnings)
    assert all(problem.severity == "warning" for problem in warnings)
    return [str(problem) for problem in warnings if "template_id" not in problem.path]


class TestComments:
    @pytest.mark.parametrize(
        ("written", "comment"),
        [
            ("Get the #1 shoe", "#1 shoe"),
            ("Get the\t #1", "#1"),
            ("so long\n    and on #x y", "#x y"),
            ("Auto #auto, as ever", "#auto, as ever"),
        ],
    )
    def test_text_cut_off_by_a_comment_is_a_warning(
        self, project: Project, written: str, comment: str
    ) -> None:
        (warning,) = warned(project, f"{ANYTHING}prompts:\n  walk: {written}\n")
        assert warning == (
            f"campaign.yaml:5:9: prompts.walk: the text ends at ' #', as '{comment}' is a comment; "
            "put it in quotes if it belongs to the text"
        )

    @pytest.mark.parametrize(
        "written",
        ["Get the # 1 shoe", "Get the#1 shoe", "'Get the' #1", '"Get the #1 shoe"', "|\n    Get the #1 shoe",
         "walk  # said so", "walk ## said so", "walk #", "5 #five"],
    )  # fmt: skip
    def test_other_comments_are_ignored(self, project: Project, written: str) -> None:
        assert warned(project, f"{ANYTHING}vars:\n  walk: {written}\n") == []

    def test_warning_is_given_anywhere_in_any_file(self, project: Project) -> None:
        project.write("base.yaml", "version: 1\nvars:\n  a:\n    - so #1\n  b: #fff\n")
        text = f"extends: base.yaml\n{ANYTHING}description: we are #1\n"
        assert [warning.split(": ")[:2] for warning in warned(project, text)] == [
            ["base.yaml:4:7", "vars.a[0]"],
            ["base.yaml:5:5", "vars.b"],
            ["campaign.yaml:5:14", "description"],
        ]

    def test_value_that_is_only_a_comment_is_empty(self, project: Project) -> None:
        (warning,) = warned(project, f"{ANYTHING}vars:\n  colour: #ff0000 as ever\n")
        assert warning == (
            "campaign.yaml:5:10: vars.colour: this is empty, as '#ff0000 as ever' is a comment; "
            "put it in quotes if it belongs to the text"
        )

    def test_long_line_with_many_values_is_checked_quickly(self, project: Project) -> None:
        values = ", ".join(f"a{number}" for number in range(20_000))
        assert warned(project, f"{ANYTHING}vars: {{a: [{values}]}}\n") == []


class TestEmpty:
    @pytest.mark.parametrize("written", ["", "''", '" "', "null", "|\n", "#ff0000 background"])
    def test_empty_prompt_is_a_warning(self, project: Project, written: str) -> None:
        (warning,) = warned(project, f"{ANYTHING}prompts:\n  walk: fine\n  q: {written}\n")
        assert warning.startswith("campaign.yaml:6:")
        assert "prompts.q: the prompt 'q' is empty" in warning
        assert ("'#' begins a comment" in warning) == written.startswith("#")
        is_null = written in ("", "null") or written.startswith("#")
        assert ("it is removed" in warning) == is_null

    def test_empty_prompt_in_a_file_list_or_table_is_a_warning(self, project: Project) -> None:
        project.write("q.j2", "\n \n")
        project.write("q.csv", "id,text\nc,\nd,x\n")
        warnings = warned(
            project, ANYTHING + "prompts: [{id: a, text: ''}, {id: b, file: q.j2}, {csv: q.csv}]\n"
        )
        assert warnings == [
            "campaign.yaml:4:25: prompts[0].text: the prompt 'a' is empty",
            "q.csv:2:3: the prompt 'c' is empty",
            "q.j2:1:1: the prompt 'b' is empty",
        ]

    def test_empty_prompt_of_a_base_that_is_removed_gives_no_warning(self, project: Project) -> None:
        project.write("base.yaml", "version: 1\nprompts: {walk: x, run: y}\n" + ANYTHING)
        assert warned(project, "extends: base.yaml\nprompts: {walk: null}\n") == []

    @pytest.mark.parametrize("written", ["", "#fff", "''"])
    @pytest.mark.parametrize("flow", [True, False])
    def test_empty_option_is_a_warning(self, project: Project, written: str, flow: bool) -> None:
        if flow and written == "#fff":
            return
        options = f"{{a: 1, motion: {written} }}" if flow else f"\n      a: 1\n      motion: {written}\n"
        (warning,) = warned(
            project, f"templates:\n  any:\n    template_id: something_new\n    options: {options}\n"
        )
        assert "templates.any.options.motion: the option 'motion' is empty" in warning
        assert warning.endswith("write null to leave it out")

    def test_empty_option_of_a_rule_is_a_warning(self, project: Project) -> None:
        (warning,) = warned(project, ANYTHING + "jobs:\n  - id: hero\n    options:\n      motion:\n")
        assert "jobs[0].options.motion: the option 'motion' is empty" in warning

    @pytest.mark.parametrize("written", ["null", "~", "Null", "0", "false", "[]", "' x'"])
    def test_non_empty_value_gives_no_warning(self, project: Project, written: str) -> None:
        template = "templates: {any: {template_id: something_new, options: {motion: OPTION}}}\n"
        assert warned(project, template.replace("OPTION", written)) == []


class TestRenderedToNothing:
    OPTIONS = "templates: {any: {template_id: something_new, options: {OPTIONS}}}\n"

    def warnings(self, project: Project, options: str, prompts: str) -> list[str]:
        told = project.problems(f"{self.OPTIONS.replace('OPTIONS', options)}prompts: {prompts}\n")
        assert all(problem.severity == "warning" for problem in told)
        return [str(problem) for problem in told if "template_id" not in problem.path]

    def test_option_that_renders_to_nothing_is_a_warning(self, project: Project) -> None:
        project.write("prompts.csv", "id,text,extra\nwalk,it walks,\nrun,it runs,fast\njump,it jumps,\n")
        options = "motion: \"{{ prompt.vars.extra | default('') }}\", o: '{{ prompt }}'"
        (warning,) = self.warnings(project, options, "[{csv: prompts.csv}]")
        assert (
            "templates.any.options.motion: the option 'motion' is empty; render none to leave it out"
            in warning
        )
        assert warning.endswith("(job main/any/walk and 1 more)")

    def test_empty_prompt_gives_one_warning(self, project: Project) -> None:
        (warning,) = self.warnings(project, "o: '{{ prompt }}'", "{walk: '', run: fast}")
        assert "the prompt 'walk' is empty" in warning

    def test_prompt_that_renders_to_nothing_is_reported_at_the_option(self, project: Project) -> None:
        (warning,) = self.warnings(project, "o: '{{ prompt }}'", "{walk: \"{{ '' }}\"}")
        assert "the option 'o' is empty" in warning

    def test_omitted_option_gives_no_warning(self, project: Project) -> None:
        assert self.warnings(project, "o: '{{ prompt.vars.extra | default(none) }}'", "{walk: x}") == []

    def test_prompt_with_an_error_gives_no_further_warning(self, project: Project) -> None:
        template = self.OPTIONS.replace("OPTIONS", "o: '{{ prompt }}'")
        told = project.problems(template + "prompts: {walk: '{{ nothing }}', run: x}\n")
        assert [problem.severity for problem in told] == ["error"]


class TestOneProblemOnce:
    """An error is not followed by others that only follow from it."""

    @pytest.mark.parametrize(
        "section",
        ["image_sets: [images/red.png]", "image_sets: 5", "vars: [5]", "vars: 5", "prompts: 5"],
    )
    def test_section_of_the_wrong_kind_is_one_error(self, project: Project, section: str) -> None:
        name = section.partition(":")[0]
        others = {
            "image_sets": "image_sets: {s: [{url: 'https://a.example/a.png'}]}\n",
            "vars": "vars: {season: spring}\n",
            "prompts": "prompts: {p: '{{ season }}'}\n",
        }
        rest = "".join(text for other, text in others.items() if other != name)
        options = "options: {prompt: '{{ prompt }}', background_urls: [https://a.example/b.mp4]}"
        template = f"templates: {{o: {{template_id: overlay_gray_5443, {options}}}}}\n"
        rules = "jobs: [{id: a, image_sets: [s]}, {id: b}]\n"
        told = project.problems(f"{section}\n{rest}{template}{rules}")
        assert [problem.path for problem in told if problem.severity == "error"] == [name], told


class TestUnicodeForms:
    COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"

    def test_ids_that_look_alike_are_told_apart(self, project: Project) -> None:
        rows = f"id,url\n{self.COMPOSED},https://a.example/a.png\n{self.DECOMPOSED},https://a.example/b.png\n"
        project.write("a.csv", rows)
        told = project.messages(ANYTHING + "image_sets: {s: {csv: a.csv}}\n")
        assert (
            r"only their Unicode form differs from main/any/caf\xe9, the first, which is main/any/cafe\u0301 here; "
            "rename one of them"
        ) in told
        assert "upper and lower case" not in told

    def test_name_in_another_form_is_suggested_with_escapes(self, project: Project) -> None:
        text = f"prompts: {{{self.COMPOSED}: x}}\njobs: [{{id: a, prompts: [{self.DECOMPOSED}]}}]\n"
        told = project.messages(ANYTHING + text)
        assert r"; did you mean 'caf\xe9', which differs only in its Unicode form?" in told


class TestNumbers:
    ADVICE = "in a text; write it in quotes to keep it as it is"
    PROMPT = ANYTHING.replace("}}", ", options: {o: '{{ prompt }}'}}}")

    @pytest.mark.parametrize(
        ("written", "read"),
        [("19.90", "19.9"), ("12e4", "120000.0"), ("5.", "5.0"), (".5", "0.5"), ("+5", "5"), ("-0", "0"),
         ("0x1F", "31"), ("1e3", "1000.0"), ("100000000000000000.5", "1e+17")],
    )  # fmt: skip
    def test_number_that_reads_differently_in_a_text_is_a_warning(
        self, project: Project, written: str, read: str
    ) -> None:
        (warning,) = warned(
            project, f"vars: {{price: {written}}}\n{ANYTHING}prompts: {{p: 'only {{{{ price }}}}'}}\n"
        )
        assert warning == (
            f"campaign.yaml:3:15: vars.price: the number {written} reads as {read} in a text; "
            "write it in quotes to keep it as it is"
        )

    @pytest.mark.parametrize("written", ["19.9", "5", "-5", "0", "0.5", "'19.90'", "5.0", "1e+17"])
    def test_number_that_reads_the_same_gives_no_warning(self, project: Project, written: str) -> None:
        assert (
            warned(project, f"vars: {{price: {written}}}\n{ANYTHING}prompts: {{p: '{{{{ price }}}}'}}\n")
            == []
        )

    @pytest.mark.parametrize(
        "text",
        [
            "{{ price }}",
            "{{ vars.price }}",
            "{{ vars['price'] }}",
            "x {{ price | default('-') }}",
            "x {{ nothing | default(price) }}",
            "{{ price ~ ' €' }}",
            "{{ price if true else 1 }}",
            "{% if price > 5 %}{{ price }}{% endif %}",
            "{% for each in [1] %}{{ price }}{% endfor %}",
            "{{ prices.eur }}",
            "{{ prices['eur'] }}",
            "{{ list | join(', ') }}",
            "{{ list[0] }}",
            "{{ list | first }}",
            "{% for each in list %}{{ each }}{% endfor %}",
            "{{ price | string }}",
        ],
    )
    def test_warning_is_given_wherever_a_text_shows_the_number(self, project: Project, text: str) -> None:
        values = "vars: {price: 19.90, prices: {eur: 19.90}, list: [19.90]}\n"
        (warning,) = warned(project, f'{values}{self.PROMPT}prompts:\n  p: "{text}"\n')
        assert "the number 19.90 reads as 19.9" in warning

    @pytest.mark.parametrize(
        ("text", "written", "read"),
        [
            ("{{ nothing | default(19.90) }}", "19.90", "19.9"),
            ("x {{ 1_000 }}", "1_000", "1000"),
            ("{{ 5 ~ ' of ' ~ 1.50 }}", "1.50", "1.5"),
            ("{{ [1.50, 2] | join(', ') }}", "1.50", "1.5"),
            ("{% if true %}{{ 2.50 if true else 3.5 }}{% endif %}", "2.50", "2.5"),
            ("{{ nothing | default(1e3) | string }}", "1e3", "1000.0"),
        ],
    )
    def test_number_in_the_text_itself_is_a_warning_too(
        self, project: Project, text: str, written: str, read: str
    ) -> None:
        rules = "jobs: [{id: a}, {id: b}]\n"
        (warning,) = warned(project, f'{self.PROMPT}{rules}prompts:\n  p: "{text}"\n')
        assert warning == f"campaign.yaml:6:6: prompts.p: the number {written} reads as {read} {self.ADVICE}"

    @pytest.mark.parametrize(
        "text",
        [
            "{{ 1.5 }} {{ nothing | default(2) }}",
            "{{ nothing | default('19.90') }}",
            "{{ 19.90 | round(1) }}",
            "{{ 19.90 * 2 }}",
            "{{ 'a' if 1 > 0.50 else 'b' }}",
            "19.90",
        ],
    )
    def test_number_in_the_text_that_reads_the_same_gives_no_warning(
        self, project: Project, text: str
    ) -> None:
        assert warned(project, f'{self.PROMPT}prompts:\n  p: "{text}"\n') == []

    def test_option_that_is_a_number_of_the_template_gives_no_warning(self, project: Project) -> None:
        text = (
            "templates: {any: {template_id: something_new, options: {o: '{{ nothing | default(19.90) }}'}}}\n"
        )
        assert warned(project, text) == []

    @pytest.mark.parametrize(
        "text",
        [
            "{{ 'dear' if price > 10.50 else 'cheap' }}",
            "{{ price | round(1) }}",
            "{{ price * 2 }}",
            "{% if price == 19.90 %}dear{% endif %}",
            "{{ prices.usd }}",
            "{{ list | length }}",
        ],
    )
    def test_number_used_in_arithmetic_gives_no_warning(self, project: Project, text: str) -> None:
        values = "vars: {price: 19.90, prices: {eur: 19.90, usd: 5}, list: [19.90]}\n"
        assert warned(project, f'{values}{self.PROMPT}prompts:\n  p: "{text}"\n') == []

    def test_option_that_is_the_number_itself_gives_no_warning(self, project: Project) -> None:
        text = "vars: {price: 19.90}\ntemplates: {any: {template_id: something_new, options: {o: OPTION}}}\n"
        assert warned(project, text.replace("OPTION", "'{{ price }}'")) == []
        assert len(warned(project, text.replace("OPTION", "'{{ price }} €'"))) == 1
        assert len(warned(project, text.replace("OPTION", "[{a: '{{ price }} €'}]"))) == 1

    @pytest.mark.parametrize("key", ["title", "description", "event_id"])
    def test_title_and_other_template_texts_are_checked_too(self, project: Project, key: str) -> None:
        text = "vars: {price: 19.90}\ntemplates: {any: {template_id: something_new, KEY: '{{ price }}'}}\n"
        assert len(warned(project, text.replace("KEY", key))) == 1

    def test_axes_items_and_paths_are_checked_too(self, project: Project) -> None:
        text = (
            "image_sets: {s: [{url: 'https://a.example/a.png', vars: {sku: 12e4}}]}\n"
            "prompts: {p: '{{ price }} {{ image.vars.sku }}'}\n"
            "output: {path: '{{ size }}/{{ job.key }}.{{ ext }}'}\n"
            "jobs: [{id: hero, matrix: {price: [19.90, 20, 20.0], size: [1.50]}}]\n"
        )
        assert [warning.split(": ", 2)[1:] for warning in warned(project, self.PROMPT + text)] == [
            ["image_sets.s[0].vars.sku", f"the number 12e4 reads as 120000.0 {self.ADVICE}"],
            ["jobs[0].matrix.price[0]", f"the number 19.90 reads as 19.9 {self.ADVICE}"],
            ["jobs[0].matrix.size[0]", f"the number 1.50 reads as 1.5 {self.ADVICE}"],
        ]

    def test_include_rows_are_checked_but_exclude_rows_are_only_compared(self, project: Project) -> None:
        text = (
            "prompts: {p: '{{ price }}'}\n"
            "jobs: [{id: hero, matrix: {price: [5, 7.5]}, exclude: [{price: 7.50}], include: [{price: 9.90}]}]\n"
        )
        assert [warning.split(": ", 2)[1:] for warning in warned(project, self.PROMPT + text)] == [
            ["jobs[0].include[0].price", f"the number 9.90 reads as 9.9 {self.ADVICE}"]
        ]

    def test_numbers_that_a_chain_passes_on_are_checked(self, project: Project) -> None:
        text = (
            "image_sets:\n"
            "  s: [{url: 'https://a.example/a.png', vars: {sku: 12e4}}]\n"
            "  drawn: {outputs_of: draw}\n"
            "  inked: {outputs_of: ink}\n"
            "prompts: {p: fine, q: '{{ image.vars.price }} {{ image.vars.sku }} {{ image.vars.size }}'}\n"
            "jobs:\n"
            "- {id: colour, image_sets: [inked], prompts: [q], include: [{prompt: q}]}\n"
            "- {id: ink, image_sets: [drawn], prompts: [p], matrix: {size: [1.50]}}\n"
            "- {id: draw, image_sets: [s], prompts: [p], matrix: {price: [5]}, include: [{price: 9.90}]}\n"
        )
        assert [warning.split(": ", 2)[1:] for warning in warned(project, self.PROMPT + text)] == [
            ["image_sets.s[0].vars.sku", f"the number 12e4 reads as 120000.0 {self.ADVICE}"],
            ["jobs[1].matrix.size[0]", f"the number 1.50 reads as 1.5 {self.ADVICE}"],
            ["jobs[2].include[0].price", f"the number 9.90 reads as 9.9 {self.ADVICE}"],
        ]

    def test_axis_of_one_rule_does_not_affect_another(self, project: Project) -> None:
        text = "vars: {price: 19.90}\nprompts: {p: fine, q: '{{ price }}'}\njobs: [{id: a, prompts: [p]}]\n"
        assert warned(project, self.PROMPT + text) == []

    def test_command_line_var_is_reported_by_its_name(self, project: Project) -> None:
        text = f"vars: {{price: 5}}\n{ANYTHING}prompts: {{p: 'only {{{{ price }}}}'}}\n"
        assert warned(project, text, {"price": read_scalar("24.50")}) == [
            "--var price: the number 24.50 reads as 24.5 in a text; write it in quotes to keep it as it is"
        ]
        assert warned(project, text, {"price": read_scalar('"24.50"')}) == []

    def test_warning_does_not_change_the_fingerprint(self, project: Project) -> None:
        text = (
            self.PROMPT
            + "vars: {price: PRICE}\nprompts: {p: '{{ price }}'}\njobs: [{id: a, matrix: {m: [PRICE]}}]\n"
        )
        (one,), (other,) = (project.jobs(text.replace("PRICE", price)) for price in ("19.90", "19.9"))
        assert (one.key, one.fingerprint) == (other.key, other.fingerprint)
        assert pickle.loads(pickle.dumps(one.coordinates)) == other.coordinates


class TestBraces:
    @pytest.mark.parametrize("text", ["a {season} walk", "{ season }", "a {image.id}", "{{ x }} {season}"])
    def test_name_in_single_braces_in_a_prompt_is_a_warning(self, project: Project, text: str) -> None:
        (warning,) = warned(project, f"{ANYTHING}prompts:\n  p: |\n    first\n    {text}\n")
        assert warning.startswith("campaign.yaml:7:5: prompts.p: '{")
        assert "in single braces is sent unchanged; for a value, write {{ " in warning

    def test_single_braces_are_checked_in_files_tables_and_prompt_options(self, project: Project) -> None:
        project.write("q.j2", "x\n{a}\n")
        project.write("q.csv", "id,text\nc,{b}\n")
        text = (
            "templates:\n  any:\n    template_id: something_new\n"
            "    options: {prompt: '{c}', negative_prompt: '{d}', o: '{e}'}\n"
            "prompts: [{id: b, file: q.j2}, {csv: q.csv}]\n"
        )
        assert sorted(warning.split("'")[1] for warning in warned(project, text)) == [
            "{a}",
            "{b}",
            "{c}",
            "{d}",
        ]

    @pytest.mark.parametrize(
        "text",
        [
            "{{ season }}",
            "{{ {'a': 1}.a }}",
            "{% if season %}{% endif %}",
            "{# {season} #}",
            "{1}",
            "{a b}",
            "{}",
        ],
    )
    def test_other_braces_give_no_warning(self, project: Project, text: str) -> None:
        assert warned(project, f'vars: {{season: x}}\n{ANYTHING}prompts: {{p: "{text} x"}}\n') == []


class TestConditions:
    @pytest.mark.parametrize(
        ("written", "message"),
        [
            ("locale == 'en'", "this is plain text, not an expression; write \"{{ locale == 'en' }}\""),
            ("no", "'no' is a text here, not a boolean; write false"),
            ("'Yes'", "'Yes' is a text here, not a boolean; write true"),
            ('"{{ a }} and {{ b }}"', NOT_ONE_EXPRESSION),
            ('"not {{ a }}"', NOT_ONE_EXPRESSION),
            ('"{% if a %}true{% else %}false{% endif %}"', NOT_ONE_EXPRESSION),
            ('"{# nothing #}"', NOT_ONE_EXPRESSION),
        ],
    )
    def test_condition_that_is_not_one_expression_is_an_error(
        self, project: Project, written: str, message: str
    ) -> None:
        text = f"{ANYTHING}vars: {{a: false, b: true}}\njobs:\n  - id: hero\n    when: {written}\n"
        (said,) = (str(each) for each in project.problems(text) if each.severity == "error")
        assert said == f"campaign.yaml:7:11: jobs[0].when: {message}"

    def test_text_that_looks_false_and_counts_as_true_is_a_warning(self, project: Project) -> None:
        text = f"{ANYTHING}vars: {{a: 'No'}}\njobs: [{{id: hero, when: '{{{{ a }}}}'}}]\n"
        found: list[Problem] = []
        assert len([*expand(project.load(text), found.append)]) == 1
        assert [str(each) for each in found] == [
            (
                "campaign.yaml:5:25: jobs[0].when: the text 'No' is not empty, so it counts as true; "
                "write \"{{ a == 'Yes' }}\" (job hero/any)"
            )
        ]

    @pytest.mark.parametrize(
        ("when", "message"),
        [
            (
                "image.vars.Qty != 0 and locale == 'en'",
                "'image.vars.Qty' is a text, never 0; compare with '0', or write image.vars.Qty | int",
            ),
            (
                "locale == 'en' or 'fr'",
                "'fr' stands alone, so it counts as true; compare it too, or write a list: in ['…', 'fr']",
            ),
            (
                "image.vars.Published and locale == 'en'",
                (
                    "the text 'FALSE' is not empty, so it counts as true; "
                    "write \"{{ image.vars.Published == 'TRUE' }}\""
                ),
            ),
            (
                "style.vars.n == 5 or locale == 'en'",
                "'style.vars.n' is a text, never 5; compare with '5', or write style.vars.n | int",
            ),
            (
                "style == 5 or locale == 'en'",
                "'style' is a text, never 5; compare with '5', or write style | int",
            ),
            ("size != 1 and locale != 'de'", None),
            ("image.vars.Qty | int > 0 or locale == 'en'", None),
        ],
    )
    def test_test_that_a_text_cannot_pass_or_fail_is_a_warning(
        self, project: Project, when: str, message: str | None
    ) -> None:
        project.write("rows.csv", "url,Published,Qty\nhttps://a.example/a.png,FALSE,0\n")
        project.write("styles.csv", "id,n\n5,5\n")
        text = (
            f"{ANYTHING}image_sets: {{s: {{csv: rows.csv}}}}\n"
            "jobs:\n  - id: hero\n    matrix: {style: {csv: styles.csv}, size: [1, large, 2], locale: [en, de]}\n"
            f'    when: "{{{{ {when} }}}}"\n'
        )
        found: list[Problem] = []
        assert [*expand(project.load(text), found.append)]
        told = {each.message.partition(" (")[0] for each in found if "when" in each.path}
        assert told == ({message} if message else set())


class TestInputs:
    @pytest.mark.parametrize("linked", ["", "file", "folder"])
    @pytest.mark.parametrize("reader", READERS)
    def test_campaign_lists_every_file_it_was_read_from(
        self, project: Project, reader: str, linked: str
    ) -> None:
        content: dict[str, str | bytes] = {
            "a base": "version: 1\n",
            "one of several bases": "version: 1\n",
            "a table of images": "id,path\nred,inputs/red.png\n",
            "a table of prompts": "id,text\nwalk,A walk\n",
            "a table of an axis": "id,look\nnoir,dark\n",
            "an image": png(),
            "an option's file": png(),
            "several images": png(),
            "a pattern": png(),
            "a catalogue": "version: 1\ntemplates: {}\n",
        }
        project.write("inputs/file", content.get(reader, "A walk"))
        project.write("inputs/red.png", png(1))

        (project.root / "linked").symlink_to("inputs")
        (project.root / "link").symlink_to("inputs/file")
        named, links = {
            "": ("inputs/file", set()),
            "file": ("link", {"link"}),
            "folder": ("linked/file", {"linked"}),
        }[linked]
        if linked == "folder":
            project.write("inputs/inputs/red.png", png(1))

        campaign = project.load(READERS[reader].replace("PATH", named))

        assert {"campaign.yaml", "inputs/file", *links} <= set(campaign.inputs)
        assert list(campaign.inputs) == sorted(campaign.inputs)

    def test_campaign_lists_the_link_by_which_its_manifest_is_named(self, project: Project) -> None:
        manifest = project.write("shared/spring.yaml", HEAD + ANYTHING)
        (project.root / "link.yaml").symlink_to("shared/spring.yaml")

        assert load(manifest).inputs == ("shared/spring.yaml",)
        assert load(project.root / "link.yaml").inputs == ("link.yaml", "shared/spring.yaml")

    def test_form_of_a_name_that_is_not_on_disk_is_listed_too(self, project: Project) -> None:
        """Another commit may have that one, and then it would be read."""
        on_disk, named = (unicodedata.normalize(form, "dänce.txt") for form in ("NFD", "NFC"))
        project.write(on_disk, "it dances")

        campaign = project.load(f"{ANYTHING}prompts: {{dance: {{file: {named}}}}}\n")

        assert {on_disk, named} <= set(campaign.inputs)
