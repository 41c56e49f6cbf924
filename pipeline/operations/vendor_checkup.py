"""Whether the vendor can be reached with what the operator has set: key, address, health and clock."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pipeline.errors import AccountError, ExitCode, InvalidInput, PipelineError, printable
from pipeline.operations.environment import Environment
from pipeline.operations.finding import Finding, failed, warned
from pipeline.operations.provider import provider_settings
from pipeline.operations.workspace import Workspace
from pipeline.providers.address import shown_url
from pipeline.providers.api_settings import Settings, clean_key
from pipeline.providers.http.errors import TransportError
from pipeline.providers.http.transport import HttpRequest, Response, Transport
from pipeline.providers.plugin import ProviderPlugin
from pipeline.providers.registry import plugin_named

_TIMEOUT = 10.0
_TOLERATED_SECONDS = 60.0
# Stands in for a key that is missing: what is asked here is asked without one.
_NO_KEY = "none"


def check_vendor(workspace: Workspace) -> Iterator[Finding]:
    """Key, address, health and clock; nothing that costs anything, and nothing with the key."""
    if workspace.emulated:
        yield Finding(check="key", message="not needed for a rehearsal")
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
        variable = plugin.address_variable or "the provider's documentation"
        yield failed("address", f"{error}; see {variable}", error.exit_code)
        return
    if settings.base_url:
        yield Finding(check="address", message=shown_url(settings.base_url))
    if named.name == "vimmerse":
        yield from _health(settings)


def _key(environment: Environment, variable: str | None) -> Finding:
    if variable is None:
        return Finding(check="key", message="the provider needs none")
    try:
        clean_key(environment.variables.get(variable, ""), variable)
    except AccountError as error:
        return failed("key", str(error), error.exit_code)
    return Finding(check="key", message=f"{variable} is set")


def _settings(environment: Environment, api: str, plugin: ProviderPlugin) -> Settings:
    variables = dict(environment.variables)
    if plugin.key_variable is not None:
        variables[plugin.key_variable] = _NO_KEY
    return provider_settings(replace(environment, variables=variables), api, _TIMEOUT, plugin=plugin)


def _health(settings: Settings) -> Iterator[Finding]:
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
        yield Finding(check="health", message="the vendor answers")
    yield _clock(response)


def _clock(response: Response) -> Finding:
    now = datetime.now(UTC)
    try:
        theirs = parsedate_to_datetime(response.headers.get("date", ""))
        behind = (theirs.astimezone(UTC) - now).total_seconds()
    except (ValueError, OverflowError):
        return Finding(check="clock", message="the vendor's answer has no time")
    if abs(behind) > _TOLERATED_SECONDS:
        return warned(
            "clock",
            f"{abs(behind):,.0f} seconds {'behind' if behind > 0 else 'ahead of'} the vendor's: synchronise it "
            "(NTP), because records of several machines are compared by time",
        )
    return Finding(check="clock", message="as the vendor's")
