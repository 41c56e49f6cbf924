"""`pipeline validate` reports every problem of every manifest with its position."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, picture, spring

from pipeline.cli.validate import as_github, as_gitlab, as_json
from pipeline.errors import Position, Problem

BROKEN = """\
version: 1
name: spring
templates:
  loop:
    template_id: each_explodedloop_0226
    optoins: {prompt: "{{ prompt }}"}
image_sets:
  shoes: [images/red.png, images/none.png]
prompts:
  walk: "{{ seasn }} light"
"""


def test_valid_campaign_is_reported_with_its_number_of_jobs(project: Project, offline: Pipeline) -> None:
    ended = offline("validate", project.manifest)

    assert ended.code == 0, ended.output
    assert "spring is valid, 2 jobs" in ended.out


def test_every_problem_is_reported_at_once_with_its_position(folder: Path, offline: Pipeline) -> None:
    project = campaign(folder, {"campaign.yaml": BROKEN})

    ended = offline("validate", "campaign.yaml")

    assert ended.code == 3
    assert "campaign.yaml:6:5: templates.loop.optoins" in ended.out
    assert "did you mean 'options'" in ended.out
    assert '6 |     optoins: {prompt: "{{ prompt }}"}' in ended.out
    project.write({"campaign.yaml": BROKEN.replace("optoins", "options")})
    ended = offline("validate", "campaign.yaml")
    assert "campaign.yaml:8:27: " in ended.out
    assert "campaign.yaml:10:9: " in ended.out


@pytest.mark.parametrize(("axis", "are_checked"), [(150, True), (151, False)])
def test_validate_says_if_jobs_are_not_checked_because_of_other_errors(
    folder: Path, offline: Pipeline, axis: int, are_checked: bool
) -> None:
    job = {"matrix": {"x": list(range(133)), "y": list(range(axis))}, "options": {"prompt": "{{ nope }}"}}
    manifest = spring(prompts={"walk": "a walk"}, jobs=[{"id": "main", **job}])
    campaign(folder, {"campaign.yaml": {**manifest, "surprise": 1}})
    expected = (
        "warning: campaign.yaml:1:1: the jobs (up to 20,083) are checked only once the other errors are fixed"
    )

    ended = offline("validate", "campaign.yaml")
    planned = offline("plan", "campaign.yaml")

    assert (ended.code, planned.code) == (3, 3)
    assert "surprise: unknown key" in ended.out
    assert ("nope" in ended.out) is are_checked
    assert (expected in ended.out) is not are_checked
    assert (expected in planned.err) is not are_checked


def test_folder_includes_every_campaign_below_it(project: Project, offline: Pipeline) -> None:
    project.write(
        {
            "more/autumn.yaml": spring(name="autumn", image_sets={"s": ["red.png"]}),
            "more/red.png": picture(),
            "base.yaml": {"version": 1, "vars": {"season": "summer"}},
            "notes.yaml": "- no campaign",
        }
    )

    ended = offline("validate", ".")

    assert ended.code == 0, ended.output
    assert ended.out.splitlines() == [
        "campaign.yaml: spring is valid, 2 jobs",
        "more/autumn.yaml: autumn is valid, 2 jobs",
    ]


def test_campaigns_of_several_folders_are_distinguished_by_path(folder: Path, offline: Pipeline) -> None:
    for name in ("x", "y"):
        campaign(folder / name, {"campaign.yaml": spring(name=name)})

    ended = offline("validate", "x", "y/campaign.yaml")

    assert ended.code == 0, ended.output
    assert [line.partition(" is ")[0] for line in ended.out.splitlines()] == [
        "x/campaign.yaml: x",
        "y/campaign.yaml: y",
    ]


def test_same_name_for_two_campaigns_is_an_error(project: Project, offline: Pipeline) -> None:
    project.write({"other.yaml": spring()})

    ended = offline("validate", ".")

    assert ended.code == 3
    assert "error: other.yaml:1:1: its name 'spring' is that of campaign.yaml" in ended.out


@pytest.mark.parametrize("command", ["plan", "status"])
def test_two_campaigns_of_one_name_are_refused_together(
    project: Project, offline: Pipeline, command: str
) -> None:
    project.write({"other.yaml": spring()})

    ended = offline(command, ".")

    assert ended.code == 3
    assert "other.yaml:1:1: its name 'spring' is that of campaign.yaml" in ended.err
    assert offline(command, "campaign.yaml", "./campaign.yaml").code == 0


def test_json_output_has_diagnostics(folder: Path, offline: Pipeline) -> None:
    campaign(folder, {"campaign.yaml": BROKEN})

    ended = offline("validate", "campaign.yaml", "--format", "json")

    assert ended.code == 3
    assert ended.document["valid"] is False
    assert ended.document["error_count"] == len(ended.document["diagnostics"]) >= 1
    first = ended.document["diagnostics"][0]
    assert first["severity"] == "error"
    assert first["range"]["filename"] == "campaign.yaml"
    assert first["range"]["start"] == {"line": 6, "column": 5}


def test_unused_name_in_a_var_file_is_a_warning(project: Project, offline: Pipeline) -> None:
    prompts = {"walk": "a walk in {{ season }}"}
    project.write({"campaign.yaml": spring(vars={"season": "spring"}, prompts=prompts)})
    project.write({"vars.yaml": "season: autumn\nseson: winter\n"})
    expected = "vars.yaml:2:1: seson: nothing in the manifest uses this var (did you mean 'season'?)"

    for command in (["validate"], ["plan"], ["expand"], ["run", "--frozen", "--emulate"]):
        ended = offline(*command, project.manifest, "--var-file", "vars.yaml")
        assert f"warning: {expected}" in ended.output
        assert ended.code == (4 if "run" in command else 0)
    assert "uses this var" not in offline("status", project.manifest, "--var-file", "vars.yaml").output

    project.write({"other.yaml": spring(name="other", prompts={"walk": "in {{ seson }}"})})
    assert "uses this var" not in offline("validate", ".", "--var-file", "vars.yaml").output


def test_unlisted_errors_are_counted(folder: Path, offline: Pipeline) -> None:
    manifest = folder / "campaign.yaml"
    options = "background_urls: ['https://a.example/b.mp4'], prompt: '{{ i }}'"
    manifest.write_text(
        f"version: 1\nname: x\ntemplates: {{a: {{template_id: overlay_gray_5443, options: {{{options}}}}}}}\n"
        f"image_sets: {{s: ['https://a.example/red.png']}}\njobs: [{{id: m, matrix: {{i: {list(range(300))}}}}}]\n"
    )

    document = offline("validate", manifest, "--format", "json").document

    assert document["error_count"] == 300
    assert len(document["diagnostics"]) == 4
    assert offline("validate", manifest).out.count("error:") == 4


def test_position_far_along_a_long_line_is_shown(folder: Path, offline: Pipeline) -> None:
    shoes = ", ".join(f"https://cdn.example.com/{number}.png" for number in range(20))
    line = f"image_sets: {{shoes: [{shoes}, nowhere.png]}}"
    column = line.index("nowhere") + 1
    manifest = folder / "campaign.yaml"
    manifest.write_text(f"version: 1\nname: x\ntemplates: {{a: {{template_id: vim_arctic}}}}\n{line}\n")

    quoted, mark = offline("validate", manifest).output.splitlines()[1:3]
    assert quoted[mark.index("^") :].startswith("nowhere.png")

    snippet = offline("validate", manifest, "--format", "json").document["diagnostics"][0]["snippet"]
    assert snippet["highlight_start_offset"] == column - 1
    assert snippet["code"][column - 1 :].startswith("nowhere.png")


def test_position_on_an_extremely_long_line_is_shown_without_the_line(
    folder: Path, offline: Pipeline
) -> None:
    manifest = folder / "campaign.yaml"
    templates = "templates: {a: {template_id: vim_arctic}}"
    line = f"{{version: 1, name: x, {templates}, vars: {{a: {'x' * 20_000}}}, nothing: 1}}"
    manifest.write_text(f"{line}\n")

    last = offline("validate", manifest).output.splitlines()[-1]
    assert f"campaign.yaml:1:{line.index('nothing') + 1}: nothing: unknown key" in last

    diagnostics = offline("validate", manifest, "--format", "json").document["diagnostics"]
    for snippet in (each["snippet"] for each in diagnostics):
        assert snippet["highlight_start_offset"] <= len(snippet["code"])


def test_github_format_prints_annotations(folder: Path, offline: Pipeline) -> None:
    campaign(folder, {"campaign.yaml": BROKEN})
    offline.set("GITHUB_ACTIONS", "true")

    ended = offline("validate", "campaign.yaml", "--format", "github")

    assert ended.code == 3
    assert ended.out.startswith("::error file=campaign.yaml,line=6,col=5::")


def test_no_file_name_changes_an_annotation(folder: Path, offline: Pipeline) -> None:
    campaign(folder, {"a,line=9::b%.yaml": BROKEN})

    ended = offline("validate", "a,line=9::b%.yaml", "--format", "github")

    assert ended.code == 3
    assert ended.out.startswith("::error file=a%2Cline=9%3A%3Ab%25.yaml,line=6,col=5::")


def test_no_message_ends_its_annotation_early() -> None:
    [line] = as_github([Problem("50%\r\n::error::gotcha", path="vars.\n::stop-commands::x")])

    assert line.startswith("::error::vars.")
    assert len(line.splitlines()) == 1
    assert "50%25" in line


def test_gitlab_report_has_fingerprints_that_survive_a_move(folder: Path, offline: Pipeline) -> None:
    project = campaign(folder, {"campaign.yaml": BROKEN})
    before = offline("validate", "campaign.yaml", "--format", "gitlab").document
    project.write({"campaign.yaml": f"# a comment above\n{BROKEN}"})

    after = offline("validate", "campaign.yaml", "--format", "gitlab").document

    assert [each["fingerprint"] for each in after] == [each["fingerprint"] for each in before]
    assert after[0]["location"] == {"path": "campaign.yaml", "lines": {"begin": 7}}


def test_vars_of_flags_override_files_and_the_manifest(folder: Path, offline: Pipeline) -> None:
    project = campaign(
        folder,
        {
            "campaign.yaml": spring(
                vars={"a": "1", "b": "1", "c": "1"}, prompts={"p": "{{ a }}{{ b }}{{ c }}"}
            ),
            "vars.yaml": "b: '2'\nc: '2'\n",
        },
    )

    ended = offline("expand", project.manifest, "--var-file", "vars.yaml", "--var", "c=3", "--format", "json")

    assert ended.document["jobs"][0]["request"]["options"]["prompt"] == "123"


@pytest.mark.parametrize("path", ["none.yaml", "images"])
def test_missing_campaign_is_reported(project: Project, offline: Pipeline, path: str) -> None:
    ended = offline("validate", path)

    assert ended.code == 3
    assert path in ended.err


def test_non_file_is_refused_without_hanging(project: Project, offline: Pipeline) -> None:
    ended = offline("validate", "/dev/zero")

    assert ended.code == 3, ended.output


def test_commands_in_untrusted_text_do_not_reach_the_runner(folder: Path, offline: Pipeline) -> None:
    hostile = 'version: 1\nname: spring\n"::error::gotcha\\n::stop-commands::x": 1\n##[group]x: 2\n'
    campaign(folder, {"campaign.yaml": hostile})
    offline.set("GITHUB_ACTIONS", "true")

    for form in ("text", "github"):
        ended = offline("validate", "campaign.yaml", "--format", form)
        assert ended.code == 3
        token = ended.out.splitlines()[0].removeprefix("::stop-commands::") if form == "text" else "none"
        for line in ended.out.splitlines():
            own = ("::error file=campaign.yaml,", f"::stop-commands::{token}", f"::{token}::")
            assert line.startswith(own) or not line.strip().startswith(("::", "##[")), line


class TestUnusedVars:
    """A `--var` without effect is a typo, and would buy the wrong thing."""

    @pytest.fixture
    def project(self, folder: Path) -> Project:
        prompts = {"walk": "a walk in {{ season }}", "dance": "{{ vars.mood | default('gay') }}"}
        return campaign(
            folder, {"campaign.yaml": spring(vars={"unused": 1, "season": "may"}, prompts=prompts)}
        )

    @pytest.mark.parametrize("command", ["validate", "expand", "plan", "status", "results", "verify"])
    def test_unused_name_is_wrong_usage(self, project: Project, offline: Pipeline, command: str) -> None:
        ended = offline(command, project.manifest, "--var", "seasn=june", "--var", "x=1")

        assert ended.code == 64
        assert "nothing in the manifest uses --var seasn (did you mean 'season'?), nor --var x" in ended.err

    def test_misspelled_name_of_a_missing_var_is_wrong_usage(
        self, project: Project, offline: Pipeline
    ) -> None:
        project.write({"campaign.yaml": spring(prompts={"walk": "a walk in {{ season }}"})})

        assert offline("validate", project.manifest).code == 3
        assert offline("validate", project.manifest, "--var", "seasn=june").code == 64
        assert offline("validate", project.manifest, "--var", "season=june").code == 0

    @pytest.mark.parametrize("name", ["season", "mood", "unused"])
    def test_used_or_declared_name_is_accepted(self, project: Project, offline: Pipeline, name: str) -> None:
        for command in ("validate", "plan"):
            ended = offline(command, project.manifest, "--var", f"{name}=june")
            assert ended.code == 0, ended.output

    def test_any_name_is_accepted_if_it_may_be_used_dynamically(
        self, project: Project, offline: Pipeline
    ) -> None:
        project.write({"campaign.yaml": spring(vars={"which": "a"}, prompts={"walk": "{{ vars[which] }}"})})

        assert offline("validate", project.manifest, "--var", "a=1").code == 0

    def test_use_in_one_of_several_campaigns_is_enough(self, project: Project, offline: Pipeline) -> None:
        project.write(
            {"more/other.yaml": spring(name="other", image_sets={"s": ["red.png"]}, vars={"tone": 1})}
        )
        project.write({"more/red.png": picture()})
        for command in ("validate", "plan", "status"):
            assert offline(command, ".", "--var", "tone=2", "--var", "season=june").code == 0
            ended = offline(command, ".", "--var", "tnoe=2")
            assert ended.code == 64
            assert "none of these manifests uses --var tnoe (did you mean 'tone'?)" in ended.err

    def test_var_file_may_contain_other_names(self, project: Project, offline: Pipeline) -> None:
        project.write({"vars.yaml": "season: june\nof_another: 1\n"})

        assert offline("validate", project.manifest, "--var-file", "vars.yaml").code == 0


def test_warning_is_shown_beside_the_error_it_explains(folder: Path, offline: Pipeline) -> None:
    written = (
        "version: 1\nname: spring\nimage_sets: {s: [images/red.png]}\nprompts:\n  walk:\n"
        'templates: {loop: {template_id: each_explodedloop_0226, options: {prompt: "{{ prompt }}"}}}\n'
    )
    campaign(folder, {"campaign.yaml": written})

    ended = offline("validate", "campaign.yaml")

    assert ended.code == 3
    assert "prompts.walk: the prompt 'walk' is empty; it is removed" in ended.out
    assert "'prompt' is undefined" in ended.out


def test_warning_does_not_stop_a_command(folder: Path, offline: Pipeline) -> None:
    written = (
        "version: 1\nname: spring\nimage_sets: {s: [images/red.png]}\nprompts:\n  p: Get the #1 shoe\n  q: #ff0000\n"
        'templates: {loop: {template_id: each_explodedloop_0226, options: {prompt: "{{ prompt }}"}}}\n'
    )
    project = campaign(folder, {"campaign.yaml": written})

    ended = offline("validate", "campaign.yaml")

    assert ended.code == 0
    assert (
        "warning: campaign.yaml:5:6: prompts.p: the text ends at ' #', as '#1 shoe' is a comment" in ended.out
    )
    assert "warning: campaign.yaml:6:5: prompts.q: the prompt 'q' is empty" in ended.out
    for command in ("expand", "plan"):
        ended = offline(command, project.manifest, "--format", "json")
        assert ended.code == 0
        assert "the prompt 'q' is empty" in ended.err
        assert ended.document


# Missing files


@pytest.mark.parametrize("command", ["validate", "plan", "run", "collect", "status", "expand"])
def test_missing_file_has_no_line(folder: Path, offline: Pipeline, command: str) -> None:
    ended = offline(command, "gone.yaml")

    assert ended.code == 3, ended.output
    assert ended.err.splitlines()[0] == "error: gone.yaml: there is no such file"


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (as_github, "::error file=gone.yaml::there is no such file"),
        (as_gitlab, "'path': 'gone.yaml'"),
        (as_json, "'detail': 'gone.yaml'"),
    ],
)
def test_machine_formats_name_the_missing_file(shown: Callable[[list[Problem]], Any], said: str) -> None:
    found = shown([Problem("there is no such file", Position("gone.yaml"))])

    assert said in str(found if isinstance(found, dict | list) else list(found))


@pytest.mark.parametrize(
    "table",
    [
        None,
        "",
        "name,prompt\n",
        'name,prompt\na,"x\n',
        "name,prompt\na,x,y,z\n",
        "nam,prompt\na,x\n",
        "name\na\n",
    ],
)
@pytest.mark.parametrize(
    "jobs", [None, [{"id": "main", "prompts": ["walk"], "exclude": [{"prompt": "walk"}]}]]
)
def test_problem_in_a_prompt_table_is_reported_once(
    project: Project, offline: Pipeline, table: str | None, jobs: list[dict[str, Any]] | None
) -> None:
    prompts = [{"csv": "p.csv", "columns": {"id": "name", "text": "prompt"}}]
    manifest = spring(prompts=prompts, **({} if jobs is None else {"jobs": jobs}))
    project.write({"campaign.yaml": manifest, **({} if table is None else {"p.csv": table})})

    ended = offline("validate", project.manifest, "--format", "json")

    assert ended.code == 3
    assert len(ended.document["diagnostics"]) == 1, ended.output
    assert "p.csv" in ended.out


def test_tag_hides_no_other_problem(folder: Path, pipeline: Pipeline) -> None:
    (folder / "images").mkdir()
    (folder / "images/red.png").write_bytes(picture())
    manifest = folder / "campaign.yaml"
    manifest.write_text(
        "version: 1\n"
        "name: spring\n"
        "image_sets: {shoes: [images/red.png]}\n"
        "templates:\n"
        "  loop: {template_id: image_to_video_loop, options: {prompt: '{{ promt }}'}}\n"
        "prompts: {walk: !Wow, run: !include run.txt, jump: !!str 5}\n"
        "jobs: [{id: main, repeat: !!int 2, retrys: 1}]\n"
    )

    ended = pipeline("validate", manifest)

    assert ended.code == 3, ended.output
    errors = [line for line in ended.output.splitlines() if line.startswith("error: ")]
    for line, column, expected in (
        (6, 17, "the tag '!Wow' is not allowed"),
        (6, 28, "the tag '!include' is not allowed"),
        (6, 52, "the tag '!!str' is not allowed"),
        (7, 27, "the tag '!!int' is not allowed"),
        (7, 36, "retrys"),
    ):
        [found] = [each for each in errors if f":{line}:{column}: " in each]
        assert expected in found
    assert len(errors) == 5, ended.output


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nope.yaml",), 3, "there is no such file"),
        (("empty",), 3, "there is no campaign here"),
        (("campaign.yaml", "--var", "sesaon=x"), 64, "sesaon"),
        (("campaign.yaml", "--var", "season"), 64, "season"),
    ],
)
@pytest.mark.parametrize("output_format", ["json", "gitlab", "github"])
def test_report_is_never_empty_where_validation_fails(
    project: Project, offline: Pipeline, output_format: str, arguments: tuple[str, ...], code: int, said: str
) -> None:
    (project.manifest.parent / "empty").mkdir()
    project.write({"campaign.yaml": spring(vars={"season": "a"}, prompts={"walk": "{{ season }}"})})

    ended = offline("validate", *arguments, "--format", output_format)

    assert ended.code == code, ended.output
    if output_format == "github":
        assert ended.out.startswith("::error")
        assert said in ended.out
    elif output_format == "gitlab":
        (found,) = ended.document
        assert said in found["description"]
    else:
        (diagnostic,) = ended.document["diagnostics"]
        assert said in diagnostic["summary"]
        assert not ended.document["valid"]
