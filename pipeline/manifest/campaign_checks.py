"""Checks over all campaigns of a command: their names are distinct, and each variable given from outside is used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.documents.node import Document, dotted
from pipeline.documents.yaml_reader import read_yaml
from pipeline.errors import InvalidInput, Problem, Suggestions, UsageError

if TYPE_CHECKING:
    from pipeline.manifest.model import Campaign

ANY_NAME = "*"
_MAX_SHOWN = 60


def check_used(names: Iterable[str], campaigns: Sequence[Campaign], shown: str = "--var {}") -> None:
    """Refuse vars that change nothing: with a typo in a name, the run would buy the wrong thing.

    `shown` is how such a var is named in the message.

    Raises:
        UsageError: none of the campaigns uses one of the `names`.
    """
    used = _used(campaigns)
    unused = [name for name in dict.fromkeys(names) if name not in used]
    if unused and ANY_NAME not in used:
        suggestions = Suggestions()
        named = [f"{shown.format(name[:_MAX_SHOWN])}{_near(name, used, suggestions)}" for name in unused]
        raise UsageError(f"{_none_of(campaigns)} uses {', nor '.join(named)}")


def warnings_of_files(files: Iterable[str], campaigns: Sequence[Campaign]) -> list[Problem]:
    """A warning for each doubtful text in these files of vars, and for each var that none of the campaigns uses.

    The latter is not an error, since other campaigns may share the file.
    """
    suggestions = Suggestions()
    documents = [read_yaml(Path(file), file) for file in files]
    written = [warning for document in documents for warning in document.warnings]
    return [*written, *(each for document in documents for each in _unused(document, campaigns, suggestions))]


def _unused(document: Document, campaigns: Sequence[Campaign], suggestions: Suggestions) -> list[Problem]:
    used, root = _used(campaigns), document.root.value
    if ANY_NAME in used or not isinstance(root, Mapping):
        return []
    return [
        Problem(
            f"{_none_of(campaigns)} uses this var{_near(name, used, suggestions)}",
            position=node.key_position,
            path=dotted((name,)),
            severity="warning",
            source=node.source.line(node.key_line, node.key_column),
        )
        for name, node in root.items()
        if name not in used
    ]


def _used(campaigns: Sequence[Campaign]) -> frozenset[str]:
    return frozenset().union(*(campaign.names for campaign in campaigns))


def _none_of(campaigns: Sequence[Campaign]) -> str:
    return "nothing in the manifest" if len(campaigns) == 1 else "none of these manifests"


def _near(name: str, used: frozenset[str], suggestions: Suggestions) -> str:
    close = suggestions.nearest(name, used)
    return f" (did you mean '{close}'?)" if close else ""


def used_twice(campaigns: Iterable[Campaign]) -> list[Problem]:
    """An error for each campaign whose name is taken: the two would take each other's state for their own."""
    first: dict[str, Campaign] = {}
    found = []
    for campaign in campaigns:
        other = first.setdefault(campaign.name, campaign)
        if other.manifest != campaign.manifest:
            message = f"its name '{campaign.name}' is that of {other.location.source.name}"
            found.append(campaign.location.problem(message))
    return found


def assert_used_once(campaigns: Iterable[Campaign]) -> None:
    """Refuse campaigns with the same name: output that names the campaign would be ambiguous.

    Raises:
        InvalidInput: with each campaign whose name is taken.
    """
    if problems := used_twice(campaigns):
        raise InvalidInput(problems)
