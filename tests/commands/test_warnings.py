"""The warnings of a manifest are the same in every command that makes its jobs, and in every format."""

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring

AT_LOADING = "the prompt 'sit' is empty"
AT_THE_JOBS = (
    "the option 'prompt' is empty; render none to leave it out",
    "jobs[0].exclude[0]: this row excludes nothing: no 'locale' is 'frr'; did you mean 'fr'?",
    "jobs[0].exclude[1]: this row excludes nothing: no 'image' is 'rde'; did you mean 'red'?",
    "jobs[0].exclude[2]: this row excludes nothing: 'n' has 5 as another type, text or number",
    "jobs[1].when: this holds for no combination, so rule 'none' makes no job",
)
EVERYTHING = (AT_LOADING, *AT_THE_JOBS)


@pytest.fixture
def doubtful(project: Project) -> Project:
    rule = {
        "id": "main",
        "matrix": {"locale": ["en", "fr"], "n": [5]},
        "exclude": [{"locale": "frr"}, {"image": "rde"}, {"n": "5"}],
    }
    none = {"id": "none", "when": "{{ image.id == 'rde' }}"}
    prompts = {"walk": "{{ '' }}", "sit": ""}
    project.write({"campaign.yaml": spring(prompts=prompts, jobs=[rule, none])})
    return project


@pytest.mark.parametrize(
    "arguments",
    [
        ("validate", "MANIFEST"),
        ("expand", "MANIFEST"),
        ("expand", "MANIFEST", "--format", "jsonl"),
        ("expand", "MANIFEST", "--select", "image:red"),
        ("plan", "MANIFEST"),
        ("plan", "MANIFEST", "--quiet"),
        ("plan", "MANIFEST", "--format", "json"),
        ("run", "MANIFEST", "--quiet"),
    ],
)
def test_every_command_that_makes_jobs_tells_all_warnings_once(
    doubtful: Project, pipeline: Pipeline, arguments: tuple[str, ...]
) -> None:
    ended = pipeline(*(doubtful.manifest if each == "MANIFEST" else each for each in arguments))

    assert ended.code == 0, ended.output
    told = [line for line in (ended.out + ended.err).splitlines() if line.startswith("warning: ")]
    assert [sum(each in line for line in told) for each in EVERYTHING] == [1] * len(EVERYTHING), told


@pytest.mark.parametrize("arguments", [("expand",), ("expand", "--select", "image:red"), ("plan",), ("run",)])
def test_json_has_all_warnings(doubtful: Project, pipeline: Pipeline, arguments: tuple[str, ...]) -> None:
    command, *flags = arguments
    ended = pipeline(command, doubtful.manifest, *flags, "--format", "json")

    assert ended.code == 0, ended.output
    warnings = ended.document["warnings"]
    assert [sum(each in warning for warning in warnings) for each in EVERYTHING] == [1] * len(EVERYTHING)


def test_comment_has_all_warnings(doubtful: Project, offline: Pipeline) -> None:
    comment = offline("plan", doubtful.manifest, "--format", "markdown").out

    assert "<summary>6 warnings: 6 of 6 lines shown</summary>" in comment
    assert [each for each in EVERYTHING if each not in comment] == []


def test_saved_plan_with_warnings_can_be_run(doubtful: Project, pipeline: Pipeline) -> None:
    plan = doubtful.manifest.parent / "spring.plan.json"

    assert pipeline("plan", doubtful.manifest, "--out", plan).code == 0
    assert pipeline("run", plan).code == 0


@pytest.mark.parametrize("command", ["validate", "expand", "plan"])
def test_text_that_a_comment_cuts_is_told_wherever_it_is_read(
    project: Project, pipeline: Pipeline, command: str
) -> None:
    project.write(
        {
            "campaign.yaml": spring(
                prompts={"walk": "{{ offer }}"}, vars={"offer": "none"}, catalog={"file": "own.yaml"}
            ),
            "summer.yaml": "offer: Get the #1 shoe\n",
            "own.yaml": "version: 1\ntemplates:\n  mine:\n    title: We are #1\n",
        }
    )

    ended = pipeline(command, project.manifest, "--var-file", "summer.yaml")

    assert ended.code == 0, ended.output
    assert "warning: summer.yaml:1:8: offer: the text ends at ' #', as '#1 shoe' is a comment" in ended.output
    assert "own.yaml:4:12: templates.mine.title: the text ends at ' #', as '#1' is a comment" in ended.output
