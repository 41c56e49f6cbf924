"""Selects the jobs that a command is about: by globs over keys, and by properties of a job."""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial

from pipeline.errors import UsageError, did_you_mean, nearest, printable
from pipeline.jobs import Coordinates, Job, JobKey, axis_text, encode_part
from pipeline.planning.plan import Action
from pipeline.purchases import PENDING, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A job, or an orphan (`job` is then None), with the properties that a selection can test.

    `recorded` is all that the key of an orphan can stand for.
    """

    key: JobKey
    job: Job | None
    status: str
    action: str
    recorded: tuple[Coordinates, ...] = ()

    @property
    def coordinates(self) -> tuple[Coordinates, ...]:
        """All that the key can stand for: one if it is a job's."""
        return self.recorded if self.job is None else (self.job.coordinates,)


_MOST_SHOWN = 3
# The characters with a meaning in a value of an expression.
_SPECIAL = re.compile(r"[*?\[,]")

# The answer is None where what is recorded of an orphan does not tell.
Test = Callable[[Candidate], bool | None]
# Receives an exclusion that matches nothing, and the error that says so.
OnUnmatched = Callable[[str, UsageError], None]


def refuse_unmatched(_expression: str, error: UsageError) -> None:
    """What is done with an exclusion of a single campaign that matches nothing."""
    raise error


@dataclass(frozen=True, slots=True)
class Shared:
    """What a selection depends on besides the jobs that it is made from.

    `on_unmatched` decides on an exclusion that matches nothing in this one of several campaigns. `names` are no
    patterns: the `exact_names` in all of the campaigns, as an expression must mean the same in each, and after
    `apart` the keys of the jobs.
    """

    on_unmatched: OnUnmatched = refuse_unmatched
    names: frozenset[str] = frozenset()


ALONE = Shared()


def apart(shared: Shared, candidates: Iterable[Candidate]) -> Shared:
    """As `shared`, but the key of a job means that job alone, not also its further takes."""
    keys = {each.key for each in candidates if each.job is not None}
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


def exact_names(expressions: Iterable[str], jobs: Iterable[Coordinates]) -> frozenset[str]:
    """What of the expressions is exactly a name in some job although it looks like a pattern: `image:shoe [1]`.

    The jobs are not iterated over if nothing looks so.
    """
    texts = {text for each in expressions for text in (_without_plus(each), *_split(each))}
    doubtful = {text for text in texts if _SPECIAL.search(text.partition(":")[2])}
    found: set[str] = set()
    for job in jobs if doubtful else ():
        found.update(text for text in doubtful if _is_name(text, job))
    return frozenset(found)


def _is_name(text: str, job: Coordinates) -> bool:
    name, _, value = text.partition(":")
    return _coordinate(name, job) == value


def select_keys(
    candidates: Sequence[Candidate],
    select: Iterable[str],
    exclude: Iterable[str],
    shared: Shared = ALONE,
) -> frozenset[JobKey]:
    """The keys that match one of `select` (all keys if it is empty) and none of `exclude`.

    A comma in an expression means "and"; a leading `+` adds the jobs that the selected ones are made from. What is
    exactly the name of something means that: `image:shoe [1]` is a pattern only if no image is called so. Statuses
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
    for expressions, tell in ((selects, refuse_unmatched), (excludes, shared.on_unmatched)):
        for expression in expressions:
            lasting = _lasting(_parts(expression, names))
            if lasting and not _matching(lasting, candidates, names):
                tell(expression, UsageError(_matches_nothing(expression, candidates)))
    keys = _keys(candidates, selects, excludes, names)
    parts = [_parts(each, names) for each in (*selects, *excludes)]
    if not keys and all(_lasting(each) == each for each in parts):
        raise UsageError("the selection leaves no job")
    return keys


def _names(candidates: Iterable[Candidate], expressions: Iterable[str], shared: Shared) -> frozenset[str]:
    jobs = (job for each in candidates for job in each.coordinates)
    return shared.names | exact_names(expressions, jobs)


def _parts(expression: str, names: frozenset[str]) -> list[str]:
    """The parts of an expression, all of which must match; a single one if it is a name with a comma."""
    whole = _without_plus(expression)
    return [whole] if whole in names else _split(expression)


def _split(expression: str) -> list[str]:
    return [part.strip() for part in _without_plus(expression).split(",")]


def _without_plus(expression: str) -> str:
    return _composed(expression.removeprefix("+"))


def _composed(text: str) -> str:
    """The text in the Unicode form in which texts are compared: what looks alike is found, however it is typed."""
    return unicodedata.normalize("NFC", text)


def _lasting(parts: Iterable[str]) -> list[str]:
    """The parts but those that test a job's current status or action."""
    return [part for part in parts if part.partition(":")[0] not in _WORDS]


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
        found = _matching(_parts(expression, names), candidates, names)
        keys |= _with_upstreams(found, candidates) if expression.startswith("+") else found
    for expression in exclude:
        keys -= _matching(_parts(expression, names), candidates, names, (True, None))
    return frozenset(keys)


def _matching(
    parts: Iterable[str],
    candidates: Sequence[Candidate],
    names: frozenset[str],
    answers: Collection[bool | None] = (True,),
) -> set[JobKey]:
    """The keys of the candidates for which the answer is one of `answers`."""
    tests = [_test(part, names) for part in parts]
    return {each.key for each in candidates if _answer(tests, each) in answers}


def _answer(tests: Iterable[Test], candidate: Candidate) -> bool | None:
    """Whether all tests hold: None if none fails and some cannot tell."""
    is_known = True
    for test in tests:
        answer = test(candidate)
        if answer is False:
            return False
        is_known = is_known and answer is not None
    return True if is_known else None


def undecided(candidates: Sequence[Candidate], expression: str) -> set[JobKey]:
    """The keys of those of which the records do not tell whether the expression matches them.

    Raises:
        UsageError: the expression is invalid.
    """
    names = _names(candidates, [expression], ALONE)
    return _matching(_parts(expression, names), candidates, names, (None,))


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


_COORDINATES: dict[str, Callable[[Coordinates], str | None]] = {
    "template": lambda job: job.template,
    "image": lambda job: job.image,
    "prompt": lambda job: job.prompt,
    "job": lambda job: job.rule,
}
_FIELDS = ("status", "action", *_COORDINATES)


def _coordinate(field: str, job: Coordinates) -> str | None:
    """The value of a field that is part of the job's key, composed; None if the job has none."""
    if field in _COORDINATES:
        value = _COORDINATES[field](job)
    else:
        kind, _, name = field.partition(".")
        values = (axis_text(value) for axis, value in job.axes if (kind, axis) == ("matrix", name))
        value = next(values, None)
    return None if value is None else _composed(value)


def _known_values(field: str, candidate: Candidate) -> set[str | None]:
    """What the field can be: one value, unless the records do not tell."""
    if field in _WORDS:
        return {candidate.status if field == "status" else candidate.action}
    return {_coordinate(field, each) for each in candidate.coordinates}


# The fields whose values change with every run, with all their values, to detect typos.
_WORDS: dict[str, frozenset[str]] = {
    "status": frozenset({PENDING, *(status.value for status in Status)}),
    "action": frozenset(action.value for action in Action),
}


def _test(expression: str, names: frozenset[str]) -> Test:
    name, separator, wanted = expression.partition(":")
    if not expression:
        raise UsageError("an empty selection matches nothing")
    # A colon after the first part of a key belongs to a name.
    if not separator or "/" in name or "*" in name:
        key = expression.rstrip("/")
        return partial(_is_job, key) if key in names else partial(_key_matches, _pattern(key))
    if name not in _FIELDS and not name.startswith("matrix."):
        known = [*_FIELDS, "matrix.NAME"]
        hint = did_you_mean(name, known) or f"; known: {', '.join(known)}"
        raise UsageError(f"'{printable(expression)}': cannot select by '{printable(name)}'{hint}")
    if name in _WORDS and not any(fnmatchcase(word, wanted) for word in _WORDS[name]):
        hint = did_you_mean(wanted, _WORDS[name]) or f"; there are: {', '.join(sorted(_WORDS[name]))}"
        raise UsageError(f"'{printable(expression)}': no {name} is called '{printable(wanted)}'{hint}")
    return partial(_value_matches, name, str.__eq__ if expression in names else fnmatchcase, wanted)


def _value_matches(
    name: str, matches: Callable[[str, str], bool], wanted: str, candidate: Candidate
) -> bool | None:
    answers = {value is not None and matches(value, wanted) for value in _known_values(name, candidate)}
    return answers.pop() if len(answers) == 1 else None


def _is_job(key: str, candidate: Candidate) -> bool:
    return candidate.key == key


def _key_matches(pattern: re.Pattern[str], candidate: Candidate) -> bool:
    return pattern.fullmatch(_composed(candidate.key)) is not None


def _pattern(glob: str) -> re.Pattern[str]:
    """Compile a glob over keys: `*` matches within a part, `**` across parts; leading parts select all below them."""
    parts = re.split(r"(\*\*|\*|\?)", glob)
    words = {"**": ".*", "*": "[^/#]*", "?": "[^/#]"}
    body = "".join(words.get(part, re.escape(part)) for part in parts)
    return re.compile(f"{body}(?:[/#].*)?", re.DOTALL)


def _matches_nothing(expression: str, candidates: Sequence[Candidate]) -> str:
    field, values = _values(expression.removeprefix("+"), candidates)
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


def _values(expression: str, candidates: Sequence[Candidate]) -> tuple[str, list[str]]:
    """What an expression of one field could name: `image:` and all images; of any other, no field and all keys."""
    name, separator, _ = expression.partition(":")
    values: set[str] = set()
    if separator and "," not in expression:
        if name in _FIELDS:
            values = {
                value for each in candidates for value in _known_values(name, each) if value is not None
            }
        elif name.startswith("matrix."):
            axis = name.removeprefix("matrix.")
            axes = [dict(job.axes) for each in candidates for job in each.coordinates]
            values = {axis_text(each[axis]) for each in axes if axis in each}
            if not values:
                return "matrix.", sorted({f"{known}:*" for each in axes for known in each})
    return (f"{name}:", sorted(values)) if values else ("", [each.key for each in candidates])
