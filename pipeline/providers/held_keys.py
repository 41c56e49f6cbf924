"""Finds the keys that a provider given from Python holds; for a plug-in, the registry knows the key."""

from collections.abc import Iterator
from contextlib import suppress

from pipeline.providers.api_settings import Settings
from pipeline.providers.checked_provider import unfit


def keys_held_by(provider: object) -> frozenset[str]:
    """The keys of `Settings` in any of its attributes; also those of a provider that it wraps."""
    held = (value for each in _wrapped(provider) for value in _attributes(each))
    return frozenset(value.key for value in held if isinstance(value, Settings) and value.key)


def possible_keys_of(provider: object) -> frozenset[str]:
    """Its text `key`, which may be anything; also that of a provider that it wraps."""
    return frozenset(key for each in _wrapped(provider) for key in _text_key(each) if key)


def _wrapped(provider: object) -> list[object]:
    """The provider, and those to which it passes its calls on, directly or not."""
    found = [provider]
    for each in found:
        found += (
            value
            for value in _attributes(each)
            if not isinstance(value, type) and unfit(value) is None and all(value is not one for one in found)
        )
    return found


def _text_key(provider: object) -> Iterator[str]:
    with suppress(Exception):  # a property may raise anything
        key = getattr(provider, "key", None)
        if isinstance(key, str):
            yield key


def _attributes(value: object) -> list[object]:
    """What its attributes hold, those in `__slots__` too."""
    state = object.__getstate__(value)
    parts = state if isinstance(state, tuple) else (state,)
    return [held for part in parts if isinstance(part, dict) for held in part.values()]
