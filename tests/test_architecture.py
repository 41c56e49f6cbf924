"""The rules that no type checker knows: who may import, call, change and print what."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pipeline"

# Each has a written reason; adding one is a decision, not a convenience.
RUNTIME = {"click", "jinja2", "jsonschema", "pyyaml", "requests", "tqdm", "urllib3"}
# In the checks of a provider: makes what one has changed in the process as it was before.
RESTORING = "pipeline/testing/shared.py"
QUICKSTART = "examples/quickstart/campaign.yaml"
HEAVY = {
    "av",
    "distributed",
    "jinja2",
    "jsonschema",
    "psycopg",
    "requests",
    "sqlite3",
    "starlette",
    "urllib3",
    "yaml",
}
# Not needed to read a manifest.
READING = {*HEAVY, "pipeline.providers.base", "pipeline.state", "socket"} - {"yaml"}
# A manifest is checked without looking at purchases.
CHECKING = {*READING, "pipeline.assignment", "pipeline.purchases", "pipeline.records"}
# Not needed to plan from the records.
PLANNING = {*HEAVY, "pipeline.engine", "pipeline.providers.base", "socket"} - {"yaml", "sqlite3"}
# Pressing Tab asks only for flags.
COMPLETION = {*HEAVY, "pipeline.engine", "pipeline.state", "pipeline.operations.open_campaign"} - {"yaml"}
OWNERS: dict[str, str | tuple[str, ...]] = {
    "yaml": "pipeline/documents/",
    "jsonschema": "pipeline/documents/schema",
    "referencing": "pipeline/documents/schema",
    "jinja2": "pipeline/manifest/templating/",
    "requests": "pipeline/providers/",
    "urllib3": "pipeline/providers/",
    "sqlite3": "pipeline/state/",
    "psycopg": "pipeline/state/postgres/",
    "tqdm": "pipeline/cli/progress.py",
    "click": "pipeline/cli/",
    "av": ("pipeline/emulator/", "pipeline/media/"),
    "PIL": ("pipeline/emulator/", "pipeline/media/"),
    "starlette": ("pipeline/emulator/", "pipeline/serve/"),
    "uvicorn": ("pipeline/emulator/", "pipeline/http_server.py", "pipeline/serve/", "pipeline/webhooks/"),
    "dask": "pipeline/executors/",
    "distributed": "pipeline/executors/",
    "opentelemetry": "pipeline/telemetry/traces.py",
    "boto3": "pipeline/artifacts/s3.py",
    "botocore": "pipeline/artifacts/s3.py",
}


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    """Every module of the package by its path in the repository."""
    return tuple(
        (path.relative_to(ROOT).as_posix(), ast.parse(path.read_bytes()))
        for path in sorted(PACKAGE.rglob("*.py"))
    )


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module


def called(tree: ast.Module, method: str) -> bool:
    """Whether a method of that name is called on anything."""
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method
        for node in ast.walk(tree)
    )


def test_packages_import_in_one_direction() -> None:
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())",
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout


def test_there_are_no_import_cycles_even_inside_functions() -> None:
    trees = {
        path.removesuffix(".py").replace("/", ".").removesuffix(".__init__"): tree for path, tree in modules()
    }
    graph = {name: set(own_imports(tree, trees.keys())) for name, tree in trees.items() if name != "pipeline"}

    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])), pytrace=False)


def own_imports(tree: ast.Module, names: Collection[str]) -> Iterator[str]:
    """The package's modules that a module imports, except the API, which only re-exports names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            found = {f"{node.module}.{alias.name}" for alias in node.names} & set(names)
            yield from found or {node.module} & set(names) - {"pipeline"}


@pytest.mark.parametrize("library", OWNERS)
def test_each_library_has_one_owner(library: str) -> None:
    strangers = [
        name
        for name, tree in modules()
        if any(each.partition(".")[0] == library for each in imported(tree))
        and not name.startswith(OWNERS[library])
    ]

    assert strangers == []


def test_every_dependency_has_an_owner() -> None:
    ours = {*sys.stdlib_module_names, "pipeline", *OWNERS}
    strangers = [
        f"{name} imports {each}: name its package in OWNERS"
        for name, tree in modules()
        for each in imported(tree)
        if each.partition(".")[0] not in ours
    ]

    assert not strangers, "\n".join(strangers)


def test_import_contracts_name_every_package() -> None:
    """A contract allows what it leaves out."""
    files = [*PACKAGE.glob("[!_]*.py"), *(path.parent for path in PACKAGE.glob("*/__init__.py"))]
    every = {f"pipeline.{path.stem}" for path in files}
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    for contract in contracts:
        if contract["type"] == "layers":
            named = {each.strip() for layer in contract["layers"] for each in layer.split("|")}
            lacks = every ^ named
        elif contract["name"].startswith("Only the "):
            owner = "pipeline." + contract["name"].split()[2]
            lacks = every ^ {owner, *contract["source_modules"]}
        else:
            continue
        assert not lacks, f"pyproject.toml, {contract['name']!r}: add or remove {', '.join(sorted(lacks))}"


def test_only_the_command_line_reads_the_environment() -> None:
    readers = [
        name
        for name, tree in modules()
        if any(
            isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv", "getenvb"}
            for node in ast.walk(tree)
        )
        or any(
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and {alias.name for alias in node.names} & {"environ", "getenv"}
            for node in ast.walk(tree)
        )
    ]

    assert readers == ["pipeline/api/arguments.py", "pipeline/cli/process_environment.py", RESTORING]


def test_names_in_a_manifest_are_compared_with_others_only_at_a_bounded_cost() -> None:
    """A manifest may have thousands of mistakes, so its readers ask `Suggestions`, which stop after the first."""
    unbounded = {"did_you_mean", "nearest", "unknown"}
    askers = [
        name
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "pipeline.errors"
        for alias in node.names
        if alias.name in unbounded and name.startswith(("pipeline/manifest/", "pipeline/documents/"))
    ]

    # The problems of a schema are limited in number, and so are the names that it knows.
    assert askers == ["pipeline/documents/schema_messages.py"]


def test_only_one_function_buys() -> None:
    """Each call of `Provider.create` may cost credits. A meter and the checks of a plug-in pass one on as one.

    The conformance kit for provider authors buys from its own server, and no run loads it.
    """
    others = ("pipeline/emulator/", "pipeline/state/", "pipeline/testing/")
    buyers = [name for name, tree in modules() if called(tree, "create") and not name.startswith(others)]

    assert buyers == [
        "pipeline/engine/create.py",
        "pipeline/providers/checked_provider.py",
        "pipeline/telemetry/metered_provider.py",
    ]


def test_only_the_transition_table_changes_a_status() -> None:
    """Nothing else copies a purchase with another status. In the conformance kit, it is that of an HTTP response."""
    changers = [
        name
        for name, tree in modules()
        for node in ast.walk(tree)
        if not name.startswith("pipeline/testing/")
        and isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "replace"
        and any(keyword.arg == "status" for keyword in node.keywords)
    ]

    assert set(changers) <= {"pipeline/state/transitions.py"}
    assert changers


def test_only_the_entry_point_and_signals_end_the_process() -> None:
    enders = [name for name, tree in modules() if called(tree, "_exit") or called(tree, "exit")]

    assert set(enders) <= {"pipeline/cli/main.py", "pipeline/cli/signals.py", "pipeline/cli/start.py"}


def test_working_folder_and_environment_of_the_process_are_never_changed() -> None:
    changing = [name for name, tree in modules() if called(tree, "chdir") or called(tree, "putenv")]
    assert changing == [RESTORING]


def test_runtime_dependencies_are_exactly_those_agreed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert {re.split(r"[<>=!~ \[;]", each)[0].lower() for each in project["dependencies"]} == RUNTIME
    assert all(">=" in each for each in project["dependencies"])


@pytest.mark.parametrize(
    ("arguments", "forbidden"),
    [
        (["--help"], HEAVY),
        (["--version"], HEAVY),
        (["schema", "campaign"], {"av", "requests", "sqlite3", "starlette"}),
        (["validate", "--help"], {"av", "requests", "sqlite3", "starlette"}),
        (["run", "--help"], HEAVY),
        (["validate", QUICKSTART], CHECKING),
        (["expand", QUICKSTART], READING),
        (["plan", QUICKSTART], PLANNING),
        (["status", QUICKSTART], PLANNING),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_command_loads_no_library_it_does_not_need(arguments: list[str], forbidden: set[str]) -> None:
    code, loaded = modules_loaded_by(arguments)

    assert code == 0
    assert forbidden & loaded == set()


@pytest.mark.parametrize("words", ["pipeline ", "pipeline run --"])
def test_completion_does_not_load_code_that_executes_commands(words: str) -> None:
    typed = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}

    _, loaded = modules_loaded_by([], {"_PIPELINE_COMPLETE": "bash_complete", **typed})

    assert COMPLETION & loaded == set()


def modules_loaded_by(arguments: list[str], around: Mapping[str, str] | None = None) -> tuple[int, set[str]]:
    """The exit code of a command and the modules loaded when it ends."""
    program = (
        "import sys, json\n"
        "from pipeline.cli.main import called\n"
        "try:\n"
        "    code = called(sys.argv[1:])\n"
        "except SystemExit as end:\n"
        "    code = end.code\n"
        "print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env={**os.environ, **(around or {})},
        capture_output=True,
        text=True,
        check=True,
    )
    code, loaded = json.loads(ended.stderr.splitlines()[-1])
    return code, set(loaded)


def tracked() -> list[Path]:
    """The files of the repository according to git; without git, those of the package and its tests."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    names = [name for name in listed.split("\0") if name]
    found = [ROOT / name for name in names] or [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    return [path for path in found if path.is_file() and not path.is_symlink()]


_ABSOLUTE = re.compile(r"(?<![\w.}])/(?:work|root|Users|home(?!/runner))/[a-z]")


def test_no_file_mentions_the_machine_it_was_written_on() -> None:
    speaking = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        speaking += [
            f"{path.relative_to(ROOT)}:{number}"
            for number, line in enumerate(text.splitlines(), start=1)
            if _ABSOLUTE.search(line)
        ]

    assert speaking == []
