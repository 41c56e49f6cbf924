"""The environment of one check: a server that acts as the vendor, a folder, and the provider's log."""

import logging
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.providers.api_settings import Settings
from pipeline.providers.base import (
    CreateOutcome,
    CreateRequest,
    Downloaded,
    Media,
    Progress,
    Provider,
    Workflow,
)
from pipeline.providers.checked_provider import unfit
from pipeline.providers.declared_types import misfit
from pipeline.purchases import WorkflowId
from pipeline.testing.server import LONGEST_SILENCE, Connection, Server
from pipeline.testing.shared import restored
from pipeline.testing.vendor import Call, Vendor

KEY = "kit-key-7d1f4c90b2"
# In ids and marks, upper and lower case differ.
ID = WorkflowId("Kit-1")
MARK = "Kit-4711"
# Timeouts of one call, in seconds: enough for a busy machine, and short for checks with a silent server.
TIMEOUT = 10.0
SHORT_TIMEOUT = 1.0
# Seconds after which a check has hung, whatever the provider waits for.
LONGEST_CHECK = 120.0
MEDIA = "/kit-media/"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 16

Play = Callable[[Connection, Call], None]


class Fault(AssertionError):
    """A failed check: the provider does something wrong."""


def expect(is_so: bool, otherwise: str) -> None:
    """Fail the check unless `is_so`.

    Raises:
        Fault: it is not; the message is `otherwise`.
    """
    if not is_so:
        raise Fault(otherwise)


def assert_type(method: str, result: object, declared: object) -> None:
    """Check that a method returned what the port declares.

    Raises:
        Fault: it did not.
    """
    wrong = misfit(result, declared)
    expect(wrong is None, f"{method} returned something else than `Provider` declares: {wrong}")


@dataclass
class Lab:
    """The simulated vendor. `on_create`, `on_call` and `on_media` respond; `at_create` may end a create early."""

    vendor: Vendor
    url: str
    folder: Path
    creates: list[Call] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    media: list[Call] = field(default_factory=list)
    on_create: Play | None = None
    on_call: Play | None = None
    on_media: Play | None = None
    at_create: Callable[[Connection], None] | None = None
    logged: list[str] = field(default_factory=list)
    has_outlasted: bool = False
    accepted: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def provider(self, timeout: float = TIMEOUT, url: str | None = None) -> Provider:
        """The provider under test, with the kit's server as its vendor.

        Raises:
            Fault: it lacks something that each provider has.
        """
        provider = self.vendor.make(Settings(KEY, url or self.url, request_timeout=timeout))
        why_not = unfit(provider)
        expect(why_not is None, f"it cannot be used as a provider: {why_not}")
        return provider

    def create(self, provider: Provider, title: str = "kit") -> CreateOutcome:
        """Send one create, as a run does.

        Raises:
            Fault: it raised something, or returned no outcome.
        """
        request = provider.prepare(self.vendor.request(title))
        assert_type("prepare", request, CreateRequest)
        try:
            outcome = provider.create(request)
        except BaseException as error:
            raise Fault(
                f"create raised {type(error).__name__}: it has to return an outcome, whatever happens"
            ) from error
        assert_type("create", outcome, CreateOutcome)
        return outcome

    def assert_timeout_kept(self) -> None:
        """Check that no call has waited far longer than `request_timeout`.

        Raises:
            Fault: one has.
        """
        expect(
            not self.has_outlasted,
            f"a call waited {LONGEST_SILENCE:.0f} seconds or longer, but `request_timeout` was {SHORT_TIMEOUT:.0f}; "
            "it limits the call as a whole",
        )

    def workflow(self, **changed: object) -> Workflow:
        """A workflow that has succeeded with one file."""
        media = Media(f"{self.url}{MEDIA}film.png?sig=1", "image/png", len(PNG))
        workflow = Workflow(ID, Progress.SUCCEEDED, "succeeded", title="kit", result=(media,))
        return replace(workflow, **changed)  # type: ignore[arg-type]  # a check changes any fields

    def download(self, provider: Provider, target: Path, **changed: object) -> Downloaded:
        """Fetch the file of `workflow`.

        Raises:
            Fault: it returned something else than a `Downloaded`.
        """
        media = replace(self.workflow().result[0], **changed)  # type: ignore[arg-type]  # as above
        downloaded = provider.download(media, target)
        assert_type("download", downloaded, Downloaded)
        return downloaded

    def handle(self, connection: Connection, call: Call) -> None:
        """Record a call that arrived in full, and answer it."""
        if call.target.startswith(MEDIA):
            self._respond(self.media, self.on_media, connection, call)
        elif self.vendor.is_create(call.method, call.target):
            self._respond(self.creates, self.on_create, connection, call)
        else:
            self._respond(self.calls, self.on_call, connection, call)

    def _respond(self, noted: list[Call], play: Play | None, connection: Connection, call: Call) -> None:
        with self._lock:
            noted.append(call)
            number = len(noted)
        if play is not None:
            play(connection, call)
            self.has_outlasted |= connection.has_outlasted
        elif noted is self.creates:
            connection.answer(self.vendor.created(f"Kit-{number}"))
        else:
            connection.answer(self.vendor.other(call))

    def at_head(self, connection: Connection, method: str, target: str) -> bool:
        """Pass a create whose head has arrived to `at_create`, if it is set; return whether it was."""
        if self.at_create is None or not self.vendor.is_create(method, target):
            return False
        self.at_create(connection)
        return True


class _Listener(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.NOTSET)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Store the message."""
        self._lines.append(self.format(record))


@contextmanager
def opened(vendor: Vendor) -> Iterator[Lab]:
    """A lab for one check; messages logged meanwhile, at every level, are in its `logged`.

    What the process shares is restored: a change would hide those that later checks look for.
    """
    with restored(), tempfile.TemporaryDirectory(prefix="provider-kit-") as folder:
        lab = Lab(vendor, "", Path(folder))
        listener, root = _Listener(lab.logged), logging.getLogger()
        level = root.level
        root.addHandler(listener)
        root.setLevel(logging.NOTSET)
        try:
            with Server(lab.handle, lab.at_head) as server:
                lab.url, lab.accepted = server.url, server.accepted
                yield lab
        finally:
            root.removeHandler(listener)
            root.setLevel(level)


def run_apart(run: Callable[[], None]) -> None:
    """Run a check in a thread of its own, in which a `KeyboardInterrupt` cannot be the user's.

    Raises:
        Fault: the check failed, or did not end, or the provider raised what ends a process.
    """
    future: Future[None] = Future()
    threading.Thread(target=_run_for, args=(future, run), daemon=True).start()
    wait([future], LONGEST_CHECK)
    try:
        expect(
            future.done(),
            "a call did not return: what the vendor asks to wait, a run waits, not the provider",
        )
        future.result()
    except Exception:
        raise
    except BaseException as error:
        name = type(error).__name__
        raise Fault(f"it raised {name}, which ends a process: it has to raise a VendorError") from error
    finally:
        del future  # the exception would refer to itself, and keep open what its frames hold


def _run_for(future: Future[None], run: Callable[[], None]) -> None:
    try:
        run()
    except BaseException as error:  # noqa: BLE001 - whoever waits judges it
        future.set_exception(error)
    else:
        future.set_result(None)
    finally:
        del future  # as above
