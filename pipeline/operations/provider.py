"""The provider that a command talks to: the vendor's, or an emulator that lives as long as the command."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pipeline.errors import InvalidInput
from pipeline.operations.environment import Environment
from pipeline.operations.workspace import Workspace
from pipeline.providers.api_settings import Settings, clean_key
from pipeline.providers.base import Provider
from pipeline.providers.network import Network, network_from
from pipeline.providers.plugin import ProviderPlugin
from pipeline.providers.registry import BUILT_IN, plugin_named, provider_named


@contextmanager
def vendor(
    workspace: Workspace, request_timeout: float = 60.0, workers: Executor | None = None
) -> Iterator[Provider]:
    """The campaign's provider; `request_timeout` is what one call may take, in seconds.

    Where that is an emulator, its media are made by the `workers`, if there are any.

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
) -> Iterator[Provider]:
    """The provider of that name; or, where `emulator` is its folder, an emulator of our own."""
    if emulator is None:
        plugin = plugin_named(name)
        yield plugin.make(provider_settings(environment, api, request_timeout, plugin=plugin))
        return
    # An extra, and heavy: only where it is asked for.
    from pipeline.emulator.embedded import Emulator
    from pipeline.emulator.settings import Settings as EmulatorSettings

    emulator.mkdir(parents=True, exist_ok=True)
    with Emulator(EmulatorSettings(emulator), workers=workers) as server:
        yield provider_named(
            "emulator", provider_settings(environment, api, request_timeout, emulator=server.url)
        )


def key_variables(name: str) -> frozenset[str]:
    """The variable of the environment that holds the key of the provider of that name, if it has one.

    Nobody else is to have it: neither a command that publishes nor the hooks of a git that it calls.
    """
    try:
        variable = plugin_named(name).key_variable
    except InvalidInput:  # a rehearsal needs no provider
        return frozenset()
    return frozenset() if variable is None else frozenset({variable})


def provider_settings(
    environment: Environment,
    api: str,
    request_timeout: float,
    *,
    plugin: ProviderPlugin | None = None,
    emulator: str | None = None,
) -> Settings:
    """Where the API is and with which key: the operator's, or those of an emulator at the url `emulator`.

    The variables are those that `plugin` names, or the vendor's.

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
    told = "" if plugin.address_variable is None else variables.get(plugin.address_variable, "")
    return Settings(
        key="" if plugin.key_variable is None else clean_key(key, plugin.key_variable),
        base_url=told or plugin.address,
        api=version,
        request_timeout=request_timeout,
        network=network_from(variables),
    )
