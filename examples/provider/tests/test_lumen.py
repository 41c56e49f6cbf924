"""The provider, tried by the conformance kit and with Lumen's own server."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import lumen_server
import pytest
from pipeline_lumen import Lumen, provider

from pipeline.providers import (
    Bought,
    Changes,
    CreateRequest,
    NotFound,
    Progress,
    Settings,
    Visibility,
    Workflow,
)
from pipeline.testing import CHECKS, Call, Check, Refusal, Reply

STATES = {Progress.RUNNING: "rendering", Progress.SUCCEEDED: "done", Progress.FAILED: "broken"}
STATUSES = {
    Refusal.REQUEST: 422,
    Refusal.CREDIT: 402,
    Refusal.KEY: 401,
    Refusal.BUSY: 429,
    Refusal.UNKNOWN_WORKFLOW: 404,
}


def reply(value: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode(), (("Content-Type", "application/json"),))


class LumenVendor:
    """What Lumen's API answers, for the kit to send over whole and broken connections."""

    def make(self, settings: Settings) -> Lumen:
        return Lumen(settings)

    def request(self, title: str) -> CreateRequest:
        images = ("https://cdn.example.com/red.png",)
        return CreateRequest("soft-light", {"strength": 3}, title, "", Visibility.PRIVATE, images)

    def is_create(self, method: str, target: str) -> bool:
        return (method, target) == ("POST", "/renders")

    def created(self, workflow_id: str) -> Reply:
        return reply({"render": workflow_id}, 201)

    def told(self, workflow: Workflow) -> Reply:
        files = [
            {"href": each.url, "mime": each.content_type, "length": each.size} for each in workflow.result
        ]
        state = STATES[workflow.progress] if workflow.known_status else workflow.status
        named = {"render": workflow.id, "look": workflow.template_id, "name": workflow.title}
        return reply({**named, "state": state, "files": files})

    def refused(self, why: Refusal) -> Reply:
        return reply({"error": why.value}, STATUSES[why])

    def other(self, call: Call) -> Reply:  # noqa: ARG002 - Lumen gives all of them the same answer
        return reply({})


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conforms(check: Check) -> None:
    check(LumenVendor())


@pytest.fixture
def lumen() -> Iterator[Lumen]:
    """The provider, with Lumen's server on this machine."""
    server = lumen_server.server()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made = provider.make(Settings("any", f"http://127.0.0.1:{server.server_port}"))
    assert isinstance(made, Lumen)
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def test_renders(lumen: Lumen, tmp_path: Path) -> None:
    outcome = lumen.create(LumenVendor().request("a walk"))
    assert isinstance(outcome, Bought)
    render = lumen.get(outcome.workflow_id)
    assert (render.title, render.progress, render.template_id) == ("a walk", Progress.SUCCEEDED, "soft-light")
    assert lumen.download(render.result[0], tmp_path / "walk.png").content_type == "image/png"

    lumen.update(outcome.workflow_id, Changes(title="a run"))
    lumen.health()
    lumen.delete(outcome.workflow_id)
    with pytest.raises(NotFound):
        lumen.get(outcome.workflow_id)
    assert provider.key_variable == "LUMEN_API_KEY"
