"""Settings of a whole campaign: provider, limits and output."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import paths
from pipeline.manifest.model import Limits, OutputSettings, ProviderSettings
from pipeline.schemes import assert_location

if TYPE_CHECKING:
    from pipeline.documents.node import Location
    from pipeline.documents.value import Value
    from pipeline.manifest.build_context import Context

DEFAULT_PATH = "{{ job.key }}.{{ ext }}"


def build_provider(value: Value | None) -> ProviderSettings:
    """The provider as the manifest sets it."""
    if value is None:
        return ProviderSettings()
    return ProviderSettings(
        name=value.text_of("name") or "vimmerse",
        api=value.text_of("api") or "v1",
        report_errors=value.flag_of("report_errors"),
        location=None if (name := value.get("name")) is None else name.location,
    )


def build_limits(value: Value | None) -> Limits:
    """The limits of a run; a limit that is left out has its default in `Limits`."""
    default = Limits()
    if value is None:
        return default
    given = {name: each.number for name, each in value.items()}

    def whole(name: str, default: int) -> int:
        return default if (number := given.get(name)) is None else int(number)

    def cap(name: str) -> int | None:
        return None if (number := given.get(name)) is None else int(number)

    return Limits(
        max_creates=whole("max_creates", default.max_creates),
        max_credits=cap("max_credits"),
        budget=cap("budget"),
        concurrency=whole("concurrency", default.concurrency),
        in_flight=whole("in_flight", default.in_flight),
        rate=None if (rate := given.get("rate")) is None else float(rate),
        fail_threshold=float(given.get("fail_threshold") or 0),
        canary=value.flag_of("canary"),
    )


def build_output(
    value: Value | None, steps: bool, name: str, manifest: Path, context: Context, location: Location
) -> OutputSettings:
    """Where files go; `location` is the manifest's, for what it does not say itself.

    Raises:
        UsageError: it is an address, which only an extra can use, where a folder is expected.
    """
    folder = None if value is None else value.get("dir")
    path = None if value is None else value.text_of("path")
    chosen = f"output/{name}" if folder is None or folder.text is None else folder.text
    if folder is not None:
        at = folder.location
        assert_location(f"{at.source.name}:{at.line}:{at.column}: output.dir", chosen, is_only_path=True)
    try:
        real = paths.writable(chosen, manifest.parent, context.root)
    except ValueError as error:
        context.report(
            location if folder is None else folder.location, f"the output folder '{chosen}': {error}"
        )
        real = manifest.parent
    return OutputSettings(dir=real, path=path or DEFAULT_PATH, steps=steps)
