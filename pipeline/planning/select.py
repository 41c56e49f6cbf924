"""Selects the jobs that a command is about: by globs over keys, and by properties of a job."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial

from pipeline.errors import UsageError, did_you_mean, nearest, printable
from pipeline.jobs import Job, JobKey, axis_text
from pipeline.planning.plan import Action
from pipeline.purchases import PENDING, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A job, or an orphan (`job` is then None), with the properties that a selection can test."""

    key: JobKey
    job: Job | None
    status: str
    action: str


_MOST_SHOWN = 3

Test = Callable[[Candidate], bool]
# Receives an exclusion that matches nothing, and the error that says so.
OnUnmatched = Callable[[str, UsageError], None]


@dataclass(slots=True)
class Unmatched:
    """The exclusions without a match in some of several campaigns. It is a typo only if there is none in any."""

    campaigns: int
    _found: dict[str, dict[str, UsageError]] = field(default_factory=dict)

    @contextmanager
    def of(self, manifest: str) -> Iterator[OnUnmatched]:
        """Notes those of a campaign. Any other error about its selection gets the name of the manifest.

        Raises:
            UsageError: an exclusion has matched nothing in the last of the campaigns either.
        """
        try:
            yield partial(self._add, manifest)
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


def refuse_unmatched(_expression: str, error: UsageError) -> None:
    """What is done with an exclusion of a single campaign that matches nothing."""
    raise error


def select_keys(
    candidates: Sequence[Candidate],
    select: Iterable[str],
    exclude: Iterable[str],
    on_unmatched: OnUnmatched = refuse_unmatched,
) -> frozenset[JobKey]:
    """The keys that match one of `select` (all keys if it is empty) and none of `exclude`.

    A comma in an expression means "and"; a leading `+` adds the jobs that the selected ones are made from. Statuses
    and actions change over time, so it is not an error if nothing matches `status:failed` or `action:retry`.
    `on_unmatched` decides on an exclusion that matches nothing.

    Raises:
        UsageError: an expression is invalid, or matches nothing; the message names the nearest keys.
    """
    selects, excludes = list(select), list(exclude)
    for expression in excludes:
        if expression.startswith("+"):
            raise UsageError(
                f"'{printable(expression)}': an exclusion has no '+'; it only adds to a selection"
            )
    for expressions, tell in ((selects, refuse_unmatched), (excludes, on_unmatched)):
        for expression in expressions:
            lasting = _without_moments(expression)
            if lasting and not _matching_expression(lasting, candidates):
                tell(expression, UsageError(_matches_nothing(expression, candidates)))
    keys = matching_keys(candidates, selects, excludes)
    may_be_empty = any(_without_moments(each) != each.removeprefix("+") for each in (*selects, *excludes))
    if not keys and not may_be_empty:
        raise UsageError("the selection leaves no job")
    return keys


def _without_moments(expression: str) -> str:
    """`expression` without the parts that test a job's current status or action."""
    parts = [part.strip() for part in expression.removeprefix("+").split(",")]
    return ",".join(part for part in parts if part.partition(":")[0] not in _WORDS)


def matching_keys(
    candidates: Sequence[Candidate], select: Iterable[str], exclude: Iterable[str]
) -> frozenset[JobKey]:
    """As `select_keys`, but an expression may match nothing: it may have matched when it was written.

    Raises:
        UsageError: an expression is invalid.
    """
    expressions = list(select)
    keys = set() if expressions else {each.key for each in candidates}
    for expression in expressions:
        keys |= _selected(expression, candidates)
    for expression in exclude:
        keys -= _matching_expression(expression, candidates)
    return frozenset(keys)


def _selected(expression: str, candidates: Sequence[Candidate]) -> set[JobKey]:
    found = _matching_expression(expression.removeprefix("+"), candidates)
    return _with_upstreams(found, candidates) if expression.startswith("+") else found


def _matching_expression(expression: str, candidates: Sequence[Candidate]) -> set[JobKey]:
    tests = [_test(part.strip()) for part in expression.split(",")]
    return {each.key for each in candidates if all(test(each) for test in tests)}


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


_FIELDS: dict[str, Callable[[Candidate], str | None]] = {
    "status": lambda each: each.status,
    "action": lambda each: each.action,
    "template": lambda each: each.job.coordinates.template if each.job else None,
    "image": lambda each: each.job.coordinates.image if each.job else None,
    "prompt": lambda each: each.job.coordinates.prompt if each.job else None,
    "job": lambda each: each.job.coordinates.rule if each.job else None,
}


# The fields whose values change with every run, with all their values, to detect typos.
_WORDS: dict[str, frozenset[str]] = {
    "status": frozenset({PENDING, *(status.value for status in Status)}),
    "action": frozenset(action.value for action in Action),
}


def _test(expression: str) -> Test:
    name, separator, wanted = expression.partition(":")
    if not expression:
        raise UsageError("an empty selection matches nothing")
    # A colon after the first part of a key belongs to a name.
    if not separator or "/" in name or "*" in name:
        return partial(_key_matches, _pattern(expression.rstrip("/")))
    if name.startswith("matrix."):
        return partial(_axis_matches, name.removeprefix("matrix."), wanted)
    if name not in _FIELDS:
        known = [*_FIELDS, "matrix.NAME"]
        hint = did_you_mean(name, known) or f"; known: {', '.join(known)}"
        raise UsageError(f"'{printable(expression)}': cannot select by '{printable(name)}'{hint}")
    if name in _WORDS and not any(fnmatchcase(word, wanted) for word in _WORDS[name]):
        hint = did_you_mean(wanted, _WORDS[name]) or f"; there are: {', '.join(sorted(_WORDS[name]))}"
        raise UsageError(f"'{printable(expression)}': no {name} is called '{printable(wanted)}'{hint}")
    return partial(_field_matches, _FIELDS[name], wanted)


def _field_matches(read: Callable[[Candidate], str | None], wanted: str, candidate: Candidate) -> bool:
    value = read(candidate)
    return value is not None and fnmatchcase(value, wanted)


def _axis_matches(name: str, wanted: str, candidate: Candidate) -> bool:
    axes = dict(candidate.job.coordinates.axes) if candidate.job else {}
    return name in axes and fnmatchcase(axis_text(axes[name]), wanted)


def _key_matches(pattern: re.Pattern[str], candidate: Candidate) -> bool:
    return pattern.fullmatch(candidate.key) is not None


def _pattern(glob: str) -> re.Pattern[str]:
    """Compile a glob over keys: `*` matches within a part, `**` across parts; leading parts select all below them."""
    parts = re.split(r"(\*\*|\*|\?)", glob)
    words = {"**": ".*", "*": "[^/#]*", "?": "[^/#]"}
    body = "".join(words.get(part, re.escape(part)) for part in parts)
    return re.compile(f"{body}(?:[/#].*)?", re.DOTALL)


def _matches_nothing(expression: str, candidates: Sequence[Candidate]) -> str:
    field, values = _values(expression.removeprefix("+"), candidates)
    # The field is left out of the comparison, as it would make all values alike.
    close = nearest(expression.removeprefix("+").removeprefix(field), values)
    if close is not None:
        return f"'{printable(expression)}' matches no job; did you mean '{field}{close}'?"
    more = ", …" if len(values) > _MOST_SHOWN else ""
    shown = ", ".join(printable(f"{field}{value}", 200) for value in values[:_MOST_SHOWN])
    there_are = f"; there {'is' if len(values) == 1 else 'are'}: {shown}{more}" if values else ""
    return f"'{printable(expression)}' matches no job{there_are}"


def _values(expression: str, candidates: Sequence[Candidate]) -> tuple[str, list[str]]:
    """What an expression of one field could name: `image:` and all images; of any other, no field and all keys."""
    name, separator, _ = expression.partition(":")
    values: set[str] = set()
    if separator and "," not in expression:
        if name in _FIELDS:
            values = {value for each in candidates if (value := _FIELDS[name](each)) is not None}
        elif name.startswith("matrix."):
            axis = name.removeprefix("matrix.")
            axes = [dict(each.job.coordinates.axes) for each in candidates if each.job is not None]
            values = {axis_text(each[axis]) for each in axes if axis in each}
            if not values:
                return "matrix.", sorted({f"{known}:*" for each in axes for known in each})
    return (f"{name}:", sorted(values)) if values else ("", [each.key for each in candidates])
