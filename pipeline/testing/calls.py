"""Checks of the calls that may be repeated: their results, and how they fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.errors import AccountError, BuyingStopped
from pipeline.providers.base import (
    CallRefused,
    Changes,
    Media,
    NotFound,
    Progress,
    Provider,
    VendorError,
    Workflow,
)
from pipeline.purchases import WorkflowId
from pipeline.testing.lab import ID, KEY, MARK, SHORT_TIMEOUT, TIMEOUT, Lab, Play, assert_type, expect
from pipeline.testing.vendor import Call, Refusal, Reply

if TYPE_CHECKING:
    from pipeline.testing.server import Connection

SPELLED = "film.png?Sig=a%2fb%7E+c'd%27&Exp=1"


def _get(lab: Lab, workflow: Workflow) -> Workflow:
    lab.on_call = lambda connection, _call: connection.answer(lab.vendor.told(workflow))
    found = lab.provider().get(ID)
    assert_type("get", found, Workflow)
    return found


def _reads(progress: Progress) -> Callable[[Lab], None]:
    def check(lab: Lab) -> None:
        result = lab.workflow().result if progress is Progress.SUCCEEDED else ()
        found = _get(lab, lab.workflow(progress=progress, status=progress.value, result=result))
        expect(
            found.progress is progress,
            f"the workflow is {progress}, but the provider returned {found.progress}",
        )
        expect(found.id == ID, f"asked for {ID}, the provider returned {found.id}")

    return check


def _title(lab: Lab) -> None:
    found = _get(lab, lab.workflow(title="Kit É 🔥"))
    expect(found.title == "Kit É 🔥", f"the title is 'Kit É 🔥', but the provider returned {found.title!r}")


def _spelled(lab: Lab) -> None:
    url = f"{lab.url}/kit-media/%7Euser/./x/../{SPELLED}"
    found = _get(lab, lab.workflow(result=(Media(url, "image/png"),)))
    expect(
        [each.url for each in found.result] == [url],
        f"the vendor listed {url}, but the provider returned {[each.url for each in found.result]}: "
        "a signed url has to keep its spelling",
    )


def _several(lab: Lab) -> None:
    urls = [f"{lab.url}/kit-media/{name}.png" for name in ("b", "a", "c")]
    found = _get(lab, lab.workflow(result=tuple(Media(url, "image/png") for url in urls)))
    expect(
        [each.url for each in found.result] == urls,
        "the vendor listed three files, but the provider did not return all of them in that order",
    )


def _same_path(lab: Lab) -> None:
    urls = [f"{lab.url}/kit-media/film.png?part={part}" for part in (1, 2)]
    found = _get(lab, lab.workflow(result=tuple(Media(url, "image/png") for url in urls)))
    expect(
        [each.url for each in found.result] == urls,
        "the vendor listed two files whose urls differ only in the query, but the provider did not return both",
    )


def _unknown_status(lab: Lab) -> None:
    told = lab.workflow(progress=Progress.RUNNING, status=MARK, known_status=False, result=())
    if not _is_told(lab, told, MARK):
        return
    try:
        found = _get(lab, told)
    except (NotFound, CallRefused) as error:
        expect(False, f"the status {MARK!r} is unknown, but the provider raised {type(error).__name__}")
    except VendorError:
        return  # it is asked again, and nothing is lost
    else:
        expect(
            found.progress is Progress.RUNNING and not found.known_status,
            f"the status {MARK!r} is unknown, but the provider returned {found.progress} with `known_status` "
            f"{found.known_status}: what is paid for would be given up, or nobody would be told",
        )


def _is_told(lab: Lab, workflow: Workflow, text: str) -> bool:
    """Whether this vendor's response has `text` as it is; if not, the vendor does not tell it, or in another form."""
    return text.encode() in lab.vendor.told(workflow).body


def _template(lab: Lab) -> None:
    told = lab.workflow(template_id=MARK)
    if _is_told(lab, told, MARK):
        found = _get(lab, told).template_id
        expect(found == MARK, f"the template is {MARK!r}, but the provider returned {found!r}")


def _file_type(lab: Lab) -> None:
    for name, content_type in (("film.mp4", "video/mp4"), ("film.png", "image/png")):
        told = lab.workflow(result=(Media(f"{lab.url}/kit-media/{name}", content_type),))
        if _is_told(lab, told, content_type):
            found = [each.content_type for each in _get(lab, told).result]
            expect(found == [content_type], f"the file is {content_type}, but the provider returned {found}")


def _file_size(lab: Lab) -> None:
    size = 4_711_471_147
    told = lab.workflow(result=(Media(f"{lab.url}/kit-media/film.png", "image/png", size),))
    if _is_told(lab, told, str(size)):
        found = [each.size for each in _get(lab, told).result]
        expect(
            found == [size], f"the vendor listed a file of {size} bytes, but the provider returned {found}"
        )


Ask = Callable[[Provider], object]

CALLS: dict[str, Ask] = {
    "get": lambda provider: provider.get(ID),
    "update": lambda provider: provider.update(ID, Changes(title="kit")),
    "delete": lambda provider: provider.delete(ID),
    "health": lambda provider: provider.health(),
}


def report(provider: Provider) -> None:
    """Report an error to the vendor."""
    provider.report_error("kit", {"key": "main/kit"})


def _cut(lab: Lab) -> Play:
    reply = lab.vendor.told(lab.workflow())

    def play(connection: Connection, _call: Call) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(reply.body) + 9))
        connection.send(reply.body[: len(reply.body) // 2])
        connection.close()

    return play


FAILURES: dict[str, Callable[[Lab], Play]] = {
    "HTTP 500": lambda _lab: lambda connection, _call: connection.answer(Reply(500, b"<h1>x</h1>")),
    "HTTP 503": lambda _lab: lambda connection, _call: connection.answer(Reply(503)),
    "a closed connection": lambda _lab: lambda connection, _call: connection.close(),
    "an answer cut short": _cut,
    "silence": lambda _lab: lambda connection, _call: connection.stall(),
    "the vendor is busy": lambda lab: (
        lambda connection, _call: connection.answer(lab.vendor.refused(Refusal.BUSY))
    ),
}


def _fails(call: Ask, failure: str) -> Callable[[Lab], None]:
    def check(lab: Lab) -> None:
        lab.on_call = FAILURES[failure](lab)
        timeout = SHORT_TIMEOUT if failure == "silence" else TIMEOUT
        try:
            call(lab.provider(timeout))
        except (NotFound, CallRefused) as error:
            expect(
                False,
                f"it raised {type(error).__name__}: that stops retries, but one may well succeed",
            )
        except VendorError:
            return
        except BaseException as error:  # noqa: BLE001 - any other exception is a fault
            expect(False, f"it raised {type(error).__name__} instead of a VendorError")
        expect(False, "the vendor failed to answer, but the provider raised nothing")

    return check


def _reports(play: Play | None) -> Callable[[Lab], None]:
    def check(lab: Lab) -> None:
        lab.on_call = play
        raised = raised_by(report, lab.provider())
        expect(
            raised is None or isinstance(raised, VendorError | AccountError | BuyingStopped),
            f"it raised {_named(raised)}: it may only raise what `Provider` allows",
        )

    return check


def _redirected(lab: Lab) -> None:
    # The same server under another name: HTTP libraries follow the redirect, and some send all headers along.
    elsewhere = lab.url.replace("127.0.0.1", "localhost")

    def redirect(connection: Connection, call: Call) -> None:
        if call.target == "/elsewhere":
            connection.answer(lab.vendor.told(lab.workflow()))
        else:
            connection.answer(Reply(302), ("Location", f"{elsewhere}/elsewhere"))

    lab.on_call = redirect
    raised_by(CALLS["get"], lab.provider())
    led = [call for call in lab.calls if call.target == "/elsewhere" and KEY in f"{call.headers}"]
    expect(not led, "a redirect led to another host, and the key was sent there")


def _is_no_workflow(body: bytes) -> Callable[[Lab], None]:
    def check(lab: Lab) -> None:
        lab.on_call = lambda connection, _call: connection.answer(Reply(200, body))
        raised = raised_by(CALLS["get"], lab.provider())
        expect(
            isinstance(raised, VendorError),
            f"the answer is no workflow, but the provider raised {_named(raised)} instead of a VendorError",
        )

    return check


def raised_by(call: Ask, provider: Provider) -> BaseException | None:
    """What a call raised, if anything."""
    try:
        call(provider)
    except BaseException as error:  # noqa: BLE001 - the check needs to know which one it is
        return error
    return None


def _named(raised: BaseException | None) -> str:
    return "nothing" if raised is None else type(raised).__name__


def _unknown(lab: Lab) -> None:
    lab.on_call = lambda connection, _call: connection.answer(lab.vendor.refused(Refusal.UNKNOWN_WORKFLOW))
    raised = raised_by(CALLS["get"], lab.provider())
    expect(
        isinstance(raised, NotFound),
        f"the vendor knows no such workflow, but the provider raised {_named(raised)}",
    )


def _deleted_before(lab: Lab) -> None:
    lab.on_call = lambda connection, _call: connection.answer(lab.vendor.refused(Refusal.UNKNOWN_WORKFLOW))
    raised = raised_by(CALLS["delete"], lab.provider())
    expect(
        raised is None,
        f"a workflow that is gone counts as deleted, but the provider raised {_named(raised)}",
    )


def _key_refused(call: Ask) -> Callable[[Lab], None]:
    def check(lab: Lab) -> None:
        lab.on_call = lambda connection, _call: connection.answer(lab.vendor.refused(Refusal.KEY))
        raised = raised_by(call, lab.provider())
        expect(
            isinstance(raised, AccountError), f"the key was refused, but the provider raised {_named(raised)}"
        )

    return check


def _no_credit(lab: Lab) -> None:
    lab.on_call = lambda connection, _call: connection.answer(lab.vendor.refused(Refusal.CREDIT))
    raised = raised_by(CALLS["get"], lab.provider())
    is_repeated = isinstance(raised, BuyingStopped) or (
        isinstance(raised, VendorError) and not isinstance(raised, NotFound | CallRefused)
    )
    expect(
        is_repeated,
        f"there is no credit left, which ends only the buying, but the provider raised {_named(raised)}",
    )


def _odd_id(workflow_id: str) -> Callable[[Lab], None]:
    def check(lab: Lab) -> None:
        raised = raised_by(lambda provider: provider.get(WorkflowId(workflow_id)), lab.provider())
        expect(
            isinstance(raised, VendorError),
            f"that cannot be a workflow's id, but the provider raised {_named(raised)}",
        )
        asked = [call.target for call in lab.calls]
        expect(not asked, f"an id may come from a stranger's file, and this one sent requests to {asked}")

    return check


def _another(lab: Lab) -> None:
    lab.on_call = lambda connection, _call: connection.answer(
        lab.vendor.told(replace(lab.workflow(), id=WorkflowId("Kit-9")))
    )
    try:
        found = lab.provider().get(ID)
    except VendorError:
        return
    expect(found.id == ID, "asked for one workflow, the provider returned another")


def checks() -> Iterator[tuple[str, Callable[[Lab], None]]]:
    for progress in Progress:
        yield f"get: a workflow that is {progress}", _reads(progress)
    yield "get: its title in any script", _title
    yield "get: urls as they are spelled", _spelled
    yield "get: several files in order", _several
    yield "get: files that differ only in the query", _same_path
    yield "get: an unknown status", _unknown_status
    yield "get: its template", _template
    yield "get: the type of a file", _file_type
    yield "get: the size of a file", _file_size
    yield "get: an HTML page", _is_no_workflow(b"<html>")
    for body in (b"", b"null", b"[]", b"{}", b'"Kit-1"'):
        yield f"get: the answer {body.decode()!r}", _is_no_workflow(body)
    yield "get: a redirect to another host", _redirected
    yield "get: an unknown workflow", _unknown
    yield "get: about another workflow", _another
    for workflow_id in ("../x", "a/b", "a?b", ""):
        yield f"get: the id {workflow_id!r}", _odd_id(workflow_id)
    yield "get: no credit is left", _no_credit
    yield "get: the key is refused", _key_refused(CALLS["get"])
    yield "delete: an unknown workflow", _deleted_before
    yield "report_error: answered", _reports(None)
    yield "report_error: HTTP 500", _reports(lambda connection, _call: connection.answer(Reply(500)))
    yield "report_error: a closed connection", _reports(lambda connection, _call: connection.close())
    for name, call in CALLS.items():
        for failure in FAILURES if name == "get" else ("HTTP 500", "a closed connection"):
            yield f"{name}: {failure}", _fails(call, failure)
