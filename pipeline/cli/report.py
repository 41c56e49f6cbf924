"""`pipeline report`: writes the HTML gallery of campaigns."""

from __future__ import annotations

import re
import webbrowser
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.context import campaign_here, given_variables, open_workspace, record_paths
from pipeline.cli.options import (
    INPUT,
    OUTPUT,
    CampaignFlags,
    argument,
    campaign_options,
    flag,
    selection_options,
    verbosity,
)
from pipeline.cli.process_environment import read_environment
from pipeline.cli.terminal import say
from pipeline.errors import InvalidInput, Unfinished, UsageError, counted, printable
from pipeline.files import LFS_POINTER
from pipeline.manifest.discover import find
from pipeline.operations.committed_state import refuse_committed
from pipeline.operations.git import GitIndex
from pipeline.operations.page_commands import folder_of_commands
from pipeline.operations.record_paths import state_location
from pipeline.operations.report import gallery_campaign, media_reader, names_in_records
from pipeline.operations.report_records import RecordsOnDisk, of_results, of_workspace, results_beside
from pipeline.operations.shown_paths import shown_path
from pipeline.operations.unmerged_records import RecordsUnmerged, refuse_unmerged
from pipeline.operations.workspace import STATE_FOLDER
from pipeline.paths import real_path, unencodable
from pipeline.planning.select import Unmatched
from pipeline.report.writing import WrittenPage, write_folder, write_single
from pipeline.results.file import holds_results
from pipeline.schemes import is_object_store

if TYPE_CHECKING:
    from pipeline.report.gallery_campaign import GalleryCampaign
    from pipeline.report.stills import MediaReader

_MANY = 200
_TIME = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_SECONDS = {"m": 60, "h": 3600, "d": 86400}
_LONGEST = 7 * 86400


def _seconds(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """The seconds in a time such as `30m`, `24h` or `7d`; a week at most, since no store signs for longer."""
    found = _TIME.fullmatch(value or "")
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if value is not None and not 0 < seconds <= _LONGEST:
        raise click.BadParameter("expected minutes, hours or days, a week at most: 30m, 24h, 7d")
    return None if value is None else seconds


@click.command("report")
@argument("manifests", nargs=-1, type=INPUT, metavar="[MANIFEST...]")
@flag(
    "--out",
    type=OUTPUT,
    metavar="DIR",
    help="The folder for the page (default: report/ in the output folder).",
)
@flag("--bundle", is_flag=True, help="Put the videos into the folder too, to share it as a whole.")
@flag("--single", type=OUTPUT, metavar="FILE", help="One HTML file with the stills inside and no videos.")
@flag(
    "--sign",
    callback=_seconds,
    metavar="TIME",
    help="Link videos in an object store for this long (30m, 24h, 7d), for everyone who has the page.",
)
@flag("--compare", type=INPUT, metavar="RESULTS", help="Show what has changed since these results.")
@flag("--open", "opened", is_flag=True, help="Open the page in the browser.")
@selection_options
@campaign_options
def command(manifests: tuple[Path, ...], **given: Any) -> None:
    """Make a gallery of what was made for MANIFEST; it opens from disk. Needs no key, no network and no state.

    Several campaigns each get a page of their own; with --out or --single, they share one. A results manifest
    can be given instead of a campaign manifest.
    """
    _assert_goes_together(given)
    paths = _found(manifests or [campaign_here()])
    campaigns = [_on_disk(path, CampaignFlags.of(given)) for path in paths]
    names = names_in_records(campaigns, (*given["select"], *given["exclude"]))
    unmatched = Unmatched(len(paths), names)
    is_one_page = given["single"] is not None or given["out"] is not None
    commands_in = folder_of_commands([each.manifest for each in campaigns]) if is_one_page else None
    sources = [_source(*each, unmatched, given, commands_in) for each in zip(paths, campaigns, strict=True)]
    reader = media_reader()
    written = []
    for target, group in _targets(sources, given):
        written.append(_write(target, group, reader, given))
        _tell(written[-1], group, reader)
    if given["opened"]:
        for each in written:
            webbrowser.open(real_path(each.page).as_uri())
    _assert_all_shown(sources)


def _assert_all_shown(sources: Sequence[GalleryCampaign]) -> None:
    """Check that every file could be looked for, once the pages show the others.

    Raises:
        Unfinished: this locale cannot name one.
    """
    unnameable = [path for source in sources for path in source.unnameable]
    if not unnameable:
        return
    more = f" and {len(unnameable) - 1:,} more" if len(unnameable) > 1 else ""
    raise Unfinished(f"not on the page: {printable(unnameable[0])}{more}: {unencodable(unnameable[0])}")


def _assert_goes_together(given: Mapping[str, Any]) -> None:
    if given["single"] is not None and (given["out"] is not None or given["bundle"]):
        raise UsageError("--single writes one file; it cannot be combined with --out or --bundle")
    if given["sign"] is not None and (given["single"] is not None or given["bundle"]):
        raise UsageError("--sign makes links to videos; it cannot be combined with --single or --bundle")
    if given["sign"] is not None and not is_object_store(given["output"] or ""):
        raise UsageError("--sign makes links into an object store; name it with --output s3://BUCKET/PREFIX")


def _found(paths: Sequence[Path]) -> list[Path]:
    """The named campaigns and results manifests, in that order; folders are searched."""
    return [each for path in paths for each in ([path] if _is_results(path) else find([path]))]


def _is_results(path: Path) -> bool:
    return (
        path.suffix == ".json"
        or path.name.endswith((".results.yaml", ".results.yml"))
        or (path.is_file() and holds_results(path))
    )


def _source(
    path: Path,
    campaign: RecordsOnDisk,
    unmatched: Unmatched,
    given: Mapping[str, Any],
    commands_in: Path | None,
) -> GalleryCampaign:
    with unmatched.of(str(path)) as shared:
        return gallery_campaign(
            campaign,
            given["select"],
            given["exclude"],
            given["compare"],
            given["sign"],
            shared=shared,
            commands_in=commands_in,
        )


def _on_disk(path: Path, flags: CampaignFlags) -> RecordsOnDisk:
    """The records of a campaign; if its manifest cannot be read now, those of the results beside it."""
    if _is_results(path):
        return _of_results(path, flags)
    try:
        workspace = open_workspace(path, flags)
    except RecordsUnmerged:
        raise
    except InvalidInput:
        results = Path(flags.results) if flags.results else results_beside(path, emulated=flags.emulate)
        if results is None or not results.is_file():
            raise
        records = _of_results(results, flags)
        reason = "cannot be read; the page shows what its results say, without limits and prices"
        say(f"warning: {printable(str(path))} {reason}", err=True)
        return records
    return of_workspace(workspace)


def _of_results(path: Path, flags: CampaignFlags) -> RecordsOnDisk:
    paths = record_paths(flags)
    state = state_location(paths.state) if paths.state else None
    path = real_path(path)
    records = of_results(path, paths.output_location, state)
    # The cache of stills is kept there, and whether a run is under way is looked up there.
    state_folder = records.folder / STATE_FOLDER
    index = GitIndex((state_folder, path, records.decisions), read_environment().variables)
    refuse_committed(state_folder, index)
    refuse_unmerged((path, records.decisions), index)
    return replace(records, variables=given_variables(flags))


def _targets(
    sources: Sequence[GalleryCampaign], given: Mapping[str, Any]
) -> list[tuple[Path, Sequence[GalleryCampaign]]]:
    if given["single"] is not None:
        return [(given["single"], sources)]
    if given["out"] is not None:
        return [(given["out"], sources)]
    return [(source.page_folder, [source]) for source in sources]


def _write(
    target: Path, sources: Sequence[GalleryCampaign], reader: MediaReader | None, given: Mapping[str, Any]
) -> WrittenPage:
    quiet = verbosity().quiet

    def on_progress(number: int, of: int) -> None:
        if not quiet and of > _MANY and number % _MANY == 0:
            say(f"{number:,} of {of:,} stills", err=True)

    path = real_path(target)
    try:
        if given["single"] is not None:
            return write_single(path, sources, reader, on_progress=on_progress)
        return write_folder(path, sources, reader, bundle=given["bundle"], on_progress=on_progress)
    except OSError as error:
        raise Unfinished(f"{printable(str(target))}: cannot be written: {error.strerror or error}") from error


def _tell(written: WrittenPage, sources: Sequence[GalleryCampaign], reader: MediaReader | None) -> None:
    if verbosity().quiet:
        return
    keys = [source.records.keys for source in sources]
    jobs = sum(
        len(source.records.results["jobs"]) if chosen is None else len(chosen)
        for source, chosen in zip(sources, keys, strict=True)
    )
    say(f"{printable(shown_path(written.page))}: {counted(jobs, 'job')}, {counted(written.stills, 'still')}")
    if written.left:
        first, *more = (printable(shown_path(each)) for each in written.left)
        others = f" and {counted(len(more), 'other file')}" if more else ""
        say(
            f"warning: {first}{others} {'stay' if more else 'stays'} beside the page, which does not show them: "
            "no gallery put them there, or no other copy was found; look before you hand the folder on",
            err=True,
        )
    _warn_of_pointers([path for source in sources for path in source.pointers])
    if reader is None:
        say("For stills, install the extra: pip install 'campaign-pipeline[report]'", err=True)


def _warn_of_pointers(paths: Sequence[Path]) -> None:
    if paths:
        others = f" and {counted(len(paths) - 1, 'other file')}" if len(paths) > 1 else ""
        say(f"warning: not on the page: {printable(shown_path(paths[0]))}{others}: {LFS_POINTER}", err=True)
