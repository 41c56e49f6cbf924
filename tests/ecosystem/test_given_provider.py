"""A provider that is given from Python shows its key nowhere, as one that an entry point names."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.calling import KEY, Pipeline
from support.campaigns import campaign, spring
from support.protection import fails_without

import pipeline as face
from pipeline.providers import (
    Bought,
    Changes,
    CreateOutcome,
    CreateRequest,
    Downloaded,
    DownloadFailed,
    Json,
    Media,
    OutcomeUnknown,
    Progress,
    Settings,
    Workflow,
    WorkflowId,
)
from pipeline.testing.lab import PNG

OWN = "key-of-the-script-4711"
URL = "https://leaky.example.com"


class Leaky:
    """It names its key wherever it can. Where it has it from is for its subclasses."""

    name = "leaky"
    mode = "unknown"

    def shown_key(self) -> str:
        raise NotImplementedError

    def prepare(self, request: CreateRequest) -> CreateRequest:
        return request

    def create(self, request: CreateRequest) -> CreateOutcome:
        key = self.shown_key()
        if self.mode == "unknown":
            return OutcomeUnknown(f"sent with Bearer {key}", f"echo {key}")
        if self.mode == "raised":
            raise RuntimeError(f"sent with {key}")
        return Bought(WorkflowId("job-1"))

    def get(self, workflow_id: WorkflowId) -> Workflow:
        key = self.shown_key()
        if self.mode == "failed":
            return Workflow(workflow_id, Progress.FAILED, f"status {key}", error=f"error {key}")
        media = Media(f"https://cdn.example.com/{key}/x.png", "image/png")
        return Workflow(workflow_id, Progress.SUCCEEDED, "done", title=key, result=(media,), created_at=key)

    def update(self, workflow_id: WorkflowId, changes: Changes) -> Workflow:
        return self.get(workflow_id)

    def delete(self, workflow_id: WorkflowId) -> None: ...

    def report_error(self, message: str, context: Mapping[str, Json]) -> None: ...

    def health(self) -> None: ...

    def download(self, media: Media, target: Path) -> Downloaded:
        raise DownloadFailed(f"{media.url} with {self.shown_key()}", lasting=True)


class WithSettings(Leaky):
    def __init__(self) -> None:
        self._mine = Settings(OWN, URL)

    def shown_key(self) -> str:
        return self._mine.key


class WithSlots(Leaky):
    __slots__ = ("mine",)

    def __init__(self) -> None:
        self.mine = Settings(OWN, URL)

    def shown_key(self) -> str:
        return self.mine.key


class WithKey(Leaky):
    """It has the text `key` instead of settings."""

    @property
    def key(self) -> str:
        return OWN

    def shown_key(self) -> str:
        return self.key


class Wrapper(Leaky):
    """Another provider makes the calls."""

    def __init__(self) -> None:
        self.outer, self.inner = self, WithSettings()

    def shown_key(self) -> str:
        return self.inner.shown_key()


class WithTheVendors(Leaky):
    """Its key is the one of the environment."""

    def shown_key(self) -> str:
        return KEY


class WithItsVariable(WithSettings):
    """Its key is in the variable that the plug-in of its name declares."""

    name = "announced"

    def __init__(self) -> None:
        super().__init__()
        self.asked = f"Bearer {self._mine.key}"
        del self._mine

    def shown_key(self) -> str:
        return self.asked.removeprefix("Bearer ")


KINDS: list[type[Leaky]] = [WithSettings, WithSlots, WithKey, Wrapper, WithTheVendors, WithItsVariable]


@pytest.fixture
def announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed plug-in that declares a variable for its key, which is set."""
    about = tmp_path / "packages" / "announced-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: announced\nVersion: 1.0\n", "utf-8")
    (about / "entry_points.txt").write_text("[pipeline.providers]\nannounced = announced:plugin\n", "utf-8")
    (about.parent / "announced.py").write_text(
        "from pipeline.providers import ProviderPlugin\n"
        "plugin = ProviderPlugin(make=None.__class__, key_variable='ANNOUNCED_SECRET')\n",
        "utf-8",
    )
    monkeypatch.syspath_prepend(str(about.parent))
    monkeypatch.setenv("ANNOUNCED_SECRET", f" {OWN}\n")


@pytest.mark.usefixtures("announced", "pipeline")
@pytest.mark.parametrize("mode", ["unknown", "raised", "failed", "media"])
@pytest.mark.parametrize("kind", KINDS)
def test_key_of_a_given_provider_is_nowhere(folder: Path, kind: type[Leaky], mode: str) -> None:
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"})})
    provider = kind()
    provider.mode = mode
    told: list[str] = []

    outcome = face.run(project.manifest, provider=provider, on_event=lambda key, what: told.append(what))
    again = face.collect(project.manifest, provider=provider, on_event=lambda key, what: told.append(what))

    assert not outcome.is_done
    assert_absent(provider.shown_key(), f"{outcome!r}{outcome.notes}{again!r}{again.notes}{told}")
    for path in project.folder.rglob("*"):
        if path.is_file():
            assert_absent(provider.shown_key(), path.read_bytes().decode("latin-1"), str(path))


def assert_absent(key: str, text: str, where: str = "what was returned") -> None:
    found = re.search(f".{{0,60}}{re.escape(key)}", text, re.DOTALL)
    assert found is None, f"{where}: {found}"


class Tagged(Leaky):
    """Its `key` is no secret, but the name with which the vendor's ids begin."""

    key = "studio-eu"

    def create(self, request: CreateRequest) -> CreateOutcome:
        return Bought(WorkflowId(f"{self.key}-1"))

    def get(self, workflow_id: WorkflowId) -> Workflow:
        assert workflow_id == "studio-eu-1"
        return Workflow(workflow_id, Progress.FAILED, "failed")


@fails_without("pipeline.providers.checked_provider:CheckedProvider._without_keys", "kept = ")
@pytest.mark.usefixtures("pipeline")
def test_workflow_id_is_never_taken_for_a_key(folder: Path) -> None:
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"})})

    face.run(project.manifest, provider=Tagged())

    assert {stand.status for stand in face.status(project.manifest).jobs.values()} == {"failed"}
    assert '"workflow_id": "studio-eu-1"' in (project.folder / "spring.results.json").read_text("utf-8")


class Delivering(Tagged):
    """Its `key` is also part of the urls of its files."""

    def get(self, workflow_id: WorkflowId) -> Workflow:
        media = Media(f"https://cdn.example.com/{self.key}/x.png?of={self.key}", "image/png")
        return Workflow(workflow_id, Progress.SUCCEEDED, "done", result=(media,))

    def download(self, media: Media, target: Path) -> Downloaded:
        if media.url != "https://cdn.example.com/studio-eu/x.png?of=studio-eu":
            raise DownloadFailed("no such file", lasting=True)
        target.write_bytes(PNG)
        return Downloaded(hashlib.sha256(PNG).hexdigest(), len(PNG), "image/png")


@fails_without(
    "pipeline.engine.listing:url_to_record",
    "return recorded_url(",
    swap=("media.recorded_as or media.url", "media.url"),
)
@pytest.mark.usefixtures("pipeline")
def test_file_is_fetched_from_the_url_that_the_provider_gave(folder: Path) -> None:
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"})})

    outcome = face.run(project.manifest, provider=Delivering())

    assert outcome.is_done
    results = (project.folder / "spring.results.json").read_text("utf-8")
    assert '"url": "https://cdn.example.com/***/x.png"' in results


def test_provider_that_shows_nothing_of_itself_is_used(folder: Path, pipeline: Pipeline) -> None:
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"})})

    class Odd(WithSettings):
        @property
        def key(self) -> str:
            raise ValueError("it is secret")

    outcome = face.run(project.manifest, provider=Odd())

    assert not outcome.is_done
    assert_absent(OWN, f"{outcome.notes}")
