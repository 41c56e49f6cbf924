"""The container image: its file, and its steps in a plain folder, without a container engine."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from support.calling import is_foreign
from test_locks import pins

from pipeline import __version__

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
# Besides its Python, which has some 130 MB.
_NOBODY = 10001
MAX_BYTES = 65 << 20


def instructions(word: str, stage: int = -1) -> list[str]:
    """The text after each `word` in a stage of the file; continued lines are joined."""
    text = DOCKERFILE.replace("\\\n", " ")
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    return [line.split(maxsplit=1)[1] for line in stages[stage].splitlines() if line.startswith(f"{word} ")]


def copied() -> list[str]:
    """The paths of this repository that are copied into the image."""
    return [name.rstrip("/") for line in instructions("COPY", 0) for name in line.split()[:-1]]


def test_image_runs_as_an_unprivileged_user() -> None:
    [user] = instructions("USER")

    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)


def test_health_check_is_the_doctor_command() -> None:
    [health] = instructions("HEALTHCHECK")

    assert "CMD pipeline doctor --quiet --ignore lock || exit 1" in health


def test_image_contains_neither_the_emulator_nor_build_tools() -> None:
    assert {"av", "pillow", "starlette", "uvicorn", "hatchling"} & set(pins("image.txt")) == set()


def test_build_context_contains_only_what_is_copied() -> None:
    rules = (ROOT / ".dockerignore").read_text("utf-8").split("\n")
    kept = {rule[1:] for rule in rules if rule.startswith("!")}

    assert "*" in rules
    assert kept == set(copied())
    assert all((ROOT / name).exists() for name in kept)


@dataclass(frozen=True, slots=True)
class Image:
    """The content of the image in a folder."""

    home: Path
    user: int | None

    def __call__(
        self, *arguments: str, cwd: Path, program: str = "pipeline"
    ) -> "subprocess.CompletedProcess[str]":
        kept = {name: value for name, value in os.environ.items() if not is_foreign(name)}
        kept.pop("PYTHONPATH", None)
        return subprocess.run(
            [self.home / "bin" / program, *arguments],
            cwd=cwd,
            env={**kept, "HOME": "/nowhere", "PYTHONDONTWRITEBYTECODE": "1"},
            user=self.user,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    # Not pytest's own folder, which only its user can access.
    with TemporaryDirectory(prefix="pipeline-image-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for path in copied():
            (folder / "source" / path).parent.mkdir(parents=True, exist_ok=True)
            take = shutil.copytree if (ROOT / path).is_dir() else shutil.copy
            take(ROOT / path, folder / "source" / path)
        [line] = instructions("RUN", 0)
        script, target = line.split()
        assert target == "/opt/pipeline"
        ended = subprocess.run(
            [folder / "source" / script, folder / "image"],
            env={**os.environ, "CAMPAIGN_PYTHON": getattr(sys, "_base_executable", sys.executable)},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if re.search("No matching distribution|Could not find a version|Failed to establish", ended.stderr):
            pytest.skip("no package index can be reached")
        assert ended.returncode == 0, ended.stderr
        shutil.copytree(ROOT / "examples" / "quickstart", folder / "quickstart", ignore=_RUN)
        yield Image(folder / "image", _user())


def _user() -> int | None:
    """The image's user, if we may become that user and this Python is then still accessible."""
    if os.geteuid() != 0:
        return None
    try:
        subprocess.run([sys.executable, "-c", ""], user=_NOBODY, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return _NOBODY


_RUN = shutil.ignore_patterns("output", ".pipeline", "*.emulated.*")


def test_image_plans_the_quickstart_as_its_user(image: Image) -> None:
    here = image.home.parent / "quickstart"

    ended = image("plan", "campaign.yaml", cwd=here)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "to create" in ended.stdout
    assert image("--version", cwd=here).stdout.split()[-1] == __version__


def test_image_supports_a_shared_state_and_an_object_store(image: Image) -> None:
    here = image.home.parent / "quickstart"

    ended = image("plan", "campaign.yaml", "--state", "postgresql://127.0.0.1:1/campaigns", cwd=here)

    assert ended.returncode == 8, ended.stdout + ended.stderr
    assert image("plan", "campaign.yaml", "--output", "s3://films/spring", cwd=here).returncode == 0


def test_health_check_reports_a_missing_key(image: Image) -> None:
    ended = image("doctor", "--quiet", "--ignore", "lock", cwd=image.home.parent / "quickstart")

    assert ended.returncode == 5, ended.stdout + ended.stderr
    assert "VIMMERSE_API_KEY" in ended.stdout


def test_image_is_small_and_installs_nothing_extra(image: Image) -> None:
    size = sum(
        path.stat().st_size for path in image.home.rglob("*") if path.is_file() and not path.is_symlink()
    )
    programs = {path.name for path in (image.home / "bin").iterdir()}

    assert size < MAX_BYTES
    assert not [name for name in programs if fnmatchcase(name, "pip*") and name != "pipeline"]
