"""Findings of `doctor` on git (are results and decisions committed?), key, address, health of the vendor, clock."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.engine.checkpoint import SECRETS
from pipeline.errors import AccountError, ExitCode, InvalidInput, PipelineError, UsageError, printable
from pipeline.operations.git import ask_git
from pipeline.operations.provider import key_variables, provider_settings
from pipeline.providers.address import shown_url
from pipeline.providers.api_settings import Settings, clean_key
from pipeline.providers.http.errors import TransportError
from pipeline.providers.http.transport import HttpRequest, Response, Transport
from pipeline.providers.registry import ProviderPlugin, plugin_named

if TYPE_CHECKING:
    from pipeline.operations.environment import Environment
    from pipeline.operations.workspace import Workspace


class CheckStatus(StrEnum):
    """Whether a run works by this check: it does, it does with a warning, or it would not."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One result of a check. `code` is the exit code of a run that meets it."""

    check: str
    message: str
    status: CheckStatus = CheckStatus.OK
    code: ExitCode = ExitCode.OK


CHECKS = (
    "python",
    "extras",
    "manifest",
    "provider",
    "state",
    "lock",
    "results",
    "output",
    "disk",
    "key",
    "address",
    "health",
    "clock",
    "git",
)


def ignored(result: CheckResult) -> CheckResult:
    """The result with an error lowered to a warning."""
    if result.status is not CheckStatus.ERROR:
        return result
    return warned(result.check, result.message)


def warned(check: str, message: str) -> CheckResult:
    """A result despite which a run works."""
    return CheckResult(check=check, message=message, status=CheckStatus.WARNING)


def failed(check: str, message: str, code: ExitCode) -> CheckResult:
    """A result that ends a run."""
    return CheckResult(check=check, message=message, status=CheckStatus.ERROR, code=code)


def check_git(workspace: Workspace) -> CheckResult:
    """The state of the records in git. A run needs no git, so this is a warning at most."""
    if workspace.emulated:
        return CheckResult(check="git", message="not needed for a rehearsal")
    folder = workspace.campaign.manifest.parent
    if not (workspace.campaign.root / ".git").exists():
        return warned(
            "git",
            "the manifest is not in a git repository, so other machines cannot know what was bought; run git init",
        )
    try:
        return _records_in_git(folder, workspace)
    except (OSError, subprocess.SubprocessError):
        return warned("git", "git cannot be asked; install it to keep the results in the repository")


def _records_in_git(folder: Path, workspace: Workspace) -> CheckResult:
    root, results = workspace.campaign.root, workspace.results
    records = {results: printable(workspace.results_name)}
    if workspace.decisions.exists():
        records[workspace.decisions] = printable(workspace.decisions_name)
    secrets = SECRETS | key_variables(workspace.campaign.provider.name)
    variables = {
        name: value for name, value in workspace.environment.variables.items() if name not in secrets
    }
    inside = {path: shown for path, shown in records.items() if path.is_relative_to(root)}
    uncommitted = []
    for path, shown in inside.items():
        if ask_git(folder, variables, "check-ignore", "--quiet", str(path)).returncode == 0:
            return warned("git", f"{shown} is ignored: remove it from .gitignore and commit it")
        if not path.exists():
            continue
        changed = ask_git(folder, variables, "status", "--porcelain", "--", str(path))
        if changed.returncode != 0:
            return warned("git", f"git does not say: {printable(changed.stderr.strip(), 200)}")
        if changed.stdout:
            uncommitted.append(shown)
    if uncommitted:
        is_not, them = ("is not", "it") if len(uncommitted) == 1 else ("are not", "them")
        return warned("git", f"{' and '.join(uncommitted)} {is_not} committed; add, commit and push {them}")
    if results not in inside:
        return CheckResult(check="git", message=f"{records[results]} is outside the repository")
    if not results.exists():
        return CheckResult(check="git", message=f"ready; commit {records[results]} after the first run")
    is_ = "is" if len(inside) == 1 else "are"
    return CheckResult(check="git", message=f"{' and '.join(inside.values())} {is_} committed")


_TIMEOUT = 10.0
_TOLERATED_SECONDS = 60.0
# Stands in for a missing key: these requests are sent without one.
_NO_KEY = "none"


def make_provider(workspace: Workspace) -> None:
    """Make the campaign's provider as a run does, and make no call; key and address have checks of their own.

    Raises:
        PipelineError: it cannot be made.
    """
    environment, named = workspace.environment, workspace.campaign.provider
    plugin = plugin_named(named.name)
    try:
        settings = provider_settings(environment, named.api, _TIMEOUT, plugin=plugin)
    except (AccountError, UsageError):
        return
    plugin.make(settings)


def check_vendor(workspace: Workspace) -> Iterator[CheckResult]:
    """Key, address, health and clock; makes no call that costs anything or sends the key."""
    if workspace.emulated:
        yield CheckResult(check="key", message="not needed for a rehearsal")
        return
    environment, named = workspace.environment, workspace.campaign.provider
    try:
        plugin = plugin_named(named.name)
    except InvalidInput as error:
        yield failed("key", str(error), error.exit_code)
        return
    yield _key(environment, plugin.key_variable)
    try:
        settings = _settings(environment, named.api, plugin)
    except PipelineError as error:
        yield failed("address", str(error), error.exit_code)
        return
    if settings.base_url:
        yield CheckResult(check="address", message=shown_url(settings.base_url))
    if named.name == "vimmerse":
        yield from _health(settings)


def _key(environment: Environment, variable: str | None) -> CheckResult:
    if variable is None:
        return CheckResult(check="key", message="the provider needs none")
    try:
        clean_key(environment.variables.get(variable, ""), variable)
    except AccountError as error:
        return failed("key", str(error), error.exit_code)
    return CheckResult(check="key", message=f"{variable} is set")


def _settings(environment: Environment, api: str, plugin: ProviderPlugin) -> Settings:
    variables = dict(environment.variables)
    if plugin.key_variable is not None:
        variables[plugin.key_variable] = _NO_KEY
    return provider_settings(replace(environment, variables=variables), api, _TIMEOUT, plugin=plugin)


def _health(settings: Settings) -> Iterator[CheckResult]:
    url = settings.base_url.rstrip("/") + "/health"
    try:
        response = Transport(settings.network).request(HttpRequest("GET", url), _TIMEOUT)
    except TransportError as error:
        yield failed(
            "health",
            f"{shown_url(url)} cannot be reached: {printable(str(error))}; check the network and its proxy",
            ExitCode.UNFINISHED,
        )
        return
    if response.status != 200:
        yield failed(
            "health", f"{shown_url(url)} answers {response.status}; try again later", ExitCode.UNFINISHED
        )
    else:
        yield CheckResult(check="health", message="the vendor answers")
    yield _clock(response)


def _clock(response: Response) -> CheckResult:
    now = datetime.now(UTC)
    try:
        theirs = parsedate_to_datetime(response.headers.get("date", ""))
        behind = (theirs.astimezone(UTC) - now).total_seconds()
    except (ValueError, OverflowError):
        return CheckResult(check="clock", message="the vendor's answer has no time")
    if abs(behind) > _TOLERATED_SECONDS:
        return warned(
            "clock",
            f"{abs(behind):,.0f} seconds {'behind' if behind > 0 else 'ahead of'} the vendor's: synchronise it "
            "(NTP), because records of several machines are compared by time",
        )
    return CheckResult(check="clock", message="as the vendor's")
