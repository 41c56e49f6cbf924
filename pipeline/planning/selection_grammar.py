"""The grammar of selections: a glob over keys, or a property of a job, such as `image:blue`."""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase, translate
from functools import partial

from pipeline.errors import UsageError, did_you_mean, printable
from pipeline.jobs import Coordinates, Job, JobKey, axis_text
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


# The characters with a meaning in a value of an expression.
_SPECIAL = re.compile(r"[*?\[,]")

# The answer is None where what is recorded of an orphan does not tell.
Test = Callable[[Candidate], bool | None]


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


def parts_of(expression: str, names: frozenset[str]) -> list[str]:
    """The parts of an expression, all of which must match; a single one if it is a name with a comma."""
    whole = _without_plus(expression)
    return [whole] if whole in names else _split(expression)


def alternatives(exclusion: str, names: frozenset[str]) -> list[list[str]]:
    """The lists of parts of an exclusion, one of which must match: one list, or two if it is a name with a comma."""
    whole, parts = _without_plus(exclusion), _split(exclusion)
    if whole not in names or parts == [whole]:
        return [parts]
    try:
        for part in parts:
            _test(part, None)
    except UsageError:
        return [[whole]]
    return [[whole], parts]


def _split(expression: str) -> list[str]:
    return [part.strip() for part in _without_plus(expression).split(",")]


def _without_plus(expression: str) -> str:
    return composed(expression.removeprefix("+"))


def composed(text: str) -> str:
    """The text in the Unicode form in which texts are compared: what looks alike is found, however it is typed."""
    return unicodedata.normalize("NFC", text)


def matching(
    parts: Iterable[str],
    candidates: Sequence[Candidate],
    names: frozenset[str] | None,
    answers: Collection[bool | None] = (True,),
) -> set[JobKey]:
    """The keys of the candidates for which the answer is one of `answers`.

    `names` are no patterns. None is for an exclusion, in which a name is a pattern too: otherwise an image that is
    called `draft-*` would end the exclusion of all other drafts.
    """
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
    return None if value is None else composed(value)


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


def _test(expression: str, names: frozenset[str] | None) -> Test:
    name, separator, wanted = expression.partition(":")
    if not expression:
        raise UsageError("an empty selection matches nothing")
    # A colon after the first part of a key belongs to a name.
    if not separator or "/" in name or "*" in name:
        key = expression.rstrip("/")
        is_name = names is not None and key in names
        return partial(_is_job, key) if is_name else partial(_key_matches, _pattern(key))
    if name not in _FIELDS and not name.startswith("matrix."):
        known = [*_FIELDS, "matrix.NAME"]
        hint = did_you_mean(name, known) or f"; known: {', '.join(known)}"
        raise UsageError(f"'{printable(expression)}': cannot select by '{printable(name)}'{hint}")
    if name in _WORDS and not any(fnmatchcase(word, wanted) for word in _WORDS[name]):
        hint = did_you_mean(wanted, _WORDS[name]) or f"; there are: {', '.join(sorted(_WORDS[name]))}"
        raise UsageError(f"'{printable(expression)}': no {name} is called '{printable(wanted)}'{hint}")
    if names is None:
        return partial(_value_matches, name, _is_or_matches, wanted)
    return partial(_value_matches, name, str.__eq__ if expression in names else fnmatchcase, wanted)


def _is_or_matches(value: str, wanted: str) -> bool:
    return value == wanted or fnmatchcase(value, wanted)


def _value_matches(
    name: str, matches: Callable[[str, str], bool], wanted: str, candidate: Candidate
) -> bool | None:
    answers = {value is not None and matches(value, wanted) for value in _known_values(name, candidate)}
    return answers.pop() if len(answers) == 1 else None


def _is_job(key: str, candidate: Candidate) -> bool:
    return composed(candidate.key) == key


def _key_matches(pattern: re.Pattern[str], candidate: Candidate) -> bool:
    return pattern.fullmatch(composed(candidate.key)) is not None


def _pattern(glob: str) -> re.Pattern[str]:
    """Compile a glob over keys: `*`, `?` and `[abc]` match within a part, `**` across parts.

    Leading parts select all below them.
    """
    parts = re.split(r"(\*\*|\*|\?|\[!?\]?[^]]*\])", glob)
    words = {"**": ".*", "*": "[^/#]*", "?": "[^/#]"}
    body = "".join(words.get(part) or _literal_or_class(part) for part in parts)
    return re.compile(f"{body}(?:[/#].*)?", re.DOTALL)


def _literal_or_class(part: str) -> str:
    # What the library writes is `(?s:[abc])\Z`.
    is_class = part.startswith("[") and part.endswith("]")
    return f"(?![/#]){translate(part)[4:-3]}" if is_class else re.escape(part)


def lasting(parts: Iterable[str]) -> list[str]:
    """The parts, except those that test a job's current status or action."""
    return [part for part in parts if part.partition(":")[0] not in _WORDS]


def values_named(expression: str, candidates: Sequence[Candidate]) -> tuple[str, list[str]]:
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
