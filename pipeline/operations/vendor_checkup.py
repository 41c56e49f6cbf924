"""Whether the vendor can be reached with what the operator has set: key, address, health and clock."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pipeline.errors import AccountError, ExitCode, PipelineError, printable
from pipeline.operations.environment import Environment
from pipeline.operations.finding import Finding, failed, warned
from pipeline.operations.provider import provider_settings
from pipeline.operations.workspace import Workspace
from pipeline.providers.address import shown_url
from pipeline.providers.api_settings import Settings, clean_key
from pipeline.providers.http.errors import TransportError
from pipeline.providers.http.transport import HttpRequest, Response, Transport

_TIMEOUT = 10.0
_TOLERATED_SECONDS = 60.0
# Stands in for a key that is missing: what is asked here is asked without one.
_NO_KEY = "none"


def check_vendor(workspace: Workspace) -> Iterator[Finding]:
    """Key, address, health and clock; nothing that costs anything, and nothing with the key."""
    if workspace.emulated:
        yield Finding(check="key", message="not needed for a rehearsal")
        return
    environment = workspace.environment
    try:
        clean_key(environment.variables.get("VIMMERSE_API_KEY", ""))
    except AccountError as error:
        yield failed("key", str(error), error.exit_code)
    else:
        yield Finding(check="key", message="VIMMERSE_API_KEY is set")
    try:
        settings = _settings(environment, workspace.campaign.provider.api)
    except PipelineError as error:
        yield failed("address", f"{error}; see VIMMERSE_BASE_URL", error.exit_code)
        return
    yield Finding(check="address", message=shown_url(settings.base_url))
    if workspace.campaign.provider.name == "vimmerse":
        yield from _health(settings)


def _settings(environment: Environment, api: str) -> Settings:
    without_key = replace(environment, variables={**environment.variables, "VIMMERSE_API_KEY": _NO_KEY})
    return provider_settings(without_key, api, _TIMEOUT)


def _health(settings: Settings) -> Iterator[Finding]:
    url = settings.base_url.rstrip("/") + "/health"
    try:
        response = Transport(settings.network).request(HttpRequest("GET", url), _TIMEOUT)
    except TransportError as error:
        yield failed(
            "health",
            f"{shown_url(url)} cannot be reached: {printable(str(error))}; look at the network and its proxy",
            ExitCode.UNFINISHED,
        )
        return
    if response.status != 200:
        yield failed(
            "health", f"{shown_url(url)} answers {response.status}; try again later", ExitCode.UNFINISHED
        )
    else:
        yield Finding(check="health", message="the vendor answers")
    yield _clock(response)


def _clock(response: Response) -> Finding:
    now = datetime.now(UTC)
    try:
        theirs = parsedate_to_datetime(response.headers.get("date", ""))
        behind = (theirs.astimezone(UTC) - now).total_seconds()
    except (ValueError, OverflowError):
        return Finding(check="clock", message="the vendor does not tell the time")
    if abs(behind) > _TOLERATED_SECONDS:
        return warned(
            "clock",
            f"{abs(behind):,.0f} seconds {'behind' if behind > 0 else 'ahead of'} the vendor's: set it by NTP, as "
            "records of several machines are compared by time",
        )
    return Finding(check="clock", message="as the vendor's")
