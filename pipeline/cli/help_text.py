"""Help that is readable in a narrow terminal too: there, each text is below its flag or command."""

import shutil
from collections.abc import Iterable

import click

# The least columns in which a text beside its flag is readable.
_READABLE = 24
# Below this many columns, click would write wider lines than the terminal has.
_NARROW = 52
_NARROWEST = 24

# Replaces each hyphen while lines are broken: else they would be broken after hyphens, even in a flag or a path.
_HYPHEN = "\N{NON-BREAKING HYPHEN}"


class HelpFormatter(click.HelpFormatter):
    """Writes lines no wider than the terminal, and breaks them between words only."""

    def __init__(
        self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None
    ) -> None:
        columns = shutil.get_terminal_size().columns
        if width is None and columns < _NARROW:
            width = max(columns, _NARROWEST)
        super().__init__(indent_increment, width, max_width)

    def write(self, string: str) -> None:
        super().write(string.replace(_HYPHEN, "-"))

    def write_text(self, text: str) -> None:
        super().write_text(text.replace("-", _HYPHEN))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        rows = [(term, text.replace("-", _HYPHEN)) for term, text in rows]
        beside = min(max(len(term) for term, _ in rows), col_max) + col_spacing
        if self.width - self.current_indent - beside >= _READABLE:
            super().write_dl(rows, col_max, col_spacing)
            return
        for term, text in rows:
            self.write_text(term)
            with self.indentation():
                self.write_text(text)


class HelpContext(click.Context):
    """The context of a command whose help uses this formatter."""

    formatter_class = HelpFormatter


def with_readable_help(command: click.Command) -> click.Command:
    """`command` and its subcommands with this formatter, which contexts do not inherit."""
    command.context_class = HelpContext
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        with_readable_help(each)
    return command
