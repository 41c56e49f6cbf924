"""What a package announces that brings a provider: how it is made, and which variables of the operator's it reads."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.providers.api_settings import Settings
from pipeline.providers.base import Provider


@dataclass(frozen=True, slots=True)
class ProviderPlugin:
    """What an entry point of the group `pipeline.providers` names.

    `key_variable` is the variable of the environment that holds its key; None: it needs none, and is given none.
    `address_variable` is the one that holds another address of its API than `address`; an empty one says that it has
    none to be told.
    """

    make: Callable[[Settings], Provider]
    key_variable: str | None = None
    address_variable: str | None = None
    address: str = ""
