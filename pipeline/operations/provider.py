"""The provider that a command talks to: the vendor's, or an emulator that lives as long as the command."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pipeline.operations.environment import Environment
from pipeline.operations.workspace import Workspace
from pipeline.providers.api_settings import VENDOR, Settings, clean_key
from pipeline.providers.base import Provider
from pipeline.providers.network import Network, network_from
from pipeline.providers.registry import maker_named, provider_named


@contextmanager
def vendor(workspace: Workspace, request_timeout: float = 60.0) -> Iterator[Provider]:
    """The campaign's provider; `request_timeout` is what one call may take, in seconds.

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
    ) as provider:
        yield provider


@contextmanager
def vendor_of(
    name: str, api: str, *, emulator: Path | None, request_timeout: float, environment: Environment
) -> Iterator[Provider]:
    """The provider of that name; or, where `emulator` is its folder, an emulator of our own."""
    if emulator is None:
        maker = maker_named(name)
        yield maker(provider_settings(environment, api, request_timeout))
        return
    # An extra, and heavy: only where it is asked for.
    from pipeline.emulator.embedded import Emulator
    from pipeline.emulator.settings import Settings as EmulatorSettings

    emulator.mkdir(parents=True, exist_ok=True)
    with Emulator(EmulatorSettings(emulator)) as server:
        yield provider_named(
            "emulator", provider_settings(environment, api, request_timeout, emulator=server.url)
        )


def provider_settings(
    environment: Environment, api: str, request_timeout: float, *, emulator: str | None = None
) -> Settings:
    """Where the API is and with which key: the operator's, or those of an emulator at the url `emulator`.

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
    return Settings(
        key=clean_key(environment.variables.get("VIMMERSE_API_KEY", "")),
        base_url=environment.variables.get("VIMMERSE_BASE_URL") or VENDOR,
        api=version,
        request_timeout=request_timeout,
        network=network_from(environment.variables),
    )
