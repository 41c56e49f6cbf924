"""Names that refer to something: taken as they are, as globs, or reported with what is meant perhaps."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TypeVar

from pipeline.documents.location import Value
from pipeline.errors import did_you_mean
from pipeline.manifest.build_context import Context
from pipeline.manifest.globs import braces_hint, has_magic

T = TypeVar("T")
_MOST_NAMED = 8


def chosen(value: Value | None, known: Mapping[str, T | None], what: str, context: Context) -> tuple[T, ...]:
    """What a list of names or globs refers to, each once; everything where there is no list.

    `known` holds None for what was written but is wrong: that is reported elsewhere, and left out here.
    """
    if value is None:
        names: Iterable[str] = known
    else:
        names = dict.fromkeys(
            name for each in value.elements() for name in _named(each, known, what, context)
        )
    return tuple(found for name in names if (found := known[name]) is not None)


def _named(value: Value, known: Mapping[str, object], what: str, context: Context) -> list[str]:
    name = value.text
    if name is None:
        return []
    if name in known:
        return [name]
    if not has_magic(name):
        context.report(value.location, unknown(what, name, known))
        return []
    found = [each for each in known if fnmatchcase(each, name)]
    if not found:
        hint = braces_hint(name, "list both") or there_are(known)
        context.report(value.location, f"no {what} matches '{name}'{hint}")
    return found


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Says that there is no such thing, and what there is."""
    names = list(known)
    return f"there is no {what} '{name}'{did_you_mean(name, names) or there_are(names)}"


def there_are(known: Iterable[str]) -> str:
    """Says what there is, as the end of a sentence about what there is not."""
    names = [f"'{name}'" for name in known]
    if not names:
        return "; there is none at all"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"; there {'is' if len(names) == 1 else 'are'} {', '.join(names[:_MOST_NAMED])}{more}"
