"""Finds out which provider made recorded purchases, if no manifest says it.

A record does not name its provider, but its fingerprint covers the name: it is recomputed for each one that is
installed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pipeline.errors import InvalidInput
from pipeline.jobs import (
    FINGERPRINTS,
    JobKey,
    LocalFile,
    Option,
    RemoteFile,
    Request,
    Source,
    UpstreamOutput,
    fingerprint,
)
from pipeline.providers.names import provider_names
from pipeline.purchases import Purchase, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.json_values import Json

_TAKE = re.compile(r"#([0-9]{1,9})$")


def provider_of(purchases: Iterable[Purchase]) -> str:
    """The name of the provider that made the purchases; without any, that of the vendor.

    Raises:
        InvalidInput: none that is installed made any of them, or several did.
    """
    bought = [each for each in purchases if each.status is not Status.VOID]
    if not bought:
        return "vimmerse"
    # Its purchases are rehearsals, which have records of their own.
    known = [each for each in provider_names() if each != "emulator"]
    found = sorted({name for each in bought for name in known if _made_by(each, name)})
    if len(found) == 1:
        return found[0]
    if found:
        raise InvalidInput(
            f"the purchases are of several providers ({', '.join(found)}), so nothing is asked: "
            "collect with a manifest that names the one that you mean"
        )
    raise InvalidInput(
        f"no provider that is installed here ({', '.join(known)}) made these purchases, so nothing is asked: "
        "install the plug-in that the campaign used, or collect with its manifest"
    )


def _made_by(purchase: Purchase, provider: str) -> bool:
    version = purchase.fingerprint.partition(":")[0]
    return (
        version in FINGERPRINTS and fingerprint(_request(purchase, provider), version) == purchase.fingerprint
    )


def _request(purchase: Purchase, provider: str) -> Request:
    """What `Job.request_json` wrote, read back."""
    written: Any = purchase.request
    take = _TAKE.search(purchase.key)
    return Request(
        provider=provider,
        template_id=purchase.template_id,
        options={name: _option(value) for name, value in written.get("options", {}).items()},
        images=tuple(_source(each) for each in written.get("images", ()) if isinstance(each, dict)),
        event_id=written.get("event_id"),
        take=int(take[1]) if take is not None else 1,
    )


def _source(written: dict[str, Any]) -> Source:
    match written:
        case {"sha256": digest}:
            return LocalFile("", digest)
        case {"outputs_of": job, "output": output}:
            return UpstreamOutput(JobKey(job), output)
        case _:
            return RemoteFile(str(written.get("url", "")), written.get("version"))


def _option(value: Json) -> Option:
    match value:
        case {"file": str(), "sha256": str(digest), **others} if not others:
            return LocalFile("", digest)
        case dict():
            return {name: _option(inner) for name, inner in value.items()}
        case list():
            return [_option(inner) for inner in value]
        case _:
            return value
