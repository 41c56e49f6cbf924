"""A job that could not be recorded is rejected before it is bought, at its position in the manifest."""

import json

import pytest

from manifest import golden
from manifest.authoring import ANYTHING, Project
from pipeline import record_limits
from pipeline.engine.create import new_purchase
from pipeline.json_values import Json
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load
from pipeline.purchases import PurchaseId
from pipeline.records import unrecordable_reason

IMAGES = "image_sets: {{shoes: [{{id: many, images: {}}}]}}\n"


def nested(levels: int, innermost: Json = "x") -> str:
    for _ in range(levels):
        innermost = [innermost]
    return json.dumps(innermost)


def refused(project: Project, text: str) -> list[str]:
    return [problem.path for problem in project.problems(text) if problem.severity == "error"]


def axes(number: int, length: int) -> str:
    return json.dumps({f"axis{n}": [f"{n:0{length}}"] for n in range(number)})


def test_key_that_is_too_long(project: Project) -> None:
    def text(number: int) -> str:
        return (
            f"{ANYTHING}output: {{path: '{{{{ job.take }}}}.{{{{ ext }}}}'}}\n"
            f"jobs: [{{id: main, matrix: {axes(number, 190)}}}]\n"
        )

    (job,) = project.jobs(text(40))
    assert len(job.key) < record_limits.LONGEST_KEY
    (problem,) = project.problems(text(42))
    assert problem.path == "jobs[0]"
    assert "at most 8,192 can be recorded" in problem.message
    assert len(problem.message) < 500


def test_path_too_long_for_some_systems(project: Project) -> None:
    rule = "jobs: [{{id: main, matrix: {}}}]\n"
    assert refused(project, ANYTHING + rule.format(axes(32, 100))) == []
    assert refused(project, ANYTHING + rule.format(axes(42, 100))) == [""]
    # Too long together with its folder, or in a script whose letters take three bytes.
    folder = f"output: {{dir: {'/'.join(['f' * 99] * 9)}}}\n"
    assert refused(project, ANYTHING + folder + rule.format(axes(32, 100))) == [""]
    wide = "output: {{path: '{}.{{{{ ext }}}}'}}\njobs: [{{id: main}}]\n"
    assert refused(project, ANYTHING + wide.format("/".join(["走" * 30] * 30))) == []
    assert refused(project, ANYTHING + wide.format("/".join(["走" * 30] * 45))) == ["output.path"]


def test_item_with_too_many_images(project: Project) -> None:
    urls = [f"https://cdn.example.com/{number}.png" for number in range(1001)]
    assert refused(project, ANYTHING + IMAGES.format(json.dumps(urls[:1000]))) == []
    assert refused(project, ANYTHING + IMAGES.format(json.dumps(urls))) == ["image_sets.shoes[0]"]


@pytest.mark.parametrize("rendered", [False, True])
def test_option_nested_too_deep(project: Project, rendered: bool) -> None:
    def text(levels: int) -> str:
        # A YAML file is refused some levels earlier, but not a value composed of two parts.
        outer, inner = nested(levels - 40, "{{ deep }}"), nested(40)
        written = outer if rendered else json.dumps(json.loads(nested(levels)))
        return (
            f"vars: {{deep: {inner}}}\ntemplates: {{any: {{template_id: new, options: {{o: {written}}}}}}}\n"
        )

    assert refused(project, text(record_limits.DEEPEST_OPTION)) == []
    assert refused(project, text(record_limits.DEEPEST_OPTION + 1)) == ["templates.any.options.o"]


@pytest.mark.parametrize("number", ["0xDE0B6B3A7640000", "0xFFFFFFFFFFFFFFFF", "1000000000000000000"])
def test_number_with_more_than_18_digits(project: Project, number: str) -> None:
    text = "templates: {{any: {{template_id: new, options: {{o: {}}}}}}}\n"
    assert refused(project, text.format(number)) == ["templates.any.options.o"]
    assert refused(project, text.format("0xDE0B6B3A763FFFF")) == []


@pytest.mark.parametrize("price", ["{}", "{{video: {}}}"])
def test_unrecordable_price(project: Project, price: str) -> None:
    def text(number: int) -> str:
        return ANYTHING + f"catalog: {{credits: {{something_new: {price.format(number)}}}}}\n"

    assert refused(project, text(record_limits.LARGEST_CREDITS)) == []
    assert refused(project, text(record_limits.LARGEST_CREDITS + 1)) != []


def test_title_that_is_too_long_with_the_purchase_id(project: Project) -> None:
    project.write("long.j2", "x" * (record_limits.LONGEST_TEXT - 20))

    def text(between: str) -> str:
        return (
            "prompts: {p: {file: long.j2}}\n"
            f"templates: {{any: {{template_id: new, title: '{{{{ prompt }}}}{between}{{{{ purchase }}}}'}}}}\n"
        )

    assert refused(project, text("----")) == []
    assert refused(project, text("-----")) == ["templates.any.title"]


def test_request_of_a_valid_manifest_can_be_recorded(tmp_path_factory: pytest.TempPathFactory) -> None:
    examples = golden.project(tmp_path_factory.mktemp("examples"))
    jobs = list(expand(load(examples / "valid" / "everything.yaml", name="everything.yaml")))
    for job in jobs:
        assert (
            unrecordable_reason(new_purchase(job, PurchaseId("0" * 16), None, "2026-03-01T12:00:00.000Z"))
            is None
        )
    assert jobs
