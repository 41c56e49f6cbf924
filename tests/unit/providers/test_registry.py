"""Whatever a plug-in raises while it is loaded or made, it is refused by name, and without its key."""

import hashlib
from pathlib import Path

import pytest

from pipeline.errors import InvalidInput
from pipeline.providers.api_settings import Settings
from pipeline.providers.registry import provider_named

KEY = "key-4711"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The name of an installed plug-in that has the given source."""
    source = request.node.callspec.params["source"]
    # A module is imported only once in a process.
    name = f"odd_{hashlib.sha256(source.encode()).hexdigest()[:12]}"
    (tmp_path / f"{name}.py").write_text(source, "utf-8")
    metadata = tmp_path / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", "utf-8")
    (metadata / "entry_points.txt").write_text(f"[pipeline.providers]\n{name} = {name}:make\n", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


IN_MAKE = [
    ("raise ValueError('bad ' + settings.key)", "cannot be created: ValueError: bad ***"),
    ("raise SystemExit(3)", "cannot be created: SystemExit: 3"),
    ("raise asyncio.CancelledError('stop')", "cannot be created: CancelledError: stop"),
    ("raise Unshowable", "cannot be created: Unshowable: its message cannot be shown"),
    ("raise InvalidInput('bad ' + settings.key)", "cannot be created: InvalidInput: bad ***"),
    ("return Nameless()", "cannot be used: Nameless cannot be read: ZeroDivisionError"),
]
BEGINNING = """
import asyncio
from pipeline.errors import InvalidInput

class Unshowable(Exception):
    def __str__(self): return 1 / 0

class Nameless:
    def prepare(self): ...
    create = get = update = delete = report_error = health = download = prepare
    name = property(lambda self: 1 / 0)

def make(settings):
"""


@pytest.mark.parametrize(
    ("source", "why"),
    [
        *((f"{BEGINNING}    {body}\n", why) for body, why in IN_MAKE),
        ("raise SystemExit(3)\n", "cannot be loaded: 3"),
        (
            "class E(Exception):\n    def __str__(self): return 1 / 0\nraise E\n",
            "cannot be loaded: its message",
        ),
    ],
    ids=lambda text: text[-40:],
)
def test_plugin_that_cannot_be_made_is_refused_by_name(install: str, source: str, why: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        provider_named(install, Settings(KEY, "https://api.example.com"))

    assert str(raised.value).startswith(f"the provider '{install}' {why}")


@pytest.mark.parametrize("source", [f"{BEGINNING}    raise KeyboardInterrupt\n"], ids=["interrupt"])
def test_interrupt_while_a_plugin_is_made_passes(install: str, source: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        provider_named(install, Settings(KEY, "https://api.example.com"))
