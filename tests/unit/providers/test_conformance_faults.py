"""The conformance kit for authors of providers finds faults; each one here is a plausible mistake."""

import logging
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from pipeline.providers import (
    Bought,
    Changes,
    CreateOutcome,
    CreateRequest,
    Downloaded,
    JobRefused,
    Json,
    Media,
    NotFound,
    NotSent,
    OutcomeUnknown,
    Settings,
    VendorError,
    Workflow,
    WorkflowId,
)
from pipeline.providers.vimmerse import Vimmerse
from pipeline.testing import CHECKS, Fault, check_provider
from providers.test_conformance import VimmerseVendor


class Kind(Vimmerse):
    """A subclass that is unpickled as its own class."""

    def __reduce__(self) -> Any:
        return type(self), (self.settings,)


class SendsAgain(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        outcome = super().create(request)
        return super().create(request) if isinstance(outcome, OutcomeUnknown) else outcome


class Hopes(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        outcome = super().create(request)
        return NotSent("it did not work") if isinstance(outcome, OutcomeUnknown) else outcome


class Invents(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        outcome = super().create(request)
        return Bought(WorkflowId("some")) if isinstance(outcome, OutcomeUnknown) else outcome


class Raises(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        outcome = super().create(request)
        if isinstance(outcome, NotSent):
            raise VendorError("nobody listens")
        return outcome


class LooksNoMore(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        return super().create(replace(request, may_send=lambda: True))


class Untitled(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        return super().create(replace(request, title=""))


class WaitsForEver(Kind):
    def __init__(self, settings: Settings, **more: Any) -> None:
        super().__init__(replace(settings, request_timeout=3600.0), **more)


class GoesAnywhere(Kind):
    def get(self, workflow_id: WorkflowId) -> Workflow:
        url = f"{self.settings.base_url}/workflow/{workflow_id}"
        with urllib.request.urlopen(urllib.request.Request(url, headers={"X-Api-Key": self.settings.key})):
            return super().get(workflow_id)


class BuysWhilePreparing(Kind):
    def prepare(self, request: CreateRequest) -> CreateRequest:
        super().create(request)
        return request


class Shows(Kind):
    def __repr__(self) -> str:
        return f"Shows({self.settings.key})"


class Logs(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        logging.getLogger("shows").debug("with the key %s", self.settings.key)
        return super().create(request)


class CannotBePickled(Kind):
    def __reduce__(self) -> Any:
        raise TypeError("it holds a lock")


class SpellsAnew(Kind):
    def get(self, workflow_id: WorkflowId) -> Workflow:
        came = super().get(workflow_id)
        return replace(
            came, result=tuple(replace(each, url=quote(each.url, safe=":/?=&")) for each in came.result)
        )


class Believes(Kind):
    def get(self, workflow_id: WorkflowId) -> Workflow:
        try:
            return super().get(workflow_id)
        except VendorError:
            raise NotFound("it did not answer") from None


class DeletesOnce(Kind):
    def delete(self, workflow_id: WorkflowId) -> None:
        self._request("DELETE", self._path_of(workflow_id))


class FetchesPlainly(Kind):
    def download(self, media: Media, target: Path) -> Downloaded:
        headers: Mapping[str, str] = {"X-Api-Key": self.settings.key}
        request = urllib.request.Request(media.url, headers=dict(headers))
        with urllib.request.urlopen(request) as answer:
            target.write_bytes(answer.read())
        return Downloaded("0" * 64, target.stat().st_size, media.content_type)


class KeepsItsKey(Kind):
    def download(self, media: Media, target: Path) -> Downloaded:
        target.with_name("settings.json").write_text(self.settings.key)
        return super().download(media, target)


class TrustsABody(Kind):
    """It sends again where the vendor answered in its own form, but without an id."""

    def create(self, request: CreateRequest) -> CreateOutcome:
        outcome = super().create(request)
        has_object = isinstance(outcome, OutcomeUnknown) and "{" in outcome.response
        return NotSent("the vendor says no") if has_object else outcome


class CountsWhatWasCut(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        outcome = super().create(request)
        is_cut = isinstance(outcome, OutcomeUnknown) and "422" in outcome.reason
        return JobRefused("the vendor says no") if is_cut else outcome


class SendsNoOptions(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        return super().create(replace(request, options={}))


class SendsNoImages(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        return super().create(replace(request, images=()))


class UpdatesNothing(Kind):
    def update(self, workflow_id: WorkflowId, changes: Changes) -> Workflow:
        return super().update(workflow_id, replace(changes, title=None, description="x"))


class BuysToReport(Kind):
    def report_error(self, message: str, context: Mapping[str, Json]) -> None:
        self.create(VimmerseVendor().request(message))


class FetchesAll(Kind):
    def download(self, media: Media, target: Path) -> Downloaded:
        return super().download(replace(media, most=None), target)


FAULTS: list[tuple[type[Vimmerse], str]] = [
    (SendsAgain, "create: sent, then closed"),
    (Hopes, "create: sent, then reset"),
    (Invents, "create: sent, then HTTP 500"),
    (Raises, "create: the connection is refused"),
    (LooksNoMore, "create: `may_send` returns False"),
    (Untitled, "create: its title is sent"),
    (GoesAnywhere, "get: a redirect to another host"),
    (BuysWhilePreparing, "prepare: buys nothing, and can be repeated"),
    (Shows, "key: in no representation"),
    (Logs, "key: in no log"),
    (CannotBePickled, "provider: can be pickled"),
    (SpellsAnew, "get: urls as they are spelled"),
    (Believes, "get: HTTP 500"),
    (DeletesOnce, "delete: an unknown workflow"),
    (FetchesPlainly, "download: a whole file"),
    (FetchesPlainly, "download: without the key, over a redirect too"),
    (FetchesPlainly, "download: a file of another size than announced"),
    (FetchesPlainly, "download: HTTP 403"),
    (KeepsItsKey, "key: in no file"),
    *(
        (TrustsABody, f"create: sent, then HTTP {status} with a body of the vendor's form")
        for status in (408, 409, 500, 502, 503, 504)
    ),
    *(
        (TrustsABody, f"create: sent, then HTTP {status} with {what}")
        for status in (200, 201)
        for what in ("a refusal as its body", "an object without an id", "an empty id")
    ),
    (CountsWhatWasCut, "create: sent, then a refusal cut short (request)"),
    (SendsNoOptions, "create: its options are sent"),
    (SendsNoImages, "create: its images are sent"),
    (BuysToReport, "create: no other call sends one"),
    (UpdatesNothing, "update: the changes are sent"),
    (FetchesAll, "download: a file larger than `most`"),
    (FetchesAll, "download: a file larger than `most`, without a length"),
]


@pytest.mark.parametrize(("kind", "name"), FAULTS)
def test_fault_is_found(kind: type[Vimmerse], name: str) -> None:
    [check] = [each for each in CHECKS if each.name == name]
    with pytest.raises(Fault) as raised:
        check_provider(VimmerseVendor(kind=kind), [check])
    assert str(raised.value).startswith(f"{name}: ")


@pytest.mark.parametrize(
    "name", ["create: sent, then silence", "get: silence", "download: a file that stops arriving"]
)
def test_endless_wait_is_found(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    # What matters is that the server gives up first, not how long it waits.
    monkeypatch.setattr("pipeline.testing.server.LONGEST_SILENCE", 1.5)
    [check] = [each for each in CHECKS if each.name == name]
    with pytest.raises(Fault, match="`request_timeout` was 1"):
        check_provider(VimmerseVendor(kind=WaitsForEver), [check])
