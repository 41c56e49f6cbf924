"""The provider that a command talks to: the vendor's, or an emulator that lives as long as the command."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.cli.acting import Scene
from pipeline.cli.environment import provider_settings
from pipeline.providers.base import Provider
from pipeline.providers.registry import provider_named


@contextmanager
def vendor(place: Scene, timeout: float) -> Iterator[Provider]:
    """The campaign's provider; `timeout` is what one call may take, in seconds.

    Raises:
        AccountError: there is no key.
        InvalidInput: there is no such provider.
    """
    api = place.campaign.provider.api
    if not place.emulated:
        yield provider_named(place.campaign.provider.name, provider_settings(api, timeout, None))
        return
    # An extra, and heavy: only where it is asked for.
    from pipeline.emulator.embedded import Emulator
    from pipeline.emulator.settings import Settings

    place.emulator_folder.mkdir(parents=True, exist_ok=True)
    with Emulator(Settings(place.emulator_folder)) as emulator:
        yield provider_named("emulator", provider_settings(api, timeout, emulator.url))
