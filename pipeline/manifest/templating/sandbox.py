"""Jinja's sandbox with our rules: what dots, operators, filters, tests and loops may do."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import jinja2
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pipeline.manifest.templating.dotted import Named
from pipeline.manifest.templating.filters import FILTERS, ITEMS, MEASURED, TESTS
from pipeline.manifest.templating.values import (
    Budget,
    Missing,
    as_text,
    checked_number,
    checked_text,
    kind,
    vars_of,
)

_MAX_ITEMS: Final = 256
_LOOP_DATA: Final = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})
# Other languages' words for what a template calls `none`, `true` and `false`.
_WORDS: Final = {"null": "none", "nil": "none", "none": "none", "true": "true", "false": "false"}


class _Scope(Context):
    """The names of one render, and its budget."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # the library's own signature
        super().__init__(*arguments, **options)
        self.budget = Budget()

    def resolve_or_missing(self, key: str) -> Any:
        found = self.vars.get(key, self.parent.get(key, self))
        if found is not self:
            return found
        if (word := _WORDS.get(key.lower())) is not None:
            return Missing(hint=f"'{key}' is undefined; write '{word}'")
        return Missing(name=key, known=self.parent)


class _Environment(ImmutableSandboxedEnvironment):
    """Dots and brackets look up data only, operators have limits, and values are spelled our way."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//"})
    intercepted_unops = frozenset({"+", "-"})
    context_class = _Scope

    def getattr(self, obj: Any, attribute: str) -> Any:
        match obj:
            case Missing():
                # So that `image.name | default('none')` works without an image.
                return obj
            case Mapping():
                return obj[attribute] if attribute in obj else Missing(name=attribute, known=obj)
            case Named() if attribute in obj.data:
                return obj.data[attribute]
            case Named() if attribute in vars_of(obj):
                return Missing(name=attribute, known=obj.data)
            case LoopContext() if attribute in _LOOP_DATA:
                return getattr(obj, attribute)
            case _:
                return Missing(hint=f"{kind(obj)} has no '{attribute[:60]}'")

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(argument, Missing):
            raise argument.error
        if isinstance(argument, str):
            return self.getattr(obj, argument)
        if isinstance(obj, list | tuple | str) and _is_index(argument):
            within = -len(obj) <= argument < len(obj)
            return obj[argument] if within else Missing(hint=f"there is no item {argument} in {kind(obj)}")
        return obj if isinstance(obj, Missing) else Missing(hint=f"{kind(obj)} has no such item")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            text = checked_text(left + right)
            budget_of(context).measure(text)
            return text
        for operand in (left, right):
            if isinstance(operand, Missing):
                raise operand.error
        checked_number(left)
        checked_number(right)
        return checked_number(super().call_binop(context, operator, left, right))

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        if isinstance(arg, Missing):
            raise arg.error
        return super().call_unop(context, operator, checked_number(arg))


def _is_index(argument: object) -> bool:
    return isinstance(argument, int) and not isinstance(argument, bool)


def budget_of(context: Context) -> Budget:
    """The budget of the render that this context belongs to."""
    # The environment makes no other kind of context.
    budget: Budget = context.budget  # type: ignore[attr-defined]
    return budget


def _counted(name: str, function: Callable[..., object]) -> Callable[..., object]:
    """Wrap a filter or test: it is charged for its arguments, and a missing one is an error."""

    @jinja2.pass_context
    def apply(context: Context, /, *arguments: object, **options: object) -> object:
        budget = budget_of(context)
        for argument in (*arguments, *options.values()):
            if isinstance(argument, Missing):
                raise argument.error
            budget.measure(argument)
        try:
            result = function(*arguments, **options)
        except LookupError as error:
            return Missing(hint=str(error))
        except TypeError:
            raise ValueError(f"'{name}' does not work with these arguments") from None
        return checked_text(result) if isinstance(result, str) else result

    return apply


def _default(value: object, default_value: object = "", boolean: object = False) -> object:
    absent = isinstance(value, Missing) or (boolean and not value)
    return default_value if absent else value


@jinja2.pass_context
def _items(context: Context, value: object, weight: int) -> list[object]:
    """The items of a loop, charged with the cost of its body."""
    if isinstance(value, Missing):
        raise value.error
    if not isinstance(value, list | tuple | Mapping):
        raise ValueError(f"a loop needs a list, found {kind(value)}")
    if len(value) > _MAX_ITEMS:
        raise ValueError(f"a loop over {len(value):,} items; at most {_MAX_ITEMS} are allowed")
    budget_of(context).spend(weight * len(value))
    return list(value)


@jinja2.pass_context
def _measured(context: Context, value: object) -> object:
    if isinstance(value, Missing):
        raise value.error
    budget_of(context).measure(value)
    return value


def _make_environment() -> jinja2.Environment:
    # Without the optimizer, which would evaluate constant expressions at compile time, without any limit.
    environment = _Environment(undefined=Missing, optimized=False, finalize=as_text, cache_size=0)
    environment.globals.clear()
    environment.filters = {name: _counted(name, function) for name, function in FILTERS.items()}
    environment.filters |= {"default": _default, ITEMS: _items, MEASURED: _measured}
    environment.tests = {name: _counted(name, function) for name, function in TESTS.items()}
    environment.tests |= {
        "defined": lambda value: not isinstance(value, Missing),
        "undefined": lambda value: isinstance(value, Missing),
    }
    return environment


ENVIRONMENT: Final = _make_environment()
