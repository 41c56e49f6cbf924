"""Parameter types for click: kinds of flags and arguments, and of their values."""

from collections.abc import Mapping
from typing import Any

import click

from pipeline.errors import UsageError
from pipeline.operations.flag_variables import in_utf8


class _NeverEmpty(click.Parameter):
    """A word of the command line that is neither empty nor blank.

    `--state "$DB"` with DB unset names no state. If it counted as left out, the default state would be used, which
    knows nothing of what was bought; and `--state "$DIR $DB"` with both unset would name a state called ` `. Only an
    empty environment variable counts as unset.
    """

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> Any:
        given = opts.get(self.name or "")
        words = given if isinstance(given, list | tuple) else (given,)
        if not ctx.resilient_parsing:
            for word in words:
                self._assert_says_something(word)
        return super().consume_value(ctx, opts)

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        value = super().resolve_envvar_value(ctx)
        if not ctx.resilient_parsing:
            self._assert_says_something(value or None, " in the environment")
        return value

    def _assert_says_something(self, word: Any, where: str = "") -> None:
        if isinstance(word, str) and not word.strip():
            name = self.opts[0] if isinstance(self, click.Option) else "an argument"
            how = "blank" if word else "empty"
            raise UsageError(f"{name} is {how}{where}; leave it out, or is a variable unset?")


class Flag(_NeverEmpty, click.Option):
    """A flag. Its value, if it takes one, is neither empty nor blank."""


class Argument(_NeverEmpty, click.Argument):
    """An argument without a flag; it is neither empty nor blank."""


class NumberRange(click.FloatRange):
    """A number in a range. NaN is refused, which comparisons with the limits would let through."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if number != number:
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


class _Text(click.types.StringParamType):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return in_utf8(super().convert(value, param, ctx))


TEXT = _Text()


class LocalPath(click.Path):
    """A path on this machine. An address is refused without showing it: it may contain a password."""

    def split_envvar_value(self, rv: str) -> list[str]:
        """Split several paths at blanks, as for other flags; splitting at colons would cut an address."""
        return rv.split()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        # Imported here, since `--help` does not need it.
        from pipeline.schemes import assert_file

        command = ctx.command.name if ctx is not None else None
        name = param.opts[0] if isinstance(param, click.Option) else command
        assert_file(name or "", str(value))
        return super().convert(value, param, ctx)
