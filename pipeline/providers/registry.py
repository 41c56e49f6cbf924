"""Which provider a name stands for.

A manifest may only name what the operator has installed: plug-ins announce themselves as entry points of the
group `pipeline.providers`, each a function from `Settings` to a `Provider`. Nothing is imported by path.
"""

from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points

from pipeline.errors import InvalidInput, PipelineError, printable
from pipeline.providers.api_settings import Settings
from pipeline.providers.base import Provider
from pipeline.providers.names import GROUP, missing_provider
from pipeline.providers.vimmerse import Vimmerse

Maker = Callable[[Settings], Provider]

# The emulator is the same client; only the address in its settings differs.
BUILT_IN: dict[str, Maker] = {"vimmerse": Vimmerse, "emulator": Vimmerse}


def maker_named(name: str) -> Maker:
    """What makes the provider of that name. Needs no key, so that a wrong name is told before a missing key.

    Raises:
        InvalidInput: there is none of that name, or the plug-in cannot be loaded.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    for point in entry_points(group=GROUP, name=name):
        try:
            maker: Maker = point.load()
        except (ImportError, AttributeError) as error:
            raise InvalidInput(f"the provider '{name}' cannot be loaded: {printable(str(error))}") from None
        return partial(_made, name, maker)
    raise InvalidInput(missing_provider(name) or f"there is no provider '{printable(name, 60)}'")


def _made(name: str, maker: Maker, settings: Settings) -> Provider:
    try:
        return maker(settings)
    except PipelineError:
        raise
    except Exception as error:  # noqa: BLE001 - somebody else's code may raise anything
        said = printable(str(error).replace(settings.key, "…"))
        raise InvalidInput(f"the provider '{name}' cannot be made: {type(error).__name__}: {said}") from None


def provider_named(name: str, settings: Settings) -> Provider:
    """The provider of that name, ready to be used.

    Raises:
        InvalidInput: as `maker_named`.
    """
    return maker_named(name)(settings)
