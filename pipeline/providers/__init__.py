"""Vendors: the port, and the providers that implement it.

The names here are the stable interface for authors of providers: the port, its data and outcomes, the object that an
entry point names, and the HTTP tools of the built-in provider. Each name is imported on first use, so that a command
that makes no call starts quickly.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.errors import AccountError as AccountError
    from pipeline.errors import BuyingStopped as BuyingStopped
    from pipeline.jobs import LocalFile as LocalFile
    from pipeline.jobs import MediaType as MediaType
    from pipeline.jobs import Option as Option
    from pipeline.jobs import Visibility as Visibility
    from pipeline.json_values import Json as Json
    from pipeline.providers.api_settings import Settings as Settings
    from pipeline.providers.base import AccountProblem as AccountProblem
    from pipeline.providers.base import AccountRefused as AccountRefused
    from pipeline.providers.base import Attachment as Attachment
    from pipeline.providers.base import Bought as Bought
    from pipeline.providers.base import CallRefused as CallRefused
    from pipeline.providers.base import Changes as Changes
    from pipeline.providers.base import CreateOutcome as CreateOutcome
    from pipeline.providers.base import CreateRequest as CreateRequest
    from pipeline.providers.base import Deferred as Deferred
    from pipeline.providers.base import Downloaded as Downloaded
    from pipeline.providers.base import DownloadFailed as DownloadFailed
    from pipeline.providers.base import JobRefused as JobRefused
    from pipeline.providers.base import Media as Media
    from pipeline.providers.base import NotFound as NotFound
    from pipeline.providers.base import NotSent as NotSent
    from pipeline.providers.base import OutcomeUnknown as OutcomeUnknown
    from pipeline.providers.base import Progress as Progress
    from pipeline.providers.base import Provider as Provider
    from pipeline.providers.base import VendorError as VendorError
    from pipeline.providers.base import Workflow as Workflow
    from pipeline.providers.download import MediaClient as MediaClient
    from pipeline.providers.http.connection import Stage as Stage
    from pipeline.providers.http.connection import Transmission as Transmission
    from pipeline.providers.http.errors import TransportError as TransportError
    from pipeline.providers.http.errors import reason_for as reason_for
    from pipeline.providers.http.transport import Ending as Ending
    from pipeline.providers.http.transport import HttpRequest as HttpRequest
    from pipeline.providers.http.transport import Response as Response
    from pipeline.providers.http.transport import Transport as Transport
    from pipeline.providers.payloads import multipart as multipart
    from pipeline.providers.registry import ProviderPlugin as ProviderPlugin
    from pipeline.providers.uploads import Uploads as Uploads
    from pipeline.purchases import WorkflowId as WorkflowId

_MODULES = {
    **dict.fromkeys(("AccountError", "BuyingStopped"), "pipeline.errors"),
    **dict.fromkeys(("Json", "LocalFile", "MediaType", "Option", "Visibility"), "pipeline.jobs"),
    **dict.fromkeys(
        (
            *("AccountProblem", "AccountRefused", "Attachment", "Bought", "CallRefused", "Changes"),
            *("CreateOutcome", "CreateRequest", "Deferred", "DownloadFailed", "Downloaded", "JobRefused"),
            *("Media", "NotFound", "NotSent", "OutcomeUnknown", "Progress", "Provider", "VendorError"),
            "Workflow",
        ),
        "pipeline.providers.base",
    ),
    "MediaClient": "pipeline.providers.download",
    "ProviderPlugin": "pipeline.providers.registry",
    "Settings": "pipeline.providers.api_settings",
    **dict.fromkeys(("Stage", "Transmission"), "pipeline.providers.http.connection"),
    **dict.fromkeys(("TransportError", "reason_for"), "pipeline.providers.http.errors"),
    "multipart": "pipeline.providers.payloads",
    **dict.fromkeys(("Ending", "HttpRequest", "Response", "Transport"), "pipeline.providers.http.transport"),
    "Uploads": "pipeline.providers.uploads",
    "WorkflowId": "pipeline.purchases",
}

__all__ = sorted(_MODULES)


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]


if not TYPE_CHECKING:
    # Hidden from type checkers: with `__getattr__`, they would accept any name.
    def __getattr__(name: str) -> object:
        if name in _MODULES:
            return getattr(import_module(_MODULES[name]), name)
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
