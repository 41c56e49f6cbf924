"""What click makes of the words of a command line: kinds of flags, of arguments, and of their values."""

from collections.abc import Mapping
from typing import Any

import click

from pipeline.errors import UsageError


class _NeverEmpty(click.Parameter):
    """A word of the command line that is neither empty nor blank.

    `--state "$DB"` with DB unset names no state. Taken for a flag that was left out, it would be the usual state,
    in which nothing of what was bought is known; and `--state "$DIR $DB"` with both unset would be one called ` `.
    Only an empty variable of the environment is as good as none.
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
    """A flag. Where it takes a value, that is neither empty nor blank."""


class Argument(_NeverEmpty, click.Argument):
    """A word without a flag, which is neither empty nor blank."""


class NumberRange(click.FloatRange):
    """A number in a range, and no NaN, which is in none and which no comparison refuses."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if number != number:
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


class LocalPath(click.Path):
    """A path of this machine. An address is refused, of which nothing is shown: it may hold a password."""

    def split_envvar_value(self, rv: str) -> list[str]:
        """Several in one variable are separated by blanks, as those of other flags; a colon would cut an address."""
        return rv.split()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        # Not needed for `--help`.
        from pipeline.schemes import assert_path

        command = ctx.command.name if ctx is not None else None
        name = param.opts[0] if isinstance(param, click.Option) else command
        assert_path(name or "", str(value), is_only_path=True)
        return super().convert(value, param, ctx)
