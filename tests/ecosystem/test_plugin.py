"""A third-party provider is installed, named in a manifest, and treated like the vendor."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from support.calling import KEY, Ended, Pipeline
from support.campaigns import Project, campaign, picture, spring
from support.processes import Running, environment
from support.protection import fails_without

from pipeline.providers import base

ROOT = Path(__file__).parents[2]
ACME = Path(__file__).parent / "acme"
LUMEN = ROOT / "examples" / "provider"
NOWHERE = "http://127.0.0.1:9"
WALK = "main/print/red/walk"

Run = Callable[..., Ended]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages into which pip has installed ACME's."""
    source = tmp_path_factory.mktemp("source") / "acme"
    target = tmp_path_factory.mktemp("packages")
    shutil.copytree(ACME, source, ignore=shutil.ignore_patterns("__pycache__"))
    install = ("install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation")
    subprocess.run(
        [sys.executable, "-m", "pip", *install, "--disable-pip-version-check", "--target", target, source],
        check=True,
        capture_output=True,
    )
    return target


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    """The workflows that ACME sold."""
    return tmp_path / "sold"


@pytest.fixture
def run(installed: Path, acme: Path, folder: Path) -> Run:
    """The command line, as a process that finds ACME's package."""

    def called(*arguments: str | Path, packages: Path = installed, **variables: str) -> Ended:
        path = os.pathsep.join([str(packages), str(ROOT)])
        around = environment(NOWHERE, {"PYTHONPATH": path, "ACME_HOME": str(acme), **variables})
        return Running(arguments, around, folder).ended()

    return called


def printed(**changes: Any) -> dict[str, Any]:
    """A campaign rendered by ACME."""
    return spring(
        provider={"name": "acme"},
        templates={"print": {"template_id": "acme_print", "options": {"prompt": "{{ prompt }}"}}},
        prompts={"walk": "a walk"},
        catalog={"file": "acme.yaml", "credits": {"acme_print": 7}},
        **changes,
    )


@pytest.fixture
def project(folder: Path) -> Project:
    """A campaign of one job, with ACME's template in a catalogue beside it."""
    template = {
        "inputs": {"type": "image", "min": 1, "max": 1},
        "options": {"prompt": {"type": "string"}},
        "gives": "image",
    }
    catalogue = {"version": 1, "templates": {"acme_print": template}}
    return campaign(folder, {"campaign.yaml": printed(), "acme.yaml": catalogue})


def sold(acme: Path) -> list[str]:
    return sorted(json.loads(path.read_bytes())["title"] for path in acme.glob("*/order.json"))


def test_documentation_names_every_outcome_method_and_the_entry_point() -> None:
    told = (ROOT / "docs" / "how-to" / "provider.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", told, re.MULTILINE)
    methods = {name for name in vars(base.Provider) if name[0] != "_"} - {"name"}
    outcomes = {outcome.__name__ for outcome in get_args(base.CreateOutcome)}

    assert len(rows) == len(set(rows))
    assert set(rows) == methods | outcomes
    [entry_point] = re.findall(r"^```toml\n(.*?)^```$", told, re.MULTILINE | re.DOTALL)
    assert entry_point.replace("acme", "lumen") in (LUMEN / "pyproject.toml").read_text("utf-8")
    assert entry_point in (ACME / "pyproject.toml").read_text("utf-8")


def test_campaign_runs_on_the_plugin_and_buys_nothing_twice(project: Project, run: Run, acme: Path) -> None:
    first = run("run", project.manifest)

    assert first.code == 0, first.output
    assert project.output() == {f"{WALK}.png": picture()}
    assert len(sold(acme)) == 1
    assert project.results()["summary"] == {"jobs": {"done": 1}, "credits": 7}

    second = run("run", project.manifest)
    assert second.code == 0, second.output
    assert len(sold(acme)) == 1


def test_new_title_and_pruned_orphan_reach_the_plugin(project: Project, run: Run, acme: Path) -> None:
    run("run", project.manifest)
    titled = printed()
    titled["templates"]["print"]["title"] = "A walk"
    project.write({"campaign.yaml": titled})
    assert run("run", project.manifest).code == 0
    assert sold(acme) == ["A walk"]

    project.write({"campaign.yaml": {**printed(), "prompts": {"run": "a run"}}})
    ended = run("prune", project.manifest, "--yes")
    assert ended.code == 0, ended.output
    assert sold(acme) == []


def test_refusal_by_the_plugin_fails_only_its_job(project: Project, run: Run, acme: Path) -> None:
    urls = [{"url": "https://cdn.example.com/green.png", "id": "green"}, "images/red.png"]
    project.write({"campaign.yaml": {**printed(), "image_sets": {"shoes": urls}}})

    ended = run("run", project.manifest)

    assert ended.code == 1, ended.output
    assert "ACME takes no urls" in ended.output
    assert project.statuses() == {"main/print/green/walk": "failed", WALK: "done"}


def test_another_provider_is_another_request(project: Project, run: Run) -> None:
    run("run", project.manifest)
    project.write({"campaign.yaml": {**printed(), "provider": {"name": "vimmerse"}}})

    document = run("plan", project.manifest, "--format", "json").document

    assert [action["action"] for action in document["actions"]] == ["replace"]


# A plug-in that prints, logs and warns its key, in a thread and in a child process too.
LOUD = """
import logging, os, subprocess, sys, threading, warnings
from pipeline.providers import ProviderPlugin
import pipeline_acme

print("loud: imported")


class Loud(pipeline_acme.Acme):
    name = "loud"

    def create(self, request):
        said = "loud: " + self.settings.key
        print(said)
        os.write(1, b"loud: written\\n")
        subprocess.run([sys.executable, "-c", "print('loud: a child')"])
        logging.getLogger("loud").warning(said)
        warnings.warn(said)
        thread = threading.Thread(target=lambda: [][said])
        thread.start()
        thread.join()
        return super().create(request)


def make(settings):
    from pathlib import Path
    return Loud(settings, Path(os.environ["ACME_HOME"]))


provider = ProviderPlugin(make, key_variable="LOUD_KEY")
"""


@pytest.fixture
def loud(installed: Path, project: Project, tmp_path: Path) -> dict[str, str]:
    """The environment in which the campaign's provider is a loud one."""
    packages = tmp_path / "loud"
    about = packages / "loud-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[pipeline.providers]\nloud = loud:provider\n")
    (packages / "loud.py").write_text(LOUD)
    project.write({"campaign.yaml": {**printed(), "provider": {"name": "loud"}}})
    return {"LOUD_KEY": KEY, "PYTHONPATH": os.pathsep.join(map(str, [packages, installed, ROOT]))}


@pytest.mark.parametrize("how", [("--format", "json"), ("--events", "-")], ids=" ".join)
def test_nothing_that_a_plugin_prints_is_in_the_output(
    project: Project, run: Run, loud: dict[str, str], how: tuple[str, str]
) -> None:
    ended = run("run", project.manifest, "--yes", *how, **loud)

    assert ended.code == 0, ended.output
    lines = [ended.out] if how[1] == "json" else ended.out.splitlines()
    assert all(isinstance(json.loads(line), dict) for line in lines)
    for each in ("imported", KEY, "written", "a child"):
        assert f"loud: {each}" in ended.err


def test_plugin_that_prints_does_not_affect_what_is_told_to_people(
    project: Project, run: Run, loud: dict[str, str]
) -> None:
    ended = run("run", project.manifest, "--yes", **loud)

    assert "1 done." in ended.out
    assert "loud" not in ended.out
    assert "loud: a child" in ended.err


def test_log_has_no_key_of_a_plugin(project: Project, run: Run, loud: dict[str, str]) -> None:
    ended = run("run", project.manifest, "--yes", "--log-format", "json", **loud)

    assert ended.code == 0, ended.output
    assert "loud: ***" in ended.err
    assert KEY not in ended.output


@pytest.mark.parametrize("key", [KEY, None], ids=["with a key", "without a key"])
def test_missing_plugin_is_one_clear_error_and_nothing_is_bought(
    project: Project, pipeline: Pipeline, acme: Path, key: str | None
) -> None:
    pipeline.set("VIMMERSE_API_KEY", key)

    for command in ("plan", "run"):
        ended = pipeline(command, project.manifest)

        assert ended.code == 3, ended.output
        [error] = [line for line in ended.err.splitlines() if line.startswith("error: ")]
        assert re.fullmatch(
            r"error: \S*campaign\.yaml:\d+:\d+: provider\.name: there is no provider 'acme' \(known: .*\)",
            error,
        )
    assert not project.results_file.exists()
    assert not (project.folder / ".pipeline").exists()


def test_missing_plugin_is_a_warning_in_validate(project: Project, pipeline: Pipeline, acme: Path) -> None:
    ended = pipeline("validate", project.manifest)

    assert ended.code == 0, ended.output
    assert ended.out.startswith("warning: ")
    assert "provider.name: there is no provider 'acme'" in ended.out
    assert pipeline("plan", project.manifest, "--emulate").code == 0


def test_misspelled_provider_gets_a_suggestion(project: Project, run: Run, acme: Path) -> None:
    project.write({"campaign.yaml": {**printed(), "provider": {"name": "acne"}}})

    ended = run("run", project.manifest)

    assert ended.code == 3
    assert "there is no provider 'acne'; did you mean 'acme'? (known: acme, emulator, vimmerse)" in ended.err


def with_a_key_of_its_own(installed: Path, tmp_path: Path) -> Path:
    """A copy of the packages in which ACME declares variables for its key and its address."""
    packages = tmp_path / "keyed"
    shutil.copytree(installed, packages, ignore=shutil.ignore_patterns("__pycache__"))
    module = packages / "pipeline_acme" / "__init__.py"
    module.write_text(
        module.read_text("utf-8").replace("def provider(", "def make(")
        + "\nfrom pipeline.providers import ProviderPlugin\n"
        "provider = ProviderPlugin(make=make, key_variable='ACME_API_KEY', address_variable='ACME_URL')\n",
        "utf-8",
    )
    return packages


def test_plugin_gets_only_the_key_variable_it_names(
    project: Project, run: Run, installed: Path, tmp_path: Path
) -> None:
    packages = with_a_key_of_its_own(installed, tmp_path)
    given = tmp_path / "given"
    publish = ("--checkpoint", f"env > '{given}'")

    without = run("run", project.manifest, packages=packages)
    assert without.code == 5, without.output
    assert "there is no API key: set ACME_API_KEY" in without.err

    refused = run(
        "run", project.manifest, packages=packages, ACME_API_KEY="acme-key-1", ACME_URL="http://far.example"
    )
    assert refused.code == 64, refused.output
    assert "ACME_URL: the key is not sent without encryption: http://far.example must be https" in refused.err

    ended = run("run", project.manifest, *publish, packages=packages, ACME_API_KEY="acme-key-1")
    assert ended.code == 0, ended.output
    assert "ACME_HOME" in given.read_text()
    assert "acme-key-1" not in given.read_text() + ended.output
    assert KEY not in given.read_text()


def test_plugin_without_a_key_variable_gets_no_key(project: Project, run: Run) -> None:
    ended = run("run", project.manifest, VIMMERSE_API_KEY="", VIMMERSE_BASE_URL="http://far.example")

    assert ended.code == 0, ended.output


@fails_without(
    "pipeline.providers.registry:_create_provider",
    "message = message_of(error",
    swap=("settings.key", "''"),
)
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            "import something_that_is_not_there",
            "cannot be loaded: No module named 'something_that_is_not_there'",
        ),
        ("", "cannot be loaded: "),
        ("def provider(settings): raise KeyError('ACME_HOME')", "cannot be created: KeyError: 'ACME_HOME'"),
        (
            (
                "from pipeline.providers import ProviderPlugin\n"
                "def make(settings): raise ValueError(f'bad key {settings.key}')\n"
                "provider = ProviderPlugin(make, key_variable='VIMMERSE_API_KEY')"
            ),
            "ValueError: bad key ***",
        ),
        ("def provider(settings): raise ValueError(f'no key {settings.key}.')", "ValueError: no key ."),
        ("provider = 7", "its entry point is not callable"),
        ("def provider(settings): return None", "cannot be used: it is None"),
        (
            "class provider:\n    name = 'acme'\n    def __init__(self, settings): ...",
            "provider lacks prepare, create, ",
        ),
        ("raise ZeroDivisionError('at import')", "cannot be loaded: at import"),
    ],
)
def test_broken_plugin_is_one_clear_error_without_the_key(
    project: Project, run: Run, installed: Path, tmp_path: Path, code: str, expected: str
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(installed, broken, ignore=shutil.ignore_patterns("__pycache__"))
    (broken / "pipeline_acme" / "__init__.py").write_text(f"{code}\n")

    ended = run("run", project.manifest, packages=broken)

    assert ended.code == 3, ended.output
    assert "the provider 'acme' " in ended.err
    assert expected in ended.err
    assert "Traceback" not in ended.err
    assert KEY not in ended.output

    examined = run("doctor", project.manifest, packages=broken)
    assert examined.code == 3, examined.output
    assert expected in examined.out


MISTAKES = """
class Mistaken(Acme):
    def create(self, request):
        bought = super().create(request)
        return {"id": bought.workflow_id} if "outcome" in request.title else bought

    def get(self, workflow_id):
        sold = super().get(workflow_id)
        if "raises" in sold.title:
            raise KeyError("status")
        return None if "nothing" in sold.title else sold

def provider(settings):
    return Mistaken(settings, Path(os.environ["ACME_HOME"]))
"""


def test_each_mistake_of_a_plugin_concerns_only_its_job(
    project: Project, run: Run, installed: Path, tmp_path: Path, acme: Path
) -> None:
    packages = tmp_path / "mistaken"
    shutil.copytree(installed, packages, ignore=shutil.ignore_patterns("__pycache__"))
    module = packages / "pipeline_acme" / "__init__.py"
    module.write_text(f"{module.read_text('utf-8')}{MISTAKES}", "utf-8")
    mistaken = printed()
    mistaken["prompts"] = {name: name for name in ("fine", "outcome", "raises", "nothing")}
    mistaken["templates"]["print"]["title"] = "{{ prompt }}"
    mistaken["jobs"] = [{"id": "main", "timeout": "1s"}]
    project.write({"campaign.yaml": mistaken})

    ended = run("run", project.manifest, packages=packages)

    assert ended.code == 7, ended.output
    assert "Traceback" not in ended.output
    for said in (
        "the provider 'acme' returned no outcome: its result is dict",
        "the provider 'acme' failed in get: KeyError: 'status' (__init__.py:",
        "the provider 'acme' failed in get: it has to return a Workflow, but its result is None",
    ):
        assert said in ended.output
    assert {key.rpartition("/")[2]: status for key, status in project.statuses().items()} == {
        "fine": "done",
        "outcome": "attention",
        "raises": "submitted",
        "nothing": "submitted",
    }
    assert len(sold(acme)) == 4
