"""The provider that a command talks to: the vendor's, or an emulator that lives as long as the command."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from pipeline.operations.scene import Scene
from pipeline.operations.surroundings import Surroundings
from pipeline.providers.base import Provider
from pipeline.providers.registry import maker_named, provider_named


def assert_vendor_installed(place: Scene) -> None:
    """What `vendor` needs is installed. To be asked before anything is written.

    Raises:
        UsageError: the campaign is emulated, and the extra for that is missing.
    """
    if place.emulated:
        import_module("pipeline.emulator")


@contextmanager
def vendor(place: Scene, timeout: float) -> Iterator[Provider]:
    """The campaign's provider; `timeout` is what one call may take, in seconds.

    Raises:
        AccountError: there is no key.
        InvalidInput: there is no such provider.
    """
    settings = place.campaign.provider
    home = place.emulator_folder if place.emulated else None
    with vendor_of(settings.name, settings.api, home, timeout, place.around) as provider:
        yield provider


@contextmanager
def vendor_of(
    name: str, api: str, emulator: Path | None, timeout: float, around: Surroundings
) -> Iterator[Provider]:
    """The provider of that name; or, where `emulator` is its folder, an emulator of our own."""
    if emulator is None:
        maker = maker_named(name)
        yield maker(around.provider_settings(api, timeout, None))
        return
    # An extra, and heavy: only where it is asked for.
    from pipeline.emulator.embedded import Emulator
    from pipeline.emulator.settings import Settings

    emulator.mkdir(parents=True, exist_ok=True)
    with Emulator(Settings(emulator)) as server:
        yield provider_named("emulator", around.provider_settings(api, timeout, server.url))
