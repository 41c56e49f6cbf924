"""What to do next, as a command that can be pasted."""

import shlex

from pipeline.errors import printable


def resolve_command(manifest: str, key: str) -> str:
    """The command that resolves an unknown outcome, to be pasted once the id is known."""
    return f"`pipeline resolve {shlex.quote(manifest)} {shlex.quote(printable(key, 2000))} --workflow-id ID`"
