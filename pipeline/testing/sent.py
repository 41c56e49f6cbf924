"""Checks that what was asked for is sent: the titles, the options and the images of creates, updates, and reports."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from pipeline.jobs import Visibility
from pipeline.providers.base import CallRefused, Changes, JobRefused, VendorError, Workflow
from pipeline.testing.lab import ID, MARK, Lab, assert_type, expect

if TYPE_CHECKING:
    from pipeline.providers.base import CreateRequest, Provider
    from pipeline.testing.vendor import Call

# Letters that are the same without what ASCII lacks.
_ALIKE = ("\u00e9", "\u00ea", "\u540d", "\U0001f525")


def _long_title(lab: Lab) -> None:
    # As a default title, which ends with the id of the purchase.
    purchase = "0123456789abcdef"
    lab.create(lab.provider(), f"kit: {'rule/template/image/' * 400}prompt ({purchase})")
    is_there = [purchase.encode() in call.body or purchase in call.target for call in lab.creates]
    expect(
        is_there == [True],
        "the end of a long title was not sent, but it has the purchase's id, by which a create whose outcome is "
        "unknown is found again: a title that is too long has to be cut before it",
    )


def _title(lab: Lab) -> None:
    title = f"{MARK}-title"
    lab.create(lab.provider(), title)
    is_there = [title.encode() in call.body or title in call.target for call in lab.creates]
    expect(
        is_there == [True],
        f"the title {title!r} was not sent: a create whose outcome is unknown is found again by its title",
    )


def _scripts(lab: Lab) -> None:
    """Between two marks, titles that differ only in a letter beyond ASCII have to differ, whatever spells them."""
    provider = lab.provider()
    spelled = []
    for letter in _ALIKE:
        lab.creates.clear()
        lab.create(provider, f"{MARK}{letter}4712")
        spelled += [
            found[1]
            for call in lab.creates
            if (found := re.search(rf"{MARK}(.*?)4712", _text_of(call), re.DOTALL))
        ]
    expect(
        len(set(spelled)) == len(spelled),
        f"of titles that differ only in {', '.join(_ALIKE)}, some were sent alike: a title may be in any script",
    )


def _sent_for(lab: Lab, provider: Provider, request: CreateRequest) -> list[Call] | None:
    """All calls that a create of `request` makes; None if the provider refuses it."""
    before = len(lab.creates), len(lab.calls)
    try:
        outcome = provider.create(provider.prepare(request))
    except CallRefused:
        return None
    if isinstance(outcome, JobRefused):
        return None
    return [*lab.creates[before[0] :], *lab.calls[before[1] :]]


def _options(lab: Lab) -> None:
    provider, request = lab.provider(), lab.vendor.request("kit")
    with_all = _sent_for(lab, provider, request)
    expect(with_all is not None, "the provider refuses the request that the vendor would accept")
    for name, value in request.options.items():
        others = {other: each for other, each in request.options.items() if other != name}
        without = _sent_for(lab, provider, replace(request, options=others))
        # Its form is the vendor's own, and some of it is random: only the number of bytes is compared.
        if with_all is not None and without is not None and _size(with_all) == _size(without):
            expect(
                False,
                f"the option {name!r} ({value!r}) was not sent: what is bought is not what was asked for",
            )


def _types(lab: Lab) -> None:
    provider, request = lab.provider(), lab.vendor.request("kit")
    text = "".join(map(_text_of, _sent_for(lab, provider, request) or []))
    for name, value in request.options.items():
        if isinstance(value, int | float):
            # In JSON, which may be a text in JSON; other forms know only texts.
            quote = r"\\*\""
            shown = "|".join(map(re.escape, {json.dumps(value), str(value)}))
            is_text = re.search(rf"{quote}{re.escape(name)}{quote}\s*:\s*{quote}({shown}){quote}", text)
            expect(not is_text, f"the option {name!r} is {value!r}, but it was sent as a text")


def _size(calls: list[Call]) -> int:
    return sum(len(call.target) + len(call.body) for call in calls)


def _images(lab: Lab) -> None:
    _assert_images_sent(lab, max(1, len(lab.vendor.request("kit").images)))


def _each_image(lab: Lab) -> None:
    _assert_images_sent(lab, len(lab.vendor.request("kit").images) + 2)


def _order(lab: Lab) -> None:
    number = max(3, len(lab.vendor.request("kit").images))
    # Neither sorted nor the reverse of that.
    names = [f"{MARK}-{each}.png" for each in (1, *range(number, 1, -1))]
    urls = tuple(f"https://cdn.example.com/{name}" for name in names)
    for call in _sent_for(lab, lab.provider(), replace(lab.vendor.request("kit"), images=urls)) or ():
        found = [_text_of(call).find(name) for name in names]
        if -1 not in found:
            expect(found == sorted(found), f"the images {', '.join(names)} were not sent in this order")


def _assert_images_sent(lab: Lab, number: int) -> None:
    urls = tuple(f"https://cdn.example.com/{MARK}-{each}.png" for each in range(number))
    calls = _sent_for(lab, lab.provider(), replace(lab.vendor.request("kit"), images=urls))
    for url in () if calls is None else urls:
        name = url.rpartition("/")[2]
        is_sent = any(name.encode() in call.body or name in call.target for call in calls or ())
        expect(
            is_sent,
            f"the image {url}, one of {number}, was not sent: images that a provider does not send it has to refuse "
            "in `prepare`",
        )


def _query(lab: Lab) -> None:
    number = max(1, len(lab.vendor.request("kit").images))
    for marks in ([f"{MARK}%2f{each}%7E" for each in range(count)] for count in (number, number + 1)):
        urls = tuple(f"https://cdn.example.com/image.png?sig={mark}" for mark in marks)
        calls = _sent_for(lab, lab.provider(), replace(lab.vendor.request("kit"), images=urls))
        text = None if calls is None else "".join(map(_text_of, calls))
        for url, mark in zip(urls, marks, strict=True):
            expect(
                text is None or mark in text,
                f"the image {url} was sent without its query, or with another spelling of it: a signed url has to "
                "keep its own",
            )


def _text_of(call: Call) -> str:
    """What a call says, also where it is spelled as in a url."""
    text = f"{call.target}\n{call.body.decode('utf-8', 'replace')}"
    return f"{text}\n{unquote_plus(text)}"


def _updated(lab: Lab) -> None:
    title = f"{MARK}-title"
    lab.on_call = lambda connection, _call: connection.answer(lab.vendor.told(lab.workflow(title=title)))
    try:
        updated = lab.provider().update(ID, Changes(title=title))
    except CallRefused:
        return  # it says that it cannot
    assert_type("update", updated, Workflow)
    is_sent = any(title.encode() in call.body or title in call.target for call in lab.calls)
    expect(is_sent, f"the new title {title!r} was not sent, but the provider raised nothing")


_WITHOUT_TITLE = {
    "rating": Changes(rating=4),
    "description": Changes(description="kit"),
    "visibility": Changes(visibility=Visibility.PRIVATE),
    "time of delivery": Changes(delivered_at="2026-01-02T03:04:05Z"),
}


def _title_stays(lab: Lab) -> None:
    """What is sent without a title must not be what is sent with one, but for another text in its place."""
    now, new = f"{MARK}-now", f"{MARK}-new"
    lab.on_call = lambda connection, _call: connection.answer(lab.vendor.told(lab.workflow(title=now)))
    for name, changes in _WITHOUT_TITLE.items():
        both = _sent_to_update(lab, replace(changes, title=new))
        shapes = [
            re.compile('"?(.*?)"?'.join(map(re.escape, re.split(f'"?{new}"?', text))), re.DOTALL)
            for text in both
            if new in text
        ]
        for text in _sent_to_update(lab, changes):
            for instead in [found[1] for shape in shapes if (found := shape.fullmatch(text))]:
                expect(
                    now in instead,
                    f"an update of only the {name} sent {instead!r} as the title: a change that is None leaves what "
                    "there is",
                )


def _sent_to_update(lab: Lab, changes: Changes) -> list[str]:
    """Each call that an update makes, as a text; none if the provider refuses it."""
    lab.calls.clear()
    try:
        lab.provider().update(ID, changes)
    except CallRefused:
        return []
    return [f"{each.method} {each.target}\n{each.body.decode('utf-8', 'replace')}" for each in lab.calls]


def _reported(lab: Lab) -> None:
    try:
        lab.provider().report_error(MARK, {"key": "main/kit"})
    except CallRefused:
        return  # it says that its vendor takes no reports
    except VendorError as error:
        expect(False, f"the vendor answered, but the provider raised {type(error).__name__}")
    expect(
        any(MARK in _text_of(call) for call in lab.calls),
        "the error was not reported, but the provider raised nothing: without reports, it has to raise `CallRefused`",
    )


def checks() -> Iterator[tuple[str, Callable[[Lab], None]]]:
    yield "create: its title is sent", _title
    yield "create: the end of a long title is sent", _long_title
    yield "create: a title in any script is sent", _scripts
    yield "create: its options are sent", _options
    yield "create: a number among its options stays one", _types
    yield "create: its images are sent", _images
    yield "create: each of several images is sent", _each_image
    yield "create: several images are sent in order", _order
    yield "create: the query of each image is sent as it is spelled", _query
    yield "update: the changes are sent", _updated
    yield "update: the title stays unless it changes", _title_stays
    yield "report_error: the message is sent", _reported
