"""The Python functions read the environment variables of flags like the commands of the same names."""

import importlib
import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, spring
from support.postgres import Database
from support.s3 import S3Server

import pipeline as face
from pipeline.cli.main import cli
from pipeline.emulator.embedded import Emulator
from pipeline.emulator.settings import EmulatorSettings
from pipeline.manifest.variables import read_variables
from pipeline.operations.call_arguments import ArgumentChecker
from pipeline.operations.flag_variables import UNSUPPORTED, VARIABLES

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"

ASKS: list[Callable[..., Any]] = [face.plan, face.run, face.collect, face.status]
DECIDES: list[Callable[..., Any]] = [face.approve, face.reject, face.redo, face.undecide]
# Each function with its command. `expand` takes a loaded campaign, and nothing from flags.
COMMANDS: dict[Callable[..., Any], str] = {
    face.load: "validate",
    **{function: function.__name__ for function in (*ASKS, *DECIDES)},
}
# Parameters without a flag.
WITHOUT_FLAG = {"manifest", "names", "provider", "on_event"}
# Flags that affect neither what is bought nor where records are: a function uses only its own arguments.
WITHOUT_EFFECT = {
    # output, and files besides the records
    *("--format", "--verbose", "--quiet", "--no-color", "--log-format", "--watch", "--detailed-exitcode"),
    *("--out", "--events", "--junit", "--serve", "--token-file", "--metrics", "--metrics-file"),
    # speed, and how the vendor reports the end of a workflow
    *("--concurrency", "--in-flight", "--rate", "--executor", "--request-timeout", "--poll-interval"),
    *("--webhook-url", "--webhook-listen"),
    # a function does not ask and has no shards: `--shard` itself is refused
    *("--yes", "--shard-by"),
}


def flags(function: Callable[..., Any]) -> list[click.Option]:
    """The flags of the function's command."""
    command = cli.get_command(click.Context(cli), COMMANDS[function])
    assert command is not None
    return [each for each in command.params if isinstance(each, click.Option)]


def parameters(function: Callable[..., Any]) -> dict[str, str]:
    """The parameters of a function by their flags."""
    names = inspect.signature(function).parameters
    return {VARIABLES[name].flag: name for name in names if name in VARIABLES}


def of_functions() -> list[Any]:
    return [pytest.param(function, id=function.__name__) for function in COMMANDS]


# Every flag of every command


def test_each_public_function_is_compared_with_a_command() -> None:
    public = [getattr(face, name) for name in importlib.import_module("pipeline").__all__]

    assert {each for each in public if inspect.isfunction(each)} - {face.expand} == set(COMMANDS)


@pytest.mark.parametrize("function", of_functions())
def test_each_flag_is_a_parameter_or_is_refused_or_has_no_effect(function: Callable[..., Any]) -> None:
    """If this fails for a new flag, a function would ignore its variable: add a parameter, or refuse it."""
    refused = {each.flag for each in UNSUPPORTED.get(function.__name__, ())}
    known = {*parameters(function), *refused, *WITHOUT_EFFECT}

    assert {flag.opts[0] for flag in flags(function)} - known == set()
    assert refused.isdisjoint({*parameters(function), *WITHOUT_EFFECT})


@pytest.mark.parametrize("function", of_functions())
def test_each_parameter_reads_the_variable_of_its_flag(function: Callable[..., Any]) -> None:
    given = {flag.opts[0]: flag.envvar for flag in flags(function)}

    assert set(inspect.signature(function).parameters) - WITHOUT_FLAG == set(parameters(function).values())
    for flag, name in parameters(function).items():
        assert VARIABLES[name].variable == given[flag]


def test_reference_names_each_refused_variable() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "python.md").read_text("utf-8")

    for function, refused in UNSUPPORTED.items():
        named = ", ".join(f"`{each.variable}`" for each in refused)
        assert f"| `{function}` | {named} |" in page


# Accepted and refused values for each type of flag.
TEXTS = ["", " ", "0", "1", "5", "6", "-1", " 7 ", "1_0", "0.5", "1.5", "nan", "inf", "9" * 5000]
TEXTS += [
    "true",
    "No",
    " on ",
    "maybe",
    "None",
    "é",
    "a b",
    " a  b ",
    "a=1",
    "a=1 b=x",
    "a='",
    "=1",
    "x.yaml",
]


def by_function(function: Callable[..., Any], name: str) -> object:
    """The function's value for an omitted parameter; UsageError if it is refused, None if it is left out."""

    def stub(*_: object, **given: object) -> object:
        return given.get(name)

    stub.__name__ = function.__name__
    # `inspect` reads this attribute, which the type of functions lacks.
    stub.__signature__ = inspect.signature(function).replace(  # type: ignore[attr-defined]
        parameters=[inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)]
    )
    try:
        return ArgumentChecker(os.environ)(stub)()
    except face.UsageError:
        return face.UsageError


def by_command(function: Callable[..., Any], flag: str) -> object:
    """The command's value for a flag, as the function's parameter takes it."""
    command = cli.get_command(click.Context(cli), COMMANDS[function])
    assert command is not None
    [option] = [each for each in flags(function) if each.opts[0] == flag]
    context = click.Context(command, info_name=command.name)
    try:
        value, source = option.consume_value(context, {})
        value = option.process_value(context, value)
        if source is not click.core.ParameterSource.ENVIRONMENT:
            return None
        return dict(read_variables(value, ())) if flag == "--var" else value
    except (face.UsageError, click.UsageError):
        return face.UsageError


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text)[:12])
@pytest.mark.parametrize("function", of_functions())
def test_variable_is_parsed_as_by_the_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], text: str
) -> None:
    for flag, name in parameters(function).items():
        monkeypatch.setenv(VARIABLES[name].variable, text)
        expected = by_command(function, flag)
        if flag in ("--no-wait", "--no-download") and isinstance(expected, bool):
            expected = not expected
        read = by_function(function, name)
        assert (repr(read), type(read)) == (repr(expected), type(expected)), flag
        monkeypatch.delenv(VARIABLES[name].variable)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text)[:12])
def test_variable_of_the_command_only_is_refused_where_it_would_matter(
    folder: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    for function in COMMANDS:
        for each in UNSUPPORTED.get(function.__name__, ()):
            monkeypatch.setenv(each.variable, text)
            has_effect = by_command(function, each.flag) not in (None, False)
            assert (by_function(function, "manifest") is face.UsageError) == has_effect, each.flag
            monkeypatch.delenv(each.variable)


# Effects


LOCATIONS = {"PIPELINE_STATE": "st/s.db", "PIPELINE_RESULTS": "st/", "PIPELINE_OUTPUT": "st/out"}


def set_all(pipeline: Pipeline, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        pipeline.set(name, value)


@pytest.fixture
def placed(project: Project, pipeline: Pipeline, vendor: Emulator) -> Project:
    """A campaign run by the command, with its records where the environment places them."""
    (project.folder / "st").mkdir()
    set_all(pipeline, LOCATIONS)
    assert pipeline("run", project.manifest, "--yes").code == 0
    assert len(vendor.ledger.entries) == 2
    return project


def test_records_located_by_the_environment_prevent_buying_again(placed: Project, vendor: Emulator) -> None:
    assert face.plan(placed.manifest).buying == []
    assert face.run(placed.manifest).is_done
    assert face.collect(placed.manifest).is_done
    assert {stand.status for stand in face.status(placed.manifest).jobs.values()} == {"done"}
    for decide in DECIDES:
        assert [each.key for each in decide(placed.manifest, WALK)] == [WALK]

    assert len(vendor.ledger.entries) == 2
    assert not placed.state.exists()
    assert not placed.results_file.exists()


def test_records_located_by_arguments_prevent_buying_again(
    placed: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    for name in LOCATIONS:
        pipeline.set(name, None)
    locations: dict[str, Any] = {"state": "st/s.db", "results": Path("st"), "output": Path("st/out")}

    assert face.plan(placed.manifest, **locations).buying == []
    assert face.run(placed.manifest, **locations).is_done
    assert face.collect(placed.manifest, **locations).is_done
    assert {stand.status for stand in face.status(placed.manifest, **locations).jobs.values()} == {"done"}
    for decide in DECIDES:
        assert [each.key for each in decide(placed.manifest, WALK, **locations)] == [WALK]

    assert len(vendor.ledger.entries) == 2
    assert not placed.state.exists()
    assert not placed.results_file.exists()


def test_shared_state_and_object_store_are_read_from_the_environment(
    project: Project, pipeline: Pipeline, vendor: Emulator, postgres: Database, bucket: S3Server
) -> None:
    set_all(pipeline, {"PIPELINE_STATE": postgres.url, "PIPELINE_OUTPUT": bucket.location("spring")})
    assert pipeline("run", project.manifest, "--yes").code == 0
    project.results_file.unlink()

    assert face.run(project.manifest).is_done

    assert len(vendor.ledger.entries) == 2
    assert not project.state.exists()
    assert not (project.folder / "output").exists()


def test_argument_overrides_the_environment(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    set_all(pipeline, {**LOCATIONS, "PIPELINE_FROZEN": "1", "PIPELINE_MAX_CREDITS": "no number"})

    outcome = face.run(project.manifest, state="own/s.db", output="own/out", frozen=False, max_credits=200)

    assert outcome.bought == 2
    assert (project.folder / "own" / "s.db").exists()
    assert not (project.folder / "st" / "s.db").exists()
    assert (project.folder / "st" / "spring.results.json").exists()


def test_none_counts_as_not_given(placed: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    pipeline.set("PIPELINE_SELECT", "prompt:walk")

    assert list(face.run(placed.manifest, state=None, results=None, select=None).jobs) == [WALK]
    assert len(vendor.ledger.entries) == 2


@pytest.mark.parametrize(
    "variables",
    [
        {"PIPELINE_FROZEN": "1"},
        {"PIPELINE_MAX_CREDITS": "0"},
        {"PIPELINE_MAX_CREATES": "1"},
        {"PIPELINE_FROZEN": "yes", "PIPELINE_REPLACE": WALK},
    ],
)
def test_cap_in_the_environment_limits_a_run_from_python(
    project: Project, pipeline: Pipeline, vendor: Emulator, variables: Mapping[str, str]
) -> None:
    set_all(pipeline, variables)

    with pytest.raises(face.BuyingStopped):
        face.run(project.manifest)
    assert not vendor.ledger.entries


def test_rehearsal_in_the_environment_buys_nothing(
    project: Project, pipeline: Pipeline, vendor: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.emulator.settings.EmulatorSettings", EmulatorSettings.tiny)
    pipeline.set("PIPELINE_EMULATE", "1")

    assert face.run(project.manifest).is_done

    assert not vendor.ledger.entries
    assert not project.results_file.exists()
    assert (project.folder / "spring.emulated.results.json").exists()


def test_rehearsal_is_refused_if_the_environment_locates_the_records(
    project: Project, pipeline: Pipeline
) -> None:
    set_all(pipeline, LOCATIONS)

    with pytest.raises(face.UsageError, match=r"^state and results and output: cannot be combined"):
        face.plan(project.manifest, emulate=True)


def test_vars_in_the_environment_give_the_same_requests_as_the_command(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    manifest = spring(prompts={"walk": "{{ who }} in {{ season }}"}, vars={"season": "spring", "who": "we"})
    project = campaign(folder, {"campaign.yaml": manifest, "vars.yaml": {"season": "autumn", "who": "they"}})
    set_all(pipeline, {"PIPELINE_VAR_FILE": "vars.yaml", "PIPELINE_VAR": "who=you"})
    assert pipeline("run", project.manifest, "--yes").code == 0

    [job] = face.expand(face.load(project.manifest))
    assert job.request.options["prompt"] == "you in autumn"
    assert face.run(project.manifest).is_done
    assert face.plan(project.manifest, variables={"who": "you"}, variable_files="vars.yaml").buying == []
    assert len(vendor.ledger.entries) == 1
    # A var given in Python replaces `PIPELINE_VAR`, like `--var`, and still overrides files.
    [asked] = face.plan(project.manifest, variables={"who": "I"}).buying
    assert "prompt" in str(asked)
    [job] = face.expand(face.load(project.manifest, {"who": "I"}))
    assert job.request.options["prompt"] == "I in autumn"


def test_unused_vars_in_the_environment_are_reported_as_by_the_command(
    folder: Path, pipeline: Pipeline
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(), "vars.yaml": {"season": "autumn"}})

    [warning] = face.load(project.manifest, variable_files=[Path("vars.yaml")]).warnings
    assert "uses this var" in warning.message
    pipeline.set("PIPELINE_VAR", "season=autumn")
    with pytest.raises(face.UsageError, match="uses the variable 'season'"):
        face.run(project.manifest)


@pytest.mark.parametrize(
    ("function", "variable", "value"),
    [
        (face.run, "PIPELINE_CHECKPOINT", "git push"),
        (face.run, "PIPELINE_SHARD", "1/2"),
        (face.run, "PIPELINE_REQUIRE_RESULTS", "1"),
        (face.undecide, "PIPELINE_NOTE", "too dark"),
    ],
)
def test_variable_without_a_parameter_is_refused_by_name(
    placed: Project,
    pipeline: Pipeline,
    vendor: Emulator,
    function: Callable[..., object],
    variable: str,
    value: str,
) -> None:
    pipeline.set(variable, value)
    names = [WALK] if function in DECIDES else []

    with pytest.raises(face.UsageError, match=f"{variable} is set, but pipeline.{function.__name__}"):
        function(placed.manifest, *names, **({"replace": WALK} if function is face.run else {}))
    assert len(vendor.ledger.entries) == 2


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("PIPELINE_MAX_CREDITS", "5 credits", "PIPELINE_MAX_CREDITS: expected a whole number, 0 or more"),
        ("PIPELINE_FAIL_THRESHOLD", "2", "PIPELINE_FAIL_THRESHOLD: expected a number, 0 to 1"),
        ("PIPELINE_FROZEN", "maybe", "PIPELINE_FROZEN: expected 1 or 0"),
        ("PIPELINE_STATE", " ", "PIPELINE_STATE is blank"),
        ("PIPELINE_VAR", "season", "PIPELINE_VAR 'season': expected NAME=VALUE"),
        ("PIPELINE_VAR_FILE", "https://user:secret@host/vars.yaml", "expected a path, not an address"),
    ],
)
def test_unreadable_variable_is_wrong_usage(
    project: Project, pipeline: Pipeline, vendor: Emulator, variable: str, value: str, expected: str
) -> None:
    pipeline.set(variable, value)

    with pytest.raises(face.UsageError) as refused:
        face.run(project.manifest)
    assert expected in str(refused.value)
    assert "secret" not in str(refused.value)
    assert not vendor.ledger.entries


@pytest.mark.parametrize("location", ["state", "results", "output"])
@pytest.mark.parametrize("value", ["", " ", b"postgresql://user:secret@host/db"])
def test_empty_location_is_not_the_default(
    project: Project, pipeline: Pipeline, vendor: Emulator, location: str, value: Any
) -> None:
    """`state=os.environ.get("DB", "")` names no state; the default one would not know the purchases."""
    with pytest.raises(face.UsageError, match=f"{location}: expected a path or an address") as refused:
        face.run(project.manifest, **{location: value})
    assert "secret" not in str(refused.value)
    assert not vendor.ledger.entries
