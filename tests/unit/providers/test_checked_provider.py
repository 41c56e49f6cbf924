"""A mistake of a provider from outside is an error of one call, told as the provider's, and without its key."""

import hashlib
import json
import pickle
from asyncio import CancelledError
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import AccountError, BuyingStopped, InvalidInput
from pipeline.providers import (
    AccountProblem,
    AccountRefused,
    Bought,
    CallRefused,
    Changes,
    CreateRequest,
    Deferred,
    Downloaded,
    DownloadFailed,
    JobRefused,
    Media,
    NotFound,
    NotSent,
    OutcomeUnknown,
    Progress,
    VendorError,
    Workflow,
    WorkflowId,
)
from pipeline.providers.base import ProviderFault
from pipeline.providers.checked_provider import METHODS, checked
from providers.create_requests import a_request

ID, REQUEST = WorkflowId("w1"), a_request()
KEY = "key-4711"


def escaped(key: str) -> str:
    return "".join(f"\\u{ord(each):04x}" for each in key)


SOUND = Workflow(
    "w1",
    Progress.SUCCEEDED,
    "done",
    percent=100,
    title="a",
    result=(Media("https://cdn.example.com/a.png", "image/png", 3),),
    steps=(("crop", (Media("https://cdn.example.com/b.png", "image/png"),)),),
)
CONTENT = b"film"


class Half:
    """A provider that returns or raises whatever it is told to."""

    name = "half"

    def __init__(self, result: Any) -> None:
        self.result = result

    def _answer(self, *_: object) -> Any:
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result

    prepare = create = get = update = delete = report_error = health = _answer

    def download(self, media: Media, target: Path) -> Any:
        target.write_bytes(CONTENT)
        return self._answer()


def changed(**fields: Any) -> Workflow:
    """A workflow with fields of any type, as a plug-in may return it."""
    return replace(SOUND, **fields)


def half(result: Any) -> Any:
    return checked(Half(result), "the provider 'half' cannot be used", KEY)


CALLS: dict[str, Callable[[Any, Path], object]] = {
    "prepare": lambda provider, _: provider.prepare(REQUEST),
    "get": lambda provider, _: provider.get(ID),
    "update": lambda provider, _: provider.update(ID, Changes(title="a")),
    "delete": lambda provider, _: provider.delete(ID),
    "report_error": lambda provider, _: provider.report_error("a", {}),
    "health": lambda provider, _: provider.health(),
    "download": lambda provider, folder: provider.download(SOUND.result[0], folder / "film"),
}


def test_every_method_is_called_here() -> None:
    assert set(METHODS) == {*CALLS, "create"}


@pytest.mark.parametrize("method", CALLS)
def test_unexpected_exception_names_the_provider_the_method_and_the_place(
    method: str, tmp_path: Path
) -> None:
    with pytest.raises(ProviderFault) as raised:
        CALLS[method](half(KeyError("status")), tmp_path)

    told = str(raised.value)
    assert told.startswith(
        f"the provider 'half' failed in {method}: KeyError: 'status' ({Path(__file__).name}:"
    )
    assert isinstance(raised.value, VendorError)


class Unshowable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize(
    "error", [SystemExit(3), CancelledError(), GeneratorExit(), StopIteration(5), Unshowable()]
)
def test_nothing_that_a_provider_raises_ends_the_run(
    method: str, error: BaseException, tmp_path: Path
) -> None:
    with pytest.raises(ProviderFault, match=rf"failed in {method}: {type(error).__name__}: "):
        CALLS[method](half(error), tmp_path)


def test_interrupt_passes_where_it_can_be_the_users() -> None:
    provider = half(KeyboardInterrupt("stop"))
    with pytest.raises(KeyboardInterrupt):
        provider.get(ID)

    with ThreadPoolExecutor(1) as worker, pytest.raises(ProviderFault, match="KeyboardInterrupt"):
        worker.submit(provider.get, ID).result()


WAITS = [
    (7, 7.0),
    (0, 0.0),
    (-1.0, 0.0),
    ("5", 5.0),
    ("soon", None),
    (float("nan"), None),
    (float("inf"), 86_400.0),
    (10**400, 86_400.0),
    (1e9, 86_400.0),
    ([5], None),
    (None, None),
]


@pytest.mark.parametrize(("after", "seconds"), WAITS, ids=lambda value: str(value)[:9])
def test_wait_that_a_provider_asks_for_is_a_sane_number(after: Any, seconds: float | None) -> None:
    for kind in (VendorError, DownloadFailed, CallRefused):
        with pytest.raises(kind) as raised:
            half(kind("busy", after)).get(ID)
        assert raised.value.after == seconds
    assert half(Deferred("busy", after)).create(REQUEST) == Deferred("busy", seconds)


def test_error_that_was_never_initialized_passes() -> None:
    class Bare(DownloadFailed):
        def __init__(self) -> None:
            Exception.__init__(self, "gone")

    with pytest.raises(DownloadFailed, match=r"^gone$") as raised:
        half(Bare()).get(ID)
    assert (raised.value.after, raised.value.expired, raised.value.lasting) == (None, False, False)


def test_line_that_is_told_is_the_providers_own() -> None:
    class ReadsJson(Half):
        def get(self, *_: object) -> Any:
            return json.loads("<html>")

    with pytest.raises(
        ProviderFault, match=rf"failed in get: JSONDecodeError: .* \({Path(__file__).name}:\d+\)$"
    ):
        checked(ReadsJson(None), "refused").get(ID)


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize(
    "error",
    [
        NotFound("w1"),
        VendorError("busy", 7.0),
        DownloadFailed("gone", expired=True),
        AccountError("refused"),
        BuyingStopped("no credit"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_exceptions_of_the_port_pass_unchanged(method: str, error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)) as raised:
        CALLS[method](half(error), tmp_path)

    assert type(raised.value) is type(error)
    assert (str(raised.value), vars(raised.value)) == (str(error), vars(error))


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("kind", [VendorError, CallRefused, DownloadFailed, AccountError, BuyingStopped])
def test_key_is_in_no_error_of_the_port(method: str, kind: type[Exception], tmp_path: Path) -> None:
    """The vendor may echo it, escaped too, and a class of the plug-in's own may show anything."""

    class Odd(kind):  # type: ignore[misc, valid-type]
        def __str__(self) -> str:
            return f"refused {KEY} and {escaped(KEY)}"

    with pytest.raises(kind) as raised:
        CALLS[method](half(Odd("x")), tmp_path)

    assert type(raised.value) is kind
    assert str(raised.value) == "refused *** and ***"
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("outcome", "cleaned"),
    [
        (JobRefused(f"no {KEY}"), JobRefused("no ***")),
        (NotSent(f"no {KEY}", started=True), NotSent("no ***", started=True)),
        (Deferred(f"no {KEY}", 2.0), Deferred("no ***", 2.0)),
        (
            AccountRefused(AccountProblem.KEY, f"bad {KEY}"),
            AccountRefused(AccountProblem.KEY, "bad ***"),
        ),
        (OutcomeUnknown(f"u {KEY}", f'{{"key": "{KEY}"}}'), OutcomeUnknown("u ***", '{"key": "***"}')),
        (Bought(WorkflowId(KEY)), Bought(WorkflowId("***"))),
    ],
    ids=lambda each: type(each).__name__,
)
@pytest.mark.parametrize("spell", [str, lambda key: escaped(key)], ids=["plain", "escaped"])
def test_key_is_in_no_outcome_of_a_create(outcome: Any, cleaned: object, spell: Callable[[str], str]) -> None:
    texts = {
        each.name: text.replace(KEY, spell(KEY))
        for each in fields(outcome)
        if type(text := getattr(outcome, each.name)) is str
    }
    assert half(replace(outcome, **texts)).create(REQUEST) == cleaned


@pytest.mark.parametrize("method", ["get", "update"])
def test_key_is_in_no_text_of_a_workflow(method: str, tmp_path: Path) -> None:
    media = Media(f"https://cdn.example.com/{KEY}/a.png?key={KEY}", f"image/{KEY}", 3)
    texts = dict.fromkeys(
        ("status", "template_id", "title", "description", "unusable", "created_at", "updated_at", "error"),
        f"a {KEY}",
    )

    given = changed(**texts, result=[media], steps=((KEY, (media,)),))
    told: Any = CALLS[method](half(given), tmp_path)

    # A query may have to have the key, and is never recorded.
    cleaned = dict.fromkeys(texts, "a ***")
    clean = Media(f"https://cdn.example.com/***/a.png?key={KEY}", "image/***", 3)
    assert told == changed(**cleaned, result=[clean], steps=(("***", (clean,)),))


def test_error_for_which_a_command_would_end_is_the_providers_fault(tmp_path: Path) -> None:
    with pytest.raises(ProviderFault, match="failed in get: InvalidInput: odd"):
        half(InvalidInput("odd")).get(ID)


def test_key_and_signed_url_are_not_told() -> None:
    with pytest.raises(ProviderFault) as raised:
        half(ValueError("key-4711 at https://cdn.example.com/a.png?sig=42\nwith more")).get(ID)

    assert "key-4711" not in str(raised.value)
    assert "sig=42" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("method", ["get", "update"])
@pytest.mark.parametrize(
    ("result", "wrong"),
    [
        (None, "its result is None"),
        ({"id": "w1"}, "its result is dict"),
        (changed(progress="done"), "Workflow.progress is str"),
        (changed(title=None), "Workflow.title is None"),
        (changed(percent="50%"), "Workflow.percent is str"),
        (changed(percent=True), "Workflow.percent is bool"),
        (changed(result=None), "Workflow.result is None"),
        (changed(result=("https://cdn.example.com/a.png",)), "Workflow.result is str"),
        (changed(result=(Media("https://a.example/b", None),)), "Media.content_type is None"),  # type: ignore[arg-type]
        (changed(steps=(("crop",),)), "Workflow.steps has 1 items instead of 2"),
        (changed(credits=1.5), "Workflow.credits is float"),
    ],
    ids=str,
)
def test_result_of_another_type_is_a_fault(method: str, result: Any, wrong: str, tmp_path: Path) -> None:
    with pytest.raises(ProviderFault) as raised:
        CALLS[method](half(result), tmp_path)

    expected = f"failed in {method}: it has to return a Workflow, but {wrong}"
    assert str(raised.value) == f"the provider 'half' {expected}"


def test_sound_results_pass_unchanged(tmp_path: Path) -> None:
    downloaded = Downloaded(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "video/mp4")
    listed = changed(result=list(SOUND.result))

    assert half(SOUND).get(ID) is SOUND
    assert half(listed).update(ID, Changes()) is listed
    assert half(REQUEST).prepare(REQUEST) is REQUEST
    assert half(downloaded).download(SOUND.result[0], tmp_path / "film") is downloaded
    assert half(Bought(ID)).create(REQUEST) == Bought(ID)
    assert half(Deferred("busy", 7)).create(REQUEST) == Deferred("busy", 7)


@pytest.mark.parametrize(
    "result",
    [
        None,
        Downloaded(hashlib.sha256(CONTENT).hexdigest(), 0, "video/mp4"),
        Downloaded("abc", len(CONTENT), "video/mp4"),
    ],
    ids=["nothing", "wrong size", "wrong hash"],
)
def test_download_that_does_not_agree_with_its_file_is_a_fault(result: Any, tmp_path: Path) -> None:
    with pytest.raises(ProviderFault, match="the provider 'half' failed in download"):
        half(result).download(SOUND.result[0], tmp_path / "film")


def test_download_that_leaves_a_link_is_a_fault(tmp_path: Path) -> None:
    other, target = tmp_path / "other", tmp_path / "film"
    other.write_bytes(CONTENT)
    provider = half(Downloaded(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "video/mp4"))
    provider.provider.download = lambda _, target: (target.symlink_to(other), provider.provider.result)[1]

    with pytest.raises(ProviderFault, match="failed in download: it left no regular file"):
        provider.download(SOUND.result[0], target)

    assert other.read_bytes() == CONTENT
    assert not target.is_symlink()


def test_download_without_a_file_is_a_fault(tmp_path: Path) -> None:
    provider = half(Downloaded("0" * 64, 0, "video/mp4"))
    provider.provider.download = lambda *_: provider.provider.result

    with pytest.raises(ProviderFault, match="failed in download: FileNotFoundError"):
        provider.download(SOUND.result[0], tmp_path / "film")


@pytest.mark.parametrize(
    ("result", "wrong"),
    [
        (None, "its result is None"),
        ({"id": "w7"}, "its result is dict"),
        (Bought(4711), "Bought.workflow_id is int"),  # type: ignore[arg-type]
        (JobRefused(None), "JobRefused.reason is None"),  # type: ignore[arg-type]
        (AccountRefused("credit", "none"), "AccountRefused.problem is str"),  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_create_without_an_outcome_may_have_bought(result: Any, wrong: str) -> None:
    """What it returned is kept, as it may name the workflow that is paid for."""
    outcome = half(result).create(REQUEST)

    assert outcome == OutcomeUnknown(f"the provider 'half' returned no outcome: {wrong}", repr(result))


@pytest.mark.parametrize(
    "error", [KeyError("status"), VendorError("busy", 7.0), AccountError("refused")], ids=repr
)
def test_create_that_raises_may_have_bought_and_names_the_provider(error: Exception) -> None:
    outcome = half(error).create(REQUEST)

    assert isinstance(outcome, OutcomeUnknown)
    told = f"the provider 'half' failed in create: {type(error).__name__}: {error} ({Path(__file__).name}:"
    assert outcome.reason.startswith(told)


def test_create_that_raises_tells_neither_key_nor_signed_url() -> None:
    outcome = half(ValueError("key-4711 at https://cdn.example.com/a.png?sig=42\nwith more")).create(REQUEST)

    assert not any(each in outcome.reason for each in ("key-4711", "sig=42", "\n"))


def test_outcome_that_cannot_be_shown_is_unknown() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    assert half(Odd()).create(REQUEST) == OutcomeUnknown(
        "the provider 'half' returned no outcome: its result is Odd", "it cannot be shown"
    )


def test_name_that_fails_later_ends_nothing() -> None:
    class Fleeting(Half):
        reads = 0

        @property
        def name(self) -> str:  # type: ignore[override]
            self.reads += 1
            if self.reads > 2:
                raise RuntimeError
            return "fleeting"

    provider = checked(Fleeting(None), "refused")
    assert [provider.name, provider.name, provider.name] == ["fleeting"] * 3


def test_provider_that_lacks_something_is_refused() -> None:
    class Bare:
        name = "bare"

        def create(self, request: CreateRequest) -> None: ...

    lacking = "Bare lacks prepare, get, update, delete, report_error, health, download"
    for given, why in ((None, "it is None"), (Bare(), lacking)):
        with pytest.raises(InvalidInput, match=f"^the provider 'bare' cannot be used: {why}$"):
            checked(given, "the provider 'bare' cannot be used")  # type: ignore[arg-type]


def test_it_can_be_pickled_without_showing_the_key() -> None:
    copy = pickle.loads(pickle.dumps(half(SOUND)))

    assert copy.get(ID) == SOUND
    assert copy.name == "half"
    assert "key-4711" not in repr(copy)
