"""Routes that the vendor calls. They need no token, as each address proves itself."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.routing import BaseRoute, Mount

from pipeline.operations.webhooks import keeping_receipts
from pipeline.operations.workspace import Workspace


def webhook_routes(workspaces: Iterable[Workspace], url: str) -> list[BaseRoute]:
    """The routes to what keeps the vendor's calls below `url`, with its path and without: a proxy may take that off.

    Raises:
        UsageError: the url, or the secret in the environment, is of no use.
        InvalidInput, Unfinished: the secret cannot be read or made.
    """
    application = keeping_receipts(workspaces, url)
    before = urlsplit(url).path.rstrip("/")
    return [Mount(f"{each}/hooks", app=application) for each in dict.fromkeys(("", before))]
