"""A run on a terminal breaks no word and ends with the command that opens the gallery."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, spring
from support.processes import Running, environment
from support.terminal import Terminal

from pipeline.cli.process_environment import program
from pipeline.cli.terminal import width
from pipeline.emulator.embedded import Emulator
from pipeline.json_values import Json

OnTerminal = Callable[..., Terminal]
LONG = "the option prompt is longer than this template takes, which is ten letters and not one more"


@pytest.fixture
def on_terminal(folder: Path, vendor: Emulator) -> Iterator[OnTerminal]:
    """Starts a command on its own terminal; it ends with the test at the latest."""
    started: list[Terminal] = []

    def begin(*arguments: str | Path, columns: int = 80, kind: str = "xterm") -> Terminal:
        started.append(Terminal(arguments, environment(vendor.url), folder, columns, kind))
        return started[-1]

    yield begin
    for each in started:
        each.process.kill()
        each.process.wait()


def refuse_dance(vendor: Emulator) -> None:
    body: dict[str, Json] = {"detail": [{"loc": ["body", "options"], "msg": LONG, "type": "x"}]}
    vendor.fail({"on": "create", "match": {"title": "dance"}, "do": {"status": 422, "body": body}})


@pytest.mark.parametrize("columns", [80, 120, 40])
def test_no_row_exceeds_the_terminal_and_no_word_is_broken(
    project: Project, on_terminal: OnTerminal, vendor: Emulator, columns: int
) -> None:
    refuse_dance(vendor)

    terminal = on_terminal("run", project.manifest.name, "--yes", columns=columns)

    assert terminal.ended() == 1
    assert all(width(row) <= columns for row in terminal.rows if "`" not in row), terminal.rows
    said = " ".join(terminal.text.split())
    assert said.count(LONG) == 2  # when it happened and at the end


def test_job_details_break_no_word(folder: Path, on_terminal: OnTerminal) -> None:
    prompt = "a walk in the park, along the river and over the bridge, until the lamps are lit"
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": prompt})})

    terminal = on_terminal("show", project.manifest.name, "main/loop/red/walk")

    assert terminal.ended() == 0
    assert all(width(row) <= 80 for row in terminal.rows), terminal.rows
    assert any(re.search(r"sha256: [0-9a-f]{64}$", row) for row in terminal.rows)


def test_terminal_without_cursor_movement_gets_plain_lines(project: Project, on_terminal: OnTerminal) -> None:
    terminal = on_terminal("run", project.manifest.name, "--yes", kind="dumb")

    assert terminal.ended() == 0
    assert not {"\x1b", "%"} & set(terminal.written)
    assert "\r" not in terminal.written.replace("\r\n", "\n")
    assert "main/loop/red/walk: done" in terminal.rows

    watching = on_terminal("status", "--watch", project.manifest.name, kind="dumb")
    watching.until("no run is under way")
    watching.interrupt()
    assert watching.ended() == 130
    assert "\x1b" not in watching.written


def test_command_suggested_by_init_is_on_one_line(on_terminal: OnTerminal) -> None:
    terminal = on_terminal("init", "a-folder-with-a-long-name", columns=40)

    assert terminal.ended() == 0
    assert terminal.rows[-1] == "  pipeline run a-folder-with-a-long-name/campaign.yaml --emulate"


def test_progress_bar_counts_what_this_run_has_to_do(
    project: Project, pipeline: Pipeline, on_terminal: OnTerminal
) -> None:
    assert pipeline("run", project.manifest).code == 0
    project.write({"campaign.yaml": spring(prompts={"walk": "a walk in the park", "run": "a run"})})

    terminal = on_terminal("run", project.manifest.name, "--yes")

    assert terminal.ended() == 0
    assert "1 of 1 done, 100 credits" in terminal.rows
    assert "100% █" in terminal.text
    assert not any("bought as" in row for row in terminal.rows)


def test_run_ends_with_the_command_that_opens_the_gallery(project: Project, on_terminal: OnTerminal) -> None:
    terminal = on_terminal(
        "run", project.manifest.name, "--yes", "--results", "r.json", "--var", "season=hot summer"
    )
    terminal.ended()
    assert "season" in terminal.text  # no campaign has that var

    project.write({"campaign.yaml": spring(vars={"season": "spring"})})
    terminal = on_terminal(
        "run", project.manifest.name, "--yes", "--results", "r.json", "--var", "season=hot summer"
    )

    assert terminal.ended() == 0
    assert terminal.rows[-3:] == [
        "Gallery:",
        "  `pipeline report campaign.yaml --results r.json --var 'season=hot summer' \\",
        "  --open`",
    ]


def test_without_a_terminal_the_gallery_is_mentioned_only_after_a_rehearsal(
    project: Project, pipeline: Pipeline
) -> None:
    assert "Gallery" not in pipeline("run", project.manifest).out

    assert (
        "Gallery: `pipeline report campaign.yaml --emulate --open`"
        in pipeline("run", project.manifest.name, "--emulate").out
    )


def test_without_a_terminal_each_event_is_one_line(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    refuse_dance(vendor)

    lines = pipeline("run", project.manifest).err.splitlines()

    assert [re.sub("as .*", "as …", line) for line in lines if "walk" in line] == [
        "main/loop/red/walk: bought as …",
        "main/loop/red/walk: done",
    ]
    assert [line for line in lines if "dance" in line] == [
        f"main/loop/red/dance: failed (rejected): HTTP 422: body.options: {LONG}"
    ]


def test_program_not_on_the_path_is_called_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "bin" / "pipeline"
    here.parent.mkdir()
    here.write_text("#!/bin/sh\n")
    here.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(here), "run"])

    monkeypatch.setenv("PATH", "/nowhere")
    assert program() == "bin/pipeline"
    monkeypatch.setenv("PATH", str(here.parent))
    assert program() == "pipeline"


def test_watch_in_another_terminal_shows_the_same(
    project: Project, on_terminal: OnTerminal, vendor: Emulator
) -> None:
    refuse_dance(vendor)
    vendor.fail({"on": "create", "match": {"title": "walk"}, "times": 1, "do": "stuck"})
    watching = on_terminal("status", "--watch", project.manifest.name)
    watching.until("no run is under way")
    watching.until("0 of 2 done")

    running = on_terminal("run", project.manifest.name, "--yes")
    watching.until("a run has been under way")
    expected = "0 of 2 done, 1 under way, 1 failed, 100 credits, time left known after loop"
    watching.until(expected)
    running.until(expected)
    watching.until("main/loop/red/dance: failed (rejected)")

    running.interrupt()
    running.ended()
    watching.interrupt()
    assert watching.ended() == 130
    assert "Traceback" not in watching.text
    assert all(width(row) <= 80 for row in watching.rows)


def test_watch_started_during_a_run_shows_failures_and_unknown_outcomes(
    folder: Path, on_terminal: OnTerminal, vendor: Emulator
) -> None:
    prompts = {each: f"a {each}" for each in ("walk", "dance", "jump")}
    project = campaign(folder, {"campaign.yaml": spring(prompts=prompts)})
    refuse_dance(vendor)
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": "reset-after-processing"})
    vendor.fail({"on": "create", "match": {"title": "jump"}, "do": "stuck"})
    running = on_terminal("run", project.manifest.name, "--yes")
    running.until("0 of 3 done, 1 under way, 1 failed, 1 unknown")

    watching = on_terminal("status", "--watch", project.manifest.name)

    watching.until("0 of 3 done, 1 under way, 1 failed, 1 unknown")
    assert "main/loop/red/dance: failed (rejected)" in watching.text
    assert "main/loop/red/walk: unknown: " in watching.text
    running.interrupt()
    running.ended()
    watching.interrupt()
    watching.ended()


def test_watch_sees_runs_of_shards(
    folder: Path, on_terminal: OnTerminal, start: Callable[..., Running], vendor: Emulator
) -> None:
    # Enough that both shards have some.
    project = campaign(folder, {"campaign.yaml": spring(prompts={f"p{n}": f"walk {n}" for n in range(12)})})
    vendor.fail({"on": "create", "do": "stuck"})
    watching = on_terminal("status", "--watch", project.manifest.name)
    watching.until("0 of 12 done")

    runs = [start("run", project.manifest.name, "--yes", "--shard", f"{index}/2") for index in (1, 2)]
    watching.until("2 runs are under way")
    watching.until("0 of 12 done, 12 under way, 1,200 credits")

    for run in runs:
        run.kill()
    watching.until("spring: no run is under way")
    watching.interrupt()
    watching.ended()
    assert "Traceback" not in watching.text


def test_watch_without_a_terminal_prints_each_event_and_changes_nothing(
    project: Project, pipeline: Pipeline, start: Callable[..., Running]
) -> None:
    before = project.tree()
    watching = start("status", "--watch", project.manifest.name)
    assert watching.first_line() == "spring: no run is under way\n"
    assert project.tree() == before

    assert pipeline("run", project.manifest).code == 0

    lines = {watching.first_line() for _ in range(1)}
    while not {line for line in lines if line.endswith("dance: done\n")}:
        lines.add(watching.first_line())
    assert not any("%" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (
            ("run", "campaign.yaml", "--max-credits", "100"),
            4,
            "raise or leave out the limit that is named above, ",
        ),
        (("run", "campaign.yaml", "--frozen"), 4, "raise or leave out the limit that is named above, "),
        (("run", "gone.yaml"), 3, "correct what is named above, "),
        (("run", "campaign.yaml"), 1, "see why each job failed with `pipeline status`, "),
    ],
)
def test_end_that_is_not_good_says_what_to_do_and_names_its_part_of_the_docs(
    project: Project, pipeline: Pipeline, vendor: Emulator, arguments: tuple[str, ...], code: int, what: str
) -> None:
    refuse_dance(vendor)

    ended = pipeline(*arguments)

    assert ended.code == code, ended.output
    [*_, last] = ended.err.splitlines()
    assert last.startswith(f"What to do: {what}")
    assert last.endswith(f" (docs/how-to/recover.md#exit-code-{code})")


def test_missing_key_names_its_part_of_the_docs(project: Project, offline: Pipeline) -> None:
    ended = offline("run", project.manifest)

    assert ended.code == 5, ended.output
    [*_, last] = ended.err.splitlines()
    assert last.startswith("What to do: set the key; ")
    assert last.endswith(" (docs/how-to/recover.md#exit-code-5)")


def test_message_with_a_link_of_its_own_gets_no_other(project: Project, pipeline: Pipeline) -> None:
    ended = pipeline("run", project.manifest, "--require-results")

    assert ended.code == 3, ended.output
    assert ended.err.count("docs/") == 1


def test_good_end_needs_no_docs(project: Project, pipeline: Pipeline) -> None:
    assert "docs/" not in pipeline("run", project.manifest).output
