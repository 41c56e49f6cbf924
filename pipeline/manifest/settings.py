"""What a manifest settles for the whole campaign: provider, limits and output."""

from pathlib import Path

from pipeline import files
from pipeline.documents.location import Location, Written
from pipeline.manifest.context import Context
from pipeline.manifest.model import Limits, OutputSettings, ProviderSettings

DEFAULT_PATH = "{{ job.key }}.{{ ext }}"


def build_provider(written: Written | None) -> ProviderSettings:
    """Who makes the media."""
    if written is None:
        return ProviderSettings()
    report_errors = written.get("report_errors")
    return ProviderSettings(
        written.text_of("name") or "vimmerse",
        written.text_of("api") or "v1",
        report_errors is not None and report_errors.flag is True,
    )


def build_limits(written: Written | None) -> Limits:
    """What stops buying; what is left out has its default."""
    if written is None:
        return Limits()
    given = {name: each.number for name, each in written.items()}

    def whole(name: str, default: int) -> int:
        return default if (number := given.get(name)) is None else int(number)

    def cap(name: str) -> int | None:
        return None if (number := given.get(name)) is None else int(number)

    canary = written.get("canary")
    return Limits(
        max_creates=whole("max_creates", 1000),
        max_credits=cap("max_credits"),
        budget=cap("budget"),
        concurrency=whole("concurrency", 8),
        in_flight=whole("in_flight", 50),
        rate=None if (rate := given.get("rate")) is None else float(rate),
        fail_threshold=float(given.get("fail_threshold") or 0),
        canary=canary is not None and canary.flag is True,
    )


def build_output(
    written: Written | None, steps: bool, name: str, manifest: Path, context: Context, location: Location
) -> OutputSettings:
    """Where files go; `location` is the manifest's, for what it does not say itself."""
    folder = None if written is None else written.get("dir")
    path = None if written is None else written.text_of("path")
    chosen = f"output/{name}" if folder is None or folder.text is None else folder.text
    try:
        real = files.confined(chosen, manifest.parent, context.root)
    except ValueError as error:
        context.report(
            location if folder is None else folder.location, f"the output folder '{chosen}': {error}"
        )
        real = manifest.parent
    return OutputSettings(real, path or DEFAULT_PATH, steps)
