"""Selects the jobs that a command is about: by globs over keys, and by properties of a job."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from pipeline.errors import UsageError, nearest, printable
from pipeline.jobs import JobKey, encode_part
from pipeline.planning.selection_grammar import (
    Candidate,
    alternatives,
    composed,
    exact_names,
    lasting,
    matching,
    parts_of,
    values_named,
)

_MOST_SHOWN = 3
# Receives an exclusion that matches nothing, and the error that says so.
OnUnmatched = Callable[[str, UsageError], None]


def refuse_unmatched(_expression: str, error: UsageError) -> None:
    """What is done with an exclusion of a single campaign that matches nothing."""
    raise error


@dataclass(frozen=True, slots=True)
class Shared:
    """What a selection depends on besides the jobs that it is made from.

    `on_unmatched` decides on an exclusion that matches nothing in this one of several campaigns. `names` are
    no patterns in what selects: the `exact_names` in all of the campaigns, as an expression must mean the same in
    each, and after `apart` the keys of the jobs.
    """

    on_unmatched: OnUnmatched = refuse_unmatched
    names: frozenset[str] = frozenset()


ALONE = Shared()


def apart(shared: Shared, candidates: Iterable[Candidate]) -> Shared:
    """As `shared`, but the key of a job means that job alone, not also its further takes."""
    keys = {composed(each.key) for each in candidates if each.job is not None}
    return Shared(shared.on_unmatched, shared.names | keys)


@dataclass(slots=True)
class Unmatched:
    """The exclusions without a match in some of several campaigns. It is a typo only if there is none in any.

    `names` are the `exact_names` in all of them.
    """

    campaigns: int
    names: frozenset[str] = frozenset()
    _found: dict[str, dict[str, UsageError]] = field(default_factory=dict)

    @contextmanager
    def of(self, manifest: str) -> Iterator[Shared]:
        """Notes those of a campaign. Any other error about its selection gets the name of the manifest.

        Raises:
            UsageError: an exclusion has matched nothing in the last of the campaigns either.
        """
        try:
            yield Shared(partial(self._add, manifest), self.names)
        except _InNone:
            raise
        except UsageError as error:
            if self.campaigns == 1:
                raise
            raise UsageError(f"{printable(manifest)}: {error}") from error

    def _add(self, manifest: str, expression: str, error: UsageError) -> None:
        errors = self._found.setdefault(expression, {})
        errors.setdefault(manifest, error)
        if len(errors) == self.campaigns:
            raise _InNone(str(next(iter(errors.values()))))


class _InNone(UsageError):
    """An exclusion matches in no campaign."""


def select_keys(
    candidates: Sequence[Candidate],
    select: Iterable[str],
    exclude: Iterable[str],
    shared: Shared = ALONE,
) -> frozenset[JobKey]:
    """The keys that match one of `select` (all keys if it is empty) and none of `exclude`.

    A comma in an expression means "and"; a leading `+` adds the jobs that the selected ones are made from. What is
    exactly the name of something means that: `image:shoe [1]` is a pattern only if no image is called so. In an
    exclusion it is a pattern too, so a new name never lets an exclusion exclude less. Statuses
    and actions change over time, so it is not an error if nothing matches `status:failed` or `action:retry`.
    An orphan of which the records do not tell whether an expression matches is not selected by it, and is excluded.

    Raises:
        UsageError: an expression is invalid, or matches nothing; the message names the nearest keys.
    """
    selects, excludes = list(select), list(exclude)
    for expression in excludes:
        if expression.startswith("+"):
            raise UsageError(
                f"'{printable(expression)}': an exclusion has no '+'; it only adds to a selection"
            )
    names = _names(candidates, (*selects, *excludes), shared)
    of_selects = [parts_of(each, names) for each in selects]
    of_excludes = [alternatives(each, names) for each in excludes]
    for expression, parts in zip(selects, of_selects, strict=True):
        if not _can_match([parts], candidates, names):
            raise UsageError(_matches_nothing(expression, candidates))
    for expression, lists in zip(excludes, of_excludes, strict=True):
        if not _can_match(lists, candidates, None):
            shared.on_unmatched(expression, UsageError(_matches_nothing(expression, candidates)))
    keys = _keys(candidates, selects, excludes, names)
    if not keys and all(lasting(each) == each for each in chain(of_selects, *of_excludes)):
        raise UsageError("the selection leaves no job")
    return keys


def _can_match(
    lists: Iterable[list[str]], candidates: Sequence[Candidate], names: frozenset[str] | None
) -> bool:
    """Whether one of some lists of parts matches something, or could at another time."""
    all_lasting = [lasting(parts) for parts in lists]
    return any(not parts or matching(parts, candidates, names) for parts in all_lasting)


def _names(candidates: Iterable[Candidate], expressions: Iterable[str], shared: Shared) -> frozenset[str]:
    jobs = (job for each in candidates for job in each.coordinates)
    return shared.names | exact_names(expressions, jobs)


def matching_keys(
    candidates: Sequence[Candidate],
    select: Sequence[str],
    exclude: Sequence[str],
    shared: Shared = ALONE,
) -> frozenset[JobKey]:
    """As `select_keys`, but an expression may match nothing: it may have matched when it was written.

    Raises:
        UsageError: an expression is invalid.
    """
    return _keys(candidates, select, exclude, _names(candidates, (*select, *exclude), shared))


def _keys(
    candidates: Sequence[Candidate], select: Sequence[str], exclude: Sequence[str], names: frozenset[str]
) -> frozenset[JobKey]:
    keys = set() if select else {each.key for each in candidates}
    for expression in select:
        found = matching(parts_of(expression, names), candidates, names)
        keys |= _with_upstreams(found, candidates) if expression.startswith("+") else found
    for expression in exclude:
        for parts in alternatives(expression, names):
            keys -= matching(parts, candidates, None, (True, None))
    return frozenset(keys)


def undecided(candidates: Sequence[Candidate], expression: str) -> set[JobKey]:
    """The keys of those of which the records do not tell whether the expression matches them.

    Raises:
        UsageError: the expression is invalid.
    """
    names = _names(candidates, [expression], ALONE)
    return matching(parts_of(expression, names), candidates, names, (None,))


def _with_upstreams(keys: set[JobKey], candidates: Sequence[Candidate]) -> set[JobKey]:
    jobs = {each.key: each.job for each in candidates if each.job is not None}
    reached: set[JobKey] = set()
    left = list(keys)
    while left:
        key = left.pop()
        if key not in reached:
            reached.add(key)
            job = jobs.get(key)
            if job is not None and job.upstream is not None:
                left.append(job.upstream)
    return reached


def _matches_nothing(expression: str, candidates: Sequence[Candidate]) -> str:
    field, values = values_named(expression.removeprefix("+"), candidates)
    # A name as it is in the manifest, without the escapes of a key.
    escaped = re.sub(r"\s", lambda found: encode_part(found[0]), expression.removeprefix("+"))
    if not field and escaped in values:
        return f"'{printable(expression)}' matches no job; did you mean '{escaped}'?"
    # The field is left out of the comparison, as it would make all values alike.
    close = nearest(expression.removeprefix("+").removeprefix(field), values)
    if close is not None:
        return f"'{printable(expression)}' matches no job; did you mean '{field}{close}'?"
    more = ", …" if len(values) > _MOST_SHOWN else ""
    shown = ", ".join(printable(f"{field}{value}", 200) for value in values[:_MOST_SHOWN])
    there_are = f"; there {'is' if len(values) == 1 else 'are'}: {shown}{more}" if values else ""
    return f"'{printable(expression)}' matches no job{there_are}"
