"""The conformance kit for authors of providers finds faults; each one here is a plausible mistake."""

import copyreg
import json
import locale
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, replace
from hashlib import sha256
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path
from typing import Any
from unicodedata import normalize
from urllib.parse import quote, unquote

import pytest

from pipeline.errors import PipelineError
from pipeline.providers import (
    AccountError,
    AccountRefused,
    Bought,
    BuyingStopped,
    CallRefused,
    Changes,
    CreateOutcome,
    CreateRequest,
    Deferred,
    Downloaded,
    DownloadFailed,
    HttpRequest,
    JobRefused,
    Json,
    Media,
    NotFound,
    NotSent,
    OutcomeUnknown,
    Progress,
    Settings,
    Transport,
    VendorError,
    Workflow,
    WorkflowId,
)
from pipeline.providers.payloads import json_body
from pipeline.providers.vimmerse import Vimmerse
from pipeline.testing import CHECKS, Fault, Reply, check_provider
from pipeline.testing.shared import Shared
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


class KeepsItsKeyHere(Kind):
    """It writes its key to the working folder."""

    def create(self, request: CreateRequest) -> CreateOutcome:
        Path("settings.json").write_text(self.settings.key)
        return super().create(request)


class CutsTitles(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        return super().create(replace(request, title=request.title[:20]))


class Links(Kind):
    """It leaves a link to where it keeps its files."""

    def download(self, media: Media, target: Path) -> Downloaded:
        kept = target.with_name("kept")
        downloaded = super().download(media, kept)
        target.symlink_to(kept)
        return downloaded


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


class RemembersCreates(Kind):
    def __init__(self, settings: Settings, **more: Any) -> None:
        super().__init__(settings, **more)
        self.known: dict[str, CreateOutcome] = {}

    def create(self, request: CreateRequest) -> CreateOutcome:
        if request.title not in self.known:
            self.known[request.title] = super().create(request)
        return self.known[request.title]


class BuysOneTemplate(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        return super().create(replace(request, template_id="overlay_gray_5443"))


class SharesARequest(Kind):
    """It keeps what it is about to send where another thread replaces it."""

    def __init__(self, settings: Settings, **more: Any) -> None:
        super().__init__(settings, **more)
        self.both = threading.Barrier(2)

    def create(self, request: CreateRequest) -> CreateOutcome:
        self.request = request
        self.both.wait()
        return super().create(self.request)


class RemembersAnswers(Kind):
    def __init__(self, settings: Settings, **more: Any) -> None:
        super().__init__(settings, **more)
        self.known: dict[WorkflowId, Workflow] = {}

    def get(self, workflow_id: WorkflowId) -> Workflow:
        if workflow_id not in self.known:
            self.known[workflow_id] = super().get(workflow_id)
        return self.known[workflow_id]


class KnowsOnlyTheLast(Kind):
    """It asks for and deletes the workflow that it bought last, whatever it is asked for."""

    last = WorkflowId("none")

    def create(self, request: CreateRequest) -> CreateOutcome:
        outcome = super().create(request)
        self.last = outcome.workflow_id if isinstance(outcome, Bought) else self.last
        return outcome

    def get(self, workflow_id: WorkflowId) -> Workflow:
        try:
            return replace(super().get(self.last), id=workflow_id)
        except VendorError:
            return Workflow(workflow_id, Progress.RUNNING, "")

    def delete(self, workflow_id: WorkflowId) -> None:
        super().delete(self.last)


class MixesWorkflows(Kind):
    def __init__(self, settings: Settings, **more: Any) -> None:
        super().__init__(settings, **more)
        self.both = threading.Barrier(2)

    def get(self, workflow_id: WorkflowId) -> Workflow:
        self.found = super().get(workflow_id)
        self.both.wait()
        return replace(self.found, id=workflow_id)


class MixesFiles(Kind):
    def __init__(self, settings: Settings, **more: Any) -> None:
        super().__init__(settings, **more)
        self.both = threading.Barrier(2)

    def download(self, media: Media, target: Path) -> Downloaded:
        self.media = media
        self.both.wait()
        return super().download(self.media, target)


class GivesUpWhenBusy(Kind):
    def get(self, workflow_id: WorkflowId) -> Workflow:
        try:
            return super().get(workflow_id)
        except VendorError as error:
            raise CallRefused(str(error)) if "429" in str(error) else error from None


class EndsWithoutCredit(Kind):
    def get(self, workflow_id: WorkflowId) -> Workflow:
        try:
            return super().get(workflow_id)
        except BuyingStopped as error:
            raise AccountError(str(error)) from None


class SendsABrokenOneAgain(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        outcome = super().create(request)
        # On loopback, a reset may come before or after the last byte.
        is_broken = isinstance(outcome, OutcomeUnknown) or (isinstance(outcome, NotSent) and outcome.started)
        return super().create(request) if is_broken else outcome


class StatusError(VendorError):
    """Unpickled, it lacks an argument."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RaisesItsOwn(Kind):
    def get(self, workflow_id: WorkflowId) -> Workflow:
        try:
            return super().get(workflow_id)
        except VendorError as error:
            raise StatusError(500, str(error)) from None


class TrustsTheServer(Kind):
    """It believes the type that the server states, and that what has arrived is all."""

    def download(self, media: Media, target: Path) -> Downloaded:
        with urllib.request.urlopen(media.url) as answer:
            try:
                content = answer.read()
            except IncompleteRead as error:
                content = error.partial
            if not answer.headers["Content-Type"].startswith("image/"):
                raise DownloadFailed("no image")
        target.write_bytes(content)
        return Downloaded(sha256(content).hexdigest(), len(content), media.content_type)


class TrustsARange(Kind):
    """It takes what comes in a range for all that was missing."""

    def download(self, media: Media, target: Path) -> Downloaded:
        part = target.with_name("part")
        before = part.read_bytes() if part.exists() else b""
        asked = {"Range": f"bytes={len(before)}-"} if before else {}
        with urllib.request.urlopen(urllib.request.Request(media.url, headers=asked)) as answer:
            try:
                content = before + answer.read()
            except IncompleteRead as error:
                part.write_bytes(error.partial)
                raise DownloadFailed("cut off") from None
        target.write_bytes(content)
        return Downloaded(sha256(content).hexdigest(), len(content), media.content_type)


class ReadsUnchecked(Kind):
    """It takes for granted that each answer is a workflow."""

    def get(self, workflow_id: WorkflowId) -> Workflow:
        try:
            return super().get(workflow_id)
        except VendorError as error:
            raise KeyError("status") from error


class ReturnsJson(Kind):
    """It returns what the vendor sent, or less, instead of what the port declares."""

    def create(self, request: CreateRequest) -> Any:
        outcome = super().create(request)
        return {"id": outcome.workflow_id} if isinstance(outcome, Bought) else outcome

    def get(self, workflow_id: WorkflowId) -> Workflow:
        percent: Any = "50%"
        return replace(super().get(workflow_id), percent=percent)

    def update(self, workflow_id: WorkflowId, changes: Changes) -> Any:
        super().update(workflow_id, changes)

    def download(self, media: Media, target: Path) -> Any:
        return super().download(media, target).bytes


class PassesOnTheWait(Kind):
    """Passes on what the vendor wrote, as `read` reads it."""

    read: Callable[[str], Any]

    def create(self, request: CreateRequest) -> CreateOutcome:
        outcome = super().create(request)
        return replace(outcome, after=self._wait()) if isinstance(outcome, Deferred) else outcome

    def get(self, workflow_id: WorkflowId) -> Workflow:
        try:
            return super().get(workflow_id)
        except VendorError as error:
            raise VendorError(str(error), self._wait()) from None

    def _wait(self) -> Any:
        connection = HTTPConnection(self.settings.base_url.partition("//")[2])
        connection.request("GET", "/workflow/Kit-1")
        with closing(connection), connection.getresponse() as response:
            told = response.headers["Retry-After"]
        return type(self).read(told)


class PassesOnATextToWait(PassesOnTheWait):
    read = str


class PassesOnAnyNumberToWait(PassesOnTheWait):
    read = float


class WaitsItself(Kind):
    """Obeys the vendor's wait in the call, with a thread of the run."""

    waits = threading.Event()

    def get(self, workflow_id: WorkflowId) -> Workflow:
        try:
            return super().get(workflow_id)
        except VendorError as error:
            if error.after:
                self.waits.wait(error.after)
            raise


class EndsTheProcess(Kind):
    """Was a script once."""

    raises: type[BaseException] = SystemExit

    def prepare(self, request: CreateRequest) -> CreateRequest:
        raise self.raises(3)

    def get(self, workflow_id: WorkflowId) -> Workflow:
        try:
            return super().get(workflow_id)
        except PipelineError:
            raise self.raises(3) from None

    def update(self, workflow_id: WorkflowId, changes: Changes) -> Workflow:
        raise self.raises(3)

    def delete(self, workflow_id: WorkflowId) -> None:
        raise self.raises(3)

    def health(self) -> None:
        raise self.raises(3)

    def download(self, media: Media, target: Path) -> Downloaded:
        raise self.raises(3)


class InterruptsTheProcess(EndsTheProcess):
    raises = KeyboardInterrupt


class ExitsAtACreate(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        outcome = super().create(request)
        if isinstance(outcome, AccountRefused):
            sys.exit("there is no credit left")
        return outcome


class LacksACall(Kind):
    health = None  # type: ignore[assignment]  # a plug-in that was written for an older interface


class SpeaksOfItsKey(Kind):
    """It names its key in what it returns and raises, where the vendor did not."""

    def create(self, request: CreateRequest) -> CreateOutcome:
        outcome = super().create(request)
        is_unknown = isinstance(outcome, OutcomeUnknown)
        return OutcomeUnknown(f"sent with {self.settings.key}") if is_unknown else outcome


class RaisesItsKey(Kind):
    def get(self, workflow_id: WorkflowId) -> Workflow:
        try:
            return super().get(workflow_id)
        except NotFound:
            raise NotFound(f"not known to {self.settings.key}") from None


class NotesItsKey(Kind):
    def delete(self, workflow_id: WorkflowId) -> None:
        try:
            super().delete(workflow_id)
        except VendorError as error:
            error.add_note(self.settings.key)
            raise


class HasItsKeyInACause(Kind):
    """The key is in base64, and in an error that another one was raised from."""

    def health(self) -> None:
        try:
            super().health()
        except VendorError as error:
            cause = RuntimeError(b64encode(f"user:{self.settings.key}".encode()).decode())
            raise VendorError("it does not answer") from (cause if "500" in str(error) else None)


class PrintsItsKey(Kind):
    def report_error(self, message: str, context: Mapping[str, Json]) -> None:
        print("reported with", self.settings.key)  # noqa: T201 - the mistake
        super().report_error(message, context)


class WarnsOfItsKey(Kind):
    def download(self, media: Media, target: Path) -> Downloaded:
        try:
            return super().download(media, target)
        except DownloadFailed:
            sys.stderr.write(f"not with {self.settings.key}\n")
            raise


class LogsAfterAFailure(Kind):
    def update(self, workflow_id: WorkflowId, changes: Changes) -> Workflow:
        try:
            return super().update(workflow_id, changes)
        except VendorError:
            logging.getLogger("shows").info("with %s", self.settings.key)
            raise


class AsksBeforeItConnects(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        if not request.may_send():
            return NotSent("the state is lost")
        return super().create(replace(request, may_send=lambda: True))


class GivesUpAnUnknownStatus(Kind):
    def get(self, workflow_id: WorkflowId) -> Workflow:
        found = super().get(workflow_id)
        return found if found.known_status else replace(found, progress=Progress.FAILED)


class KnowsEachStatus(Kind):
    def get(self, workflow_id: WorkflowId) -> Workflow:
        return replace(super().get(workflow_id), known_status=True)


class LosesAnUnknownStatus(Kind):
    def get(self, workflow_id: WorkflowId) -> Workflow:
        found = super().get(workflow_id)
        if not found.known_status:
            raise NotFound("its status is unknown")
        return found


class ListsAPathOnce(Kind):
    def get(self, workflow_id: WorkflowId) -> Workflow:
        found = super().get(workflow_id)
        return replace(found, result=tuple({each.url.split("?")[0]: each for each in found.result}.values()))


class ReadsLittle(Kind):
    """It reads neither the template nor what the vendor says of the files."""

    def get(self, workflow_id: WorkflowId) -> Workflow:
        found = super().get(workflow_id)
        files = tuple(replace(each, size=None, content_type="") for each in found.result)
        return replace(found, template_id="", result=files)


class ReturnsNoType(Kind):
    def download(self, media: Media, target: Path) -> Downloaded:
        return replace(super().download(media, target), content_type="x")


class SendsOneImage(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        return super().create(replace(request, images=request.images[:1]))


class CannotReport(Kind):
    def report_error(self, message: str, context: Mapping[str, Json]) -> None:
        try:
            super().report_error(message, context)
        finally:
            raise RuntimeError("it has no reports")


class UpdatesTheFirst(Kind):
    """It keeps the id of the first workflow that it changed, and changes that one."""

    first: WorkflowId | None = None

    def update(self, workflow_id: WorkflowId, changes: Changes) -> Workflow:
        self.first = self.first or workflow_id
        super().update(self.first, changes)
        return self.get(workflow_id)


class TurnsImagesAround(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        return super().create(replace(request, images=request.images[::-1]))


class SortsImages(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        return super().create(replace(request, images=tuple(sorted(request.images, key=str))))


class SendsTexts(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        options = {
            name: str(value) if isinstance(value, int) else value for name, value in request.options.items()
        }
        return super().create(replace(request, options=options))


class KnowsOnlyAscii(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        title = request.title.encode("ascii", "replace").decode()
        return super().create(replace(request, title=title))


class DropsAccents(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        title = normalize("NFKD", request.title).encode("ascii", "ignore").decode()
        return super().create(replace(request, title=title))


class KeepsConnections(Kind):
    """It sends creates over one connection, as `requests.Session` and `httpx.Client` do."""

    def __init__(self, settings: Settings, **more: Any) -> None:
        super().__init__(settings, **more)
        self.kept = Transport(settings.network)

    def create(self, request: CreateRequest) -> CreateOutcome:
        body = json.dumps({"title": request.title}).encode()
        headers = {"Content-Type": "application/json", "X-Api-Key": self.settings.key}
        call = HttpRequest("POST", f"{self.settings.base_url}/workflow", headers, body)
        sent = self.kept.request(call, self.settings.request_timeout)
        return Bought(WorkflowId(json.loads(sent.body)["data"]["id"]))


class ReportsNothing(Kind):
    def report_error(self, message: str, context: Mapping[str, Json]) -> None:
        pass


class SetsAVariable(Kind):
    variable = "VIMMERSE_LAST_KEY"

    def create(self, request: CreateRequest) -> CreateOutcome:
        os.environ[self.variable] = f"Bearer {self.settings.key}"
        return super().create(request)


class GoesToItsFolder(Kind):
    def download(self, media: Media, target: Path) -> Downloaded:
        os.chdir(target.parent)
        return super().download(media, target)


class SetsNoProxy(Kind):
    variable = "VIMMERSE_NO_PROXY"

    def get(self, workflow_id: WorkflowId) -> Workflow:
        os.environ.setdefault(self.variable, "*")
        return super().get(workflow_id)


class ForgetsAVariable(Kind):
    def get(self, workflow_id: WorkflowId) -> Workflow:
        os.environ.pop(SetsAVariable.variable, None)
        return super().get(workflow_id)


class HandlesSignals(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return super().create(request)
        finally:
            signal.signal(signal.SIGINT, before)


class SetsUmask(Kind):
    def download(self, media: Media, target: Path) -> Downloaded:
        os.umask(0o027)
        return super().download(media, target)


class SetsTimeouts(Kind):
    def update(self, workflow_id: WorkflowId, changes: Changes) -> Workflow:
        socket.setdefaulttimeout(self.settings.request_timeout)
        return super().update(workflow_id, changes)


class SetsLocale(Kind):
    def get(self, workflow_id: WorkflowId) -> Workflow:
        locale.setlocale(locale.LC_TIME, "C.UTF-8")
        return super().get(workflow_id)


class RunsAProgram(Kind):
    """It has another program fetch files, as with `curl`."""

    def arguments(self) -> list[str]:
        return [sys.executable, "-c", "", f"--header=X-Api-Key: {self.settings.key}"]

    def download(self, media: Media, target: Path) -> Downloaded:
        subprocess.run(self.arguments(), check=True)
        return super().download(media, target)


class RunsAShell(RunsAProgram):
    def download(self, media: Media, target: Path) -> Downloaded:
        os.system(f"true {b64encode(self.settings.key.encode()).decode()}")
        return Vimmerse.download(self, media, target)


class AddressesWithItsKey(Kind):
    def delete(self, workflow_id: WorkflowId) -> None:
        url = f"{self.settings.base_url}/workflow/{workflow_id}?key={self.settings.key}"
        with suppress(OSError):
            urllib.request.urlopen(urllib.request.Request(url, method="DELETE")).close()
        super().delete(workflow_id)


class KeepsWhatItPrepared(Kind):
    """It sends the request that was prepared last, whichever it is given."""

    kept: CreateRequest | None = None

    def prepare(self, request: CreateRequest) -> CreateRequest:
        self.kept = super().prepare(request)
        return self.kept

    def create(self, request: CreateRequest) -> CreateOutcome:
        return super().create(replace(self.kept or request, may_send=request.may_send))


class QueuesWhatItPrepared(Kind):
    """It takes for granted that requests are sent in the order in which they were prepared."""

    def __init__(self, settings: Settings, **more: Any) -> None:
        super().__init__(settings, **more)
        self.queue: list[CreateRequest] = []

    def prepare(self, request: CreateRequest) -> CreateRequest:
        self.queue.append(super().prepare(request))
        return self.queue[-1]

    def create(self, request: CreateRequest) -> CreateOutcome:
        return super().create(replace(self.queue.pop(0), may_send=request.may_send))


class KeepsTheImagesItPrepared(Kind):
    images: tuple[Any, ...] = ()

    def prepare(self, request: CreateRequest) -> CreateRequest:
        prepared = super().prepare(request)
        self.images = prepared.images
        return prepared

    def create(self, request: CreateRequest) -> CreateOutcome:
        return super().create(replace(request, images=self.images))


class LowersIds(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        outcome = super().create(request)
        return Bought(WorkflowId(outcome.workflow_id.lower())) if isinstance(outcome, Bought) else outcome


class AsksForLoweredIds(Kind):
    def _path_of(self, workflow_id: WorkflowId) -> str:
        return super()._path_of(WorkflowId(workflow_id.lower()))


class LowersTitles(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        return super().create(replace(request, title=request.title.lower()))

    def get(self, workflow_id: WorkflowId) -> Workflow:
        found = super().get(workflow_id)
        return replace(found, title=found.title.lower())

    def update(self, workflow_id: WorkflowId, changes: Changes) -> Workflow:
        return super().update(workflow_id, replace(changes, title=(changes.title or "").lower()))


class LowersTemplates(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        return super().create(replace(request, template_id=request.template_id.lower()))


class SpellsImages(Kind):
    """It sends each url as `spelled` changes it."""

    spelled: Callable[[str], str]

    def create(self, request: CreateRequest) -> CreateOutcome:
        images = tuple(type(self).spelled(each) for each in request.images if isinstance(each, str))
        return super().create(replace(request, images=images))


class CutsQueries(SpellsImages):
    @staticmethod
    def spelled(url: str) -> str:
        return url.partition("?")[0]


class DecodesImages(SpellsImages):
    spelled = unquote


class EncodesImagesAgain(SpellsImages):
    @staticmethod
    def spelled(url: str) -> str:
        return quote(unquote(url), safe=":/?=&")


class SendsAPathOnce(Kind):
    def create(self, request: CreateRequest) -> CreateOutcome:
        once = {str(each).split("?")[0]: each for each in request.images}
        return super().create(replace(request, images=tuple(once.values())))


class EmptiesTitles(Kind):
    def update(self, workflow_id: WorkflowId, changes: Changes) -> Workflow:
        return super().update(workflow_id, replace(changes, title=changes.title or ""))


class WritesAllChanges(Kind):
    """It sends what does not change as null."""

    def update(self, workflow_id: WorkflowId, changes: Changes) -> Workflow:
        self._request("PUT", self._path_of(workflow_id), json_body(asdict(changes)))
        return self.get(workflow_id)


class KeepsTitles(Kind):
    """No mistake: it sends the title that the workflow has, where it does not change."""

    def update(self, workflow_id: WorkflowId, changes: Changes) -> Workflow:
        title = self.get(workflow_id).title if changes.title is None else changes.title
        return super().update(workflow_id, replace(changes, title=title))


FAULTS: list[tuple[type[Vimmerse], str]] = [
    (SendsAgain, "create: sent, then closed"),
    (Hopes, "create: sent, then reset"),
    (Invents, "create: sent, then HTTP 500"),
    (Raises, "create: the connection is refused"),
    (LooksNoMore, "create: `may_send` returns False"),
    (Untitled, "create: its title is sent"),
    (GoesAnywhere, "get: a redirect to another host"),
    *((ReadsUnchecked, f"get: the answer {body!r}") for body in ("", "null", "[]", "{}", '"Kit-1"')),
    (ReadsUnchecked, "get: an HTML page"),
    (ReturnsJson, "create: bought"),
    (ReturnsJson, "get: a workflow that is running"),
    (ReturnsJson, "update: the changes are sent"),
    (ReturnsJson, "download: a whole file"),
    (LacksACall, "get: a workflow that is running"),
    *((PassesOnATextToWait, f"get: a retry after {told!r}") for told in ("", "soon", "0")),
    *(
        (PassesOnAnyNumberToWait, f"get: a retry after {told!r}")
        for told in ("-5", "nan", "-inf", "inf", "1e30")
    ),
    (PassesOnAnyNumberToWait, "get: a retry after 'soon'"),
    (PassesOnAnyNumberToWait, f"create: a retry after {'9' * 30!r}"),
    (ExitsAtACreate, "create: no credit is left"),
    *(
        (kind, name)
        for kind in (EndsTheProcess, InterruptsTheProcess)
        for name in (
            "create: bought",
            "prepare: buys nothing, and can be repeated",
            "get: HTTP 500",
            "get: an unknown workflow",
            "get: the key is refused",
            "get: a retry after 'soon'",
            "update: the changes are sent",
            "delete: HTTP 500",
            "health: a closed connection",
            "download: a whole file",
            "download: HTTP 403",
        )
    ),
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
    (KeepsItsKeyHere, "key: in no file"),
    (CutsTitles, "create: the end of a long title is sent"),
    (Links, "download: a whole file"),
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
    (RemembersCreates, "create: two that are equal are two"),
    (BuysOneTemplate, "create: its template is sent"),
    (SharesARequest, "create: each title once, from many threads"),
    (SendsABrokenOneAgain, "create: reset during the send"),
    (RemembersAnswers, "get: asks each time"),
    (KnowsOnlyTheLast, "get: the workflow that was named"),
    (KnowsOnlyTheLast, "delete: the workflow that was named"),
    (MixesWorkflows, "get: from many threads"),
    (MixesFiles, "download: from many threads"),
    (GivesUpWhenBusy, "get: the vendor is busy"),
    (EndsWithoutCredit, "get: no credit is left"),
    (RaisesItsOwn, "provider: raises errors that can be pickled"),
    (TrustsTheServer, "download: a file whose chunk is incomplete"),
    *(
        (TrustsARange, f"download: a range {what}")
        for what in (
            "without its bytes",
            "with too few bytes",
            "with too many bytes",
            "of an unknown version",
        )
    ),
    (TrustsTheServer, "download: a file that is an HTML page and called an image"),
    *(
        (kind, "key: in no outcome and no error")
        for kind in (SpeaksOfItsKey, RaisesItsKey, NotesItsKey, HasItsKeyInACause)
    ),
    (PrintsItsKey, "key: in no output"),
    (WarnsOfItsKey, "key: in no output"),
    (LogsAfterAFailure, "key: in no log"),
    (GivesUpAnUnknownStatus, "get: an unknown status"),
    (KnowsEachStatus, "get: an unknown status"),
    (LosesAnUnknownStatus, "get: an unknown status"),
    (ListsAPathOnce, "get: files that differ only in the query"),
    (ReadsLittle, "get: its template"),
    (ReadsLittle, "get: the type of a file"),
    (ReadsLittle, "get: the size of a file"),
    (ReturnsNoType, "download: a whole file"),
    (SendsOneImage, "create: each of several images is sent"),
    *(
        (CannotReport, f"report_error: {answer}")
        for answer in ("answered", "HTTP 500", "a closed connection")
    ),
    (UpdatesTheFirst, "update: the workflow that was named"),
    (TurnsImagesAround, "create: several images are sent in order"),
    (SortsImages, "create: several images are sent in order"),
    (SendsTexts, "create: a number among its options stays one"),
    (KnowsOnlyAscii, "create: a title in any script is sent"),
    (DropsAccents, "create: a title in any script is sent"),
    (KeepsConnections, "create: over a connection of its own"),
    (ReportsNothing, "report_error: the message is sent"),
    (SetsAVariable, "key: in no environment variable"),
    (GoesToItsFolder, "provider: leaves the working folder alone"),
    *(
        (kind, "provider: leaves the environment alone")
        for kind in (SetsAVariable, SetsNoProxy, ForgetsAVariable)
    ),
    (HandlesSignals, "provider: leaves the handlers of signals alone"),
    *(
        (kind, "provider: leaves umask, timeout of sockets and locale alone")
        for kind in (SetsUmask, SetsTimeouts, SetsLocale)
    ),
    *((kind, "key: in no argument of a program") for kind in (RunsAProgram, RunsAShell)),
    (AddressesWithItsKey, "key: in no address"),
    *(
        (kind, "create: the request that it is given, of several prepared")
        for kind in (KeepsWhatItPrepared, QueuesWhatItPrepared, KeepsTheImagesItPrepared)
    ),
    (LowersIds, "create: bought"),
    *((AsksForLoweredIds, f"{call}: the workflow that was named") for call in ("get", "update", "delete")),
    (LowersTitles, "create: its title is sent"),
    (LowersTitles, "update: the changes are sent"),
    (LowersTitles, "get: its title in any script"),
    (LowersTemplates, "create: its template is sent"),
    *(
        (kind, "create: the query of each image is sent as it is spelled")
        for kind in (CutsQueries, DecodesImages, EncodesImagesAgain, SendsAPathOnce)
    ),
    *((kind, "update: the title stays unless it changes") for kind in (EmptiesTitles, WritesAllChanges)),
]


@pytest.mark.parametrize(("kind", "name"), FAULTS)
def test_fault_is_found(
    kind: type[Vimmerse], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(SetsAVariable.variable, "")
    monkeypatch.setenv(SetsNoProxy.variable, "")
    monkeypatch.delenv(SetsNoProxy.variable)
    [check] = [each for each in CHECKS if each.name == name]
    with pytest.raises(Fault) as raised:
        check_provider(VimmerseVendor(kind=kind), [check])
    assert str(raised.value).startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("kind", "name"),
    [each for each in FAULTS if each[1].startswith(("provider: leaves", "key: in no env"))],
)
def test_what_is_shared_is_the_same_before_each_check(
    kind: type[Vimmerse], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of an earlier check would hide that of the one that looks for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(SetsNoProxy.variable, raising=False)
    monkeypatch.setenv(SetsAVariable.variable, "")
    before = Shared.now()
    checks = [each for each in CHECKS if each.name in {name, "key: in no output"}]

    with pytest.raises(Fault) as raised:
        check_provider(VimmerseVendor(kind=kind), checks * 2)

    assert str(raised.value).count(f"{name}: ") == 2
    assert Shared.now() == before


def restored(arguments: tuple[Any, ...], attributes: dict[str, Any]) -> StatusError:
    error = StatusError.__new__(StatusError, *arguments)
    vars(error).update(attributes)
    return error


def test_unpicklable_error_is_found_though_a_library_registered_a_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # `distributed` does so, when it is imported, for each class of exception that there is.
    def reduced(error: StatusError) -> tuple[Any, ...]:
        return restored, (error.args, vars(error))

    monkeypatch.setitem(copyreg.dispatch_table, StatusError, reduced)
    [check] = [each for each in CHECKS if each.name == "provider: raises errors that can be pickled"]
    with pytest.raises(Fault, match="StatusError, which changes when it is pickled"):
        check_provider(VimmerseVendor(kind=RaisesItsOwn), [check])


@pytest.mark.parametrize(
    "name", ["create: sent, then silence", "get: silence", "download: a file that stops arriving"]
)
def test_endless_wait_is_found(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    # What matters is that the server gives up first, not how long it waits.
    monkeypatch.setattr("pipeline.testing.server.LONGEST_SILENCE", 1.5)
    [check] = [each for each in CHECKS if each.name == name]
    with pytest.raises(Fault, match="`request_timeout` was 1"):
        check_provider(VimmerseVendor(kind=WaitsForEver), [check])


def test_question_before_the_connection_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    # What matters is that nobody connects while it asks, not how long the kit waits for that.
    monkeypatch.setattr("pipeline.testing.creates.LONGEST_ACCEPT", 0.5)
    [check] = [each for each in CHECKS if each.name == "create: `may_send` is asked once it is connected"]
    with pytest.raises(Fault, match="1 creates"):
        check_provider(VimmerseVendor(kind=AsksBeforeItConnects), [check])


def test_update_may_send_the_title_as_it_is() -> None:
    [check] = [each for each in CHECKS if each.name == "update: the title stays unless it changes"]
    check(VimmerseVendor(kind=KeepsTitles))


class TellsLittle(VimmerseVendor):
    """A vendor as described for an earlier kit: no unknown status, no template and no sizes."""

    def told(self, workflow: Workflow) -> Reply:
        known = replace(workflow, known_status=True, template_id="")
        return super().told(replace(known, result=tuple(replace(each, size=None) for each in known.result)))


@pytest.mark.parametrize("name", ["get: an unknown status", "get: its template", "get: the size of a file"])
def test_what_a_vendor_does_not_tell_is_not_asked_for(name: str) -> None:
    [check] = [each for each in CHECKS if each.name == name]
    check(TellsLittle(kind=ReadsLittle))


def test_provider_that_waits_itself_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    # What matters is that the kit gives up first, not how long it waits.
    monkeypatch.setattr("pipeline.testing.lab.LONGEST_CHECK", 1.5)
    [check] = [each for each in CHECKS if each.name == "get: a retry after '100000000'"]
    try:
        with pytest.raises(Fault, match="did not return"):
            check_provider(VimmerseVendor(kind=WaitsItself), [check])
    finally:
        WaitsItself.waits.set()
