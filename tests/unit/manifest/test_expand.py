import hashlib
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifest.authoring import ANYTHING, HEAD, OVERLAY, Project
from pipeline.documents.problem_list import number_of
from pipeline.errors import InvalidInput, Problem
from pipeline.jobs import Job, JobKey, MediaType, RemoteFile, UpstreamOutput
from pipeline.manifest.combinations import typed
from pipeline.manifest.expand import count, expand
from pipeline.manifest.load import load
from pipeline.purchases import PurchaseId

SHOES = "image_sets: {shoes: ['https://a.example/red.png', 'https://a.example/blue.png']}\n"
PROMPTS = "prompts: {walk: walking, run: running}\n"
THOUSAND = ", ".join(f"v{number:03}" for number in range(1000))


def only(jobs: list[Job]) -> Job:
    (job,) = jobs
    return job


def options(project: Project, written: str, more: str = "") -> dict[str, object]:
    """The rendered options of the only job."""
    text = f"templates: {{any: {{template_id: new, options: {{{written}}}}}}}\n{more}"
    return dict(only(project.jobs(text)).request.options)


class TestAxes:
    def test_rule_is_the_product_of_templates_items_prompts_axes_and_takes(self, project: Project) -> None:
        keys = project.keys(
            "templates: {a: {template_id: new}, b: {template_id: new}}\n"
            + SHOES
            + PROMPTS
            + "jobs: [{id: hero, matrix: {size: [2, 1], locale: [en]}, repeat: 2}]\n"
        )
        assert keys == [
            f"hero/{template}/{image}/{prompt}/locale=en/size={size}{take}"
            for template in "ab"
            for image in ("red", "blue")
            for prompt in ("walk", "run")
            for size in (2, 1)
            for take in ("", "#2")
        ]

    def test_default_rule_covers_everything(self, project: Project) -> None:
        assert project.keys(ANYTHING + SHOES + PROMPTS) == [
            f"main/any/{image}/{prompt}" for image in ("red", "blue") for prompt in ("walk", "run")
        ]

    def test_empty_axis_has_one_empty_value(self, project: Project) -> None:
        rule = "jobs: [{id: hero, image_sets: [], prompts: [], matrix: {locale: []}}]\n"
        assert project.keys(ANYTHING + SHOES + PROMPTS + rule) == ["hero/any"]
        assert project.keys(ANYTHING) == ["main/any"]

    def test_names_may_be_globs_and_each_counts_once(self, project: Project) -> None:
        keys = project.keys(
            "templates: {over-a: {template_id: new}, other: {template_id: new}, over-b: {template_id: new}}\n"
            "prompts: {walk: a, 'w*': b, run: c}\n"
            "jobs: [{id: hero, templates: [over-b, 'over-*'], prompts: ['w*', walk]}]\n"
        )
        assert keys == ["hero/over-b/w%2A", "hero/over-b/walk", "hero/over-a/w%2A", "hero/over-a/walk"]

    def test_rules_keep_their_written_order(self, project: Project) -> None:
        assert project.keys(ANYTHING + "jobs: [{id: z}, {id: a}, {id: m}]\n") == ["z/any", "a/any", "m/any"]

    def test_item_in_two_sets_counts_once(self, project: Project) -> None:
        sets = "image_sets: {a: ['https://a.example/red.png'], b: ['https://a.example/red.png']}\n"
        assert project.keys(ANYTHING + sets) == ["main/any/red"]

    def test_duplicate_item_id_is_an_error(self, project: Project) -> None:
        sets = "image_sets:\n  a: ['https://a.example/red.png']\n  b: [{url: 'https://b/red.png', vars: {x: 1}}]\n"
        assert "two images of rule 'main' have the id 'red'" in project.messages(ANYTHING + sets)
        rules = "jobs: [{id: one}, {id: two, image_sets: [b]}, {id: three}]\n"
        assert project.messages(ANYTHING + sets + rules).count("two images of rule") == 1
        separate = "jobs: [{id: one, image_sets: [a]}, {id: two, image_sets: [b]}]\n"
        assert project.keys(ANYTHING + sets + separate) == ["one/any/red", "two/any/red"]

    def test_take_is_part_of_the_request(self, project: Project) -> None:
        one, two = project.jobs(ANYTHING + "jobs: [{id: hero, repeat: 2}]\n")
        assert (one.request.take, two.request.take) == (1, 2)
        assert one.fingerprint != two.fingerprint
        assert two.path == "hero/any-take2"


class TestExcludeAndInclude:
    def test_exclude_row_removes_jobs_that_match_all_of_it(self, project: Project) -> None:
        text = ANYTHING + SHOES + PROMPTS
        rows = "[{prompt: run, l: fr}, {image: red, template: any}]"
        rule = f"jobs: [{{id: hero, matrix: {{l: [en, fr]}}, exclude: {rows}}}]\n"
        assert project.keys(text + rule) == [
            *("hero/any/blue/walk/l=en", "hero/any/blue/walk/l=fr", "hero/any/blue/run/l=en"),
        ]

    def test_values_match_only_within_their_type(self, project: Project) -> None:
        rule = "jobs: [{id: hero, matrix: {size: [5, '6'], flag: [true, 0]}, exclude: [%s]}]\n"
        for row in ("{size: '5'}", "{size: 6}", "{flag: 1}", "{flag: false}", "{flag: 'true'}"):
            assert len(project.keys(ANYTHING + rule % row)) == 4
        for row in ("{size: 5}", "{size: 5.0}", "{size: '6'}", "{flag: true}", "{flag: 0}"):
            assert len(project.keys(ANYTHING + rule % row)) == 2

    def test_exclude_row_without_effect_is_reported(self, project: Project) -> None:
        problems = project.problems(
            OVERLAY + SHOES + "jobs: [{id: hero, exclude: [{image: green}, {image: red}]}]\n"
        )
        assert "\n".join(str(problem) for problem in problems) == (
            "campaign.yaml:5:29: jobs[0].exclude[0]: this row excludes nothing: "
            "no 'image' is 'green'; there are 'red', 'blue'"
        )
        assert problems[0].severity == "warning"

    def test_include_row_with_only_axes_adds_a_job_per_remaining_combination(self, project: Project) -> None:
        rule = "jobs: [{id: hero, matrix: {l: [en]}, when: '{{ l == ''en'' }}', include: [{l: de}], repeat: 2}]\n"
        keys = project.keys(ANYTHING + SHOES + rule)
        assert keys[4:] == [
            "hero/any/red/l=de",
            "hero/any/red/l=de#2",
            "hero/any/blue/l=de",
            "hero/any/blue/l=de#2",
        ]

    def test_include_row_may_name_values_outside_the_rule(self, project: Project) -> None:
        text = (
            "templates: {a: {template_id: new}, b: {template_id: new, options: {x: 1, y: 1}}}\n"
            + SHOES
            + PROMPTS
            + "jobs:\n- id: hero\n  templates: [a]\n  image_sets: []\n  prompts: []\n  options: {x: 2}\n"
            "  include: [{template: b, image: blue, prompt: run}]\n"
        )
        first, second = project.jobs(text)
        assert (first.key, second.key) == ("hero/a", "hero/b/blue/run")
        assert second.request.options == {"x": 1, "y": 1}

    @pytest.mark.parametrize(
        "row", ["{size: 1}", "{locale: en, sise: 1, size: 1}", "{locale: en, size: 1, image: x}"]
    )
    def test_incomplete_or_unknown_row_is_an_error(self, project: Project, row: str) -> None:
        rule = f"jobs: [{{id: hero, matrix: {{locale: [en], size: [5]}}, include: [{row}]}}]\n"
        assert "jobs[0].include[0]" in project.messages(ANYTHING + SHOES + rule)

    @given(st.data())
    def test_jobs_are_the_product_minus_excluded_rows(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        values = st.sampled_from([1, 2, "1", "2", "x", True, None])
        axes = data.draw(st.dictionaries(st.sampled_from("abc"), st.lists(values, max_size=3, unique_by=str)))
        names = list(axes)
        row = st.dictionaries(st.sampled_from(names), values, min_size=1) if names else st.nothing()
        rows = data.draw(st.lists(row, max_size=3)) if names else []
        rule = {"id": "hero", "matrix": axes, "exclude": rows}
        manifest = {"version": 1, "name": "x", "templates": {"any": {"template_id": "new"}}, "jobs": [rule]}
        path = tmp_path_factory.getbasetemp() / "any.yaml"
        path.write_text(json.dumps(manifest))
        filled = {name: values for name, values in axes.items() if values}
        if any(set(row) - set(filled) for row in rows):
            with pytest.raises(InvalidInput):
                load(path)
            return
        expected = [
            dict(zip(filled, chosen, strict=True))
            for chosen in itertools.product(*filled.values())
            if not any(
                all(
                    typed(dict(zip(filled, chosen, strict=True))[key]) == typed(value)
                    for key, value in row.items()
                )
                for row in rows
            )
        ]
        problems: list[Problem] = []
        found = []
        try:
            found = [dict(job.coordinates.axes) for job in expand(load(path))]
        except InvalidInput as error:
            problems += error.problems
        if not expected:
            assert [problem.message.partition(":")[0] for problem in problems] == ["no job is left"]
        elif problems:  # 1 and "1" look the same in a key
            assert {problem.message.rpartition(" ")[0] for problem in problems} == {"two jobs have the key"}
        else:
            assert found == expected


class TestWhen:
    @pytest.mark.parametrize(
        "written", ["false", "'{{ false }}'", "'{{ 0 }}'", "''", "' '", "'{{ l == 1 }}'", "'{{ none }}'"]
    )
    def test_false_or_empty_condition_makes_no_job(self, project: Project, written: str) -> None:
        rule = f"jobs: [{{id: hero, matrix: {{l: [en]}}, when: {written}}}, {{id: other}}]\n"
        assert project.keys(ANYTHING + rule) == ["other/any"]

    @pytest.mark.parametrize(
        "written",
        [
            "true",
            "'{{ true }}'",
            "'{{ l }}'",
            "' {{ l == ''en'' }} '",
            "\"{{ 'x' if l else '' }}\"",
        ],
    )
    def test_any_other_condition_makes_a_job(self, project: Project, written: str) -> None:
        rule = f"jobs: [{{id: hero, matrix: {{l: [en]}}, when: {written}}}]\n"
        assert project.keys(ANYTHING + rule) == ["hero/any/l=en"]

    @pytest.mark.parametrize(
        ("rule", "told"),
        [
            (
                "when: '{{ image.id == ''rde'' }}'",
                "jobs[0].when: this holds for no combination, so rule 'hero' makes no job",
            ),
            (
                "matrix: {l: [en]}, when: '{{ l == ''fr'' }}'",
                "jobs[0].when: this holds for no combination, so",
            ),
            ("when: '{{ job.take > 1 }}'", "jobs[0].when: this holds for no combination, so"),
            (
                "exclude: [{image: red}], when: '{{ image.id == ''red'' }}'",
                "jobs[0].when: this holds for no combination, so",
            ),
            (
                "exclude: [{image: red}, {image: blue}], when: '{{ image.id == ''red'' }}'",
                "jobs[0]: 'exclude' removes every combination, so rule 'hero' makes no job",
            ),
        ],
    )
    def test_rule_without_a_job_is_a_warning(self, project: Project, rule: str, told: str) -> None:
        text = ANYTHING + SHOES + f"jobs: [{{id: hero, {rule}}}, {{id: other, image_sets: []}}]\n"
        (warning,) = (each for each in project.problems(text) if "makes no job" in each.message)
        assert told in str(warning)
        assert warning.severity == "warning"

    @pytest.mark.parametrize(
        "rule",
        [
            "when: false",
            "when: ''",
            "when: '{{ season == ''winter'' }}'",
            "when: '{{ vars.season == ''winter'' }}'",
            "when: '{{ image.id == ''red'' and season == ''winter'' }}'",
            "when: '{{ campaign.name == ''winter'' }}'",
            "when: '{{ season == ''winter'' }}', exclude: [{image: red}]",
            "when: '{{ image.id == ''rde'' }}', include: [{image: red}]",
            "exclude: [{image: red}, {image: blue}], include: [{image: red}]",
        ],
    )
    def test_rule_that_is_off_on_purpose_is_none(self, project: Project, rule: str) -> None:
        rules = f"jobs: [{{id: hero, {rule}}}, {{id: other, image_sets: []}}]\n"
        assert "makes no job" not in project.messages(ANYTHING + SHOES + "vars: {season: summer}\n" + rules)

    def test_rule_that_is_made_from_one_without_a_job_is_none(self, project: Project) -> None:
        text = (
            ANYTHING
            + SHOES.replace("}\n", ", made: {outputs_of: hero}}\n")
            + (
                "jobs:\n- {id: hero, image_sets: [shoes], when: '{{ image.id == ''rde'' }}'}\n"
                "- {id: next, image_sets: [made], when: '{{ image.id == ''red'' }}'}\n- {id: other, image_sets: []}\n"
            )
        )
        (warning,) = (each for each in project.problems(text) if "makes no job" in each.message)
        assert "rule 'hero'" in warning.message

    def test_condition_is_evaluated_for_each_take(self, project: Project) -> None:
        rule = "jobs: [{id: hero, repeat: 3, when: '{{ job.take != 2 }}'}]\n"
        assert project.keys(ANYTHING + rule) == ["hero/any", "hero/any#3"]

    def test_condition_can_restrict_a_prompt_to_images_with_its_vars(self, project: Project) -> None:
        text = (
            "templates: {any: {template_id: new, options: {p: '{{ prompt }}'}}}\n"
            "image_sets: {s: ['https://a.example/a.png', {url: 'https://a.example/b.png', vars: {name: B}}]}\n"
            "prompts: {walk: '{{ image.vars.name }} walks'}\n"
            "jobs: [{id: hero, when: '{{ image.vars.name is defined }}'}]\n"
        )
        assert [job.request.options for job in project.jobs(text)] == [{"p": "B walks"}]


class TestRendering:
    def test_single_expression_keeps_its_type_and_anything_else_is_text(self, project: Project) -> None:
        given_vars = "vars: {n: 5, f: 1.5, yes: true, l: [1, {a: b}], s: x}\n"
        assert options(
            project,
            "n: '{{ n }}', f: '{{ f }}', y: '{{ yes }}', l: '{{ l }}', s: '{{ s }}', "
            "t: ' {{ n }}', p: [7, '{{ n }}']",
            given_vars,
        ) == {"n": 5, "f": 1.5, "y": True, "l": [1, {"a": "b"}], "s": "x", "t": " 5", "p": [7, 5]}

    def test_null_option_is_omitted(self, project: Project) -> None:
        assert options(
            project, "a: null, b: '{{ n }}', c: '{{ missing | default(none) }}', d: 1", "vars: {n: null}\n"
        ) == {"d": 1}

    def test_rendered_text_is_not_rendered_again(self, project: Project) -> None:
        text = (
            "vars: {a: '{{ b }}', b: x}\nprompts: {walk: '{{ a }}'}\n"
            "image_sets: {s: [{url: 'https://a.example/{{a}}.png', id: '{{ b }}', vars: {v: '{{ a }}'}}]}\n"
        )
        assert options(project, "p: '{{ prompt }}', i: '{{ image.id }}', v: '{{ image.vars.v }}'", text) == {
            "p": "{{ b }}",
            "i": "{{ b }}",
            "v": "{{ a }}",
        }
        (job,) = project.jobs(ANYTHING + text)
        assert job.request.images == (RemoteFile("https://a.example/{{a}}.png"),)

    def test_every_documented_name_is_in_scope(self, project: Project) -> None:
        project.image("pics/red.png")
        text = (
            "description: About\nvars: {season: spring}\nprompts: {walk: '{{ locale }} {{ season }}'}\n"
            "image_sets: {s: [{path: pics/red.png, vars: {n: Red}}]}\n"
            "jobs: [{id: hero, matrix: {locale: [en]}}]\n"
        )
        assert options(
            project,
            "a: '{{ campaign.name }} {{ campaign.description }}', b: '{{ vars.season }} {{ season }}', "
            "c: '{{ job.id }} {{ job.take }}', d: '{{ template.name }} {{ template.id }}', "
            "e: '{{ image.id }} {{ image.vars.n }} {{ image.path }}', "
            "f: '{{ prompt }} {{ prompt.name }}', g: '{{ locale }}'",
            text,
        ) == {
            "a": "spring About",
            "b": "spring spring",
            "c": "hero 1",
            "d": "any new",
            "e": "red Red pics/red.png",
            "f": "en spring walk",
            "g": "en",
        }

    def test_image_url_is_in_scope_if_there_is_one(self, project: Project) -> None:
        assert options(
            project,
            "u: '{{ image.url }}', p: '{{ image.path | default(1) }}'",
            SHOES.replace(", 'https://a.example/blue.png'", ""),
        ) == {"u": "https://a.example/red.png", "p": 1}

    def test_missing_value_is_undefined_but_may_have_a_default(self, project: Project) -> None:
        written = "p: '{{ prompt | default(0) }}', n: '{{ prompt.name | default(1) }}', i: '{{ image | default(2) }}'"
        assert options(project, written) == {"p": 0, "n": 1, "i": 2}
        assert "'prompt' is undefined" in project.messages(
            "templates: {a: {template_id: new, options: {p: '{{ prompt }}'}}}\n"
        )

    @pytest.mark.parametrize("part", ["prompt", "prompt.name", "prompt.vars.tone"])
    def test_prompt_does_not_exist_in_its_own_text(self, project: Project, part: str) -> None:
        said = project.messages(
            "templates: {a: {template_id: new, options: {p: '{{ prompt }}'}}}\n"
            f"prompts: {{walk: '{{{{ {part} }}}}'}}\n"
        )
        assert (
            "prompts.walk: 'prompt' is undefined here: options, titles and output paths have it, "
            "a prompt's own text does not"
        ) in said

    @pytest.mark.parametrize("name", ["purchase", "ext"])
    def test_option_cannot_use_names_defined_later(self, project: Project, name: str) -> None:
        text = f"templates: {{a: {{template_id: new, options: {{p: '{{{{ {name} }}}}'}}}}}}\n"
        assert f"'{name}' is undefined" in project.messages(text)

    def test_prompt_may_depend_on_the_fastest_varying_values(self, project: Project) -> None:
        text = (
            "templates: {any: {template_id: new, options: {p: '{{prompt}}', q: '{{prompt.name}} {{image.id}}'}}}\n"
            + SHOES
            + "prompts: {walk: '{{ image.id }} {{ l }} {{ job.take }}', run: 'runs'}\n"
            "jobs: [{id: hero, matrix: {l: [1, 2]}, repeat: 2}]\n"
        )
        found = [(job.request.options["p"], job.request.options["q"]) for job in project.jobs(text)]
        assert found == [
            (f"{image} {locale} {take}" if prompt == "walk" else "runs", f"{prompt} {image}")
            for image in ("red", "blue")
            for prompt in ("walk", "run")
            for locale in (1, 2)
            for take in (1, 2)
        ]

    def test_rule_options_override_template_options(self, project: Project) -> None:
        text = (
            "templates: {any: {template_id: new, options: {a: 1, b: {x: 1, y: 1}, c: 1}}}\n"
            "jobs: [{id: one, options: {b: {y: 2}, c: null, d: '{{ job.id }}'}}, {id: two}]\n"
        )
        one, two = project.jobs(text)
        assert one.request.options == {"a": 1, "b": {"x": 1, "y": 2}, "d": "one"}
        assert two.request.options == {"a": 1, "b": {"x": 1, "y": 1}, "c": 1}

    def test_prompt_of_maximum_length_is_sent_whole_and_a_longer_one_is_reported(
        self, project: Project
    ) -> None:
        longest = "é" * (32 << 10)
        project.write("p.txt", longest)
        assert options(project, "p: '{{ prompt }}'", "prompts: {p: {file: p.txt}}\n") == {"p": longest}
        project.write("p.txt", longest + "e")
        assert "larger than" in project.messages(ANYTHING + "prompts: {p: {file: p.txt}}\n")

    def test_emoji_and_right_to_left_text_are_kept_byte_for_byte(self, project: Project) -> None:
        text = "👩‍👩‍👧 \u202bשלום\u202c e\u0301"
        project.write("p.txt", text)
        assert options(project, "p: '{{ prompt }}'", "prompts: {p: {file: p.txt}}\n") == {"p": text}

    def test_repeated_error_is_reported_once_with_its_first_job(self, project: Project) -> None:
        (problem,) = project.problems(
            "templates: {any: {template_id: new, options: {p: '{{ nothing }}'}}}\n" + SHOES + PROMPTS
        )
        assert problem.message.endswith("(job main/any/red/walk and 3 more)")

    def test_misspelled_name_in_very_many_jobs_is_reported_once(self, project: Project) -> None:
        text = (
            "vars: {season: x}\ntemplates: {any: {template_id: new, options: {p: '{{ seson }} {{ l }}'}}}\n"
        )
        (problem,) = project.problems(f"{text}jobs: [{{id: hero, matrix: {{l: [{THOUSAND}]}}}}]\n")
        assert problem.message == (
            "'seson' is undefined; did you mean 'season'? (job hero/any/l=v000 and 999 more)"
        )

    def test_errors_at_one_position_are_grouped_with_the_number_of_jobs(self, project: Project) -> None:
        text = "templates: {any: {template_id: new, options: {p: '{{ vars[l] }}'}}}\n"
        *first, rest = project.problems(f"{text}jobs: [{{id: hero, matrix: {{l: [{THOUSAND}]}}}}]\n")
        assert [problem.message.rpartition("(")[2] for problem in first] == [
            f"job hero/any/l=v{number:03})" for number in range(3)
        ]
        assert str(rest).endswith(
            "templates.any.options.p: 997 more jobs have an error here, the last is hero/any/l=v999"
        )
        assert number_of("error", [*first, rest]) == 1000

    def test_warnings_at_one_position_are_grouped_with_the_number_of_jobs(self, project: Project) -> None:
        text = "templates: {o: {template_id: overlay_gray_5443, options: {motion_type: '{{ l }}', "
        text += "background_urls: ['https://a.example/b.mp4'], prompt: x}}}\n"
        text += "image_sets: {s: ['https://a.example/red.png']}\n"
        *first, rest = project.problems(f"{text}jobs: [{{id: hero, matrix: {{l: [{THOUSAND}]}}}}]\n")
        assert len(first) == 3
        assert rest.message == "997 more jobs have a warning here, the last is hero/o/red/l=v999"
        assert number_of("warning", [*first, rest]) == 1000

    def test_error_without_a_job_is_counted_separately(self, project: Project) -> None:
        axis = ", ".join(f"v{number}, V{number}" for number in range(10))
        *first, rest = project.problems(ANYTHING + f"jobs: [{{id: hero, matrix: {{l: [{axis}]}}}}]\n")
        assert all("two jobs would write to" in problem.message for problem in first)
        assert rest.message == "7 more errors here"
        assert number_of("error", [*first, rest]) == 10

    def test_upstream_job_is_counted_once(self, project: Project) -> None:
        (problem,) = project.problems(
            "templates: {any: {template_id: new}}\nimage_sets: {next: {outputs_of: one}}\n"
            "jobs:\n- {id: one, image_sets: [], when: '{{ nothing }}', repeat: 4}\n"
            "- {id: two, image_sets: [next]}\n"
        )
        assert problem.message.endswith("(job one/any and 3 more)")

    def test_positions_beyond_the_limit_are_counted(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("pipeline.manifest.job_problems._MAX_LOCATIONS", 2)
        prompts = "".join(f"  p{number}: '{{{{ nothing }}}}'\n" for number in range(5))
        text = "templates: {any: {template_id: new, options: {p: '{{ prompt }}'}}}\nprompts:\n"
        *first, rest = project.problems(text + prompts)
        assert [problem.path for problem in first] == ["prompts.p0", "prompts.p1"]
        assert rest.message == "and 3 more errors, not listed"
        assert rest.position == first[-1].position
        assert number_of("error", [*first, rest]) == 5


class TestWordings:
    def test_default_title_names_campaign_key_and_purchase(self, project: Project) -> None:
        job = only(project.jobs(ANYTHING))
        assert job.title(PurchaseId("0123456789abcdef")) == "spring: main/any (0123456789abcdef)"
        assert job.description(PurchaseId("x")) == ""

    def test_description_names_the_purchase_if_the_title_does_not(self, project: Project) -> None:
        def described(title: str, more: str = "") -> str:
            job = only(project.jobs(f"templates: {{any: {{template_id: new, title: '{title}'{more}}}}}\n"))
            return job.description(PurchaseId("0123456789abcdef"))

        assert described("{{ campaign.name }}") == "spring 0123456789abcdef"
        assert described("{{ purchase if job.take == 2 else 1 }}") == "spring 0123456789abcdef"
        assert described("for {{ purchase }}") == ""
        assert described("{{ campaign.name }}", ", description: About") == "About"
        assert described("{{ campaign.name }}", ", description: ''") == ""

    def test_title_and_description_are_rendered_for_each_purchase(self, project: Project) -> None:
        one, two = project.jobs(
            "templates: {any: {template_id: new, title: '{{ job.key }} {{ purchase | upper }}', "
            "description: '{{ job.take }} {{ campaign.name }}', visibility: public}}\n"
            "jobs: [{id: hero, repeat: 2}]\n"
        )
        assert (one.title(PurchaseId("a")), one.title(PurchaseId("b"))) == ("hero/any A", "hero/any B")
        assert (two.title(PurchaseId("a")), two.description(PurchaseId("a"))) == ("hero/any#2 A", "2 spring")
        assert one.visibility == "public"

    def test_error_in_a_title_is_reported_before_buying(self, project: Project) -> None:
        text = "templates: {any: {template_id: new, title: '{{ purchase }} {{ x }}'}}\n"
        assert "templates.any.title: 'x' is undefined" in project.messages(text)

    def test_event_is_sent_only_if_set(self, project: Project) -> None:
        text = "templates: {any: {template_id: new, event_id: %s}}\nvars: {e: launch, n: null}\n"
        found = [
            only(project.jobs(text % written)).request.event_id
            for written in ("null", "launch", "'{{ e }}'", "'{{ n }}'", "''")
        ]
        assert found == [None, "launch", "launch", None, None]

    def test_title_path_and_limits_do_not_change_the_fingerprint(self, project: Project) -> None:
        plain = only(project.jobs(ANYTHING))
        other = only(
            project.jobs(
                "templates: {any: {template_id: something_new, title: T, description: D, visibility: public}}\n"
                "jobs: [{id: main, timeout: 5, retries: 3, output: {path: 'x.{{ ext }}', steps: true}}]\n"
                "provider: {api: v2}\n"
            )
        )
        assert plain.fingerprint == other.fingerprint
        assert (other.timeout, other.retries, other.path, other.steps) == (5.0, 3, "x", True)


def hashed(part: str, begins: str) -> str:
    return f"{begins}-{hashlib.sha256(part.encode()).hexdigest()[:8]}"


class TestPaths:
    def test_path_is_rendered_and_made_safe(self, project: Project) -> None:
        job = only(
            project.jobs(
                ANYTHING + "vars: {v: '../..//con/a b?'}\noutput: {path: '{{ v }}/{{ job.key }}.{{ ext }}'}\n"
            )
        )
        assert job.path == "/".join(
            [
                hashed("..", "_"),
                hashed("..", "_"),
                hashed("con", "_con"),
                hashed("a b?", "a-b-"),
                "main",
                "any",
            ]
        )

    def test_names_that_look_alike_as_file_names_have_distinct_paths(self, project: Project) -> None:
        text = ANYTHING + "prompts: {'👍': a, '👎': b, 'कि': c, 'की': d, 'a b': e, 'a%b': f, '#1': g}\n"
        paths = [job.path for job in project.jobs(text)]
        assert len({path.casefold() for path in paths}) == len(paths) == 7
        assert paths[2:4] == ["main/any/कि", "main/any/की"]

    def test_added_job_moves_no_file(self, project: Project) -> None:
        (before,) = project.jobs(ANYTHING + "prompts: {'👍': a}\n")
        after = project.jobs(ANYTHING + "prompts: {'👎': b, '👍': a}\n")
        assert [job.path for job in after if job.key == before.key] == [before.path]

    def test_rule_path_overrides_campaign_path(self, project: Project) -> None:
        text = "jobs: [{id: a, output: {path: 'mine/{{ job.id }}.{{ext}}'}}, {id: b}]\n"
        text += "output: {path: 'all/{{ job.id }}.{{- ext -}}'}\n"
        assert [job.path for job in project.jobs(ANYTHING + text)] == ["mine/a", "all/b"]

    def test_paths_that_differ_only_in_case_collide(self, project: Project) -> None:
        text = "jobs: [{id: hero, matrix: {l: [a, A]}}]\noutput: {path: '{{ l }}.{{ ext }}'}\n"
        told = project.messages(ANYTHING + text)
        assert "two jobs would write to 'A'" in told
        assert "output.path must tell them apart, as {{ job.key }} does" in told

    def test_rows_whose_keys_differ_only_in_case_are_told_with_the_row(self, project: Project) -> None:
        project.write("s.csv", "id,url\nMug,https://a.example/1.png\nmug,https://a.example/2.png\n")
        (problem,) = project.problems(ANYTHING + "image_sets: {s: {csv: s.csv}}\n")
        assert str(problem.position) == "s.csv:3:1"
        assert "two jobs would write to 'main/any/mug': main/any/Mug and main/any/mug;" in problem.message

    def test_keys_that_differ_only_in_case_must_be_renamed(self, project: Project) -> None:
        (problem,) = project.problems(ANYTHING + "jobs: [{id: hero, matrix: {l: [a, A]}}]\n")
        assert str(problem.position) == "campaign.yaml:4:8"
        assert "two jobs would write to 'hero/any/l=A': hero/any/l=a and hero/any/l=A;" in problem.message
        assert problem.message.endswith(
            "; some systems do not distinguish upper and lower case, so rename one of them"
        )

    @pytest.mark.parametrize(("one", "other"), [("ﬁne", "fine"), ("straße", "strasse"), ("σ", "ς")])
    def test_keys_that_systems_take_for_the_same_are_told_as_such(
        self, project: Project, one: str, other: str
    ) -> None:
        (problem,) = project.problems(ANYTHING + f"jobs: [{{id: hero, matrix: {{l: [{one}, {other}]}}}}]\n")
        assert f"hero/any/l={one} and hero/any/l={other}; some systems take " in problem.message
        assert problem.message.endswith(" for the same name, so rename one of them")

    @pytest.mark.parametrize("path", ["x.mp4", "{{ ext }}", "x.{{ ext }}.mp4", "x{{ ext }}"])
    def test_path_without_suffix_is_rejected(self, project: Project, path: str) -> None:
        assert "output.path" in project.messages(ANYTHING + f"output: {{path: '{path}'}}\n")


class TestChains:
    STAGES = (
        "templates:\n"
        "  sketch: {template_id: vim_sketch_me, options: {pipeline_mode: image}}\n"
        "  overlay: {template_id: overlay_gray_5443}\n"
        "  only: {template_id: overlay_only_1025}\n"
        "image_sets:\n"
        "  people: [{url: 'https://a.example/ada.png', vars: {name: Ada, l: x}}, 'https://a.example/bob.png']\n"
        "  sketches: {outputs_of: sketch}\n"
        "  cropped: {outputs_of: hero, step: crop_to_content}\n"
        "  made: {outputs_of: hero}\n"
        "prompts: {walk: walking}\n"
    )

    def test_each_upstream_job_gives_one_item(self, project: Project) -> None:
        jobs = project.jobs(
            self.STAGES + "jobs:\n"
            "- {id: hero, templates: [overlay], image_sets: [sketches]}\n"
            "- {id: sketch, templates: [sketch], image_sets: [people], prompts: [], matrix: {l: [en]}, repeat: 2}\n"
        )
        assert [job.key for job in jobs[:4]] == [
            f"hero/overlay/{image}/walk" for image in ("ada-en", "ada-en-take2", "bob-en", "bob-en-take2")
        ]
        assert jobs[1].request.images == (
            UpstreamOutput(JobKey("sketch/sketch/ada/l=en#2"), "result", MediaType.IMAGE),
        )
        assert jobs[1].upstream == jobs[5].key

    def test_item_name_includes_everything_the_upstream_varies(self, project: Project) -> None:
        jobs = project.jobs(
            "templates: {a: {template_id: new}, b: {template_id: new}}\n"
            "image_sets: {s: ['https://a.example/red.png'], next: {outputs_of: one}}\n"
            + PROMPTS
            + "jobs:\n- {id: one, image_sets: [s], prompts: [walk], matrix: {z: [1], y: [a b]}}\n"
            "- {id: two, templates: [a], image_sets: [next], prompts: []}\n"
        )
        assert [job.coordinates.image for job in jobs[2:]] == ["a-red-walk-a b-1", "b-red-walk-a b-1"]

    def test_item_without_a_name_is_named_after_the_template(self, project: Project) -> None:
        keys = project.keys(
            ANYTHING + "image_sets: {next: {outputs_of: one}}\n"
            "jobs: [{id: one, image_sets: []}, {id: two, image_sets: [next]}]\n"
        )
        assert keys == ["one/any", "two/any/any"]

    def test_item_has_the_vars_of_its_image_and_the_axes_of_the_upstream(self, project: Project) -> None:
        text = self.STAGES.replace("overlay_gray_5443}", "overlay_gray_5443, options: {prompt: '%s'}}")
        jobs = project.jobs(
            text
            % "{{ image.vars.name | default(0) }} {{ image.vars.l }} {{ image.url is defined }}"
            + "jobs:\n"
            "- {id: sketch, templates: [sketch], image_sets: [people], prompts: [], matrix: {l: [en]}}\n"
            "- {id: hero, templates: [overlay], image_sets: [sketches], prompts: []}\n"
        )
        assert [job.request.options["prompt"] for job in jobs[2:]] == ["Ada en false", "0 en false"]

    def test_chains_may_be_long(self, project: Project) -> None:
        sets = "".join(f"  s{number}: {{outputs_of: r{number - 1}}}\n" for number in range(1, 200))
        rules = "".join(f"- {{id: r{number}, image_sets: [s{number}]}}\n" for number in reversed(range(200)))
        text = f"{ANYTHING}image_sets:\n  s0: ['https://a.example/red.png']\n{sets}jobs:\n{rules}"
        jobs = project.jobs(text)
        assert len(jobs) == 200
        assert [job.upstream for job in jobs] == [*(job.key for job in jobs[1:]), None]

    def test_only_jobs_made_by_the_upstream_give_items(self, project: Project) -> None:
        jobs = project.jobs(
            self.STAGES + "jobs:\n"
            "- id: sketch\n  templates: [sketch]\n  image_sets: [people]\n  matrix: {l: [en, fr]}\n  prompts: []\n"
            "  exclude: [{image: ada, l: fr}]\n  when: '{{ image.id == ''ada'' }}'\n"
            "  include: [{image: bob, l: de}]\n"
            "- {id: hero, templates: [overlay], image_sets: [sketches]}\n"
        )
        assert [job.coordinates.image for job in jobs] == ["ada", "bob", "ada-en", "bob-de"]

    def test_step_of_matching_type_is_used_if_the_result_does_not_match(self, project: Project) -> None:
        rules = (
            "jobs:\n- {id: hero, templates: [overlay], image_sets: [people], prompts: []}\n"
            "- {id: sketch, templates: [sketch], image_sets: [%s], prompts: []}\n"
        )
        jobs = project.jobs(self.STAGES + rules % "cropped")
        assert jobs[2].request.images == (
            UpstreamOutput(JobKey("hero/overlay/ada"), "crop_to_content", MediaType.IMAGE),
        )
        assert "takes an image, and 'ada' is a video (job sketch/sketch/ada)" in project.messages(
            self.STAGES + rules % "made"
        )

    def test_upstream_mode_determines_the_output_type(self, project: Project) -> None:
        text = self.STAGES.replace("pipeline_mode: image", "pipeline_mode: '{{ mode }}'") + (
            "jobs:\n- id: sketch\n  templates: [sketch]\n  image_sets: [people]\n  prompts: []\n"
            "  matrix: {mode: [image, video]}\n"
            "- {id: lay, templates: [only], image_sets: [sketches], prompts: []}\n"
            "- {id: hero, templates: [overlay], image_sets: [people]}\n"
        )
        told = [problem.message for problem in project.problems(text)]
        assert told == [
            f"template 'only' takes a video, and '{name}-image' is an image (job lay/only/{name}-image)"
            for name in ("ada", "bob")
        ]

    def test_any_output_is_accepted_if_nothing_is_known(self, project: Project) -> None:
        jobs = project.jobs(
            ANYTHING
            + "image_sets: {s: ['https://a.example/red.png'], next: {outputs_of: one, step: polish}}\n"
            "jobs: [{id: one, image_sets: [s]}, {id: two, image_sets: [next]}]\n"
        )
        assert jobs[1].request.images == (UpstreamOutput(JobKey("one/any/red"), "polish", None),)

    def test_rule_over_all_sets_may_not_use_its_own_outputs(self, project: Project) -> None:
        told = project.messages(
            ANYTHING
            + "image_sets: {s: ['https://a.example/a.png'], next: {outputs_of: one}}\njobs: [{id: one}]\n"
        )
        assert "circle: one → one" in told


class TestUnrenderedOptions:
    @pytest.mark.parametrize(
        ("option", "axis", "found"),
        [
            ("{{ line }}", "en", "{{"),
            ("{{ locale }}", "{% if x %}", "{%"),
            ("{{ image.vars.slogan }}", "en", "{{"),
            ("{{ locale }}", "{name}", None),
            ("{% raw %}{{ line }}{% endraw %} {{ locale }}", "en", None),
        ],
    )
    def test_template_in_a_var_an_axis_or_a_cell_is_a_warning(
        self, project: Project, option: str, axis: str, found: str | None
    ) -> None:
        project.write("rows.csv", "url,id,slogan\nhttps://a.example/a.png,red,{{ brand }}\n")
        campaign = project.load(
            "vars: {brand: Acme, line: '{{ brand }} rocks'}\nimage_sets: {s: {csv: rows.csv}}\n"
            f"templates: {{any: {{template_id: new, options: {{text: '{option}'}}}}}}\n"
            f"jobs: [{{id: hero, matrix: {{locale: ['{axis}']}}}}]\n"
        )
        told: list[Problem] = []
        [job] = expand(campaign, told.append)

        message = (
            f"'{found}' in the option 'text' is sent unchanged: vars, axes and cells are never rendered "
            f"(job {job.key})"
        )
        assert [each.message for each in told if "option" in each.message] == ([message] if found else [])


class TestUnusedExclusions:
    def test_of_many_rows_that_exclude_nothing_only_the_first_say_why(self, project: Project) -> None:
        rows = "".join(f"{{image: j{number}}}, " for number in range(25))
        campaign = project.load(
            f"{ANYTHING}image_sets: {{s: ['https://a.example/red.png']}}\njobs: [{{id: hero, exclude: [{rows}]}}]\n"
        )
        found: list[Problem] = []
        assert len([*expand(campaign, found.append)]) == 1

        why = [f": no 'image' is 'j{number}'; there is 'red'" for number in range(20)]
        assert [each.message.removeprefix("this row excludes nothing") for each in found] == [*why, *[""] * 5]


class TestCount:
    def test_count_is_known_before_any_job_is_built(self, project: Project) -> None:
        campaign = project.load(
            "templates: {a: {template_id: new}}\n"
            "image_sets: {s: ['https://a.example/red.png'], next: {outputs_of: one}}\n"
            "jobs:\n- {id: two, image_sets: [next], matrix: {l: [1, 2]}}\n"
            "- {id: one, image_sets: [s], matrix: {l: [1, 2, 3]}, repeat: 2, include: [{l: 4}], exclude: [{l: 1}]}\n"
        )
        assert count(campaign) == 8 + 16
        assert len(list(expand(campaign))) == 6 + 12

    def test_million_jobs_are_the_limit(self, project: Project) -> None:
        rule = "jobs: [{id: hero, matrix: {a: [1, 2]}, repeat: %s}]\n"
        assert count(project.load(ANYTHING + rule % 500_000)) == 1_000_000
        with pytest.raises(InvalidInput, match="1,000,002 jobs; at most 1,000,000 are made"):
            count(project.load(ANYTHING + rule % 500_001))

    def test_too_many_jobs_are_rejected_before_the_first_is_yielded(self, project: Project) -> None:
        campaign = project.load(
            ANYTHING + "jobs: [{id: a, repeat: 10}, {id: hero, repeat: 999_999}]\n".replace("_", "")
        )
        with pytest.raises(InvalidInput, match="999,999 jobs of 1,000,009 in all"):
            next(expand(campaign))


MEASURED = """
import re, sys
from pathlib import Path
from pipeline.errors import InvalidInput, Problem
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load
try:
    print(sum(1 for _ in expand(load(Path(sys.argv[1])))))
except InvalidInput as error:
    print(error.problems[0].message)
# Of this program alone: what getrusage tells counts the process that it was forked from.
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def measured(manifest: Path) -> tuple[str, int]:
    """The output of expanding in a separate process, and its peak memory in MiB."""
    child = subprocess.run(
        [sys.executable, "-c", MEASURED, manifest], capture_output=True, text=True, check=True
    )
    said, peak = child.stdout.splitlines()
    return said, int(peak)


class TestSize:
    def test_hundred_thousand_jobs_are_streamed(self, project: Project) -> None:
        project.write(
            "rows.csv", "url,name\n" + "".join(f"https://a.example/{n}.png,Name {n}\n" for n in range(50))
        )
        places = ", ".join(f"place-{number}" for number in range(1000))
        manifest = project.write(
            "campaign.yaml",
            HEAD + "templates:\n  overlay:\n    template_id: overlay_gray_5443\n"
            "    options: {prompt: '{{ prompt }}', duration: '{{ duration }}'}\n"
            "image_sets: {s: {csv: rows.csv}}\nprompts: {walk: '{{ image.vars.name }} walks at {{ place }}'}\n"
            f"jobs: [{{id: hero, matrix: {{place: [{places}], duration: [5, 10]}}}}]\n",
        )
        said, peak = measured(manifest)
        assert said == "100000"
        assert peak < 200

    def test_billion_jobs_are_rejected_in_little_memory(self, project: Project) -> None:
        axis = "[" + ", ".join(map(str, range(1000))) + "]"
        manifest = project.write(
            "campaign.yaml",
            HEAD + ANYTHING + f"jobs: [{{id: hero, matrix: {{a: {axis}, b: {axis}, c: {axis}}}}}]\n",
        )
        said, peak = measured(manifest)
        assert said == "1,000,000,000 jobs; at most 1,000,000 are made"
        assert peak < 150
