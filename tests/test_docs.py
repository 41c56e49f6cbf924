"""The documentation is correct: its examples run, its names exist, and its lists are complete."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import click
import pytest

from pipeline.cli.main import cli
from pipeline.emulator.faultfile import read_faults
from pipeline.emulator.settings import EmulatorSettings
from pipeline.errors import PRECEDENCE, ExitCode
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load
from pipeline.planning.plan import Action
from pipeline.results import decisions

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
    ROOT / "manifests" / "README.md",
]
README = ROOT / "README.md"
REFERENCE = ROOT / "docs" / "reference"

_BLOCK = re.compile(r"(?:<!-- file: (\S+) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE_LINE = re.compile(r"^(?: {4}|.*run: |.*\"|)pipeline (\S.*)$", re.MULTILINE)
_INLINE = re.compile(r"`pipeline ([a-z]+)([^`]*)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page; `file` is the name that the page gives it."""

    page: Path
    file: str
    kind: str
    text: str


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    found = _BLOCK.findall(page.read_text("utf-8"))
    return [Block(page, file, kind, text) for file, kind, text in found]


def command_line() -> Iterator[tuple[str, click.Command]]:
    """Every command by its full name, including those of groups."""
    root = click.Context(cli, info_name="pipeline")
    for name in cli.list_commands(root):
        command = cli.get_command(root, name)
        assert command is not None
        yield f"pipeline {name}", command
        if isinstance(command, click.Group):
            yield from ((f"pipeline {name} {below}", each) for below, each in command.commands.items())


COMMANDS = dict(command_line())


def section(page: Path, heading: str) -> str:
    """The text of a page under a second-level heading."""
    parts = page.read_text("utf-8").split(f"\n## {heading}\n", 1)
    assert len(parts) == 2, f"{named(page)} has no section '{heading}'"
    return parts[1].split("\n## ", 1)[0]


def test_generated_parts_are_up_to_date() -> None:
    ended = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, f"out of date, run `make docs`:\n{ended.stdout}{ended.stderr}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_reference_with_its_help_and_flags(name: str) -> None:
    command = COMMANDS[name]
    told = section(REFERENCE / "commands.md", name)
    everywhere = section(REFERENCE / "commands.md", "Everywhere")

    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            for flag in parameter.opts:
                assert re.search(rf"{flag}\b", told + everywhere), flag


def test_readme_names_every_command() -> None:
    told = section(README, "Commands")

    for name in COMMANDS:
        assert f"`{' '.join(name.split()[:2])}`" in told


@pytest.mark.parametrize("page", [README, REFERENCE / "exit-codes.md"], ids=named)
def test_exit_codes_in_the_tables_match_the_code(page: Path) -> None:
    codes = re.findall(r"^\| \[?(\d+)\b.* \|$", page.read_text("utf-8"), re.MULTILINE)

    assert [int(code) for code in codes] == [code.value for code in ExitCode]


def test_each_exit_code_is_in_the_help_and_has_a_recovery_section() -> None:
    told = cli.get_help(click.Context(cli, info_name="pipeline"))

    assert "docs/how-to/recover.md#exit-code-N" in told
    for code in ExitCode:
        assert re.search(rf"^ +{code.value} +\S", told, re.MULTILINE), code
        assert f"exit-code-{code.value}" in anchors(ROOT / "docs" / "how-to" / "recover.md")


def named_pages() -> dict[str, str]:
    """Every page or anchor of the documentation named in the code, with a file that names it."""
    named_in = re.compile(r"docs/[\w/-]+\.md(?:#[\w-]+)?")
    return {
        target: named(file)
        for file in sorted((ROOT / "pipeline").rglob("*.py"))
        for target in named_in.findall(file.read_text("utf-8"))
    }


def test_pages_named_by_messages_exist() -> None:
    for target, file in named_pages().items():
        path, _, anchor = target.partition("#")

        assert (ROOT / path).exists(), f"{file}: {target}"
        assert not anchor or anchor in {*anchors(ROOT / path), "exit-code-N"}, f"{file}: {target}"


def test_each_error_explained_in_detail_links_to_its_section() -> None:
    page = REFERENCE / "errors.md"
    told = {f"{named(page)}#{anchor}" for anchor in anchors(page) - {"errors-in-detail"}}

    assert told <= set(named_pages())


def test_precedence_of_exit_codes_matches_the_code() -> None:
    told = re.search(r"the first of these is given: ([\d, ]+)\.", (REFERENCE / "exit-codes.md").read_text())

    assert told is not None
    assert [int(code) for code in told[1].split(",")] == [code.value for code in PRECEDENCE]


def test_actions_of_a_plan_match_the_code() -> None:
    told = (REFERENCE / "plan.md").read_text("utf-8")

    assert re.findall(r"^\| `([a-z]+)` \|", told, re.MULTILINE) == [action.value for action in Action]


def test_packages_match_the_import_rule() -> None:
    rule = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]
    told = section(ROOT / "docs" / "explanation" / "architecture.md", "Packages")
    packages = re.findall(r"^\| `([a-z_]+)` \|", told, re.MULTILINE)

    assert [f"pipeline.{package}" for package in packages] == " | ".join(rule["layers"]).split(" | ")


def test_each_step_of_a_job_names_an_existing_function() -> None:
    told = section(ROOT / "docs" / "explanation" / "architecture.md", "A job in ten steps")
    steps = re.findall(r"^\| \d+ \| .+ \| `([\w.]+):([\w.]+)` \|$", told, re.MULTILINE)

    assert len(steps) == 10
    for module, name in steps:
        assert callable(attrgetter(name)(import_module(module))), f"{module}:{name}"


def test_each_kind_of_change_touches_at_most_six_files() -> None:
    told = section(ROOT / "docs" / "explanation" / "architecture.md", "Where a change belongs")
    journeys = re.split(r"^\*\*", told, flags=re.MULTILINE)[1:]

    assert len(journeys) == 6
    for journey in journeys:
        files = re.findall(r"^\d\. `([\w./-]+)`", journey, re.MULTILINE)
        assert 0 < len(files) <= 6
        assert [file for file in files if not (ROOT / file).exists()] == []


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with every image that the examples use."""
    for folder in (ROOT / "examples").glob("*/images"):
        shutil.copytree(folder, tmp_path / "images", dirs_exist_ok=True)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if "\nname: " in page.read_text("utf-8")], ids=named)
def test_manifests_in_the_documentation_are_valid(page: Path, images: Path) -> None:
    beside = [block for block in blocks(page) if block.file]
    for block in beside:
        (images / block.file).parent.mkdir(exist_ok=True)
        (images / block.file).write_text(block.text, encoding="utf-8")
    for number, block in enumerate(blocks(page)):
        if block.kind == "yaml" and {"version", "name"} <= set(
            re.findall(r"^(\w+):", block.text, re.MULTILINE)
        ):
            manifest = images / f"shown-{number}.yaml"
            manifest.write_text(block.text, encoding="utf-8")
            campaign = load(manifest)

            assert not campaign.warnings
            assert list(expand(campaign))


def test_csv_in_the_documentation_is_valid(images: Path) -> None:
    page = ROOT / "docs" / "how-to" / "markets.md"
    [table] = [block for block in blocks(page) if block.kind == "csv"]
    [written] = re.findall(r"`(image_sets: \{products: .*?\}\})`", page.read_text("utf-8"))
    (images / "data").mkdir()
    (images / table.file).write_text(table.text, encoding="utf-8")
    manifest = images / "campaign.yaml"
    manifest.write_text(f"version: 1\nname: x\ntemplates: {{a: {{template_id: vim_arctic}}}}\n{written}\n")

    assert [job.key for job in expand(load(manifest))] == ["main/a/red", "main/a/blue"]


def test_faults_in_the_documentation_are_valid(tmp_path: Path) -> None:
    shown = [block for page in PAGES for block in blocks(page) if block.text.startswith("faults:")]
    file = tmp_path / "faults.yaml"

    assert shown
    for block in shown:
        file.write_text(block.text, encoding="utf-8")
        assert read_faults(file, block.file)


def test_decisions_in_the_documentation_are_valid(tmp_path: Path) -> None:
    [shown] = [block for page in PAGES for block in blocks(page) if "\ndecisions:" in block.text]
    file = tmp_path / "spring.decisions.yaml"
    file.write_text(shown.text, encoding="utf-8")

    assert [each.decision for each in decisions.read(file, file.name)] == ["approved"]


def shown_commands() -> list[tuple[str, str]]:
    """Every command line shown as code on a page."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        outside = _BLOCK.sub("", text)
        shown = "".join(block.text for block in blocks(page) if block.kind != "text")
        shown += "".join(f"{line}\n" for line in outside.splitlines() if line.startswith("    "))
        found += [(named(page), line) for line in _CODE_LINE.findall(shown)]
    return found


@pytest.mark.parametrize(("page", "line"), shown_commands())
def test_command_lines_in_the_documentation_are_valid(page: str, line: str) -> None:
    bare = re.split(r"  #| >>? | \|\| ", line)[0]
    # A quoted one has lost its first quote.
    words = shlex.split(bare.removesuffix('"') if bare.count('"') % 2 else bare)
    command: click.Command = cli
    ctx = click.Context(cli, info_name="pipeline")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        below = command.get_command(ctx, words[0])
        assert below is not None, f"{page}: there is no command '{words[0]}'"
        command, words = below, words[1:]

    if command is not cli:
        with suppress(click.exceptions.Exit):  # --help
            command.make_context(command.name, words)


def test_commands_and_flags_in_the_text_exist() -> None:
    for page in PAGES:
        for word, rest in _INLINE.findall(page.read_text("utf-8")):
            shown = f"{named(page)}: `pipeline {word}{rest}`"
            assert f"pipeline {word}" in COMMANDS, shown
            known = {flag for parameter in COMMANDS[f"pipeline {word}"].params for flag in parameter.opts}
            assert set(re.findall(r"--[a-z-]+", rest)) <= known, shown


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", _BLOCK.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_pictures_exist_are_small_and_are_used() -> None:
    shown = {
        (page.parent / picture).resolve()
        for page in PAGES
        for picture in re.findall(r"(?:src(?:set)?=\"|\]\()([^\")]+\.webp)", page.read_text("utf-8"))
    }
    made = set((ROOT / "docs" / "images").iterdir())

    assert shown <= made
    assert {picture.name.rpartition("-")[0] for picture in made} >= {"overview", "grid", "detail", "compare"}
    assert max(picture.stat().st_size for picture in made) <= 300_000


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_have_targets(page: Path) -> None:
    text = _BLOCK.sub("", page.read_text("utf-8"))
    for target in _LINK.findall(text):
        if not target.startswith("https://"):
            path, _, anchor = target.partition("#")
            linked = (page.parent / path).resolve() if path else page
            assert linked.exists(), target
            assert not anchor or anchor in anchors(linked), target


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / target).resolve() for target in _LINK.findall(index.read_text("utf-8"))}

    assert {page for page in (ROOT / "docs").rglob("*.md") if page != index} <= linked


# The command that the tutorial's reader has, but with an emulator that makes tiny clips at once.
_TINY = """#!{python}
from pipeline.emulator import settings
settings.EmulatorSettings = settings.EmulatorSettings.tiny
from pipeline.cli.main import main
main()
"""
_NEXT = "-- next --"


def told_in_order(expected: str, said: str) -> Iterator[str]:
    """The lines of `expected` missing from `said`, in order; `…` matches any line."""
    rest = iter(said.splitlines())
    for line in expected.splitlines():
        if line.strip() != "…" and not any(line == heard for heard in rest):
            yield line


@pytest.mark.parametrize(
    ("page", "opening"),
    [(ROOT / "docs" / "tutorial.md", ""), (README, "\n## A campaign in five minutes\n")],
    ids=["tutorial", "readme"],
)
def test_first_campaign_works_as_described(page: Path, opening: str, images: Path) -> None:
    told = page.read_text("utf-8").partition(opening or "\n")[2].partition("\n## For real\n")[0]
    steps: list[str] = []
    expectations: list[str] = []
    for file, kind, text in _BLOCK.findall(told):
        if kind == "text":
            expectations[-1] = text
        else:
            steps.append(text if kind == "sh" else f"cat > {file} <<'EOF'\n{text}EOF\n")
            expectations.append("")
    shutil.copytree(ROOT / "examples", images / "examples", ignore=shutil.ignore_patterns("output", ".*"))
    program = images / "bin" / "pipeline"
    program.parent.mkdir()
    program.write_text(_TINY.format(python=sys.executable))
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.defpath}"

    ended = subprocess.run(
        ["sh", "-e", "-c", f"\necho '{_NEXT}'\n".join(steps)],
        cwd=images,
        env={
            "PATH": path,
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            "PIPELINE_POLL_INTERVAL": "0.1",
        },
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    for step, expected, said in zip(steps, expectations, ended.stdout.split(_NEXT), strict=True):
        assert not list(told_in_order(expected, said)), f"{step}\nsaid:\n{said}"
    videos = [path.name for path in images.glob("**/output/*/emulated/**/*.mp4")]
    assert sum("~" not in name for name in videos) == 4
    # Files from before the change of the prompt are kept.
    assert sum(name.startswith("leap~") for name in videos) > 0


def test_other_python_in_the_documentation_comes_from_an_example() -> None:
    examples = "".join(path.read_text("utf-8") for path in (ROOT / "examples").rglob("*.py"))
    shown = [block for page in PAGES for block in blocks(page) if block.kind == "python"]
    others = [block for block in shown if block.page != REFERENCE / "python.md"]
    assert others
    assert [named(block.page) for block in others if block.text not in examples] == []


def test_python_in_the_reference_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [shown] = [block for block in blocks(REFERENCE / "python.md") if block.kind == "python"]
    shutil.copytree(ROOT / "examples" / "quickstart" / "images", tmp_path / "images")
    shutil.copy(ROOT / "examples" / "quickstart" / "campaign.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipeline.emulator.settings.EmulatorSettings", EmulatorSettings.tiny)

    exec(compile(shown.text, named(shown.page), "exec"), {})

    said = capsys.readouterr().out.splitlines()
    assert said[0] == "8 to buy"
    assert sum(line.endswith(".mp4") for line in said) == 8
    assert "decision: approved" in (tmp_path / "quickstart.emulated.decisions.yaml").read_text()
