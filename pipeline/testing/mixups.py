"""Checks that nothing is mixed up: two creates, two workflows, two files, or a response and an earlier one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.providers.base import Bought, CallRefused, Changes, JobRefused, Media, Progress
from pipeline.purchases import WorkflowId
from pipeline.testing.lab import ID, MEDIA, PNG, Lab, expect
from pipeline.testing.vendor import Call, Reply

if TYPE_CHECKING:
    from pipeline.providers.base import CreateRequest, Provider
    from pipeline.testing.server import Connection

_THREADS, _MANY = 8, 24
# None is part of another.
_IDS = [WorkflowId(f"Kit-{number:02}") for number in range(_MANY)]


def _named(call: Call, workflow_id: str) -> bool:
    return workflow_id in call.target or workflow_id.encode() in call.body


def _alike(lab: Lab) -> None:
    provider = lab.provider()
    outcomes = [lab.create(provider) for _ in range(2)]
    ids = {each.workflow_id for each in outcomes if isinstance(each, Bought)}
    expect(
        len(lab.creates) == len(ids) == 2,
        f"two equal creates are two takes, but {len(lab.creates)} were sent, and the provider returned {outcomes}",
    )


def _template(lab: Lab) -> None:
    provider, request = lab.provider(), lab.vendor.request("kit")
    template = f"{request.template_id}-Kit"
    try:
        outcome = provider.create(provider.prepare(replace(request, template_id=template)))
    except CallRefused:
        return
    is_sent = any(_named(call, template) for call in lab.creates)
    expect(
        is_sent or isinstance(outcome, JobRefused),
        f"the template {template!r} was not sent: what is bought is not what was asked for",
    )


def _prepared(lab: Lab) -> None:
    request = lab.vendor.request("kit")
    names = [f"Kit-prepared-{number}" for number in range(3)]
    _assert_given_is_sent(lab, {name: replace(request, title=name) for name in names})
    if request.images:
        with suppress(CallRefused):
            images = {name: (f"https://cdn.example.com/{name}.png", *request.images[1:]) for name in names}
            _assert_given_is_sent(lab, {name: replace(request, images=images[name]) for name in names})


def _assert_given_is_sent(lab: Lab, requests: dict[str, CreateRequest]) -> None:
    """Each of `requests` names its key, and no other."""
    provider = lab.provider()
    first, *others = [(name, provider.prepare(request)) for name, request in requests.items()]
    # Neither in the order of `prepare` nor in the reverse of it.
    for name, prepared in (*others, first):
        lab.creates.clear()
        if isinstance(provider.create(prepared), JobRefused):
            return
        sent = [each for each in requests if any(_named(call, each) for call in lab.creates)]
        expect(
            sent == [name],
            f"of several prepared requests, `create` was given {name}, but what it sent names {sent}",
        )


def _titles_from_threads(lab: Lab) -> None:
    provider = lab.provider()
    titles = [f"kit-title-{number:02}" for number in range(_MANY)]
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda title: lab.create(provider, title), titles))
    lost = [title for title in titles if sum(_named(call, title) for call in lab.creates) != 1]
    expect(not lost, f"of {_MANY} creates from {_THREADS} threads, these were not sent exactly once: {lost}")


def _asked_again(lab: Lab) -> None:
    progress = iter([Progress.RUNNING, Progress.SUCCEEDED])

    def answer(connection: Connection, _call: Call) -> None:
        now = next(progress, Progress.SUCCEEDED)
        connection.answer(lab.vendor.told(lab.workflow(progress=now, status=now.value)))

    lab.on_call = answer
    provider = lab.provider()
    found = [provider.get(ID).progress for _ in range(2)]
    expect(
        found == [Progress.RUNNING, Progress.SUCCEEDED],
        f"a workflow was running, then it had succeeded, but the provider returned {' and '.join(found)}",
    )


_CALLS: dict[str, Callable[[Provider, WorkflowId], object]] = {
    "get": lambda provider, workflow_id: provider.get(workflow_id),
    "update": lambda provider, workflow_id: provider.update(workflow_id, Changes(title="kit")),
    "delete": lambda provider, workflow_id: provider.delete(workflow_id),
}


def _this_one(call: str) -> Callable[[Lab], None]:
    def check(lab: Lab) -> None:
        def answer(connection: Connection, asked: Call) -> None:
            named = next((each for each in (_IDS[-1], _IDS[0]) if _named(asked, each)), _IDS[-1])
            connection.answer(lab.vendor.told(replace(lab.workflow(), id=named)))

        lab.on_call = answer
        provider = lab.provider()
        lab.create(provider, "kit other")
        with suppress(CallRefused):
            _CALLS[call](provider, _IDS[0])
            lab.calls.clear()
            _CALLS[call](provider, _IDS[-1])
            targets = [each.target for each in lab.calls]
            expect(
                any(_named(each, _IDS[-1]) for each in lab.calls),
                f"`{call}` of {_IDS[-1]} named it in no call: {targets}",
            )
            expect(
                not any(_named(each, _IDS[0]) for each in lab.calls),
                f"`{call}` of {_IDS[-1]} named an earlier one, {_IDS[0]}: {targets}",
            )

    return check


def _gets_from_threads(lab: Lab) -> None:
    def answer(connection: Connection, call: Call) -> None:
        asked = next((each for each in _IDS if _named(call, each)), _IDS[0])
        connection.answer(lab.vendor.told(replace(lab.workflow(title=f"title of {asked}"), id=asked)))

    lab.on_call = answer
    provider = lab.provider()
    with ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(provider.get, _IDS))
    wrong = [
        asked
        for asked, each in zip(_IDS, found, strict=True)
        if (each.id, each.title) != (asked, f"title of {asked}")
    ]
    expect(not wrong, f"asked from {_THREADS} threads, the provider returned other workflows for {wrong}")


def _files_from_threads(lab: Lab) -> None:
    names = [f"{number}.png" for number in range(_MANY)]
    contents = {name: PNG + name.encode() for name in names}

    def answer(connection: Connection, call: Call) -> None:
        content = contents[call.target.partition("?")[0].rpartition("/")[2]]
        connection.answer(Reply(200, content), ("Content-Type", "image/png"))

    lab.on_media = answer
    provider = lab.provider()

    def fetch(name: str) -> bytes:
        media = Media(f"{lab.url}{MEDIA}{name}", "image/png", len(contents[name]))
        provider.download(media, lab.folder / name)
        return (lab.folder / name).read_bytes()

    with ThreadPoolExecutor(_THREADS) as pool:
        found = dict(zip(names, pool.map(fetch, names), strict=True))
    wrong = [name for name in names if found[name] != contents[name]]
    expect(not wrong, f"fetched from {_THREADS} threads, these files have other bytes: {wrong}")


def checks() -> Iterator[tuple[str, Callable[[Lab], None]]]:
    yield "create: two that are equal are two", _alike
    yield "create: its template is sent", _template
    yield "create: the request that it is given, of several prepared", _prepared
    yield "create: each title once, from many threads", _titles_from_threads
    yield "get: asks each time", _asked_again
    yield "get: the workflow that was named", _this_one("get")
    yield "update: the workflow that was named", _this_one("update")
    yield "delete: the workflow that was named", _this_one("delete")
    yield "get: from many threads", _gets_from_threads
    yield "download: from many threads", _files_from_threads
