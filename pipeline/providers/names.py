"""The provider names that a manifest may use here, known without loading a provider."""

from pipeline.errors import did_you_mean, printable

# Plug-ins announce themselves as entry points of this group.
GROUP = "pipeline.providers"
BUILT_IN_NAMES = ("emulator", "vimmerse")


def provider_names() -> list[str]:
    """Every provider name that a manifest may use here, sorted."""
    # Imported here: this module takes long to load, and most campaigns use no plug-in.
    from importlib.metadata import entry_points

    return sorted({*BUILT_IN_NAMES, *(point.name for point in entry_points(group=GROUP))})


def missing_provider(name: str) -> str | None:
    """The error for a provider that is not installed here; None if it is."""
    if name in BUILT_IN_NAMES or name in (known := provider_names()):
        return None
    return (
        f"there is no provider '{printable(name, 60)}'{did_you_mean(name, known)} (known: {', '.join(known)})"
    )
