"""The product as its users have it: a wheel, installed where nothing of the checkout can be imported."""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ("pipeline", "schemas", "pyproject.toml", "README.md", "LICENSE")
CACHE = ROOT / "build" / "benchmarks"
# What would change how a command behaves, or have it compile its modules at each start.
FOREIGN = (
    "PIPELINE_",
    "VIMMERSE_",
    "GITHUB_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_COLOR",
    "PYTHON",
)


@dataclass(frozen=True, slots=True)
class Installation:
    """An environment with the wheel in it."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def pipeline(self) -> Path:
        """The command, as its users call it."""
        return self.folder / "bin" / "pipeline"


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a measured process finds around it: nothing that this machine's user has set for something else."""
    own = {name: value for name, value in os.environ.items() if not name.upper().startswith(FOREIGN)}
    return {**own, "PYTHONHASHSEED": "0", "PYTHONUTF8": "1", **(more or {})}


def installed() -> Installation:
    """The wheel of the checkout as it is now, built and installed unless that was done before."""
    CACHE.mkdir(parents=True, exist_ok=True)
    found = Installation(CACHE / _digest())
    done = found.folder / "installed"
    with _alone(CACHE / "lock"):
        if not done.exists():
            shutil.rmtree(found.folder, ignore_errors=True)
            _install(found)
            done.touch()
    return found


def _digest() -> str:
    """Names what is installed: the sources, and the Python and libraries that it runs on."""
    digest = hashlib.sha256(f"{platform.python_version()} {sysconfig.get_path('purelib')}".encode())
    digest.update(Path(__file__).read_bytes())
    for name in SOURCES:
        source = ROOT / name
        files = [source] if source.is_file() else sorted(source.rglob("*"))
        for path in files:
            if path.is_file() and path.suffix != ".pyc":
                digest.update(f"\n{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _install(installation: Installation) -> None:
    """Without network: what the wheel asks for is lent by the environment that runs the benchmarks."""
    venv.create(installation.folder, symlinks=True)
    with tempfile.TemporaryDirectory() as built:
        _quietly(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", built)
        [wheel] = Path(built).iterdir()
        pip = (sys.executable, "-m", "pip", "--python", installation.python, "install")
        _quietly(*pip, "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", wheel)
    [packages] = installation.folder.glob("lib/*/site-packages")
    # Later on the path than the wheel's own packages. Lines for editable installs in there are not followed.
    (packages / "lent.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    # Its programs are run there too, and must not have the checkout on their path.
    (packages / "benchmarks").symlink_to(ROOT / "benchmarks")


def _quietly(*arguments: str | Path) -> None:
    ended = subprocess.run(
        arguments, cwd=ROOT, env=environment(), capture_output=True, encoding="utf-8", check=False
    )
    if ended.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, arguments))}:\n{ended.stdout}{ended.stderr}")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
