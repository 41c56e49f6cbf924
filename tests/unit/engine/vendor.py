"""A vendor that follows a script, and keeps a ledger of its calls."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias, TypeVar

from pipeline.json_values import Json
from pipeline.providers.base import (
    Bought,
    Changes,
    CreateOutcome,
    CreateRequest,
    Downloaded,
    Media,
    NotFound,
    OutcomeUnknown,
    Progress,
    Workflow,
)
from pipeline.purchases import WorkflowId

T = TypeVar("T")

# A scripted answer: a value, an exception to raise, or a function that computes it.
Response: TypeAlias = T | Exception | Callable[[], T]

FILM = Media("https://media.test/film.mp4?signature=1", "video/mp4")


def running(percent: float | None = None, *, charged: int | None = None, status: str = "running") -> Workflow:
    return Workflow(
        "", Progress.RUNNING, status, status == "running", percent, credits=charged, created_at="then"
    )


def success(*media: Media, steps: tuple[tuple[str, tuple[Media, ...]], ...] = ()) -> Workflow:
    return Workflow("", Progress.SUCCEEDED, "success", result=media, steps=steps, created_at="then")


def failure(error: str | None = None, status: str = "fail") -> Workflow:
    return Workflow("", Progress.FAILED, status, error=error)


@dataclass
class Script(dict[str, list[Response[T]]]):
    """The answers by name, in turn; if it `lasts`, the last one is repeated."""

    usual: Callable[[str], Response[T]]
    lasts: bool = False

    def answer(self, name: str) -> T:
        answers = self.get(name)
        if not answers:
            given = self.usual(name)
        else:
            given = answers[0] if self.lasts and len(answers) == 1 else answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return given() if callable(given) else given


@dataclass
class ScriptedProvider:
    """A provider in memory. Scripts are keyed by the title of a workflow, which is its job's short name.

    `calls` are all calls, such as `create blue` or `get blue`, and `times` is when each came. `most` are the limits
    of the downloads. `possibly_bought` are the titles of everything that was sold, or may have been. `updated_at` is
    the time that the answers to updates give.
    """

    clock: Callable[[], float]
    name: str = "scripted"
    calls: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    most: list[int | None] = field(default_factory=list)
    requests: list[CreateRequest] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)
    possibly_bought: list[str] = field(default_factory=list)
    most_running: int = 0
    updated_at: str | None = None

    def __post_init__(self) -> None:
        self.preparing: Script[CreateRequest | None] = Script(lambda _: None)
        self.create_outcomes: Script[CreateOutcome | None] = Script(lambda _: None)
        self.poll_answers: Script[Workflow] = Script(lambda _: success(FILM), lasts=True)
        self.updating: Script[Workflow | None] = Script(lambda _: None)
        self.contents: Script[bytes] = Script(str.encode)
        # By url, the type that the bytes turn out to have, if it is not the one listed.
        self.kinds: dict[str, str] = {}
        self.tells_of: dict[str, tuple[str, str]] = {}
        self._workflows: dict[str, CreateRequest] = {}
        self._running: set[str] = set()

    # The port

    def prepare(self, request: CreateRequest) -> CreateRequest:
        self._note("prepare", request.title)
        return self.preparing.answer(request.title) or request

    def create(self, request: CreateRequest) -> CreateOutcome:
        self._note("create", request.title)
        self.requests.append(request)
        self.possibly_bought.append(request.title)
        came = self.create_outcomes.answer(request.title) or Bought(
            WorkflowId(f"wf-{len(self._workflows) + 1}")
        )
        if not isinstance(came, Bought | OutcomeUnknown):
            self.possibly_bought.pop()
        if isinstance(came, Bought):
            self._workflows.setdefault(came.workflow_id, request)
            self._running.add(came.workflow_id)
            self.most_running = max(self.most_running, len(self._running))
        return came

    def sells(self, request: CreateRequest) -> WorkflowId:
        """Sell a workflow for `request` without reporting it."""
        workflow_id = WorkflowId(f"wf-{len(self._workflows) + 1}")
        self._workflows[workflow_id] = request
        return workflow_id

    def get(self, workflow_id: str) -> Workflow:
        if workflow_id not in self._workflows:
            self._note("get", workflow_id)
            raise NotFound("404")
        request = self._workflows[workflow_id]
        self._note("get", request.title)
        told = self.poll_answers.answer(request.title)
        if workflow_id in self.tells_of:
            template_id, title = self.tells_of[workflow_id]
            return replace(told, id=workflow_id, template_id=template_id, title=title)
        if told.progress is not Progress.RUNNING:
            self._running.discard(workflow_id)
        return replace(
            told,
            id=workflow_id,
            template_id=told.template_id or request.template_id,
            title=told.title or request.title,
        )

    def update(self, workflow_id: str, changes: Changes) -> Workflow:
        request = self._workflows[workflow_id]
        self._note("put", request.title)
        self.updating.answer(request.title)
        self._workflows[workflow_id] = replace(request, title=changes.title or request.title)
        return Workflow(workflow_id, Progress.SUCCEEDED, "success", updated_at=self.updated_at)

    def delete(self, workflow_id: str) -> None:
        raise AssertionError("a run deletes nothing")

    def report_error(self, message: str, context: Mapping[str, Json]) -> None:
        self.reports.append(f"{context['key']}: {message}")

    def health(self) -> None:
        raise AssertionError("a run does not ask for that")

    def download(self, media: Media, target: Path) -> Downloaded:
        self._note("download", media.url)
        self.most.append(media.most)
        content = self.contents.answer(media.url)
        target.write_bytes(content)
        return Downloaded(
            hashlib.sha256(content).hexdigest(), len(content), self.kinds.get(media.url, media.content_type)
        )

    # The ledger

    @property
    def sold(self) -> dict[str, CreateRequest]:
        """The request of each workflow, by its id."""
        return dict(self._workflows)

    @property
    def creates(self) -> list[str]:
        """The titles of the creates, in order."""
        return self.of("create")

    def of(self, call: str) -> list[str]:
        return [each.partition(" ")[2] for each in self.calls if each.startswith(f"{call} ")]

    def when(self, call: str) -> list[float]:
        """The times at which a call came."""
        return [at for at, each in zip(self.times, self.calls, strict=True) if each == call]

    def _note(self, call: str, about: str) -> None:
        self.calls.append(f"{call} {about}")
        self.times.append(self.clock())
