"""Vars that are given from outside: which names a campaign has a use for."""

from collections.abc import Iterable, Sequence

from pipeline.errors import UsageError, nearest
from pipeline.manifest.model import Campaign

ANY_NAME = "*"
_MOST_SHOWN = 60


def check_used(names: Iterable[str], campaigns: Sequence[Campaign]) -> None:
    """Refuse vars that change nothing: a slip of the pen would buy what nobody meant.

    Raises:
        UsageError: none of the campaigns uses one of the `names`.
    """
    used = frozenset().union(*(campaign.names for campaign in campaigns))
    unused = [name for name in dict.fromkeys(names) if name not in used]
    if unused and ANY_NAME not in used:
        whose = "nothing in the manifest" if len(campaigns) == 1 else "none of these manifests"
        told = [f"--var {name[:_MOST_SHOWN]}{_near(name, used)}" for name in unused]
        raise UsageError(f"{whose} uses {', nor '.join(told)}")


def _near(name: str, used: frozenset[str]) -> str:
    close = nearest(name, used)
    return f" (did you mean '{close}'?)" if close else ""
