"""The Python API: exact, typed, lazy, and as careful as the command line."""

import importlib
import importlib.util
import inspect
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from types import FunctionType, ModuleType
from typing import Any, get_type_hints

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, spring

import pipeline as face
from pipeline.emulator.embedded import Emulator
from pipeline.emulator.settings import EmulatorSettings
from pipeline.jobs import JobKey
from pipeline.providers.vimmerse import Vimmerse
from pipeline.state.sql import statements
from pipeline.state.sql.database import Row, Value
from pipeline.state.sql.sqlite import SqliteDatabase

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "python" / "render.py"
DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"

PUBLIC = [
    "AccountError",
    "Action",
    "BuyingStopped",
    "Campaign",
    "CampaignStatus",
    "Decision",
    "Entry",
    "ExitCode",
    "InvalidInput",
    "Job",
    "JobStatus",
    "Outcome",
    "PipelineError",
    "Plan",
    "Problem",
    "Provider",
    "Purchase",
    "StateLocked",
    "Unfinished",
    "UsageError",
    "approve",
    "collect",
    "expand",
    "load",
    "plan",
    "redo",
    "reject",
    "run",
    "status",
    "undecide",
]


@pytest.fixture
def bought(project: Project, pipeline: Pipeline) -> Project:
    """A campaign after a complete run from Python."""
    assert face.run(project.manifest).is_done
    return project


def python(code: str) -> str:
    """The output of a fresh interpreter."""
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    return ended.stdout


# Public names


def test_public_names_are_exactly_these_and_each_has_a_docstring() -> None:
    assert importlib.import_module("pipeline").__all__ == PUBLIC
    assert sorted(PUBLIC, key=lambda name: (not name[0].isupper(), name)) == PUBLIC
    for name in PUBLIC:
        assert getattr(face, name).__doc__


@pytest.mark.parametrize("module", ["pipeline", "pipeline.providers", "pipeline.testing"])
def test_annotations_of_public_names_can_be_read_at_run_time(module: str) -> None:
    public = importlib.import_module(module)
    for each in (getattr(public, name) for name in dir(public) if not name.startswith("_")):
        if isinstance(each, type | FunctionType):
            get_type_hints(each)
        members = vars(each).values() if isinstance(each, type) else ()
        for member in (each.fget if isinstance(each, property) else each for each in members):
            if isinstance(member, FunctionType):
                get_type_hints(member)


def test_importing_the_package_loads_nothing_until_it_is_used() -> None:
    loaded = python(
        "import pipeline, sys; print([name for name in sys.modules if name.startswith('pipeline')])"
    )
    assert loaded == "['pipeline']\n"

    known = python("from pipeline import *; print(sorted(name for name in globals() if name[0] != '_'))")
    assert known.strip() == str(sorted(PUBLIC))


def test_private_name_is_not_an_attribute_of_the_package() -> None:
    with pytest.raises(AttributeError, match="module 'pipeline' has no attribute 'known'"):
        _ = face.known  # type: ignore[attr-defined]  # the type checker is expected to object too


def checked(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_user_code_is_type_checked(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import pipeline\n\nkeys: int = pipeline.run('x').jobs\nprint(pipeline.unheard_of)\n")

    assert checked(EXAMPLE).stdout.startswith("Success")
    told = checked(wrong).stdout
    assert (
        'wrong.py:3: error: Incompatible types in assignment (expression has type "Mapping[JobKey, JobStatus]"'
        in told
    )
    assert 'wrong.py:4: error: Module has no attribute "unheard_of"' in told


# Behaviour


def test_load_and_expand_return_the_jobs(project: Project) -> None:
    loaded = face.load(project.manifest)

    assert loaded.name == "spring"
    assert [job.key for job in face.expand(loaded)] == [WALK, DANCE]


def test_variables_override_those_of_the_manifest(folder: Path, pipeline: Pipeline, vendor: Emulator) -> None:
    manifest = spring(prompts={"walk": "a walk in {{ season }}"}, vars={"season": "spring"})
    project = campaign(folder, {"campaign.yaml": manifest})

    assert face.run(project.manifest, variables={"season": "autumn"}).is_done
    [purchase] = project.results()["purchases"]
    assert purchase["request"]["options"]["prompt"] == "a walk in autumn"
    assert [
        entry.action for entry in face.plan(project.manifest, variables={"season": "autumn"}).entries
    ] == [face.Action.KEEP]


def test_plan_needs_neither_key_nor_network_and_writes_nothing(project: Project, offline: Pipeline) -> None:
    before = project.tree()

    planned = face.plan(project.manifest)

    assert [(entry.key, entry.action.value, entry.credits) for entry in planned.buying] == [
        (DANCE, "create", 100),
        (WALK, "create", 100),
    ]
    assert planned.credits == 200
    assert project.tree() == before


def test_run_does_the_same_as_the_command_and_shares_its_records(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert sorted(bought.output()) == [f"{DANCE}.mp4", f"{WALK}.mp4"]
    assert pipeline("verify", bought.manifest, "--files").code == 0

    assert pipeline("run", bought.manifest).code == 0
    assert face.run(bought.manifest).is_done
    assert len(vendor.ledger.entries) == 2


def test_run_with_nothing_to_do_needs_no_key(bought: Project, pipeline: Pipeline) -> None:
    pipeline.set("VIMMERSE_API_KEY", None)

    assert face.run(bought.manifest).is_done


def test_events_are_reported_as_they_happen(project: Project, pipeline: Pipeline) -> None:
    heard: list[tuple[str, str]] = []

    outcome = face.run(project.manifest, on_event=lambda key, what: heard.append((key, what)))

    assert {key: job_status.status for key, job_status in outcome.jobs.items()} == {
        DANCE: "done",
        WALK: "done",
    }
    assert {key for key, what in heard if what == "done"} == {DANCE, WALK}


def test_error_of_on_event_is_raised_after_purchases_are_saved(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    def fail(_key: str, what: str) -> None:
        raise BrokenPipeError(what)

    with pytest.raises(BrokenPipeError, match="bought as"):
        face.run(project.manifest, on_event=fail)

    assert set(project.statuses().values()) == {"submitted"}
    known = {purchase["workflow_id"] for purchase in project.results()["purchases"]}
    assert known == {entry.workflow_id for entry in vendor.ledger.bought}
    assert face.run(project.manifest).is_done
    assert len(vendor.ledger.entries) == 2


def test_ctrl_c_is_raised_after_purchases_are_saved(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    rows = SqliteDatabase.rows

    def interrupt(database: SqliteDatabase, statement: str, *values: Value) -> Sequence[Row]:
        if statement is statements.SET_PURCHASE:  # the id from the vendor is being written
            os.kill(os.getpid(), signal.SIGINT)
        return rows(database, statement, *values)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SqliteDatabase, "rows", interrupt)
        with pytest.raises(KeyboardInterrupt):
            face.run(project.manifest)

    known = {purchase["workflow_id"] for purchase in project.results()["purchases"]}
    assert known == {entry.workflow_id for entry in vendor.ledger.bought}
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert face.run(project.manifest).is_done
    assert len(vendor.ledger.entries) == 2


def test_jobs_can_be_selected(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    outcome = face.run(project.manifest, select=WALK)

    assert outcome.is_done
    assert list(outcome.jobs) == [WALK]
    assert len(vendor.ledger.entries) == 1


def test_failed_job_is_an_outcome_and_not_an_exception(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "nth": 1, "do": "fail"})

    outcome = face.run(project.manifest)

    assert not outcome.is_done
    assert outcome.code is face.ExitCode.FAILED
    assert face.run(project.manifest, retry_failed=True).is_done


def test_invalid_manifest_is_one_exception_with_every_problem(project: Project) -> None:
    project.write({"campaign.yaml": "version: 1\nname: spring\ntemplates:\n  loop: {template: x}\nvar: {}\n"})

    for call in (face.load, face.plan, face.run):
        with pytest.raises(face.InvalidInput) as error:
            call(project.manifest)
        assert {problem.position.line for problem in error.value.problems if problem.position} == {4, 5}


def test_exceeded_cap_is_an_exception_and_buys_nothing(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(limits={"max_credits": 199})})

    with pytest.raises(face.BuyingStopped, match="max_credits"):
        face.run(project.manifest)
    assert not vendor.ledger.entries


def test_missing_key_is_an_exception_and_buys_nothing(project: Project, offline: Pipeline) -> None:
    with pytest.raises(face.AccountError, match="VIMMERSE_API_KEY"):
        face.run(project.manifest)
    assert not project.results_file.exists()
    assert not project.state.exists()


# Other commands


def test_dir_and_help_show_the_public_names() -> None:
    shown = python("import pipeline; print([name for name in dir(pipeline) if not name.startswith('_')])")
    assert shown.strip() == str(PUBLIC)

    told = python("import pipeline, pydoc; print(pydoc.render_doc(pipeline, renderer=pydoc.plaintext))")
    for name in PUBLIC:
        assert name in told
    assert "Buy what is missing, fetch it" in told


def test_package_runs_as_a_module() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.startswith("pipeline, version ")


def test_selections_have_the_syntax_of_the_command_line(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert [entry.key for entry in face.plan(project.manifest, select="prompt:walk").buying] == [WALK]
    assert [entry.key for entry in face.plan(project.manifest, exclude=["*/*/*/walk"]).buying] == [DANCE]
    assert face.run(project.manifest).is_done

    again = face.plan(project.manifest, replace=WALK)
    assert [(entry.key, entry.action) for entry in again.buying] == [(WALK, face.Action.REPLACE)]
    with pytest.raises(face.UsageError, match="matches no job"):
        face.plan(project.manifest, select="nothing/here")


ASKS: list[Callable[..., object]] = [face.plan, face.run, face.collect, face.status]
DECIDES: list[Callable[..., object]] = [face.approve, face.reject, face.redo, face.undecide]


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("select", [[], (), set(), iter(())])
def test_empty_selection_does_not_select_everything(
    project: Project, pipeline: Pipeline, vendor: Emulator, ask: Callable[..., object], select: Any
) -> None:
    with pytest.raises(face.UsageError, match=r"the selection is empty; None selects everything"):
        ask(project.manifest, select=select)
    assert not vendor.ledger.entries


def parameters() -> list[Any]:
    """Every parameter of every public function."""
    functions: list[Callable[..., object]] = [face.load, face.expand, *ASKS, *DECIDES]
    return [
        pytest.param(function, parameter, id=f"{getattr(function, '__name__', '')}-{parameter.name}")
        for function in functions
        for parameter in inspect.signature(function).parameters.values()
    ]


PROVIDER_EXPECTED = (
    "provider: expected a provider, which has a name and the methods prepare, create, get, update, delete, "
    "report_error, health, download"
)


class Lacking:
    """It can buy, but nothing more."""

    name = "lacking"

    def create(self, request: object) -> None: ...

    def get(self, workflow_id: object) -> None: ...

    def __repr__(self) -> str:
        return "<Lacking>"


def called(
    project: Project, function: Callable[..., object], parameter: inspect.Parameter, value: object
) -> object:
    """Call the function with a campaign and, as one of its arguments, `value`."""
    campaign = face.load(project.manifest) if function is face.expand else project.manifest
    if parameter.kind is inspect.Parameter.KEYWORD_ONLY or parameter.default is not parameter.empty:
        return function(campaign, *([WALK] if function in DECIDES else []), **{parameter.name: value})
    return (
        function(campaign, value) if parameter.kind is inspect.Parameter.VAR_POSITIONAL else function(value)
    )


def test_errors_name_the_arguments_instead_of_flags(project: Project, pipeline: Pipeline) -> None:
    with pytest.raises(face.BuyingStopped, match=r"^2 to buy, but frozen: nothing was done$"):
        face.run(project.manifest, frozen=True)
    with pytest.raises(face.UsageError, match=r"^state: cannot be combined with a rehearsal"):
        face.run(project.manifest, emulate=True, state="own.db")
    with pytest.raises(face.UsageError, match=r"^output ftp://…: expected "):
        face.plan(project.manifest, output="ftp://files.example.com")
    with pytest.raises(
        face.UsageError, match=r"^results postgresql:…: only `--state postgresql://…` names a database"
    ):
        face.plan(project.manifest, results="postgresql://db.example.com/a")
    project.write({"campaign.yaml": spring(limits={"max_credits": 100})})
    with pytest.raises(
        face.UsageError, match=r"^max_credits 200 exceeds the manifest's limit of 100; it can only"
    ):
        face.run(project.manifest, max_credits=200)


def test_problems_of_a_manifest_name_the_arguments_instead_of_flags(
    project: Project, pipeline: Pipeline
) -> None:
    with pytest.raises(
        face.InvalidInput, match=r"^variables prompt: a var cannot be called 'prompt'"
    ) as raised:
        face.load(project.manifest, {"prompt": "x"})

    assert [problem.path for problem in raised.value.problems] == ["variables prompt"]


@pytest.mark.parametrize(("function", "parameter"), parameters())
def test_argument_of_a_wrong_type_is_wrong_usage(
    project: Project,
    pipeline: Pipeline,
    vendor: Emulator,
    function: Callable[..., object],
    parameter: inspect.Parameter,
) -> None:
    with pytest.raises(face.UsageError):
        called(project, function, parameter, object())
    assert not vendor.ledger.entries
    assert not project.state.exists()


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        (face.run, {"retry_failed": "no"}, "retry_failed: expected True or False, found 'no'"),
        (face.run, {"emulate": "false"}, "emulate: expected True or False, found 'false'"),
        (face.run, {"frozen": 0}, "frozen: expected True or False, found 0"),
        (face.plan, {"select": [1]}, "select: expected text, or several, found [1]"),
        (face.plan, {"exclude": None}, "exclude: expected text, or several, found None"),
        (face.load, {"variables": "season=x"}, "variables: expected values by their names, found 'season=x'"),
        (face.load, {"variables": {1: "x"}}, "variables: expected values by their names, found {1: 'x'}"),
        (
            face.load,
            {"variables": {"a": {1, 2}}},
            "variables: expected values by their names, found {'a': {1, 2}}",
        ),
        (face.approve, {"at": True, "note": "here"}, "at: expected a number, found True"),
        (face.run, {"provider": "emulator"}, f"{PROVIDER_EXPECTED}, found 'emulator'"),
        (face.run, {"provider": Lacking()}, f"{PROVIDER_EXPECTED}, found <Lacking>"),
        *(
            (call, {"provider": kind}, f"{PROVIDER_EXPECTED}, found the class {kind.__name__}")
            for call in (face.run, face.collect)
            for kind in (face.Provider, Vimmerse)
        ),
    ],
)
def test_message_names_what_was_expected_of_an_argument(
    project: Project,
    pipeline: Pipeline,
    function: Callable[..., object],
    arguments: dict[str, Any],
    expected: str,
) -> None:
    with pytest.raises(face.UsageError) as refused:
        function(project.manifest, *([WALK] if function in DECIDES else []), **arguments)
    assert str(refused.value) == expected


def test_empty_list_excludes_and_replaces_nothing(project: Project, offline: Pipeline) -> None:
    assert len(face.plan(project.manifest, select=None, exclude=[], replace=[]).buying) == 2


@pytest.mark.parametrize("ask", [face.load, *ASKS, *DECIDES])
def test_unused_variable_is_wrong_usage(
    project: Project, pipeline: Pipeline, vendor: Emulator, ask: Callable[..., object]
) -> None:
    project.write({"campaign.yaml": spring(prompts={"walk": "in {{ season }}"}, vars={"season": "spring"})})
    names = [WALK] if ask in DECIDES else []

    with pytest.raises(face.UsageError) as refused:
        ask(project.manifest, *names, variables={"seasn": "summer"})

    assert str(refused.value) == "nothing in the manifest uses the variable 'seasn' (did you mean 'season'?)"
    assert not vendor.ledger.entries


@pytest.mark.parametrize("cap", [{"max_creates": 1}, {"max_credits": 199}, {"frozen": True}])
def test_caps_of_one_run_are_keywords(
    project: Project, pipeline: Pipeline, vendor: Emulator, cap: dict[str, Any]
) -> None:
    with pytest.raises(face.BuyingStopped):
        face.run(project.manifest, **cap)
    assert not vendor.ledger.entries


def test_unknown_keyword_is_an_error(project: Project, vendor: Emulator) -> None:
    calls: list[Callable[..., object]] = [face.plan, face.run, face.collect, face.status]
    for call in calls:
        with pytest.raises(TypeError, match="max_credit"):
            call(project.manifest, max_credit=5)
    assert not vendor.ledger.entries


@pytest.mark.parametrize(
    ("call", "wrong", "meant"), [("run", "emulte", "emulate"), ("approve", "ratings", "rating")]
)
def test_message_about_an_unknown_keyword_names_the_function_and_what_is_near(
    project: Project, call: str, wrong: str, meant: str
) -> None:
    expected = rf"^{call}\(\) got an unexpected keyword argument '{wrong}'; did you mean '{meant}'\?$"
    with pytest.raises(TypeError, match=expected):
        getattr(face, call)(project.manifest, **{wrong: True})
    with pytest.raises(TypeError, match=r"^status\(\) got an unexpected keyword argument 'qqq'$"):
        face.status(project.manifest, qqq=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^plan\(\) missing a required argument: 'manifest'$"):
        face.plan()  # type: ignore[call-arg]


class OddPath:
    def __fspath__(self) -> bytes:
        return b"walk.mp4"


class Elsewhere:
    """A path of another library."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


@pytest.mark.parametrize("kind", [Path, PurePath, Elsewhere])
def test_paths_of_any_kind_are_names_and_locations(
    bought: Project, offline: Pipeline, kind: Callable[[Path], os.PathLike[str]]
) -> None:
    files = face.status(bought.manifest).jobs
    film, manifest = bought.folder / "output" / "spring" / f"{WALK}.mp4", kind(bought.manifest)
    extra = bought.folder / "more.yaml"
    extra.write_text("{}\n", "utf-8")
    assert WALK in files

    decides: list[Callable[..., list[face.Decision]]] = [face.approve, face.reject, face.redo]
    for decide in decides:
        [decision] = decide(manifest, kind(film), state=kind(bought.state), variable_files=kind(extra))
        assert decision.key == WALK
    assert face.plan(manifest, variable_files=[kind(extra)]).entries


@pytest.mark.parametrize("odd", [b"walk.mp4", 7, OddPath()])
def test_name_that_is_neither_text_nor_a_path_is_wrong_usage(
    bought: Project, offline: Pipeline, odd: Any
) -> None:
    with pytest.raises(face.UsageError, match=r"^names: expected names or paths, found "):
        face.approve(bought.manifest, odd)


def test_outcome_has_the_paths_of_its_files(project: Project, pipeline: Pipeline) -> None:
    outcome = face.run(project.manifest)

    [walk] = outcome.files[JobKey(WALK)]
    assert walk == project.folder / "output" / "spring" / f"{WALK}.mp4"
    assert walk.read_bytes() == project.output()[f"{WALK}.mp4"]
    assert (outcome.bought, outcome.spent, outcome.summary.credits) == (2, 200, 200)


def test_collect_fetches_what_is_paid_for(bought: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    shutil.rmtree(bought.folder / "output")

    outcome = face.collect(bought.manifest)

    assert outcome.is_done
    assert sorted(bought.output()) == [f"{DANCE}.mp4", f"{WALK}.mp4"]
    assert len(vendor.ledger.entries) == 2


def test_decisions_are_written_and_returned(bought: Project, offline: Pipeline) -> None:
    [decision] = face.approve(bought.manifest, WALK, note="as it is", rating=5)
    face.redo(bought.manifest, "prompt:dance")

    assert (decision.key, decision.decision, decision.rating) == (WALK, "approved", 5)
    stands = face.status(bought.manifest)
    assert {key: stand.status for key, stand in stands.jobs.items()} == {WALK: "done", DANCE: "pending"}
    assert stands.decisions[JobKey(WALK)].note == "as it is"
    assert [entry.key for entry in face.plan(bought.manifest).buying] == [DANCE]
    face.reject(bought.manifest, DANCE)
    assert face.plan(bought.manifest).buying == []


@pytest.mark.parametrize(("names", "keywords"), [((), {}), ((WALK,), {"rating": 6}), (("nobody",), {})])
def test_decision_without_a_match_is_wrong_usage(
    bought: Project, offline: Pipeline, names: tuple[str, ...], keywords: dict[str, Any]
) -> None:
    with pytest.raises(face.UsageError):
        face.approve(bought.manifest, *names, **keywords)


def test_an_unknown_price_is_never_shown_as_zero(project: Project, pipeline: Pipeline) -> None:
    project.write({"campaign.yaml": spring(templates={"scene": {"template_id": "vim_arctic"}}, prompts={})})

    assert repr(face.plan(project.manifest)) == "<Plan: 1 create; price unknown>"
    face.run(project.manifest)
    stands = repr(face.status(project.manifest))
    assert stands == "<CampaignStatus spring: 1 done; 1 purchase with no known price>"


def test_reprs_are_short(project: Project, pipeline: Pipeline) -> None:
    loaded, planned = face.load(project.manifest), face.plan(project.manifest)
    outcome, stands = face.run(project.manifest), face.status(project.manifest)
    [job, *_] = face.expand(loaded)

    assert repr(planned) == "<Plan: 2 create; 200 credits>"
    assert repr(outcome) == "<Outcome: 2 done; 2 bought, exit code 0>"
    assert repr(stands) == "<CampaignStatus spring: 2 done; 200 credits>"
    assert repr(job) == f"<Job {WALK}>"
    job_status = outcome.jobs[JobKey(WALK)]
    for value in (loaded, planned.entries[0], job_status, job_status.purchase):
        assert len(repr(value)) < 700, repr(value)


# The example


@pytest.fixture
def example() -> ModuleType:
    """The program of the example."""
    spec = importlib.util.spec_from_file_location("render", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["campaign.yaml"],
        ["campaign.yaml", "much"],
        ["campaign.yaml", "-1"],
        ["campaign.yaml", "9", "test"],
    ],
)
def test_example_that_is_called_otherwise_says_how_and_buys_nothing(words: list[str]) -> None:
    ended = subprocess.run([sys.executable, EXAMPLE, *words], capture_output=True, text=True, check=False)

    assert ended.returncode == face.ExitCode.USAGE
    assert ended.stderr == "usage: python render.py MANIFEST CREDITS [rehearse]\n"
    assert ended.stdout == ""


def test_example_buys_only_within_its_limit(
    example: ModuleType,
    project: Project,
    pipeline: Pipeline,
    vendor: Emulator,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert example.main(str(project.manifest), "199") == 4
    assert capsys.readouterr().out == "2 to buy, 200 credits\nmore than 199 credits: nothing was bought\n"
    assert not vendor.ledger.entries

    project.write({"campaign.yaml": spring(templates={"loop": {"template_id": "of_unknown_price"}})})
    assert example.main(str(project.manifest), "200") == 4
    assert capsys.readouterr().out == "1 to buy, price unknown\na price is not known: nothing was bought\n"
    assert not vendor.ledger.entries

    project.write({"campaign.yaml": spring()})
    assert example.main(str(project.manifest), "200") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 done"
    assert len(vendor.ledger.bought) == 2


def test_example_buys_nothing_again_beyond_its_limit(
    example: ModuleType, project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    project.write({"campaign.yaml": spring(jobs=[{"id": "main", "retries": 3}])})
    vendor.fail({"on": "create", "do": "fail"})

    assert example.main(str(project.manifest), "200") == 4

    assert len(vendor.ledger.entries) == 2


def test_example_reports_what_is_wrong(
    example: ModuleType, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write({"campaign.yaml": "version: 1\nname: 5\n"})

    assert example.main(str(project.manifest), "200") == 3
    assert "campaign.yaml:2:" in capsys.readouterr().err


def test_example_can_rehearse(
    example: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipeline.emulator.settings.EmulatorSettings", EmulatorSettings.tiny)
    shutil.copytree(ROOT / "examples" / "quickstart" / "images", folder / "images")
    shutil.copy(ROOT / "examples" / "quickstart" / "campaign.yaml", folder)

    assert example.main(str(folder / "campaign.yaml"), "0", "rehearse") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "8 done"


@pytest.mark.parametrize("ask", [face.load, face.plan, face.run, face.collect, face.status])
@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("a\0b.yaml", "NUL"),
        ("a" * 300 + ".yaml", "too long"),
        ("a/" * 3000 + "b.yaml", "too long"),
        ("caf\udce9.yaml", "not UTF-8"),
        ("a\ud800b.yaml", "not UTF-8"),
    ],
    ids=["NUL", "long", "deep", "latin", "surrogate"],
)
def test_impossible_path_is_wrong_input(ask: Callable[[str], object], path: str, why: str) -> None:
    with pytest.raises(face.InvalidInput, match=why) as refused:
        ask(path)

    assert len(refused.value.problems) == 1


@pytest.mark.parametrize("ask", [face.approve, face.reject, face.redo, face.undecide])
@pytest.mark.parametrize(
    "name",
    ["a\0b", "k" * 9000, "a/" * 3000, "\ud800", "\udcff.mp4", ""],
    ids=["NUL", "too long", "too long a path", "half a pair", "not UTF-8", "empty"],
)
def test_impossible_name_is_wrong_usage(bought: Project, ask: Callable[..., Any], name: str) -> None:
    with pytest.raises(face.UsageError):
        ask(bought.manifest, name)

    assert not (bought.folder / "spring.decisions.yaml").exists()
