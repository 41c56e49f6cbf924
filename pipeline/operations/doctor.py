"""Checks what a run needs on this machine, without buying or writing anything."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING

from pipeline import system
from pipeline.artifacts.store_access import open_files
from pipeline.documents.problem_list import number_of
from pipeline.errors import ExitCode, InvalidInput, PipelineError, counted, printable
from pipeline.files import what_is_in_the_way
from pipeline.operations.committed_state import StateFolderRefused
from pipeline.operations.doctor_checks import (
    CheckResult,
    check_git,
    check_vendor,
    failed,
    make_provider,
    warned,
)
from pipeline.operations.installed import assert_vendor_installed
from pipeline.operations.lost_decisions import lost_message
from pipeline.operations.open_campaign import open_campaign
from pipeline.operations.plan import plan_of
from pipeline.operations.shown_paths import shown_path
from pipeline.operations.unmerged_records import RecordsUnmerged
from pipeline.operations.unrecorded_decisions import assert_nothing_approved_is_bought, unrecorded_message
from pipeline.paths import behind_links
from pipeline.state import look
from pipeline.state.opening import SQLITE

if TYPE_CHECKING:
    from pipeline.operations.workspace import Workspace
    from pipeline.schemes import StateLocation

_DISTRIBUTION = "campaign-pipeline"
_EXTRA = re.compile(r"extra\s*==\s*[\"']([^\"']+)[\"']")
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[(?P<extras>[^\]]*)\])?")
_LEAST_ROOM, _LITTLE_ROOM = 64 << 20, 1 << 30


def examine(manifest: Path, workspace: Workspace | InvalidInput) -> Iterator[CheckResult]:
    """Each result as soon as it is known, in the order in which a run would meet them.

    If the manifest or the state's folder cannot be used, `workspace` is its error, and only what does not depend on
    it is checked.
    """
    yield _python()
    yield _extras()
    if isinstance(workspace, InvalidInput):
        yield failed(_check_of(workspace), _first_problem(workspace), ExitCode.INVALID)
        yield _disk(manifest.parent)
        return
    yield CheckResult(check="manifest", message=f"{shown_path(workspace.campaign.manifest)} is valid")
    yield from _provider(workspace)
    yield from _state(workspace)
    yield _results(workspace)
    if workspace.local_output is None:
        yield _object_store(workspace)
    else:
        yield _writable("output", workspace.local_output, shown_path(workspace.local_output), "--output")
    yield _disk(workspace.local_output or workspace.scratch)
    yield from check_vendor(workspace)
    yield check_git(workspace)


def _python() -> CheckResult:
    summary = f"Python {sys.version.split()[0]}, SQLite {SQLITE}, {sys.platform}"
    if not system.HAS_LOCKS:
        return failed("python", f"{summary}: a run needs Linux, macOS or WSL", ExitCode.INVALID)
    return CheckResult(check="python", message=summary)


def _extras() -> CheckResult:
    """Which extras are completely installed, by the metadata of the package."""
    try:
        package = distribution(_DISTRIBUTION)
    except PackageNotFoundError:
        return warned("extras", f"unknown, as this runs from its source; pip install {_DISTRIBUTION}")
    here = [extra for extra in package.metadata.get_all("Provides-Extra") or () if _is_whole(package, extra)]
    missing = [extra for extra in package.metadata.get_all("Provides-Extra") or () if extra not in here]
    summary = f"{', '.join(here) or 'none'} installed"
    more = f"; not installed: {', '.join(missing)} (pip install '{_DISTRIBUTION}[EXTRA]')" if missing else ""
    return CheckResult(check="extras", message=f"{summary}{more}")


def _is_whole(package: Distribution, extra: str) -> bool:
    """Whether everything that an extra requires is installed; an extra may require others of the same package."""
    for requirement in package.requires or ():
        name, of_extra = _REQUIREMENT.match(requirement), _EXTRA.search(requirement)
        if name is None or of_extra is None or of_extra[1] != extra:
            continue
        if name["name"] == _DISTRIBUTION:
            if not all(_is_whole(package, each.strip()) for each in (name["extras"] or "").split(",")):
                return False
        elif not _is_installed(name["name"]):
            return False
    return True


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _first_problem(error: InvalidInput) -> str:
    errors = [each for each in error.problems if each.severity == "error"] or list(error.problems)
    number = number_of("error", errors)
    more = f" (and {number - 1:,} more; see pipeline validate)" if number > 1 else ""
    return f"{printable(str(errors[0]), 1000)}{more}"


def _check_of(error: InvalidInput) -> str:
    if isinstance(error, RecordsUnmerged):
        return "git"
    return "state" if isinstance(error, StateFolderRefused) else "manifest"


def _provider(workspace: Workspace) -> Iterator[CheckResult]:
    name = printable(workspace.campaign.provider.name, 60)
    try:
        assert_vendor_installed(workspace)
        if not workspace.emulated:
            make_provider(workspace)
    except PipelineError as error:
        yield failed("provider", printable(str(error), 1000), error.exit_code)
    else:
        yield CheckResult(check="provider", message="the embedded emulator" if workspace.emulated else name)


def _state(workspace: Workspace) -> Iterator[CheckResult]:
    shown, name = printable(shown_path(workspace.state)), workspace.campaign.name
    try:
        if not workspace.environment.allows_network_file_system:
            look.refuse_network_file_system(workspace.state)
        with open_campaign(workspace, writable=False) as state:
            known, lost, unrecorded = len(state.records.purchases), state.lost_approvals, state.unrecorded
            if unrecorded and not lost:
                assert_nothing_approved_is_bought(workspace, unrecorded, plan_of(state))
        is_there = look.exists(workspace.state, name)
        _assert_state_can_be_written(workspace.state)
        if lost:
            raise InvalidInput(lost_message(workspace, lost))
    except PipelineError as error:
        yield failed("state", printable(str(error), 1000), error.exit_code)
    else:
        if unrecorded:
            yield warned("state", printable(unrecorded_message(workspace, unrecorded), 1000))
            yield from _lock(workspace, shown)
            return
        where = f"{shown} is intact" if is_there else f"{shown} is not there yet"
        yield CheckResult(check="state", message=f"{where}; {counted(known, 'purchase')} known")
    yield from _lock(workspace, shown)


def _assert_state_can_be_written(state: StateLocation) -> None:
    """Check it without writing. Whether a database accepts writes shows only in a run."""
    if not isinstance(state, Path):
        return
    reason = what_is_in_the_way(state.parent)
    if reason is None and state.exists() and not os.access(state, os.W_OK):
        reason = f"{state} is not writable for you"
    if reason is not None:
        raise InvalidInput(
            f"no state can be written there: {reason}; make it writable, or name another with --state"
        )


def _writable(check: str, folder: Path, shown: str, name: str) -> CheckResult:
    """Whether files can be created in a folder, as far as that shows without creating one."""
    if (reason := what_is_in_the_way(folder)) is not None:
        return failed(
            check,
            f"nothing can be written there: {printable(reason)}; make it writable, or name another with {name}",
            ExitCode.INVALID,
        )
    return CheckResult(check=check, message=f"{printable(shown)} can be written")


def _results(workspace: Workspace) -> CheckResult:
    try:
        folder = behind_links(workspace.results).parent
    except OSError as error:
        message = f"{workspace.results_name}: {error.strerror}"
        return failed("results", printable(message), ExitCode.INVALID)
    return _writable("results", folder, workspace.results_name, "--results")


def _lock(workspace: Workspace, shown: str) -> Iterator[CheckResult]:
    try:
        held_by = look.held_by(workspace.state, workspace.state_name)
    except PipelineError:
        return  # a database that cannot be read is already reported by the check of the state
    if held_by is not None:
        yield failed("lock", f"{shown}: {printable(held_by)}", ExitCode.LOCKED)
    else:
        yield CheckResult(check="lock", message="free")


def _object_store(workspace: Workspace) -> CheckResult:
    """Whether the store answers and allows listing; whether it accepts uploads shows only in a run.

    Files are prepared on this machine before they are uploaded.
    """
    if (reason := what_is_in_the_way(workspace.scratch)) is not None:
        return failed(
            "output", f"no upload can be prepared: {printable(reason)}; make it writable", ExitCode.INVALID
        )
    try:
        open_files(workspace.output, workspace.scratch).stamp("")
    except PipelineError as error:
        return failed("output", printable(str(error), 1000), error.exit_code)
    return CheckResult(check="output", message=f"{shown_path(workspace.output)} answers")


def _disk(folder: Path) -> CheckResult:
    there = next((each for each in (folder, *folder.absolute().parents) if each.is_dir()), Path())
    shown = printable(shown_path(there))
    try:
        room = disk_usage(there).free
    except OSError as error:
        return failed("disk", f"{shown}: {error.strerror}; choose another with --output", ExitCode.UNFINISHED)
    summary = f"{room / (1 << 30):,.1f} GiB free in {shown}"
    if room < _LEAST_ROOM:
        return failed(
            "disk", f"{summary}: free some space, or choose another folder with --output", ExitCode.UNFINISHED
        )
    if room < _LITTLE_ROOM:
        return warned("disk", f"{summary}, which is little for videos")
    return CheckResult(check="disk", message=summary)
