"""Webhooks of a campaign: the locations of the secret and the receipts, and the listener of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.operations.workspace import STATE_FOLDER, Workspace
from pipeline.webhooks.addresses import VARIABLE, Addresses, checked_url, secret_in
from pipeline.webhooks.receipt import ReceiptInbox, Webhooks
from pipeline.webhooks.spool import Spool, TeamSpool, spool_at

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.purchases import PurchaseId
    from pipeline.webhooks.receiver import Application

# In the state's folder: all campaigns in one folder share one secret.
SPOOL = "webhooks"


def spool_of(workspace: Workspace) -> Spool | TeamSpool:
    """The receipts that `serve` stores for `run` and `collect`."""
    folder = workspace.campaign.manifest.parent / STATE_FOLDER / SPOOL
    return spool_at(workspace.state, folder, workspace.campaign.name, workspace.environment.lease_seconds)


def addresses_of(workspace: Workspace, url: str = "") -> Addresses:
    """The addresses that the vendor calls, below `url`. A process that only receives needs no `url`.

    Raises:
        UsageError: the URL, or the secret in the environment, is invalid.
        InvalidInput, Unfinished: the secret cannot be read or made.
    """
    folder = workspace.campaign.manifest.parent / STATE_FOLDER
    secret = secret_in(workspace.environment.variables.get(VARIABLE), folder)
    return Addresses(secret=secret, url=checked_url(url) if url else "")


def keeping_receipts(
    campaigns: Iterable[tuple[Workspace, Callable[[PurchaseId], bool]]], url: str
) -> Application:
    """The application of `serve` that receives the vendor's calls below `url`, and stores them for later runs.

    With each campaign comes whether it is known to have a purchase.

    Raises:
        UsageError, InvalidInput, Unfinished: as `addresses_of`.
    """
    from pipeline.webhooks.receiver import Receiver, hooks_application

    receivers = []
    of_folders: dict[Path, Spool] = {}
    for workspace, knows in campaigns:
        spool = spool_of(workspace)
        if isinstance(spool, Spool):
            # Campaigns in one folder share it; in a team's database, each campaign has its own.
            spool = of_folders.setdefault(workspace.campaign.manifest.parent, spool)
        receivers.append(Receiver(addresses_of(workspace, url), spool.put, knows=knows, writes=True))
    return hooks_application(*receivers)


@contextmanager
def receiving(workspace: Workspace, url: str, listen: str | None) -> Iterator[Webhooks]:
    """The webhooks of a run, below `url`; calls are received at the address `listen`, else by a `serve` elsewhere.

    The receipts that the run did not take, as after its last call, are stored for the next one.

    Raises:
        UsageError: an address is invalid, or the extra that listens is missing.
        InvalidInput, Unfinished: the secret cannot be read or made.
    """
    addresses = addresses_of(workspace, url)
    templates = workspace.campaign.templates.values()
    inbox = ReceiptInbox()
    with ExitStack() as stack:
        if listen is not None:
            stack.callback(_store, inbox, spool_of(workspace))
            stack.enter_context(_listening(listen, addresses, inbox))
        yield Webhooks(
            inbox=inbox,
            address_of=addresses.of,
            templates=frozenset(each.template_id for each in templates if each.known and each.known.webhook),
        )


def _store(inbox: ReceiptInbox, spool: Spool | TeamSpool) -> None:
    with suppress(OSError):
        for receipt in inbox.take_all():
            spool.put(receipt)


@contextmanager
def _listening(listen: str, addresses: Addresses, inbox: ReceiptInbox) -> Iterator[None]:
    try:
        from pipeline.webhooks.listener import Listener, address_of
        from pipeline.webhooks.receiver import Receiver, hooks_application
    except ImportError as error:
        raise UsageError(
            "--webhook-listen needs the extra `serve`: pip install 'campaign-pipeline[serve]'"
        ) from error
    with Listener(hooks_application(Receiver(addresses, inbox.put)), *address_of(listen)):
        yield
