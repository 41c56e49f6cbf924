"""The lock files pin, by hash, everything that `pyproject.toml` requires, and name no registry."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]

# The extras and groups of each lock file, as in `ci/lock.sh`.
LOCKS: dict[str, tuple[list[str], list[str]]] = {
    "base.txt": ([], ["build"]),
    "image.txt": (["otel", "postgres", "s3"], []),
    "release.txt": ([], ["release"]),
    "all.txt": (["all"], ["build"]),
    "dev.txt": (["all"], ["dev"]),
}
_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?==(?P<version>[^ ;]+)")


def pins(name: str) -> dict[str, list[Version]]:
    """The versions of each package in a lock file: there may be one per Python."""
    found: dict[str, list[Version]] = {}
    for line in (ROOT / "locks" / name).read_text("utf-8").splitlines():
        if line and not line.startswith((" ", "#")):
            pin = _PIN.match(line)
            assert pin, line
            found.setdefault(canonicalize_name(pin["name"]), []).append(Version(pin["version"]))
    return found


def of_extra(extra: str) -> Iterator[Requirement]:
    for requirement in map(Requirement, PROJECT["optional-dependencies"][extra]):
        if canonicalize_name(requirement.name) == PROJECT["name"]:
            for other in requirement.extras:
                yield from of_extra(other)
        else:
            yield requirement


def of_group(group: str) -> Iterator[Requirement]:
    for entry in PYPROJECT["dependency-groups"][group]:
        if isinstance(entry, dict):
            yield from of_group(entry["include-group"])
        else:
            yield Requirement(entry)


def asked_for(name: str) -> Iterator[Requirement]:
    extras, groups = LOCKS[name]
    yield from map(Requirement, PROJECT["dependencies"])
    for extra in extras:
        yield from of_extra(extra)
    for group in groups:
        yield from of_group(group)


def test_every_lock_file_is_known() -> None:
    assert {path.name for path in (ROOT / "locks").iterdir()} == set(LOCKS)


@pytest.mark.parametrize("name", LOCKS)
def test_lock_file_satisfies_every_requirement(name: str) -> None:
    locked = pins(name)

    for requirement in asked_for(name):
        versions = locked.get(canonicalize_name(requirement.name), [])
        assert versions, f"{requirement.name} is not in locks/{name}: make lock"
        assert all(version in requirement.specifier for version in versions), f"{requirement}: make lock"


@pytest.mark.parametrize("name", LOCKS)
def test_each_version_has_its_hashes_and_no_registry_is_named(name: str) -> None:
    text = (ROOT / "locks" / name).read_text("utf-8")

    assert "://" not in text
    assert "index-url" not in text
    for block in re.split(r"\n(?=[^ #\n])", text):
        if not block.startswith("#"):
            assert "--hash=sha256:" in block, block


def test_all_lock_files_have_the_same_versions() -> None:
    everything = pins("dev.txt")

    for name in LOCKS:
        for package, versions in pins(name).items():
            assert everything[package] == versions


def test_installations_use_the_lock_files() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")

    for line in makefile.splitlines():
        if "pip install" in line or "PIP_INSTALL)" in line:
            assert "--require-hashes" in line or "--no-deps" in line or line.startswith("PIP_INSTALL"), line
