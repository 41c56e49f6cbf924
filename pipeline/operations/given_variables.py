"""The vars that a command was given, and the flags that give them to a suggested command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.manifest.campaign_checks import ANY_NAME
from pipeline.operations.shown_paths import shown_path
from pipeline.schemes import without_secrets

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.manifest.model import Campaign

# Characters of all vars of one command: a hint stays readable, and is never cut within a value.
_LONGEST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenVariables:
    """The vars that a command was given: `values` by name, over those of `files`."""

    values: Mapping[str, Json] = field(default_factory=dict, repr=False)
    files: Sequence[str] = ()

    def used_by(self, campaign: Campaign) -> GivenVariables:
        """Those that `campaign` takes: a command for it alone would refuse others."""
        if ANY_NAME in campaign.names:
            return self
        used = {name: value for name, value in self.values.items() if name in campaign.names}
        return replace(self, values=used)

    def flags(self, shown: Callable[[Path], str] = shown_path) -> list[tuple[str, str]]:
        """Each flag with its argument; `shown` writes the path of a file.

        A value that cannot be shown, such as an address that may contain a password, is left to the user. So is its
        `=`, without which the command is refused: with another value it could buy something else.
        """
        files = [("--var-file", shown(Path(each))) for each in self.files]
        return [*files, *(("--var", each) for each in self._pairs())]

    def _pairs(self) -> Iterator[str]:
        left = _LONGEST
        for name, value in self.values.items():
            text = _as_scalar(value)
            pair = name if text is None else f"{name}={text}"
            is_shown = len(pair) <= left and without_secrets(pair) == pair
            left -= len(pair) if is_shown else 0
            yield pair if is_shown else name


def quoted(flags: Sequence[tuple[str, str]]) -> list[str]:
    """Each flag with its argument, quoted for a shell."""
    return [shlex.join(each) for each in flags]


def _as_scalar(value: Json) -> str | None:
    """The text that `--var` reads as `value`; None if there is none, as for a list."""
    # The reader loads slowly, and is needed only if there is something to write.
    from pipeline.documents.yaml_reader import read_scalar

    if isinstance(value, list | dict):
        return None
    plain = value if isinstance(value, str) else ""
    for text in (plain, json.dumps(value, ensure_ascii=False), json.dumps(value)):
        try:
            read = read_scalar(text)
        except ValueError:
            continue
        if text.isprintable() and type(read) is type(value) and read == value:
            return text
    return None
