import itertools
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.protection import fails_without

from manifest import golden
from manifest.authoring import ANYTHING, HEAD, OVERLAY, Project
from pipeline.documents import schema
from pipeline.documents.node import Node
from pipeline.documents.yaml_reader import read_yaml
from pipeline.errors import InvalidInput, Problem, UsageError, nearest
from pipeline.jobs import LocalFile, Visibility
from pipeline.json_values import Json
from pipeline.manifest.discover import find
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load
from pipeline.manifest.model import Limits, ProviderSettings
from pipeline.purchases import PurchaseId

OWN = "catalog: {file: own.yaml}\ntemplates:\n"


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return golden.project(tmp_path_factory.mktemp("examples"))


class TestExamples:
    @pytest.mark.parametrize("name", golden.cases("invalid"))
    def test_invalid_manifest_gives_its_expected_report(self, examples: Path, name: str) -> None:
        expected = (golden.MANIFESTS / "invalid" / name).with_suffix(".txt").read_text(encoding="utf-8")
        assert golden.report(examples / "invalid" / name) == expected
        assert "error: " in expected

    def test_every_expected_report_has_its_manifest(self) -> None:
        folder = golden.MANIFESTS / "invalid"
        assert {path.stem for path in folder.glob("*.txt")} == {
            Path(name).stem for name in golden.cases("invalid")
        }

    @pytest.mark.parametrize("path", find([golden.MANIFESTS / "valid"]), ids=lambda path: path.name)
    def test_valid_manifest_gives_no_message(self, examples: Path, path: Path) -> None:
        assert golden.report(examples / path.relative_to(golden.MANIFESTS)) == ""

    def test_full_example_has_every_key_of_the_schema(self) -> None:
        said = set(_keys(read_yaml(golden.MANIFESTS / "valid" / "everything.yaml", "everything.yaml").root))
        lacks = set(_properties(schema.load("campaign"))) - said
        assert not lacks, f"use {', '.join(sorted(lacks))} in tests/manifests/valid/everything.yaml"


def _keys(node: Node) -> Iterator[str]:
    if isinstance(node.value, tuple):
        for inner in node.value:
            yield from _keys(inner)
    elif not isinstance(node.value, bool | int | float | str | None):
        for key, inner in node.value.items():
            yield key
            yield from _keys(inner)


def _properties(part: Json) -> Iterator[str]:
    if isinstance(part, list):
        for inner in part:
            yield from _properties(inner)
    elif isinstance(part, dict):
        properties = part.get("properties")
        if isinstance(properties, dict):
            yield from properties
        for inner in part.values():
            yield from _properties(inner)


WORDS: list[Json] = [
    "",
    "x",
    "{{ x }}",
    "{{",
    "{{ image.vars }}",
    "../../../..",
    "/etc/passwd",
    "*",
    "**",
    "é" * 100,
]
SHAPES: list[Json] = [
    [],
    {},
    [None],
    [[]],
    [{}],
    {"a": None},
    {"file": "x"},
    {"outputs_of": "hero"},
    {"csv": 5},
]
ROWS: list[Json] = [[{"prompt": None}], [{"image": 5}], {"glob": "["}, {"glob": "**"}]
JUNK: list[Json] = [
    None,
    True,
    0,
    -1,
    5.5,
    10**17,
    "https://a.example/x.png",
    "http://[",
    "\u202e",
    *WORDS,
    *SHAPES,
    *ROWS,
]


class TestStrangers:
    @given(data=st.data())
    @settings(max_examples=150)
    def test_any_manifest_is_accepted_or_reported_with_positions(
        self, examples: Path, data: st.DataObject
    ) -> None:
        everything = read_yaml(examples / "valid" / "everything.yaml", "everything.yaml").root.plain()
        for _ in range(data.draw(st.integers(1, 3))):
            everything = _spoilt(everything, data)
        path = examples / "valid" / "spoilt.yaml"
        path.write_text(json.dumps(everything))
        problems: list[Problem] = []
        refused = ""
        try:
            for job in itertools.islice(expand(load(path)), 500):
                assert job.fingerprint
                assert job.title(PurchaseId("a"))
        except InvalidInput as error:
            problems += error.problems or (Problem("nothing"),)
        except UsageError as error:
            # An address in place of the output folder, which is wrong usage in a flag and in a manifest.
            refused = str(error)
        assert refused == "" or re.search(r"spoilt\.yaml:\d+:\d+: output\.dir \S+: ", refused)
        assert [problem for problem in problems if problem.position is None] == []


def _spoilt(value: Json, data: st.DataObject) -> Json:
    """`value` with a part of it replaced by junk, left out, or added."""
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        key = data.draw(st.sampled_from([*value, "file", "prompt"]))
        if key in value and data.draw(st.integers(0, 4)) == 0:
            return {each: inner for each, inner in value.items() if each != key}
        return {**value, key: _spoilt(value.get(key), data)}
    if isinstance(value, list) and value and data.draw(st.booleans()):
        index = data.draw(st.integers(0, len(value) - 1))
        return [*value[:index], _spoilt(value[index], data), *value[index + 1 :]]
    return data.draw(st.sampled_from(JUNK))


class TestSchemas:
    @pytest.mark.parametrize("name", ["campaign", "catalog"])
    def test_every_key_has_a_description_for_editors(self, name: str) -> None:
        for path, part in _described(schema.load(name), name):
            assert "title" in part or "$ref" in part, path
            assert any(key in part for key in ("type", "enum", "oneOf", "const", "$ref")), path

    def test_documented_defaults_are_the_real_ones(self) -> None:
        campaign = schema.load("campaign")
        shown = _at(campaign, "properties", "limits", "properties")
        for name, part in shown.items():
            assert isinstance(part, dict)
            assert part["default"] == getattr(Limits(), name)


def _described(part: Json, path: str) -> Iterator[tuple[str, dict[str, Json]]]:
    if not isinstance(part, dict):
        return
    properties = part.get("properties")
    for key, inner in properties.items() if isinstance(properties, dict) else ():
        assert isinstance(inner, dict)
        yield f"{path}.{key}", inner
    for key, inner in part.items():
        if key not in ("examples", "default"):
            for index, each in enumerate(inner) if isinstance(inner, list) else [(0, inner)]:
                yield from _described(each, f"{path}/{key}[{index}]")


def _at(part: dict[str, Json], *path: str) -> dict[str, Json]:
    for key in path:
        inner = part[key]
        assert isinstance(inner, dict)
        part = inner
    return part


class TestMerging:
    def test_maps_merge_lists_and_scalars_replace_and_null_removes(self, project: Project) -> None:
        project.write(
            "base.yaml",
            "version: 1\nvars: {a: {x: 1, y: [1, 2]}, b: 1, c: 1}\nprompts: {walk: walking, run: running}\n"
            "limits: {max_creates: 5, budget: 7}\n" + ANYTHING,
        )
        campaign = project.load(
            "extends: base.yaml\nvars: {a: {y: [3]}, b: 2, c: null}\nprompts: {run: null}\nlimits: {budget: null}\n"
        )
        assert campaign.vars == {"a": {"x": 1, "y": [3]}, "b": 2}
        assert list(campaign.prompts) == ["walk"]
        assert (campaign.limits.max_creates, campaign.limits.budget) == (5, None)

    def test_later_bases_win_and_the_file_itself_wins_over_all(self, project: Project) -> None:
        project.write("one.yaml", "version: 1\nvars: {a: 1, b: 1, c: 1}\n")
        project.write("two.yaml", "version: 1\nextends: one.yaml\nvars: {b: 2, c: 2}\n")
        project.write("three.yaml", "version: 1\nvars: {c: 3, d: 3}\n")
        campaign = project.load("extends: [two.yaml, three.yaml]\nvars: {d: 4}\n" + ANYTHING)
        assert campaign.vars == {"a": 1, "b": 2, "c": 3, "d": 4}

    def test_name_is_never_inherited(self, project: Project) -> None:
        base = project.write("base.yaml", HEAD + ANYTHING)
        nameless = project.write("campaign.yaml", f"version: 1\nextends: {base.name}\n")
        with pytest.raises(InvalidInput, match="missing key 'name'"):
            load(nameless)

    def test_path_is_relative_to_its_file(self, project: Project) -> None:
        project.image("common/images/red.png")
        project.write("common/prompts/walk.j2", "walking\r\nslowly\n")
        project.write("common/data/rows.csv", "path,id\nimages/red.png,row\n")
        project.write(
            "common/base.yaml",
            "version: 1\nimage_sets: {shoes: [images/red.png], rows: {csv: data/rows.csv}}\n"
            "prompts: {walk: {file: prompts/walk.j2}}\n"
            "templates:\n  any:\n    template_id: new\n    options: {p: '{{ prompt }}', u: {file: images/red.png}}\n",
        )
        red, row = project.jobs("extends: ../../common/base.yaml\n", "campaigns/spring/campaign.yaml")
        (image,) = red.request.images
        assert isinstance(image, LocalFile)
        assert image.path == "../../common/images/red.png"
        assert red.request.options == {"p": "walking\nslowly", "u": image}
        assert row.key == "main/any/row/walk"
        assert row.request.images == red.request.images

    def test_problem_in_a_base_is_reported_at_its_position_in_the_base(self, project: Project) -> None:
        project.write("common/base.yaml", "version: 1\nlimits:\n  max_creates: many\n" + OVERLAY)
        (problem,) = project.problems(
            "extends: ../common/base.yaml\nimage_sets: {}\n", "spring/campaign.yaml"
        )[:1]
        assert str(problem.position) == "common/base.yaml:3:16"
        assert problem.source == "  max_creates: many"

    def test_base_shared_by_two_files_is_not_a_circle(self, project: Project) -> None:
        project.write("root.yaml", "version: 1\nvars: {a: 1}\n")
        project.write("left.yaml", "version: 1\nextends: root.yaml\n")
        project.write("right.yaml", "version: 1\nextends: root.yaml\n")
        assert project.load("extends: [left.yaml, right.yaml]\n" + ANYTHING).vars == {"a": 1}

    def test_extends_chain_length_is_limited(self, project: Project) -> None:
        for number in range(100):
            project.write(f"{number}.yaml", f"version: 1\nextends: {number + 1}.yaml\n")
        assert "more than 64 base files" in project.messages("extends: 0.yaml\n" + ANYTHING)


class TestCampaign:
    def test_omitted_keys_have_defaults(self, project: Project) -> None:
        campaign = project.load(ANYTHING)
        assert campaign.limits == Limits()
        assert campaign.provider == ProviderSettings("vimmerse", "v1", report_errors=False)
        assert campaign.output.dir == project.root / "output" / "spring"
        assert campaign.output.path == "{{ job.key }}.{{ ext }}"
        (rule,) = campaign.rules
        assert (rule.id, rule.timeout, rule.retries, rule.repeat) == ("main", 3600.0, 0, 1)
        assert campaign.templates["any"].visibility is Visibility.PRIVATE

    def test_command_line_vars_override_those_of_the_file(self, project: Project) -> None:
        campaign = project.load("vars: {a: 1, b: {x: 1}}\n" + ANYTHING, variables={"b": "new", "c": None})
        assert campaign.vars == {"a": 1, "b": "new", "c": None}

    def test_command_line_var_may_not_hide_a_built_in_name(self, project: Project) -> None:
        with pytest.raises(InvalidInput, match="--var prompt: a var cannot be called 'prompt'"):
            project.load(ANYTHING, variables={"prompt": "x"})

    def test_operator_may_choose_the_provider(self, project: Project) -> None:
        path = project.write("campaign.yaml", HEAD + ANYTHING)
        campaign = load(path, provider="emulator")
        assert [job.request.provider for job in expand(campaign)] == ["emulator"]

    @pytest.mark.parametrize(
        ("written", "seconds"),
        [("90s", 90), ("60m", 3600), ("1h30m", 5400), ("2h0m5s", 7205), ("45", 45), ("0.5", 0.5)],
    )
    def test_timeout_is_a_duration_or_a_number_of_seconds(
        self, project: Project, written: str, seconds: float
    ) -> None:
        campaign = project.load(f"{ANYTHING}jobs: [{{id: hero, timeout: {written}}}]\n")
        assert campaign.rules[0].timeout == seconds

    @pytest.mark.parametrize("written", ["h", "''", "5 minutes", "-5s", "0", "1m1h", "'5'"])
    def test_invalid_timeout_is_rejected(self, project: Project, written: str) -> None:
        assert "jobs[0].timeout" in project.messages(f"{ANYTHING}jobs: [{{id: hero, timeout: {written}}}]\n")

    def test_output_folder_is_relative_to_the_main_manifest(self, project: Project) -> None:
        project.write("common/base.yaml", "version: 1\noutput: {dir: made, steps: true}\n")
        campaign = project.load("extends: ../common/base.yaml\n" + ANYTHING, "spring/campaign.yaml")
        assert campaign.output.dir == project.root / "spring" / "made"
        assert [job.steps for job in expand(campaign)] == [True]

    def test_manifest_and_project_have_resolved_paths(self, project: Project) -> None:
        real = project.write("spring/campaign.yaml", HEAD + ANYTHING)
        link = project.root / "link.yaml"
        link.symlink_to(real)
        campaign = load(link)
        assert (campaign.manifest, campaign.root) == (real, project.root)

    @fails_without("pipeline.paths:_refuse_link", "if not target.is_relative_to(project)")
    def test_link_to_a_manifest_is_not_followed_out_of_its_project(
        self, project: Project, tmp_path: Path
    ) -> None:
        (tmp_path / "foreign.yaml").write_text(HEAD + ANYTHING)
        link = project.root / "foreign.yaml"
        link.symlink_to(tmp_path / "foreign.yaml")
        with pytest.raises(
            InvalidInput, match=r"^c\.yaml:1:1: this link leads outside the project \(project/\)"
        ):
            load(link, name="c.yaml")

    @pytest.mark.parametrize("name", [b"caf\xe9.yaml", b"caf\xe9/campaign.yaml"])
    def test_manifest_name_that_is_not_utf8_is_rejected(self, project: Project, name: bytes) -> None:
        path = project.write(os.fsdecode(name), HEAD + ANYTHING)
        with pytest.raises(InvalidInput, match=r"the name of .*caf\\xe9.* is not UTF-8; rename it"):
            load(path)

    def test_warnings_are_separate_from_errors(self, project: Project) -> None:
        campaign = project.load(ANYTHING)
        assert [problem.severity for problem in campaign.warnings] == ["warning"]
        assert "knows no template 'something_new'" in campaign.warnings[0].message

    @pytest.mark.parametrize(
        "wrong",
        [
            "jobs: [{id: hero, prompts: [NAMES]}]",
            "jobs: [{id: hero, exclude: [{prompt: NAMES}]}]".replace("{prompt: NAMES}", "ROWS"),
            "image_sets: {shoes: [IMAGES]}",
            "jobs: [{id: hero, image_sets: [shoes], include: [INCLUDED]}]\nimage_sets: {shoes: ['https://a.example/walk.png']}",
        ],
    )
    def test_only_the_first_unknown_names_get_suggestions(self, project: Project, wrong: str) -> None:
        project.image("walk.png")
        names = [f"walk{number}" for number in range(80)]
        for word, each in {
            "NAMES": "{}",
            "ROWS": "{{prompt: {}}}",
            "IMAGES": "{}.png",
            "INCLUDED": "{{image: {}}}",
        }.items():
            wrong = wrong.replace(word, ", ".join(each.format(name) for name in names))

        problems = project.problems(f"{ANYTHING}prompts: {{walk: a walk}}\n{wrong}\n")

        near = [each for each in problems if "; did you mean 'walk" in each.message]
        assert len(problems) == 80
        # Of some, one fewer: the unknown id of the template was compared first.
        assert near in (problems[:49], problems[:50])

    @pytest.mark.parametrize(
        "text",
        [
            "templates: {any: {template_id: new, options: {x: '{{ prompt }}'}}}\nprompts:\n"
            + "".join(f"  p{n}: '{{{{ campain }}}} {n}'\n" for n in range(80)),
            ANYTHING + "jobs:\n" + "".join(f"  - {{id: r{n}, exclude: [{{promt: x}}]}}\n" for n in range(80)),
            ANYTHING
            + "image_sets:\n"
            + "".join(f"  s{n}: {{outputs_of: mian}}\n" for n in range(80))
            + "jobs: [{id: main}]\n",
            ANYTHING + "vars: {walk: &walk 1}\nprompts:\n" + "".join(f"  p{n}: *walc\n" for n in range(80)),
            ANYTHING
            + "image_sets:\n"
            + "".join(f"  s{n}: {{csv: shoes.csv, columns: {{id: nmae}}}}\n" for n in range(80)),
            "templates:\n" + "".join(f"  t{n}: {{template_id: overlay_grey_5443}}\n" for n in range(80)),
            OWN + "".join(f"  t{n}: {{template_id: own, options: {{stile: warm}}}}\n" for n in range(80)),
            OWN + "".join(f"  t{n}: {{template_id: own, options: {{style: wram}}}}\n" for n in range(80)),
            OWN
            + "".join(
                f"  t{n}: {{template_id: own, options: {{style: '{{{{ word }}}}'}}}}\n" for n in range(80)
            )
            + "vars: {word: wram}\n",
            OWN
            + "  up: {template_id: own}\nimage_sets:\n"
            + "".join(f"  s{n}: {{outputs_of: main, step: crpo}}\n" for n in range(80))
            + "jobs: [{id: main, image_sets: []}]\n",
            ANYTHING + "prompts:\n" + "".join(f"  p{n}: '{{{{ 1 | uper }}}} {n}'\n" for n in range(80)),
            ANYTHING + "prompts:\n" + "".join(f"  p{n}: '{{{{ 1 is strng }}}} {n}'\n" for n in range(80)),
        ],
        ids=[
            *("names in texts", "keys of rows", "rules of chains", "anchors"),
            *("columns", "template ids", "keys of options", "choices", "rendered choices"),
            *("steps", "filters", "tests"),
        ],
    )
    def test_only_the_first_mistakes_of_any_kind_are_compared_with_what_exists(
        self, project: Project, text: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compared: list[str] = []

        def noted(word: str, known: Iterable[str]) -> str | None:
            compared.append(word)
            return nearest(word, known)

        monkeypatch.setattr("pipeline.errors.nearest", noted)
        project.write("shoes.csv", "path,name\nwalk.png,a\n")
        own = "{steps: {crop: image}, options: {style: {type: string, choices: [warm, cold]}}}"
        project.write("own.yaml", f"version: 1\ntemplates: {{own: {own}}}\n")
        problems = project.problems(text)
        assert len(problems) == 80
        assert len(compared) == 50
        # What was compared once has its hint each time.
        assert all("; did you mean" in each.message for each in problems)

    @pytest.mark.parametrize("merged", ["*base", "[*base, {visibility: private}]", "{template_id: new}"])
    def test_merge_key_hides_no_other_problem(self, project: Project, merged: str) -> None:
        text = (
            "vars: {base: &base {template_id: new}}\n"
            f"templates:\n  any:\n    <<: {merged}\n    titel: x\n"
            "jobs: [{id: hero, prompts: [wlak]}]\nprompts: {walk: x}\n"
        )
        found = [each.message for each in project.problems(text) if each.severity == "error"]
        assert [each.partition(";")[0] for each in found] == [
            "merge keys (<<) are not supported",
            "unknown key",
            "there is no prompt 'wlak'",
        ]

    def test_merged_value_is_weaker_than_a_written_one(self, project: Project) -> None:
        text = "templates: {any: {<<: {template_id: 5, options: {x: 1}}, template_id: new, <<: {visibility: no}}}\n"
        found = [each.message for each in project.problems(text)]
        assert [each.partition(";")[0].partition(",")[0] for each in found] == [
            "merge keys (<<) are not supported",
            "merge keys (<<) are not supported",
            "expected one of 'private'",
        ]

    def test_list_in_place_of_templates_is_one_problem(self, project: Project) -> None:
        [problem] = project.problems("templates: []\n")
        assert problem.message == "expected a mapping, found a list"

    def test_key_that_is_no_text_hides_no_other_problem(self, project: Project) -> None:
        text = ANYTHING + "prompts: {1: one, two: 5}\njobs: [{id: hero, prompts: ['1', wlak]}]\n"
        found = [each.message for each in project.problems(text) if each.severity == "error"]
        assert len(found) == 3
        assert found[0] == "the key '1' is not a text; write it in quotes"
        assert "there is no prompt 'wlak'" in found[2]

    def test_key_that_is_written_twice_hides_no_other_problem(self, project: Project) -> None:
        text = (
            ANYTHING
            + "prompts: {walk: x}\ndescription: shoes\n"
            + "jobs: [{id: hero, prompts: [walk, leap, wlak], prompts: [walk], titel: x}]\n"
            # As meant, these are prompts too; one that is written in both is the first.
            + "prompts: {leap: x, walk: '{{ nobody }}'}\ndescription: 5\n"
        )
        found = [each.message for each in project.problems(text) if each.severity == "error"]
        assert [each.partition(";")[0].partition(",")[0] for each in found] == [
            "there is no prompt 'wlak'",
            "the key 'prompts' is written twice",
            "unknown key",
            "the key 'prompts' is written twice",
            "the key 'description' is written twice",
        ]

    def test_problems_are_sorted_by_position(self, project: Project) -> None:
        problems = project.problems(
            "limits: {max_creates: x, budget: y}\nprompts: {a: '{{ b c }}'}\nx: 1\n" + ANYTHING
        )
        assert problems == sorted(problems, key=lambda problem: str(problem.position))
        assert len(problems) == 4

    def test_caller_chooses_the_manifest_name_in_messages(self, project: Project) -> None:
        path = project.write("a/campaign.yaml", "version: 1\nextends: b/base.yaml\nname: spring\n")
        with pytest.raises(
            InvalidInput, match=r"^shown/campaign\.yaml:2:10: extends: .*: shown/b/base\.yaml$"
        ):
            load(path, name="shown/campaign.yaml")

    def test_manifest_that_is_not_a_file_is_reported_without_blocking(self, project: Project) -> None:
        os.mkfifo(project.root / "pipe.yaml")
        for path in (project.root, project.root / "pipe.yaml", project.root / "none.yaml", Path("/dev/zero")):
            with pytest.raises(InvalidInput) as raised:
                load(path)
            assert [problem.position is not None for problem in raised.value.problems] == [True]

    @pytest.mark.parametrize(
        "value",
        [float("nan"), [float("inf")], object(), {1, 2}, b"x", "\ud800", {"a": "\0"}, 10**18, 10**5000],
        ids=lambda value: type(value).__name__,
    )
    def test_var_that_no_manifest_could_hold_is_rejected(self, project: Project, value: Any) -> None:
        with pytest.raises(InvalidInput, match="the var 'season' cannot be used"):
            project.load("vars: {season: spring}\n" + ANYTHING, variables={"season": value})

    def test_var_without_a_name_is_rejected(self, project: Project) -> None:
        variables: Any = {5: "x"}
        with pytest.raises(InvalidInput, match="5 is not a valid name"):
            project.load(ANYTHING, variables=variables)


class TestFind:
    def test_folder_gives_the_yaml_files_that_are_campaigns(self, project: Project) -> None:
        project.write("b/two.yml", HEAD)
        project.write("a/one.yaml", HEAD)
        project.write("{c}.yaml", "{name: flow, version: 1}")
        project.write("base.yaml", "version: 1\nvars: {name: x}\n")
        project.write("workflow.yaml", "name: ci\non: push\n")
        project.write("spring.decisions.yaml", "version: 1\ndecisions: []\n")
        project.write(".hidden/campaign.yaml", HEAD)
        project.write("notes.txt", HEAD)
        names = [path.relative_to(project.root).as_posix() for path in find([project.root])]
        assert names == ["{c}.yaml", "a/one.yaml", "b/two.yml"]

    def test_unreadable_campaign_is_found_so_that_its_errors_are_reported(self, project: Project) -> None:
        broken = project.write("broken.yaml", HEAD + "jobs: [\n")
        as_json = project.write(
            "c.yaml", '# a campaign\n{\n  "version": 1,\n  "name": "c", "vars": {"a": 1' + "0" * 20
        )
        project.write("chart.yaml", "{{- if .x }}\nspec:\n  version: 1\n  name: x\n")
        project.write("deployment.yaml", "spec:\n  version: 1\n  name: {{ .x }}\n  a: [\n")
        assert find([project.root]) == [broken, as_json]

    def test_named_file_is_taken_as_is_and_listed_once(self, project: Project) -> None:
        base = project.write("base.yaml", "version: 1\n")
        one = project.write("one.yaml", HEAD)
        assert find([base, one, project.root]) == [base, one]

    def test_all_missing_paths_are_reported_at_once(self, project: Project) -> None:
        (project.root / "empty").mkdir()
        with pytest.raises(InvalidInput) as raised:
            find([project.root / "none.yaml", project.root / "empty"])
        assert len(raised.value.problems) == 2


def test_schemas_match_those_published_for_editors() -> None:
    for name in ("campaign", "catalog"):
        assert json.loads(schema.text(name))["$schema"].endswith("2020-12/schema")
