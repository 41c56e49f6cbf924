"""The provider that a command calls: the vendor's, or an emulator that lives as long as the command.

`VendorCalls` makes one call after another for commands that are not a run; a signal ends them cleanly.
"""

from __future__ import annotations

import queue
import random
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from pipeline.engine.calls import DRAIN_TIMEOUT, thread_pool, with_retries
from pipeline.errors import InvalidInput, Stopped, UsageError
from pipeline.providers.api_settings import (
    REQUEST_TIMEOUT,
    InvalidAddress,
    Network,
    Settings,
    clean_key,
    network_from,
)
from pipeline.providers.checked_provider import checked
from pipeline.providers.held_keys import keys_held_by, possible_keys_of
from pipeline.providers.registry import BUILT_IN, ProviderPlugin, plugin_named, provider_named

if TYPE_CHECKING:
    from pipeline.engine.reporter import Stop
    from pipeline.manifest.catalog import CatalogTemplate
    from pipeline.operations.environment import Environment
    from pipeline.operations.workspace import Workspace
    from pipeline.providers.base import Provider


@contextmanager
def vendor(
    workspace: Workspace, request_timeout: float = REQUEST_TIMEOUT, workers: Executor | None = None
) -> Iterator[Provider]:
    """The campaign's provider; one call may take `request_timeout` seconds.

    If it is an emulator, the `workers` make its media, if there are any.

    Raises:
        AccountError: there is no key.
        InvalidInput: there is no such provider.
    """
    settings = workspace.campaign.provider
    with vendor_of(
        settings.name,
        settings.api,
        emulator=workspace.emulator_folder if workspace.emulated else None,
        request_timeout=request_timeout,
        environment=workspace.environment,
        workers=workers,
        templates=workspace.campaign.catalog.templates.values(),
    ) as provider:
        yield provider


@contextmanager
def vendor_of(
    name: str,
    api: str,
    *,
    emulator: Path | None,
    request_timeout: float,
    environment: Environment,
    workers: Executor | None = None,
    templates: Iterable[CatalogTemplate] = (),
) -> Iterator[Provider]:
    """The provider of that name; or, if `emulator` is a folder, an embedded emulator that keeps its work there.

    The emulator makes what the `templates` describe, also if it is no template of the vendor.
    """
    if emulator is None:
        plugin = plugin_named(name)
        yield plugin.make(provider_settings(environment, api, request_timeout, plugin=plugin))
        return
    # An optional extra that loads slowly, so imported only if it is needed.
    from pipeline.emulator.embedded import Emulator
    from pipeline.emulator.settings import EmulatorSettings
    from pipeline.emulator.templates import described

    more = tuple(described(each.id, each.output) for each in templates)
    emulator.mkdir(parents=True, exist_ok=True)
    with Emulator(EmulatorSettings(emulator, templates=more), workers=workers) as server:
        yield provider_named(
            "emulator", provider_settings(environment, api, request_timeout, emulator=server.url)
        )


def key_variables(name: str) -> frozenset[str]:
    """The environment variable that holds the key of the provider of that name, if it has one.

    No other process gets it: neither a command that publishes nor the git hooks that it triggers.
    """
    try:
        variable = plugin_named(name).key_variable
    except InvalidInput:  # a rehearsal needs no provider
        return frozenset()
    return frozenset() if variable is None else frozenset({variable})


def given_provider(provider: Provider, name: str, environment: Environment) -> Provider:
    """A provider that was given from Python, for a campaign that names the provider `name`.

    Its keys are those that it holds, and those in the environment: of plug-ins of these names, and the vendor's. Its
    text `key` may be one.
    """
    variables = key_variables("vimmerse") | key_variables(name) | key_variables(provider.name)
    certain = keys_held_by(provider) | {environment.variables.get(each, "").strip() for each in variables}
    possible = possible_keys_of(provider)
    # The longest first: one may be a part of another.
    keys = sorted((certain | possible) - {""}, key=len, reverse=True)
    return checked(provider, "it cannot be used", *keys, uncertain=possible - certain)


def provider_settings(
    environment: Environment,
    api: str,
    request_timeout: float,
    *,
    plugin: ProviderPlugin | None = None,
    emulator: str | None = None,
) -> Settings:
    """The address and the key of the API: the operator's, or those of an emulator at the URL `emulator`.

    The environment variables are those that `plugin` names, or the vendor's.

    Raises:
        AccountError: there is no key, or it cannot be one.
        UsageError: the address cannot be used.
    """
    version: Literal["v1", "v2"] = "v2" if api == "v2" else "v1"
    if emulator is not None:
        return Settings(
            key="emulator",
            base_url=emulator,
            api=version,
            request_timeout=request_timeout,
            network=Network(),
        )
    plugin = plugin or BUILT_IN["vimmerse"]
    variables = environment.variables
    key = "" if plugin.key_variable is None else variables.get(plugin.key_variable, "")
    address = "" if plugin.address_variable is None else variables.get(plugin.address_variable, "")
    try:
        return Settings(
            key="" if plugin.key_variable is None else clean_key(key, plugin.key_variable),
            base_url=address or plugin.address,
            api=version,
            request_timeout=request_timeout,
            network=network_from(variables),
        )
    except InvalidAddress as error:
        if not address:
            raise
        raise UsageError(f"{plugin.address_variable}: {error}") from None


T = TypeVar("T")


class VendorCalls:
    """Makes calls that may be repeated, with retries and backoff, until a stop is requested.

    A call in flight is then waited for, but not longer than CI runners wait before they kill a process. `on_stopping`
    gets a message that says so.
    """

    def __init__(
        self, executor: Executor, stop: Stop, on_stopping: Callable[[str], object], rng: random.Random
    ) -> None:
        self._executor = executor
        self._stop = stop
        self._on_stopping = on_stopping
        self._rng = rng
        # Its put() may be called from a signal handler, unlike that of queue.Queue.
        self._inbox: queue.SimpleQueue[None] = queue.SimpleQueue()
        stop.on_request(lambda: self._inbox.put(None))

    def __call__(self, call: Callable[[], T]) -> T:
        """The result of `call`, which is retried if it fails.

        Raises:
            Stopped: a stop was requested before there was a result.
            VendorError: the last error, or the first that a retry cannot cure.
        """
        return with_retries(partial(self._once, call), self._pause, self._rng)

    def _once(self, call: Callable[[], T]) -> T:
        assert_not_stopped(self._stop)
        future = self._executor.submit(call)
        future.add_done_callback(lambda _: self._inbox.put(None))
        self._wait_for(future)
        return future.result()

    def _wait_for(self, future: Future[T]) -> None:
        limit: float | None = None
        while not future.done():
            if limit is None and self._stop.code is not None:
                limit = time.monotonic() + DRAIN_TIMEOUT
                self._on_stopping(
                    "stopping: nothing more is sent; waiting for the requests in flight, "
                    f"at most {DRAIN_TIMEOUT:.0f} seconds"
                )
            if limit is not None and time.monotonic() >= limit:
                assert_not_stopped(self._stop)
            self._woken(None if limit is None else limit - time.monotonic())

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            assert_not_stopped(self._stop)
            self._woken(left)

    def _woken(self, seconds: float | None) -> None:
        try:
            self._inbox.get(timeout=None if seconds is None else max(0.0, seconds))
        except queue.Empty:
            return


def assert_not_stopped(stop: Stop) -> None:
    """Check that no stop was requested.

    Raises:
        Stopped: one was.
    """
    if stop.code is not None:
        raise Stopped(stop.code)


@contextmanager
def vendor_calls(stop: Stop, on_stopping: Callable[[str], object]) -> Iterator[VendorCalls]:
    """Makes calls in a separate thread, so that a signal is handled while one of them hangs."""
    with thread_pool(1) as executor:
        yield VendorCalls(executor=executor, stop=stop, on_stopping=on_stopping, rng=random.Random())  # noqa: S311 - jitter is not secret
