"""The built-in provider passes the conformance kit for authors of providers."""

import json
import re
from dataclasses import replace
from typing import Literal

import pytest

from pipeline.providers import CreateRequest, Progress, Settings, Visibility, Workflow
from pipeline.providers.vimmerse import Vimmerse
from pipeline.testing import CHECKS, Call, Check, Refusal, Reply

_JSON = (("Content-Type", "application/json"),)
_STATUSES = {Progress.RUNNING: "processing", Progress.SUCCEEDED: "success", Progress.FAILED: "fail"}
_REFUSALS = {
    Refusal.REQUEST: 422,
    Refusal.CREDIT: 402,
    Refusal.KEY: 401,
    Refusal.BUSY: 429,
    Refusal.UNKNOWN_WORKFLOW: 404,
}


def said(value: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode(), _JSON)


class VimmerseVendor:
    """The vendor's API as documented."""

    def __init__(self, api: Literal["v1", "v2"] = "v1", kind: type[Vimmerse] = Vimmerse) -> None:
        self.api = api
        self.kind = kind

    def make(self, settings: Settings) -> Vimmerse:
        return self.kind(replace(settings, api=self.api), pause=lambda _: None)

    def request(self, title: str) -> CreateRequest:
        return CreateRequest(
            template_id="overlay_gray_5443",
            options={"prompt": "a walk", "seconds": 5},
            title=title,
            description="",
            visibility=Visibility.PRIVATE,
            images=("https://cdn.example.com/red.png",),
        )

    def is_create(self, method: str, target: str) -> bool:
        return method == "POST" and re.fullmatch(r"(/v2)?/workflow", target) is not None

    def created(self, workflow_id: str) -> Reply:
        return said({"data": {"id": workflow_id, "processing_status": "created"}})

    def told(self, workflow: Workflow) -> Reply:
        files = [{"url": each.url, "content_type": each.content_type} for each in workflow.result]
        sizes = [{"url": each.url, "size": each.size} for each in workflow.result]
        status = _STATUSES[workflow.progress] if workflow.known_status else workflow.status
        return said(
            {
                "data": {
                    "id": workflow.id,
                    "model": workflow.template_id,
                    "title": workflow.title,
                    "processing_status": status,
                    "result": files,
                    "media_result": sizes,
                }
            }
        )

    def refused(self, why: Refusal) -> Reply:
        return said({"message": why.upper()}, _REFUSALS[why])

    def other(self, call: Call) -> Reply:
        return said({"data": {"id": call.target.rpartition("/")[2]}})


def test_check_names_are_unique() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS) >= 40


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_built_in_provider_conforms(check: Check) -> None:
    check(VimmerseVendor("v1"))


@pytest.mark.parametrize(
    "check", [each for each in CHECKS if each.name.startswith(("create", "get"))][:6], ids=str
)
def test_built_in_provider_conforms_with_v2(check: Check) -> None:
    check(VimmerseVendor("v2"))
