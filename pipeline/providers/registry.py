"""Finds a provider by its name: a built-in one or a plug-in.

A manifest may only name what the operator has installed: plug-ins announce themselves as entry points of the
group `pipeline.providers`, each a `ProviderPlugin`, or a function from `Settings` to a `Provider` that needs neither
key nor address. Nothing is imported by path.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import entry_points

from pipeline.errors import InvalidInput, PipelineError, printable
from pipeline.providers.api_settings import VENDOR, Settings
from pipeline.providers.base import Provider
from pipeline.providers.checked_provider import checked, message_of
from pipeline.providers.echoed_key import note_key
from pipeline.providers.names import GROUP, missing_provider
from pipeline.providers.vimmerse import Vimmerse
from pipeline.standard_output import divert_prints


@dataclass(frozen=True, slots=True)
class ProviderPlugin:
    """The object that an entry point of the group `pipeline.providers` names.

    `key_variable` is the environment variable with its key; None means that it needs none, and gets none.
    `address_variable` is the one that overrides `address`, the API's default address, which is empty if there is
    none.
    """

    make: Callable[[Settings], Provider]
    key_variable: str | None = None
    address_variable: str | None = None
    address: str = ""


_VIMMERSE = ProviderPlugin(
    make=Vimmerse,
    key_variable="VIMMERSE_API_KEY",
    address_variable="VIMMERSE_BASE_URL",
    address=VENDOR,
)
# The emulator is the same client; only the address in its settings differs.
BUILT_IN: dict[str, ProviderPlugin] = {"vimmerse": _VIMMERSE, "emulator": _VIMMERSE}


def plugin_named(name: str) -> ProviderPlugin:
    """The plug-in of that name. Needs no key, so a wrong name is reported before a missing key.

    Raises:
        InvalidInput: there is none, or it cannot be loaded.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    divert_prints()
    for point in entry_points(group=GROUP, name=name):
        try:
            loaded = point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a plug-in may raise anything, also `sys.exit`
            why = printable(message_of(error))
            raise InvalidInput(f"the provider '{name}' cannot be loaded: {why}") from None
        plugin = loaded if isinstance(loaded, ProviderPlugin) else ProviderPlugin(make=loaded)
        if not callable(plugin.make):
            raise InvalidInput(f"the provider '{name}' cannot be loaded: its entry point is not callable")
        return replace(plugin, make=partial(_create_provider, name, plugin.make))
    raise InvalidInput(missing_provider(name) or f"there is no provider '{printable(name, 60)}'")


def _create_provider(name: str, make: Callable[[Settings], Provider], settings: Settings) -> Provider:
    note_key(settings.key)
    try:
        provider = make(settings)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        message = message_of(error, settings.key)
        if isinstance(error, PipelineError) and message == str(error):
            raise
        detail = printable(message)
        raise InvalidInput(
            f"the provider '{name}' cannot be created: {type(error).__name__}: {detail}"
        ) from None
    return checked(provider, f"the provider '{name}' cannot be used", settings.key)


def provider_named(name: str, settings: Settings) -> Provider:
    """The provider of that name, ready for use.

    Raises:
        InvalidInput: as `plugin_named`.
    """
    return plugin_named(name).make(settings)
