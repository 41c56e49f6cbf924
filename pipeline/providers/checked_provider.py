"""Answers for the mistakes of a provider from outside: each is an error of one call, never the end of a run."""

from __future__ import annotations

import math
import stat
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, TypeVar

from pipeline.errors import AccountError, BuyingStopped, InvalidInput, PipelineError, printable
from pipeline.files import sha256_of
from pipeline.providers.base import (
    CallRefused,
    Changes,
    CreateOutcome,
    CreateRequest,
    Deferred,
    Downloaded,
    DownloadFailed,
    Media,
    NotFound,
    OutcomeUnknown,
    Provider,
    ProviderFault,
    VendorError,
    Workflow,
)
from pipeline.providers.declared_types import misfit
from pipeline.providers.echoed_key import USED_FIELDS, message_without_key, result_without_key
from pipeline.providers.responses import LONGEST_WAIT

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.purchases import WorkflowId

T = TypeVar("T")

METHODS = tuple(name for name, value in vars(Provider).items() if name[0] != "_" and callable(value))
# The most specific first.
_VENDOR_ERRORS: tuple[type[VendorError], ...] = (CallRefused, NotFound, ProviderFault, VendorError)
# Characters kept of a create's answer that is no outcome: it may name the workflow.
_LONGEST_ANSWER = 2_000


def unfit(provider: object) -> str | None:
    """Why an object cannot be used as a provider; None if it can."""
    if provider is None:
        return "it is None"
    shown = printable(type(provider).__name__, 60)
    try:
        lacking = [name for name in METHODS if not callable(getattr(provider, name, None))]
        name = getattr(provider, "name", None)
    except Exception as error:  # noqa: BLE001 - a property may raise anything
        return f"{shown} cannot be read: {type(error).__name__}"
    if lacking:
        return f"{shown} lacks {', '.join(lacking)}"
    return None if isinstance(name, str) else f"{shown} lacks a name"


def checked(
    provider: Provider, refusal: str, *keys: str, uncertain: frozenset[str] = frozenset()
) -> Provider:
    """The provider, with its mistakes answered for, and without its `keys`. An error begins with `refusal`.

    Those that are `uncertain` may be no secret, so no workflow id and no url to fetch is changed for them.

    Raises:
        InvalidInput: it lacks something that each provider has.
    """
    why_not = unfit(provider)
    if why_not is not None:
        raise InvalidInput(f"{refusal}: {why_not}")
    return CheckedProvider(provider, provider.name, keys, uncertain)


def message_of(error: BaseException, *keys: str) -> str:
    """The message of an exception of a plug-in, without the plug-in's keys."""
    return _without(keys, _shown(str, error, "its message cannot be shown"))


def _without(keys: tuple[str, ...], text: str) -> str:
    for key in keys:
        text = message_without_key(text, key)
    return text


def _shown(show: Callable[[object], str], value: object, otherwise: str) -> str:
    try:
        return show(value)
    except Exception:  # noqa: BLE001 - a plug-in's own `__str__` or `__repr__` may raise anything
        return otherwise


@dataclass(frozen=True, slots=True)
class CheckedProvider:
    """Wraps a provider that is not built in.

    An exception that the port does not allow is a `ProviderFault`, and so is a result of another type than it
    declares. If a create raises or returns no outcome, it is unknown whether it bought. `keys` are removed from every
    text that comes out of the provider: the vendor may echo one, and these texts are printed, recorded and published.
    For those that are `uncertain`, workflow ids and the urls that are fetched stay as they are: without them, a
    purchase is lost.
    """

    provider: Provider
    name: str
    keys: tuple[str, ...] = field(default=(), repr=False)
    uncertain: frozenset[str] = field(default=frozenset(), repr=False)

    def prepare(self, request: CreateRequest) -> CreateRequest:
        with self._faults("prepare"):
            return self._checked("prepare", self.provider.prepare(request), CreateRequest)

    def create(self, request: CreateRequest) -> CreateOutcome:
        try:
            outcome = self.provider.create(request)
        except BaseException as error:  # noqa: BLE001 - whatever went wrong, it may have been bought
            return OutcomeUnknown(str(self._raised("create", error)))
        if isinstance(outcome, Deferred):
            outcome = replace(outcome, after=_seconds(outcome.after))
        wrong = misfit(outcome, CreateOutcome)
        if wrong is None:
            return self._without_keys(outcome)
        return OutcomeUnknown(
            f"the provider '{printable(self.name, 60)}' returned no outcome: {wrong}",
            self._safe(_shown(repr, outcome, "it cannot be shown"), _LONGEST_ANSWER),
        )

    def get(self, workflow_id: WorkflowId) -> Workflow:
        with self._faults("get"):
            return self._checked("get", self.provider.get(workflow_id), Workflow)

    def update(self, workflow_id: WorkflowId, changes: Changes) -> Workflow:
        with self._faults("update"):
            return self._checked("update", self.provider.update(workflow_id, changes), Workflow)

    def delete(self, workflow_id: WorkflowId) -> None:
        with self._faults("delete"):
            self.provider.delete(workflow_id)

    def report_error(self, message: str, context: Mapping[str, Json]) -> None:
        with self._faults("report_error"):
            self.provider.report_error(message, context)

    def health(self) -> None:
        with self._faults("health"):
            self.provider.health()

    def download(self, media: Media, target: Path) -> Downloaded:
        with self._faults("download"):
            downloaded = self._checked("download", self.provider.download(media, target), Downloaded)
            if not stat.S_ISREG(target.lstat().st_mode):
                # A link would be put in place, and what it leads to could be read or change.
                target.unlink()
                raise self._fault("download", "it left no regular file")
            if (target.stat().st_size, sha256_of(target)) == (downloaded.bytes, downloaded.sha256):
                return downloaded
            target.unlink()
            raise self._fault("download", "size or hash that it returned is not that of the file")

    @contextmanager
    def _faults(self, method: str) -> Iterator[None]:
        try:
            yield
        except (VendorError, AccountError, BuyingStopped) as error:
            raise _as_of_the_port(error, message_of(error, *self.keys)) from None
        except BaseException as error:  # also `sys.exit`, and what asyncio raises
            if isinstance(error, KeyboardInterrupt) and current_thread() is main_thread():
                raise  # the user's Ctrl-C, which Python raises only there
            raise self._raised(method, error) from None

    def _checked(self, method: str, result: T, declared: type[T]) -> T:
        wrong = misfit(result, declared)
        if wrong is None:
            # A request is sent, not shown.
            return result if isinstance(result, CreateRequest) else self._without_keys(result)
        raise self._fault(method, f"it has to return a {declared.__name__}, but {wrong}")

    def _without_keys(self, result: T) -> T:
        for key in self.keys:
            kept = USED_FIELDS if key in self.uncertain else ()
            result = result_without_key(result, key, kept)
        return result

    def _raised(self, method: str, error: BaseException) -> ProviderFault:
        line = _line_of(error, type(self.provider).__module__.partition(".")[0])
        return self._fault(method, f"{type(error).__name__}: {message_of(error, *self.keys)} ({line})")

    def _fault(self, method: str, what: str) -> ProviderFault:
        return ProviderFault(
            f"the provider '{printable(self.name, 60)}' failed in {method}: {self._safe(what)}"
        )

    def _safe(self, text: str, limit: int = 500) -> str:
        return printable(_without(self.keys, text), limit)


def _as_of_the_port(error: PipelineError, message: str) -> PipelineError:
    """The error with that message, as the class of the port that it is: a subclass could show anything."""
    # A subclass need not have called the constructor of its base.
    after = _seconds(getattr(error, "after", None))
    match error:
        case DownloadFailed():
            expired, lasting = (bool(getattr(error, name, False)) for name in ("expired", "lasting"))
            return DownloadFailed(message, after, expired=expired, lasting=lasting)
        case VendorError():
            kinds = (each for each in _VENDOR_ERRORS if isinstance(error, each))
            return next(kinds)(message, after)
        case AccountError():
            return AccountError(message)
        case _:
            return BuyingStopped(message)


def _seconds(after: object) -> float | None:
    """The seconds to wait that a provider asks for, as a number that a clock can add; None if it is none."""
    if not isinstance(after, int | float | str):
        return None
    try:
        seconds = float(after)
    except ValueError:
        return None
    except OverflowError:
        return LONGEST_WAIT
    return None if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST_WAIT)


def _line_of(error: BaseException, package: str) -> str:
    """The last line of the provider's own package that led to `error`; of any, if none of them did."""
    frames = list(traceback.walk_tb(error.__traceback__))
    own = [each for each in frames if each[0].f_globals.get("__name__", "").partition(".")[0] == package]
    frame, line = (own or frames)[-1]
    return f"{Path(frame.f_code.co_filename).name}:{line}"
