"""The tool is installed into its own environment, and later steps find it."""

import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest
import yaml

from ci.hosting import ACTION, ROOT, bare_environment


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A package with a command and no dependency, so that nothing is downloaded."""
    path = tmp_path / "campaign_pipeline-1.0-py3-none-any.whl"
    about = "campaign_pipeline-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("told.py", "def main():\n    print('installed')\n")
        archive.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: campaign-pipeline\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{about}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{about}/entry_points.txt", "[console_scripts]\npipeline = told:main\n")
        archive.writestr(f"{about}/RECORD", "")
    return path


def test_following_steps_find_the_command(tmp_path: Path, wheel: Path) -> None:
    [step] = [step for step in ACTION["runs"]["steps"] if step["name"] == "Install"]
    path_file = tmp_path / "path"

    # The checkout is untrusted: nothing in it is imported.
    for name in ("venv.py", "pip.py", "ensurepip.py"):
        (tmp_path / name).write_text("raise SystemExit('imported from the checkout')\n")

    ended = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=tmp_path,
        env={
            **bare_environment(),
            "PIP_NO_INDEX": "1",
            "RUNNER_TEMP": str(tmp_path),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_PATH": str(path_file),
            "CAMPAIGN_INSTALL": str(wheel),
            "CAMPAIGN_PYTHON": "",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    [folder] = path_file.read_text().splitlines()
    assert ended.stdout.splitlines()[-1] == folder
    said = subprocess.run([Path(folder) / "pipeline"], capture_output=True, text=True, check=True)
    assert said.stdout == "installed\n"


def test_what_pip_starts_imports_nothing_of_the_checkout_and_is_told_no_secret(tmp_path: Path) -> None:
    checkout, package, seen = tmp_path / "checkout", tmp_path / "package", tmp_path / "seen.json"
    checkout.mkdir()
    (package / "foo").mkdir(parents=True)
    # Whatever a build does, pip runs it in a process of its own. This build needs nothing but itself.
    (package / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (package / "backend.py").write_text(
        "import json, os, pathlib\n"
        f"pathlib.Path({str(seen)!r}).write_text(json.dumps(dict(os.environ)))\n"
        "def build_wheel(*arguments, **options):\n    raise SystemExit(1)\n"
    )
    for name in ("json", "argparse", "sitecustomize"):
        (checkout / f"{name}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'a')\n")
    secrets = dict.fromkeys(
        (
            *("VIMMERSE_API_KEY", "ACME_API_KEY", "ACME_KEY", "CAMPAIGN_PUSH_TOKEN", "CAMPAIGN_NOTE_TOKEN"),
            *("CAMPAIGN_TOKEN", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "PIPELINE_STATE"),
        ),
        "secret",
    )

    subprocess.run(
        ["bash", ROOT / "ci" / "install.sh"],
        cwd=checkout,
        env={
            **bare_environment(),
            **secrets,
            "PYTHONPATH": ".",
            "PYTHONUSERBASE": str(checkout),
            "PIP_NO_INDEX": "1",
            "PIP_KEYRING_PROVIDER": "disabled",
            "RUNNER_TEMP": str(tmp_path),
            "CAMPAIGN_INSTALL": str(package),
        },
        capture_output=True,
        check=False,
    )

    told = json.loads(seen.read_text())
    assert not secrets.keys() & told.keys()
    assert not [name for name in told if name.startswith("PYTHON") and "checkout" in told[name]]
    assert not {"", "."} & {*told.get("PYTHONPATH", "-").split(os.pathsep)}  # pip sets one of its own
    assert told["PIP_KEYRING_PROVIDER"] == "disabled"
    assert not (tmp_path / "imported").exists()


def test_commit_of_the_action_is_installed_by_default() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))

    assert action["inputs"]["install"]["default"] == ""
    script = (ROOT / "ci" / "install.sh").read_text("utf-8")
    assert '--require-hashes -r "$here/../locks/base.txt"' in script
    assert '--no-deps --no-build-isolation "$here/.."' in script
