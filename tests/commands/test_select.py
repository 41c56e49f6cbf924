"""`--select` and `--exclude` choose exactly the matching jobs, and no others."""

from pathlib import Path
from typing import Literal
from unicodedata import normalize

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, chained, picture, spring

from pipeline.emulator.embedded import Emulator
from pipeline.jobs import encode_part
from pipeline.results.decisions import read as read_decisions

SKETCH, FILM = "sketch/sketch/red", "film/film/red/spin"
LOOPS = {
    f"hero/loop/{image}/{prompt}/locale={locale}"
    for image in ("blue", "red")
    for prompt in ("dance", "walk")
    for locale in ("en", "fr")
}
TAKES = {f"takes/loop/{image}{take}" for image in ("blue", "red") for take in ("", "#2")}
EVERYTHING = LOOPS | TAKES


@pytest.fixture
def wide(folder: Path) -> Project:
    """A campaign of eight loops and two takes each of two more jobs."""
    loop = {
        "template_id": "each_explodedloop_0226",
        "options": {"prompt": "{{ prompt | default('') }} {{ locale | default('') }}"},
    }
    manifest = spring(
        templates={"loop": loop},
        image_sets={"shoes": ["images/red.png", "images/blue.png"]},
        jobs=[
            {"id": "hero", "matrix": {"locale": ["en", "fr"]}},
            {"id": "takes", "prompts": [], "repeat": 2},
        ],
    )
    return campaign(folder, {"campaign.yaml": manifest, "images/blue.png": picture("blue")})


def chosen(pipeline: Pipeline, project: Project, *flags: str) -> set[str]:
    """The keys of a plan with these flags."""
    ended = pipeline("plan", project.manifest, "--format", "json", *flags)
    assert ended.code == 0, ended.output
    return {action["key"] for action in ended.document["actions"]}


def having(*parts: str) -> set[str]:
    """The keys that contain all of `parts`."""
    return {key for key in EVERYTHING if all(part in key for part in parts)}


@pytest.mark.parametrize(
    ("expression", "keys"),
    [
        ("job:hero", LOOPS),
        ("job:h*", LOOPS),
        ("template:loop", EVERYTHING),
        ("image:blue", having("/blue")),
        ("prompt:walk", having("/walk")),
        ("matrix.locale:fr", having("locale=fr")),
        ("action:create", EVERYTHING),
        ("status:pending", EVERYTHING),
        ("image:blue,matrix.locale:fr", having("/blue", "locale=fr")),
        ("hero/**, image:red , prompt:dance", having("hero", "/red", "/dance")),
    ],
)
def test_job_is_selected_by_the_parts_of_its_key(
    wide: Project, offline: Pipeline, expression: str, keys: set[str]
) -> None:
    assert keys
    assert chosen(offline, wide, "--select", expression) == keys


@pytest.mark.parametrize(
    ("glob", "keys"),
    [
        # A prefix of parts selects everything below it.
        ("hero", LOOPS),
        ("hero/loop/blue", having("hero", "/blue")),
        ("takes/loop/blue", having("takes", "/blue")),
        # A partial part does not match.
        ("hero/lo*", LOOPS),
        # * stays within one part, ** spans parts.
        ("*/loop/red", having("/red")),
        ("*/red", set()),
        ("**/red", having("/red")),
        ("hero/*/walk", set()),
        ("hero/**/walk", having("hero", "/walk")),
        ("**/locale=fr", having("locale=fr")),
        ("*", EVERYTHING),
        ("**", EVERYTHING),
        ("takes/loop/red#2", {"takes/loop/red#2"}),
        ("takes/loop/*#2", {"takes/loop/blue#2", "takes/loop/red#2"}),
        ("hero/loop/re?", having("hero", "/red")),
        ("hero/loop/blu", set()),
        # A class is a character within a part, too.
        ("hero/loop/[rx]*", having("hero", "/red")),
        ("hero/loop/[!rx]*", having("hero", "/blue")),
        ("[a-h]*", LOOPS),
        ("hero[/]loop", set()),
        ("takes/loop/red[!x]2", set()),
        ("hero/loop/[re", set()),
    ],
)
def test_glob_over_keys_selects_prefixes_and_everything_below(
    wide: Project, offline: Pipeline, glob: str, keys: set[str]
) -> None:
    if keys:
        assert chosen(offline, wide, "--select", glob) == keys
    else:
        assert offline("plan", wide.manifest, "--select", glob).code == 64


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_name_is_found_in_whichever_unicode_form_it_is_typed(
    folder: Path, offline: Pipeline, written: Literal["NFC", "NFD"], form: Literal["NFC", "NFD"]
) -> None:
    cafe, other = normalize(written, "café"), "bar"
    project = campaign(folder, {"campaign.yaml": spring(prompts={cafe: "it spins", other: "it turns"})})

    for expression in ("**/café", "prompt:caf[é]", "prompt:café", "main/*/*/café", "*/*/*/caf?"):
        found = chosen(offline, project, "--select", normalize(form, expression))
        assert [key.rpartition("/")[2] for key in found] == [cafe], expression


def test_printed_key_selects_exactly_its_job_and_takes(folder: Path, offline: Pipeline) -> None:
    odd = [
        {"path": "images/red.png", "id": name} for name in ("a b", "50%", "x,y", "[z]", "who?", "1*2", "a:b")
    ]
    project = campaign(folder, {"campaign.yaml": spring(image_sets={"odd": odd})})
    keys = chosen(offline, project)

    assert len(keys) == 2 * len(odd)
    for key in keys:
        assert chosen(offline, project, "--select", key) == {key}


def test_name_with_a_blank_is_suggested_as_it_is_in_a_key(folder: Path, offline: Pipeline) -> None:
    odd = [{"path": "images/red.png", "id": name} for name in ("Zoë", "Zoë 2")]
    project = campaign(folder, {"campaign.yaml": spring(image_sets={"odd": odd})})

    ended = offline("plan", project.manifest, "--select", "main/loop/Zoë 2/walk")

    assert ended.code == 64
    assert "matches no job; did you mean 'main/loop/Zoë%202/walk'?" in ended.err


def test_selections_add_up_and_exclusions_subtract(wide: Project, offline: Pipeline) -> None:
    added = chosen(offline, wide, "--select", "image:blue", "--select", "job:takes")
    assert added == having("/blue") | TAKES
    assert chosen(offline, wide, "--exclude", "job:takes") == LOOPS
    less = chosen(
        offline,
        wide,
        "--select",
        "job:hero",
        "--exclude",
        "image:blue,prompt:walk",
        "--exclude",
        "**/locale=fr",
    )
    assert less == having("hero", "locale=en") - having("/blue", "/walk")


def test_failed_jobs_are_selected_by_status(wide: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    vendor.fail({"on": "create", "nth": 1, "do": "fail"})
    assert pipeline("run", wide.manifest, "--select", "job:takes", "--concurrency", "1").code == 1

    failed = chosen(pipeline, wide, "--select", "status:failed")

    assert len(failed) == 1
    assert chosen(pipeline, wide, "--select", "status:done") == TAKES - failed
    assert chosen(pipeline, wide, "--select", "action:keep") == TAKES
    assert chosen(pipeline, wide, "--select", "status:pending") == LOOPS


def test_action_is_that_of_the_plan_with_the_given_flags(
    wide: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "nth": 1, "do": "fail"})
    pipeline("run", wide.manifest, "--select", "job:takes", "--concurrency", "1")
    failed = chosen(pipeline, wide, "--select", "status:failed")

    assert chosen(pipeline, wide, "--retry-failed", "--select", "action:retry") == failed
    again = chosen(pipeline, wide, "--replace", "takes/**/red*", "--select", "action:replace")
    assert again == having("takes", "/red")


# Chains


def test_upstreams_are_selected_only_with_a_plus(folder: Path, offline: Pipeline) -> None:
    project = campaign(folder, {"campaign.yaml": chained()})

    assert chosen(offline, project, "--select", "film") == {FILM}
    assert chosen(offline, project, "--select", "+film") == {FILM, SKETCH}
    assert chosen(offline, project, "--select", "+job:film,image:red") == {FILM, SKETCH}
    assert chosen(offline, project, "--select", "+film", "--exclude", "sketch") == {FILM}


def test_unselected_upstream_is_not_bought_and_the_run_says_what_waits(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(folder, {"campaign.yaml": chained()})

    ended = pipeline("run", project.manifest, "--select", "film")

    assert ended.code == 8, ended.output
    assert f"{SKETCH} is not selected and has not succeeded" in ended.output
    assert vendor.ledger.entries == ()
    assert pipeline("run", project.manifest, "--select", "+film").code == 0
    assert len(vendor.ledger.bought) == 2


# Each command


def test_run_buys_selected_jobs_and_leaves_the_rest_pending(
    wide: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    ended = pipeline("run", wide.manifest, "--select", "image:red,prompt:walk", "--exclude", "**/locale=fr")

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 1
    done = {key for key, status in wide.statuses().items() if status == "done"}
    assert done == {"hero/loop/red/walk/locale=en"}
    assert set(wide.statuses()) == EVERYTHING


def test_status_shows_selected_jobs(wide: Project, offline: Pipeline) -> None:
    shown = offline("status", wide.manifest, "--format", "json", "--select", "image:red,job:takes").document

    assert {job["key"] for job in shown["jobs"]} == having("takes", "/red")
    assert shown["summary"]["jobs"] == {"pending": 2}


def test_collect_fetches_selected_jobs(wide: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", wide.manifest, "--select", "job:takes", "--no-download").code == 0
    assert wide.output() == {}

    ended = pipeline("collect", wide.manifest, "--select", "takes/loop/blue")

    assert ended.code == 0, ended.output
    assert sorted(wide.output()) == ["takes/loop/blue-take2.mp4", "takes/loop/blue.mp4"]


def test_prune_deletes_selected_jobs(wide: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    assert pipeline("run", wide.manifest, "--select", "job:takes").code == 0
    wide.write({"campaign.yaml": spring()})

    ended = pipeline("prune", wide.manifest, "--yes", "--select", "takes/loop/blue")

    assert ended.code == 0, ended.output
    assert len(vendor.store.workflows()) == 2
    deleted = {each["key"] for each in wide.results()["purchases"] if each.get("deleted")}
    assert deleted == {"takes/loop/blue", "takes/loop/blue#2"}


def test_expand_shows_selected_jobs(wide: Project, offline: Pipeline) -> None:
    ended = offline("expand", wide.manifest, "--format", "json", "--select", "image:red,job:takes")

    assert ended.code == 0, ended.output
    assert {job["key"] for job in ended.document["jobs"]} == having("takes", "/red")


# Names that look like patterns

ODD = ("shoe [1]", "shoe 1", "shoe [2]", "x,y", "x*", "xy")


@pytest.fixture
def odd(folder: Path) -> Project:
    """A campaign with a job for each of some images whose names could be patterns."""
    images = [{"path": "images/red.png", "id": name} for name in ODD]
    return campaign(
        folder, {"campaign.yaml": spring(image_sets={"shoes": images}, prompts={"walk": "walks"})}
    )


def named(*images: str) -> set[str]:
    return {f"main/loop/{encode_part(each)}/walk" for each in images}


@pytest.mark.parametrize(
    ("expression", "images"),
    [
        ("image:shoe [1]", {"shoe [1]"}),
        ("image:shoe [1],prompt:walk", {"shoe [1]"}),
        ("prompt:walk, image:shoe [1]", {"shoe [1]"}),
        ("+image:shoe [1]", {"shoe [1]"}),
        ("image:x,y", {"x,y"}),
        ("image:x*", {"x*"}),
        # Whatever is no name is a pattern.
        ("image:shoe [12]", {"shoe 1"}),
        ("image:shoe [[]1]", {"shoe [1]"}),
        ("image:x?*", {"x,y", "x*", "xy"}),
    ],
)
def test_exact_name_means_that_even_if_it_could_be_a_pattern(
    odd: Project, offline: Pipeline, expression: str, images: set[str]
) -> None:
    assert chosen(offline, odd, "--select", expression) == named(*images)


@pytest.mark.parametrize(
    ("expression", "images"),
    [
        ("image:shoe [1]", {"shoe [1]", "shoe 1"}),
        ("prompt:walk, image:shoe [1]", {"shoe [1]", "shoe 1"}),
        ("image:shoe [1],prompt:w*", {"shoe [1]", "shoe 1"}),
        ("image:x*", {"x,y", "x*", "xy", "x*,prompt:walk"}),
        # With a comma it is a name, or what both parts match.
        ("image:x,y", {"x,y"}),
        ("image:x*,prompt:walk", {"x*,prompt:walk", "x,y", "x*", "xy"}),
        ("image:w,x:y", {"w,x:y"}),
    ],
)
def test_exclusion_of_an_exact_name_excludes_what_it_matches_as_a_pattern_too(
    folder: Path, offline: Pipeline, expression: str, images: set[str]
) -> None:
    """So an exclusion does not exclude less once something is called as its pattern."""
    everything = (*ODD, "x*,prompt:walk", "w,x:y")
    project = campaign(
        folder,
        {
            "campaign.yaml": spring(
                image_sets={"shoes": [{"path": "images/red.png", "id": name} for name in everything]},
                prompts={"walk": "walks"},
            )
        },
    )

    assert chosen(offline, project, "--exclude", expression) == named(*everything) - named(*images)


def test_axis_value_may_look_like_a_pattern(folder: Path, offline: Pipeline) -> None:
    rule = {"id": "main", "matrix": {"size": ["[5]", "5", 6]}}
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "walks"}, jobs=[rule])})

    assert chosen(offline, project, "--select", "matrix.size:[5]") == {"main/loop/red/walk/size=%5B5%5D"}
    assert chosen(offline, project, "--select", "matrix.size:[56]") == {
        f"main/loop/red/walk/size={size}" for size in ("5", "6")
    }


def test_approval_by_an_exact_name_reaches_only_that(odd: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", odd.manifest, "--max-credits", "1000").code == 0

    assert pipeline("approve", odd.manifest, "image:shoe [1]").code == 0

    decisions = read_decisions(odd.folder / "spring.decisions.yaml", "spring.decisions.yaml")
    assert {each.key for each in decisions} == named("shoe [1]")


@pytest.mark.parametrize("command", ["plan", "status"])
def test_name_of_one_of_several_campaigns_is_a_pattern_only_in_exclusions(
    odd: Project, offline: Pipeline, command: str
) -> None:
    images = [{"path": "images/red.png", "id": name} for name in ("shoe 1", "shoe 2")]
    odd.write({"autumn.yaml": spring(name="autumn", image_sets={"shoes": images})})
    autumn = odd.folder / "autumn.yaml"

    for manifests in ([odd.manifest, autumn], [autumn, odd.manifest]):
        ended = offline(command, *manifests, "--exclude", "image:shoe [1]", "--format", "json")

        assert ended.code == 0, ended.output
        by_name = {each["campaign"]: str(each) for each in ended.document["campaigns"]}
        assert "shoe%201" not in by_name["autumn"]
        assert "shoe%202" in by_name["autumn"]
        assert "shoe%201" not in by_name["spring"]
        ended = offline(command, *manifests, "--select", "image:shoe [1]", "--format", "json")
        assert ended.code == 64
        assert "autumn.yaml" in ended.output


# Invalid selections


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("hero/loop/blue/wlak/locale=en", "did you mean 'hero/loop/blue/walk/locale=en'?"),
        ("image:green", "'image:green' matches no job; there are: image:blue, image:red\n"),
        ("image:rd", "'image:rd' matches no job; did you mean 'image:red'?"),
        ("matrix.locale:ena", "'matrix.locale:ena' matches no job; did you mean 'matrix.locale:en'?"),
        ("status:doen", "no status is called 'doen'; did you mean 'done'?"),
        ("action:buy", "no action is called 'buy'"),
        ("status:done,image:green", "matches no job"),
        ("matrix.market:fr", "matches no job"),
        ("imgae:blue", "did you mean 'image'?"),
        ("colour:blue", "matrix.NAME"),
        ("", "empty"),
        ("image:blue,", "empty"),
        ("+", "empty"),
        ("**/[A-Z]*", "matches no job"),
    ],
)
def test_selection_that_matches_nothing_is_wrong_usage_with_a_suggestion(
    wide: Project, offline: Pipeline, expression: str, expected: str
) -> None:
    ended = offline("plan", wide.manifest, "--select", expression)

    assert ended.code == 64, ended.output
    assert expected in ended.err


@pytest.mark.parametrize("command", ["run", "status", "collect", "prune", "expand"])
def test_every_command_refuses_a_selection_that_matches_nothing(
    wide: Project, pipeline: Pipeline, vendor: Emulator, command: str
) -> None:
    ended = pipeline(command, wide.manifest, "--select", "image:green")

    assert ended.code == 64, ended.output
    assert "'image:green' matches no job" in ended.err
    assert not vendor.ledger.entries


@pytest.mark.parametrize("command", ["plan", "run", "status", "expand", "prune"])
def test_exclusion_without_a_match_is_wrong_usage(
    wide: Project, pipeline: Pipeline, vendor: Emulator, command: str
) -> None:
    ended = pipeline(command, wide.manifest, "--exclude", "prompt:wlak")

    assert ended.code == 64, ended.output
    assert "'prompt:wlak' matches no job; did you mean 'prompt:walk'?" in ended.err
    assert not vendor.ledger.entries


@pytest.fixture
def two(wide: Project) -> list[str]:
    """The manifests of two campaigns; only the first has the prompts `dance` and `walk`."""
    other = spring(name="autumn", prompts={"leap": "It leaps"})
    wide.write({"autumn.yaml": other})
    return [str(wide.manifest), str(wide.folder / "autumn.yaml")]


@pytest.mark.parametrize("command", ["plan", "status", "report"])
def test_of_several_campaigns_an_exclusion_must_match_in_one(
    two: list[str], offline: Pipeline, command: str
) -> None:
    for manifests in (two, two[::-1]):
        ended = offline(command, *manifests, "--exclude", "prompt:walk", "--exclude", "prompt:walk")

        assert ended.code == 0, ended.output


@pytest.mark.parametrize("command", ["plan", "status", "report"])
def test_of_several_campaigns_an_exclusion_that_matches_in_none_is_wrong_usage(
    two: list[str], offline: Pipeline, command: str
) -> None:
    ended = offline(command, *two, "--exclude", "prompt:wlak", "--exclude", "prompt:walk")

    assert ended.code == 64, ended.output
    assert "error: 'prompt:wlak' matches no job; did you mean 'prompt:walk'?" in ended.err
    assert not ended.out


def test_no_plan_of_several_is_saved_where_an_exclusion_matches_in_none(
    wide: Project, two: list[str], offline: Pipeline
) -> None:
    (wide.folder / "plans").mkdir()
    out = ("--out", wide.folder / "plans")
    assert offline("plan", *two, "--exclude", "prompt:wlak", *out).code == 64
    assert not list((wide.folder / "plans").iterdir())

    assert offline("plan", *two, "--exclude", "prompt:walk", *out).code == 0
    assert len(list((wide.folder / "plans").iterdir())) == 2


@pytest.mark.parametrize("command", ["plan", "status", "report"])
def test_of_several_campaigns_the_one_without_a_selected_job_is_named(
    two: list[str], offline: Pipeline, command: str
) -> None:
    ended = offline(command, *two, "--select", "prompt:walk")

    assert ended.code == 64
    assert "autumn.yaml: 'prompt:walk' matches no job" in ended.err
    assert not ended.out


@pytest.mark.parametrize("limits", [("--select", "image:blue"), ("--exclude", "image:red")])
def test_what_is_to_be_replaced_must_be_selected(
    wide: Project, pipeline: Pipeline, vendor: Emulator, limits: tuple[str, str]
) -> None:
    ended = pipeline("run", wide.manifest, *limits, "--replace", "image:red")

    assert ended.code == 64, ended.output
    assert "'image:red' is to be made again, but none of its jobs is selected" in ended.err
    assert not vendor.ledger.entries


def test_some_of_what_is_to_be_replaced_may_be_left_out(wide: Project, offline: Pipeline) -> None:
    assert chosen(offline, wide, "--select", "image:blue", "--replace", "job:hero") == having("/blue")


def test_exclusion_may_name_what_is_not_selected(wide: Project, offline: Pipeline) -> None:
    assert chosen(offline, wide, "--select", "job:hero", "--exclude", "job:takes") == LOOPS


@pytest.mark.parametrize("expression", ["+hero", "+prompt:walk"])
def test_exclusion_takes_no_plus(wide: Project, offline: Pipeline, expression: str) -> None:
    ended = offline("plan", wide.manifest, "--exclude", expression)

    assert ended.code == 64
    assert f"'{expression}': an exclusion has no '+'" in ended.err


def test_selection_that_excludes_everything_is_wrong_usage(wide: Project, offline: Pipeline) -> None:
    ended = offline("plan", wide.manifest, "--exclude", "**")

    assert ended.code == 64
    assert "leaves no job" in ended.err


def test_selection_without_a_match_lists_what_exists(wide: Project, offline: Pipeline) -> None:
    ended = offline("plan", wide.manifest, "--select", "zzz")

    assert "'zzz' matches no job; there are: hero/loop/blue/dance/locale=en" in ended.err
    assert ended.err.rstrip().endswith(", …")


def test_what_there_is_ends_where_all_of_it_was_named(project: Project, offline: Pipeline) -> None:
    ended = offline("plan", project.manifest, "--select", "zzz")

    told = "'zzz' matches no job; there are: main/loop/red/dance, main/loop/red/walk\n"
    assert ended.err.endswith(told)


def test_unknown_axis_lists_the_axes(wide: Project, offline: Pipeline) -> None:
    unknown = offline("plan", wide.manifest, "--select", "matrix.q:3")
    assert "'matrix.q:3' matches no job; there is: matrix.locale:*\n" in unknown.err

    near = offline("plan", wide.manifest, "--select", "matrix.locle:fr")
    assert "did you mean 'matrix.locale:*'?" in near.err


def test_slash_at_the_end_does_not_count(wide: Project, offline: Pipeline) -> None:
    assert chosen(offline, wide, "--select", "hero/loop/") == LOOPS


# Statuses change by themselves


@pytest.mark.parametrize(
    "flags",
    [
        ("--select", "status:failed"),
        ("--exclude", "status:pending"),
        ("--select", "status:done", "--exclude", "action:retry"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "run", "status", "expand", "collect"])
def test_selection_by_status_that_matches_nothing_is_not_an_error(
    project: Project, pipeline: Pipeline, vendor: Emulator, command: str, flags: tuple[str, ...]
) -> None:
    ended = pipeline(command, project.manifest, *flags)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 0


def test_run_of_failed_jobs_has_nothing_to_do_if_none_failed(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("run", project.manifest).code == 0
    bought = len(vendor.ledger.entries)

    for selection in ("status:failed", "action:retry", "status:fail*,image:red"):
        ended = pipeline("run", project.manifest, "--select", selection, "--retry-failed")
        assert ended.code == 0, ended.output
        assert "No jobs matched.\n" in ended.out
        assert "everything was bought before" not in ended.out
    assert len(vendor.ledger.entries) == bought
