"""`pipeline report` makes a page from results and decisions alone, of the selected jobs."""

import base64
import json
import re
import shlex
import shutil
import sys
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, chained, spring
from support.hostile import MANIFESTS_ELSEWHERE, assert_refuses_manifest_elsewhere

from pipeline.emulator.embedded import Emulator
from pipeline.state.opening import open_store

WALK, DANCE = "main/loop/red/walk", "main/loop/red/dance"


def data_of(page: Path) -> Any:
    found = re.search(r'id="data">([^<]*)<', page.read_text())
    assert found is not None
    return json.loads(zlib.decompress(base64.b64decode(found[1])))


def keys(page: Path) -> list[str]:
    return [job["key"] for each in data_of(page)["campaigns"] for job in each["jobs"]]


@pytest.fixture
def made(project: Project, pipeline: Pipeline) -> Project:
    """A campaign with two finished jobs."""
    assert pipeline("run", project.manifest).code == 0
    return project


@pytest.fixture
def report(made: Project) -> Path:
    return made.folder / "output" / "spring" / "report"


def test_page_is_in_the_output_folder_with_a_still_of_each_video(
    made: Project, pipeline: Pipeline, report: Path
) -> None:
    ended = pipeline("report", made.manifest)

    assert ended.code == 0, ended.output
    assert "output/spring/report/index.html: 2 jobs, 2 stills" in ended.out
    assert keys(report / "index.html") == [DANCE, WALK]
    assert len(list((report / "posters").glob("*.webp"))) == 2
    for file in data_of(report / "index.html")["campaigns"][0]["files"]:
        assert (report / file["href"]).resolve().is_file() == ("href" in file)


def test_report_needs_neither_key_nor_network_nor_state(
    made: Project, offline: Pipeline, report: Path
) -> None:
    shutil.rmtree(made.folder / ".pipeline")

    ended = offline("report", made.manifest)

    assert ended.code == 0, ended.output
    assert keys(report / "index.html") == [DANCE, WALK]


def test_report_writes_only_the_page_and_its_cache(made: Project, pipeline: Pipeline) -> None:
    before = made.tree()

    pipeline("report", made.manifest, "--out", made.folder / "page")

    new = {path for path in made.tree().keys() - before.keys() if not path.startswith("page")}
    assert {path.split("/")[1] for path in new} == {"cache"}
    assert {path: made.tree()[path][1] for path in before} == {
        path: content for path, (_, content) in before.items()
    }


@pytest.mark.parametrize(
    ("name", "has_results"),
    [("campaign.yaml", True), ("campaign.yaml", False), ("spring.results.json", True)],
)
def test_state_behind_a_link_to_nothing_is_refused(
    made: Project, pipeline: Pipeline, tmp_path: Path, name: str, has_results: bool
) -> None:
    """The page would say that nothing is bought, or no longer what is."""
    made.state.unlink()
    made.state.symlink_to(tmp_path / "not mounted")
    if not has_results:
        made.results_file.unlink()

    ended = pipeline("report", made.folder / name)

    assert ended.code == 3, ended.output
    assert "spring.db: this link leads to nothing" in ended.err


def test_results_are_enough_if_the_images_are_gone(made: Project, pipeline: Pipeline, report: Path) -> None:
    (made.folder / "images" / "red.png").unlink()

    ended = pipeline("report", made.manifest)

    assert ended.code == 0, ended.output
    assert "cannot be read" in ended.err
    assert keys(report / "index.html") == [DANCE, WALK]


def test_results_alone_are_enough(made: Project, pipeline: Pipeline, report: Path) -> None:
    made.manifest.unlink()

    ended = pipeline("report", made.results_file)

    assert ended.code == 0, ended.output
    assert keys(report / "index.html") == [DANCE, WALK]
    assert all(
        file["here"] for file in data_of(report / "index.html")["campaigns"][0]["files"] if "id" in file
    )


@pytest.mark.parametrize(("manifest", "expected"), MANIFESTS_ELSEWHERE)
def test_untrusted_results_cannot_choose_where_the_page_goes(
    made: Project, pipeline: Pipeline, manifest: str, expected: str
) -> None:
    assert_refuses_manifest_elsewhere("report", made, pipeline, manifest, expected)


@pytest.mark.parametrize(
    ("output", "expected"),
    [("../elsewhere", "it leads outside the project (project/)"), (".git/hooks", "'.git' is hidden")],
)
@pytest.mark.parametrize("flags", [(), ("--out", "page"), ("--single", "page.html")])
def test_untrusted_results_cannot_show_files_from_elsewhere(
    made: Project, pipeline: Pipeline, output: str, expected: str, flags: tuple[str, ...]
) -> None:
    elsewhere = made.folder.parent / "elsewhere"
    (made.folder / ".git").mkdir()
    shutil.copytree(made.folder / "output/spring", made.folder / output)
    text = made.results_file.read_text().replace('"output/spring/', f'"{output}/')
    (made.folder / "theirs.results.json").write_text(text)
    before = sorted((made.folder / output).rglob("*"))

    ended = pipeline("report", "theirs.results.json", *flags)

    assert ended.code == 3, ended.output
    assert f"theirs.results.json: it names the output folder '{output}/': {expected}" in ended.err
    assert "--output" in ended.err
    assert sorted((made.folder / output).rglob("*")) == before
    if output == "../elsewhere":
        assert pipeline("report", "theirs.results.json", "--output", elsewhere).code == 0
        assert (elsewhere / "report/index.html").is_file()


def test_results_to_compare_with_may_be_anywhere(made: Project, pipeline: Pipeline, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    shutil.copy(made.results_file, kept / "before.results.json")

    ended = pipeline("report", made.manifest, "--compare", kept / "before.results.json")

    assert ended.code == 0, ended.output
    assert [each.name for each in kept.iterdir()] == ["before.results.json"]


def test_unreadable_manifest_without_results_is_an_error(folder: Path, pipeline: Pipeline) -> None:
    project = campaign(folder, {"campaign.yaml": spring(nonsense=1)})

    assert pipeline("report", project.manifest).code == 3


def test_page_shows_the_plan_before_anything_is_bought(project: Project, pipeline: Pipeline) -> None:
    ended = pipeline("report", project.manifest)

    assert ended.code == 0, ended.output
    [shown] = data_of(project.folder / "output/spring/report/index.html")["campaigns"]
    assert [(job["status"], job["action"], job["price"]) for job in shown["jobs"]] == [
        ("pending", "create", 100)
    ] * 2
    assert shown["jobs"][0]["text"] == "a dance in the rain"


def test_caps_come_from_the_manifest(folder: Path, pipeline: Pipeline) -> None:
    project = campaign(folder, {"campaign.yaml": spring(limits={"budget": 900, "max_credits": 300})})

    pipeline("report", project.manifest)

    [shown] = data_of(folder / "output/spring/report/index.html")["campaigns"]
    assert (shown["budget"], shown["max_credits"]) == (900, 300)


def test_decisions_are_on_the_page(made: Project, pipeline: Pipeline, report: Path) -> None:
    pipeline("approve", made.manifest, WALK, "--rating", "5", "--note", "that is it")
    pipeline("redo", made.manifest, DANCE)

    pipeline("report", made.manifest)

    [shown] = data_of(report / "index.html")["campaigns"]
    decided = {job["key"]: job["decision"] for job in shown["jobs"]}
    assert decided == {WALK: "approved", DANCE: "redo"}
    assert {each.get("note") for each in shown["purchases"]} == {"that is it", None}


def page_of(pipeline: Pipeline, argument: Path, report: Path) -> dict[str, dict[str, Any]]:
    """The jobs of the gallery of `argument`, by key."""
    ended = pipeline("report", argument, "--out", report)
    assert ended.code == 0, ended.output
    return {job["key"]: job for job in data_of(report / "index.html")["campaigns"][0]["jobs"]}


def test_job_sent_back_is_pending_as_soon_as_it_is_decided(
    made: Project, pipeline: Pipeline, report: Path
) -> None:
    first = made.jobs()[WALK]["purchase"]
    pipeline("redo", made.manifest, first, "--note", "logo cut off")

    before = [page_of(pipeline, each, report) for each in (made.manifest, made.results_file)]

    for jobs in before:
        assert (jobs[WALK]["status"], jobs[WALK]["decision"]) == ("pending", "redo")
        assert (jobs[WALK].get("purchase"), jobs[WALK]["last"]) == (None, first)
        assert jobs[DANCE]["status"] == "done"
    # A take that is not made again yet is still there to be looked at.
    assert all("href" in file for file in data_of(report / "index.html")["campaigns"][0]["files"])
    shutil.copy(made.results_file, made.folder / "old.json")
    pipeline("results", made.manifest)
    assert [page_of(pipeline, each, report) for each in (made.manifest, made.results_file)] == before
    shutil.move(made.folder / "old.json", made.results_file)
    shutil.rmtree(made.folder / "images")
    assert page_of(pipeline, made.manifest, report)[WALK]["status"] == "pending"


def test_job_is_selected_by_the_status_that_it_is_sent_back_to(
    made: Project, pipeline: Pipeline, report: Path
) -> None:
    pipeline("redo", made.manifest, WALK)

    assert pipeline("report", made.manifest, "--select", "status:pending").code == 0

    assert keys(report / "index.html") == [WALK]


def test_take_that_is_no_longer_sent_back_serves_again(
    made: Project, pipeline: Pipeline, report: Path
) -> None:
    first = made.jobs()[WALK]["purchase"]
    pipeline("redo", made.manifest, WALK)
    pipeline("results", made.manifest)
    pipeline("undecide", made.manifest, first)

    for argument in (made.manifest, made.results_file):
        jobs = page_of(pipeline, argument, report)
        assert (jobs[WALK]["status"], jobs[WALK]["purchase"]) == ("done", first)
        assert "last" not in jobs[WALK]


def test_approved_earlier_take_serves_as_soon_as_it_is_decided(
    made: Project, pipeline: Pipeline, report: Path
) -> None:
    first = made.jobs()[WALK]["purchase"]
    pipeline("redo", made.manifest, WALK)
    assert pipeline("run", made.manifest).code == 0
    pipeline("approve", made.manifest, first)

    for argument in (made.manifest, made.results_file):
        jobs = page_of(pipeline, argument, report)
        assert (jobs[WALK]["purchase"], jobs[WALK]["decision"]) == (first, "approved")


def test_job_made_from_a_take_that_was_sent_back_is_pending_too(folder: Path, pipeline: Pipeline) -> None:
    project = campaign(folder, {"campaign.yaml": chained()})
    assert pipeline("run", project.manifest).code == 0
    pipeline("redo", project.manifest, "sketch/**")

    for argument in (project.manifest, project.results_file):
        jobs = page_of(pipeline, argument, folder / "page")
        assert {job["status"] for job in jobs.values()} == {"pending"}


def test_name_in_one_of_several_campaigns_is_a_pattern_in_none(folder: Path, pipeline: Pipeline) -> None:
    def of(*images: str) -> list[dict[str, str]]:
        return [{"path": "images/red.png", "id": name} for name in images]

    project = campaign(folder, {"campaign.yaml": spring(image_sets={"shoes": of("shoe [1]")})})
    project.write({"other.yaml": spring(name="other", image_sets={"shoes": of("shoe 1")})})
    page = folder / "page.html"

    ended = pipeline(
        *("report", folder / "other.yaml", project.manifest),
        *("--select", "image:shoe [1]", "--single", page),
    )

    assert ended.code == 64
    assert "other.yaml: 'image:shoe [1]' matches no job; did you mean 'image:shoe 1'?" in ended.err


def test_selection_limits_the_page(made: Project, pipeline: Pipeline, report: Path) -> None:
    for arguments, left in {
        ("--select", "prompt:walk"): [WALK],
        ("--select", "status:done", "--exclude", "**/walk"): [DANCE],
        ("--select", "action:keep"): [DANCE, WALK],
    }.items():
        assert pipeline("report", made.manifest, *arguments).code == 0
        assert keys(report / "index.html") == left
        assert len(list((report / "posters").iterdir())) == len(left)
        [shown] = data_of(report / "index.html")["campaigns"]
        assert (shown["spent"], shown["selected_of"]) == (100 * len(left), 2)
        assert shlex.split(shown["select"]) == list(arguments)

    ended = pipeline("report", made.manifest, "--select", "prompt:wakl")
    assert ended.code == 64
    assert "matches no job" in ended.err


def test_page_of_a_selection_shows_what_a_run_of_it_would_buy(folder: Path, pipeline: Pipeline) -> None:
    shared = [{"id": "film", "templates": ["loop"], "matrix": {"locale": ["de", "en", "fr"]}}]
    project = campaign(
        folder, {"campaign.yaml": spring(jobs=shared, limits={"budget": 900, "max_credits": 100})}
    )
    planned = pipeline("plan", project.manifest, "--select", "matrix.locale:en", "--format", "json").document
    assert (planned["summary"]["creates"], planned["summary"]["credits"]) == (2, 200)

    assert pipeline("report", project.manifest, "--select", "matrix.locale:en").code == 0

    [shown] = data_of(folder / "output/spring/report/index.html")["campaigns"]
    # The jobs that would buy for these in a run of everything are not selected.
    assert [(job["action"], job["price"]) for job in shown["jobs"]] == [("create", 100)] * 2
    # A run of the selection has this limit; the budget is for the whole campaign.
    assert shown["max_credits"] == 100
    assert "budget" not in shown

    for prompt in ("walk", "dance"):
        assert pipeline("run", project.manifest, "--select", f"prompt:{prompt}").code == 0
    assert pipeline("report", project.manifest, "--select", "matrix.locale:en").code == 0
    [shown] = data_of(folder / "output/spring/report/index.html")["campaigns"]
    assert not {"budget", "max_credits"} & set(shown)


def test_bundle_can_be_moved(made: Project, pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline("report", made.manifest, "--bundle", "--out", "handed-on")
    moved = shutil.move(made.folder / "handed-on", tmp_path / "moved")

    [shown] = data_of(Path(moved) / "index.html")["campaigns"]
    videos = [file["href"] for file in shown["files"] if "href" in file]
    assert len(videos) == 2
    assert all((Path(moved) / each).is_file() for each in videos)


def test_single_file_contains_everything(made: Project, pipeline: Pipeline) -> None:
    ended = pipeline("report", made.manifest, "--single", "gallery.html")

    assert ended.code == 0, ended.output
    assert data_of(made.folder / "gallery.html")["videos"] is False
    assert pipeline("report", made.manifest, "--single", "x.html", "--bundle").code == 64
    assert pipeline("report", made.manifest, "--single", "x.html", "--out", "x").code == 64


def test_file_that_is_not_a_gallery_is_left_alone(made: Project, pipeline: Pipeline) -> None:
    made.write({"site/index.html": "<h1>mine</h1>"})

    ended = pipeline("report", made.manifest, "--out", "site")

    assert ended.code == 64
    assert "not a gallery" in ended.err
    assert (made.folder / "site/index.html").read_text() == "<h1>mine</h1>"


def test_comparison_shows_what_is_new(made: Project, pipeline: Pipeline, report: Path) -> None:
    shutil.copy(made.results_file, made.folder / "before.results.json")
    made.write(
        {"campaign.yaml": spring(prompts={"walk": "a walk by the sea", "dance": "a dance in the rain"})}
    )
    assert pipeline("run", made.manifest).code == 0

    ended = pipeline("report", made.manifest, "--compare", "before.results.json")

    assert ended.code == 0, ended.output
    [shown] = data_of(report / "index.html")["campaigns"]
    now = {job["key"]: job["purchase"] for job in shown["jobs"]}
    before = {job["key"]: job["purchase"] for job in shown["before"]["jobs"]}
    assert shown["before"]["name"] == "before.results.json"
    assert now[DANCE] == before[DANCE]
    assert now[WALK] != before[WALK]
    # The old video is still here, under the name it got when it was replaced.
    [old] = [each for each in shown["purchases"] if each["id"] == before[WALK]]
    assert "~" in shown["files"][old["files"][0]]["href"]

    assert pipeline("report", made.manifest, "--compare", "nothing.json").code == 3


def test_results_of_another_campaign_cannot_be_compared(
    made: Project, pipeline: Pipeline, report: Path
) -> None:
    [results] = made.folder.glob("*.results.json")
    other = json.loads(results.read_text()) | {"campaign": "autumn"}
    (made.folder / "autumn.json").write_text(json.dumps(other))

    ended = pipeline("report", made.manifest, "--compare", "autumn.json")

    assert ended.code == 3
    assert "--compare autumn.json: the results of another campaign, 'autumn', not of 'spring'" in ended.err
    assert not report.exists()


def test_selection_applies_to_the_compared_results_too(
    made: Project, pipeline: Pipeline, report: Path
) -> None:
    shutil.copy(made.results_file, made.folder / "before.results.json")
    made.write({"campaign.yaml": spring(prompts={"leap": "a leap", "dance": "a dance in the rain"})})
    assert pipeline("run", made.manifest).code == 0

    # That prompt is no longer in the manifest: the removed job is shown all the same, and nothing else.
    ended = pipeline("report", made.manifest, "--compare", "before.results.json", "--select", "prompt:walk")

    assert ended.code == 0, ended.output
    [shown] = data_of(report / "index.html")["campaigns"]
    assert shown["jobs"] == []
    assert [each["key"] for each in shown["before"]["jobs"]] == [WALK]
    assert {each["key"] for each in (*shown["purchases"], *shown["before"]["purchases"])} == {WALK}


@pytest.mark.parametrize("given", ["campaign.yaml", "spring.results.json"])
def test_unanswered_create_is_unknown_unless_its_run_is_alive(
    made: Project, pipeline: Pipeline, report: Path, given: str
) -> None:
    results = made.folder / "spring.results.json"
    document = json.loads(results.read_text())
    [job] = [each for each in document["jobs"] if each["key"] == WALK]
    [purchase] = [each for each in document["purchases"] if each["id"] == job["purchase"]]
    for each in (job, purchase):
        each["status"] = "submitting"
        each.pop("outputs")
    del purchase["workflow_id"]
    results.write_text(json.dumps(document))

    def shown() -> tuple[str, str]:
        assert pipeline("report", given).code == 0
        [campaign] = data_of(report / "index.html")["campaigns"]
        [row] = [each for each in campaign["jobs"] if each["key"] == WALK]
        [bought] = [each for each in campaign["purchases"] if each["id"] == purchase["id"]]
        assert row["status"] == bought["status"]
        return bought["status"], bought.get("error", "")

    with closing(
        open_store(
            made.state,
            campaign="spring",
            manifest=made.manifest,
            run="live",
            writable=True,
            now="2026-01-01T00:00:00Z",
        )
    ):
        assert shown() == ("submitting", "")
    assert shown() == ("attention", "the run ended before the vendor's answer was known")


def test_several_campaigns_get_one_page_each_or_a_common_one(folder: Path, pipeline: Pipeline) -> None:
    project = campaign(folder)
    project.write({"other.yaml": spring(name="autumn", prompts={"walk": "a walk"})})
    for manifest in ("campaign.yaml", "other.yaml"):
        assert pipeline("run", manifest).code == 0

    assert pipeline("report", ".").code == 0
    assert keys(folder / "output/spring/report/index.html") == [DANCE, WALK]
    assert keys(folder / "output/autumn/report/index.html") == [WALK]

    assert pipeline("report", "campaign.yaml", "other.yaml", "--out", "all").code == 0
    assert [each["name"] for each in data_of(folder / "all/index.html")["campaigns"]] == ["spring", "autumn"]


def test_rehearsal_has_its_own_page(project: Project, offline: Pipeline) -> None:
    assert offline("run", project.manifest, "--emulate", "--yes").code == 0

    ended = offline("report", project.manifest, "--emulate")

    assert ended.code == 0, ended.output
    [shown] = data_of(project.folder / "output/spring/emulated/report/index.html")["campaigns"]
    assert (shown["emulated"], shown["flags"]) == (True, "--emulate")


def flags_of(page: Path) -> str:
    [shown] = data_of(page)["campaigns"]
    flags: str = shown.get("flags", "")
    return flags


def test_commands_on_the_page_keep_the_flags_that_locate_the_records(
    project: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    flags = ["--state", "a b/s.db", "--results", str(project.folder / "r.json"), "--output", "../films"]
    page = tmp_path / "page.html"
    assert pipeline("run", project.manifest, *flags, "--yes").code == 0

    pipeline("report", project.manifest, *flags, "--single", page)
    assert flags_of(page) == "--state 'a b/s.db' --results r.json --output ../films"
    pipeline("report", "r.json", "--output", "../films", "--single", page)
    assert flags_of(page) == "--results r.json --output ../films"

    monkeypatch.chdir(tmp_path)
    flags[1], flags[5] = "project/a b/s.db", "films"
    pipeline("report", project.manifest, *flags, "--single", page)
    assert flags_of(page) == "--state 'project/a b/s.db' --results project/r.json --output films"

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    flags[1], flags[5] = "../project/a b/s.db", "../films"
    pipeline("report", project.manifest, *flags, "--single", page)
    assert flags_of(page) == "--state 'a b/s.db' --results r.json --output ../films"
    assert str(tmp_path) not in json.dumps(data_of(page))


def test_commands_keep_those_flags_if_the_manifest_cannot_be_read(
    made: Project, pipeline: Pipeline, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    made.state.rename(made.folder / "s.db")
    made.write({"campaign.yaml": "version: 1\nname: [\n"})

    ended = pipeline("report", made.manifest, "--state", "s.db", "--single", page)

    assert ended.code == 0, ended.output
    assert flags_of(page) == "--state s.db"


def test_commands_on_the_page_of_results_alone_name_the_results(
    made: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(made.results_file, alone / "handed on.json")
    monkeypatch.chdir(alone)

    def argument_of(*flags: str) -> Any:
        ended = pipeline("report", "handed on.json", *flags)
        assert ended.code == 0, ended.output
        return data_of(alone / "output/spring/report/index.html")["campaigns"][0].get("results")

    argument = argument_of()
    assert argument == "'handed on.json'"
    assert argument_of("--state", "s.db") == "'handed on.json' --state s.db"
    # The command does as it is written.
    assert pipeline("collect", *shlex.split(argument)).code == 0
    assert len(list(alone.rglob("*.mp4"))) == 2
    shutil.copytree(made.folder / "images", alone / "images")
    shutil.copy(made.manifest, alone)
    assert argument_of() is None


def test_commands_on_the_page_give_the_vars(
    project: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    prompts = {"walk": "a walk in {{ season }}", "dance": "a dance in {{ place }}"}
    project.write({"campaign.yaml": spring(prompts=prompts), "a b.yaml": {"place": "the rain"}})
    given = ["--var", "season=late summer", "--var-file", str(project.folder / "a b.yaml")]
    assert pipeline("run", project.manifest, *given).code == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    page = tmp_path / "page.html"

    for text in (project.manifest.read_text("utf-8"), "version: 1\nname: [\n"):
        project.write({"campaign.yaml": text})
        ended = pipeline("report", project.manifest, *given, "--single", page)

        assert ended.code == 0, ended.output
        [shown] = data_of(page)["campaigns"]
        assert shown["vars"] == ["--var-file 'a b.yaml'", "--var 'season=late summer'"]


def test_commands_on_the_page_name_no_local_folder(
    made: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, report: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    pipeline("report", made.manifest)

    assert data_of(report / "index.html")["campaigns"][0]["command"] == "campaign.yaml"
    assert str(tmp_path) not in json.dumps(data_of(report / "index.html"))


def test_prompt_is_shown_whatever_the_option_is_called_that_sends_it(
    project: Project, pipeline: Pipeline
) -> None:
    options = {"song_theme": "{{ prompt }}", "genre_style": "a slow bossa nova in a small bar"}
    song = {"template_id": "each_createsong_0226", "options": options}
    project.write({"campaign.yaml": spring(templates={"loop": song})})
    assert pipeline("run", project.manifest, "--select", WALK).code == 0

    assert pipeline("report", project.manifest).code == 0

    [shown] = data_of(project.folder / "output/spring/report/index.html")["campaigns"]
    assert [each["text"] for each in shown["purchases"]] == ["a walk in the park"]
    assert {each["key"]: each.get("text") for each in shown["jobs"]} == {
        WALK: None,
        DANCE: "a dance in the rain",
    }


@pytest.mark.parametrize("here", [".", "project", "autumn", "elsewhere"])
def test_commands_on_a_page_of_two_campaigns_are_right_in_the_folder_where_it_was_made(
    made: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, here: str
) -> None:
    autumn = campaign(tmp_path / "autumn", {"campaign.yaml": spring(name="autumn")})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / here)
    manifests = [made.manifest, autumn.manifest]

    ended = pipeline("report", *manifests, "--out", tmp_path / "page")

    assert ended.code == 0, ended.output
    commands = [each["command"] for each in data_of(tmp_path / "page/index.html")["campaigns"]]
    assert [Path(each).resolve() for each in commands] == manifests
    assert str(tmp_path) not in json.dumps(commands)


def test_command_on_the_page_of_a_campaign_beside_the_working_folder_is_right_there(
    made: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, report: Path
) -> None:
    (made.folder / ".git").mkdir()
    (made.folder / "tools").mkdir()
    monkeypatch.chdir(made.folder / "tools")

    pipeline("report", made.manifest)

    assert data_of(report / "index.html")["campaigns"][0]["command"] == "../campaign.yaml"


@pytest.mark.parametrize("verdict", ["undecide", "reject", "redo"])
def test_results_alone_show_what_waits_for_an_approval_that_was_withdrawn(
    folder: Path, pipeline: Pipeline, tmp_path: Path, verdict: str
) -> None:
    project = campaign(folder, {"campaign.yaml": chained()})
    rules = json.loads(project.manifest.read_text())
    rules["image_sets"]["sketches"]["only"] = "approved"
    rules["jobs"][0]["repeat"] = 2
    project.write({"campaign.yaml": rules})
    sketch, film = "sketch/sketch/red#2", "film/film/red/spin"
    for words in (["run"], ["approve", sketch], ["run", "--yes"], [verdict, sketch]):
        ended = pipeline(words[0], project.manifest, *words[1:])
        assert ended.code == 0, ended.output
    statuses = {}

    for source in (project.manifest, project.results_file):
        assert pipeline("report", source, "--single", tmp_path / "page.html").code == 0
        jobs = data_of(tmp_path / "page.html")["campaigns"][0]["jobs"]
        statuses[source] = {job["key"]: job["status"] for job in jobs}

    assert statuses[project.manifest] == statuses[project.results_file]
    assert statuses[project.results_file][film] == "pending"
    assert pipeline("approve", project.manifest, "sketch/sketch/red").code == 0
    assert pipeline("report", project.results_file, "--single", tmp_path / "page.html").code == 0
    jobs = data_of(tmp_path / "page.html")["campaigns"][0]["jobs"]
    assert [job["status"] for job in jobs if job["key"] == film] == ["pending"]


def test_shards_are_combined_on_one_page(project: Project, pipeline: Pipeline) -> None:
    for index in (1, 2):
        assert pipeline("run", project.manifest, "--shard", f"{index}/2").code == 0

    assert pipeline("report", project.manifest).code == 0

    [shown] = data_of(project.folder / "output/spring/report/index.html")["campaigns"]
    assert {job["status"] for job in shown["jobs"]} == {"done"}
    assert len(shown["jobs"]) == 2


def test_missing_files_are_shown_as_missing(made: Project, pipeline: Pipeline, report: Path) -> None:
    for video in (made.folder / "output").rglob("*.mp4"):
        video.unlink()

    ended = pipeline("report", made.manifest)

    assert ended.code == 0, ended.output
    assert not any("here" in file for file in data_of(report / "index.html")["campaigns"][0]["files"])


def test_still_is_kept_after_its_video_is_gone(made: Project, pipeline: Pipeline, report: Path) -> None:
    pipeline("report", made.manifest)
    for video in (made.folder / "output").rglob("*.mp4"):
        video.unlink()

    pipeline("report", made.manifest)

    files = [each for each in data_of(report / "index.html")["campaigns"][0]["files"] if "id" in each]
    assert all(each["poster"] and "here" not in each for each in files)


def test_missing_extra_is_named_for_stills(
    made: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, report: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pipeline.media.read", None)

    ended = pipeline("report", made.manifest)

    assert ended.code == 0, ended.output
    assert "campaign-pipeline[report]" in ended.err
    assert keys(report / "index.html") == [DANCE, WALK]
    assert list((report / "posters").iterdir()) == []


def test_open_opens_the_page(
    made: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, report: Path, vendor: Emulator
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)

    pipeline("report", made.manifest, "--open")

    assert opened == [(report / "index.html").as_uri()]


def test_unwritable_folder_is_reported(made: Project, pipeline: Pipeline) -> None:
    made.write({"in-the-way": "a file"})

    ended = pipeline("report", made.manifest, "--out", "in-the-way/page")

    assert ended.code in (8, 64)
    assert "in-the-way/page" in ended.err
    assert "Traceback" not in ended.output


def test_media_facts_of_the_results_are_shown_without_the_extra(
    made: Project, pipeline: Pipeline, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pipeline.media.read", None)
    shutil.rmtree(made.folder / "output")

    assert pipeline("report", made.manifest).code == 0

    media = made.results()["media"]
    for file in data_of(report / "index.html")["campaigns"][0]["files"]:
        (entry,) = [each for digest, each in media.items() if digest.startswith(file["id"])]
        assert {name: file[name] for name in entry if name != "rule"} == {
            name: value for name, value in entry.items() if name != "rule"
        }
