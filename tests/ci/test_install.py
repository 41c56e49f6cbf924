"""The tool is installed into its own environment, and later steps find it."""

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


def test_commit_of_the_action_is_installed_by_default() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))

    assert action["inputs"]["install"]["default"] == ""
    script = (ROOT / "ci" / "install.sh").read_text("utf-8")
    assert '--require-hashes -r "$here/../locks/base.txt"' in script
    assert '--no-deps --no-build-isolation "$here/.."' in script
