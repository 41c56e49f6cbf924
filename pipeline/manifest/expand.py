"""Expands a campaign into its jobs, one at a time: a job is not kept once it was yielded."""

import hashlib
import itertools
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pipeline.documents.node import Location
from pipeline.errors import InvalidInput, Problem, Suggestions, there_are
from pipeline.jobs import Job, JobKey, axis_text
from pipeline.json_values import Json
from pipeline.lookalikes import in_ascii
from pipeline.manifest import combinations
from pipeline.manifest.chains import ChainInput, chains_of, upstream, upstreams_first
from pipeline.manifest.combinations import Exclusion, Typed, typed
from pipeline.manifest.conditions import judges_jobs
from pipeline.manifest.job_builder import JobBuilder
from pipeline.manifest.job_problems import JobProblems
from pipeline.manifest.model import Campaign, Combination, ImageSet, Item, Row, Rule
from pipeline.manifest.texts import Text

MAX_JOBS = 1_000_000
# Each is compared with all values of an axis, to name the nearest.
_MOST_EXPLAINED = 20
# For each, the jobs are made again to find the first one.
_MOST_COLLISIONS_NAMED = 3

Warn = Callable[[Problem], None]


def expand(campaign: Campaign, warn: Warn | None = None) -> Iterator[Job]:
    """Yield the campaign's jobs: rules in their order, the jobs of a rule in the order of its axes.

    The jobs are valid only if the iterator ends without an error. `warn` receives the warnings about rendered values.

    Raises:
        InvalidInput: at the end, with every problem found; at the start if there would be more than a million jobs.
    """
    count(campaign)
    expansion = _Expansion(campaign, warn or (lambda _problem: None))
    made = 0
    for job in expansion.jobs():
        made += 1
        yield job
    if not made and not expansion.problems.has_errors:
        expansion.problems.add(
            campaign.location.problem("no job is left: 'when' and 'exclude' remove all of them")
        )
    expansion.raise_problems()


def count(campaign: Campaign) -> int:
    """The largest number of jobs that there can be, before any is made.

    Raises:
        InvalidInput: it is more than a million, or zero.
    """
    bounds = _bounds(campaign)
    total = sum(bounds.values())
    if total > MAX_JOBS:
        largest = max(campaign.rules, key=lambda rule: bounds[rule.id])
        of_all = "" if total == bounds[largest.id] else f" of {total:,} in all"
        raise InvalidInput(
            largest.location.problem(f"{bounds[largest.id]:,} jobs{of_all}; at most {MAX_JOBS:,} are made")
        )
    if not total:
        raise InvalidInput(campaign.location.problem("the campaign has no job"))
    return total


def problems_of(campaign: Campaign, most_jobs: int) -> list[Problem]:
    """The problems that expanding would report, unless it would have to make more than `most_jobs` jobs."""
    total = bound(campaign)
    if not total or most_jobs < total <= MAX_JOBS:
        return []
    expansion = _Expansion(campaign, lambda _problem: None)
    try:
        count(campaign)
        for _ in expansion.jobs():
            pass
        expansion.raise_problems()
    except InvalidInput as error:
        return list(error.problems)
    return []


def bound(campaign: Campaign) -> int:
    """The number of jobs that there are at most."""
    return sum(_bounds(campaign).values())


def _bounds(campaign: Campaign) -> dict[str, int]:
    bounds: dict[str, int] = {}
    for rule in upstreams_first(campaign.rules):
        sets = rule.image_sets
        items = sum(len(each.items) if each.chain is None else bounds[each.chain.rule] for each in sets)
        bounds[rule.id] = combinations.bound(rule, items)
    return bounds


@dataclass
class _Expansion:
    """One pass over the campaign, and the problems found so far."""

    campaign: Campaign
    warn: Warn
    problems: JobProblems = field(default_factory=JobProblems)
    _upstreams: dict[str, tuple[ChainInput, ...]] = field(default_factory=dict)
    _keys: set[bytes] = field(default_factory=set)
    _paths: set[bytes] = field(default_factory=set)
    _ambiguous: set[Location] = field(default_factory=set)
    _suggestions: Suggestions = field(default_factory=Suggestions)
    _collisions_left: int = _MOST_COLLISIONS_NAMED

    @cached_property
    def _anywhere(self) -> dict[str, Item]:
        """The items of all sets that are not chains, by id; of two with one id, the first."""
        anywhere: dict[str, Item] = {}
        for image_set in self.campaign.image_sets.values():
            for item in image_set.items:
                anywhere.setdefault(item.id, item)
        return anywhere

    def raise_problems(self) -> None:
        """Raise the errors if there are any; otherwise pass the warnings on."""
        if self.problems.has_errors:
            raise InvalidInput(self.problems.listed("error"))
        for problem in self.problems.listed("warning"):
            self.warn(problem)

    def jobs(self) -> Iterator[Job]:
        """Yield every sound job; the problems of the others go to `report`."""
        self._prepare_upstreams()
        for rule in self.campaign.rules:
            builder = JobBuilder(self.campaign, rule, self.problems.add, self._suggestions)
            exclusion = Exclusion(rule.exclude)
            is_empty = True
            for combination, take in self._combinations(rule, builder, exclusion):
                is_empty = False
                job = builder.job(combination, take)
                if job is not None and self._is_new(job, rule, combination.item):
                    yield job
            self._tell_of_unused(exclusion.unused, rule)
            if is_empty:
                self._tell_of_empty(rule, exclusion)

    def _tell_of_empty(self, rule: Rule, exclusion: Exclusion) -> None:
        """Warn of a rule whose `exclude` or `when` leaves no job, unless it may be switched off by a var."""
        if exclusion.removes_all:
            location, why = rule.location, "'exclude' removes every combination"
        elif exclusion.keeps_any and isinstance(rule.when, Text) and judges_jobs(rule.when, self.campaign):
            location, why = rule.when.location, "this holds for no combination"
        else:
            return
        self.problems.add(location.problem(f"{why}, so rule '{rule.id}' makes no job", "warning"))

    def _tell_of_unused(self, rows: Sequence[Row], rule: Rule) -> None:
        """Warn of each `exclude` row that excludes nothing; of the first ones, say why."""
        images = (item.id for each in rule.image_sets for item in self._items_of(each)) if rows else ()
        known: dict[str, dict[Typed, Json]] = {
            name: {typed(value): value for value in values}
            for name, values in (*rule.matrix, ("image", images))
        }
        for number, row in enumerate(rows):
            why = self._unknown_value(row, known) if number < _MOST_EXPLAINED else ""
            self.problems.add(row.location.problem(f"this row excludes nothing{why}", "warning"))

    def _unknown_value(self, row: Row, known: Mapping[str, Mapping[Typed, Json]]) -> str:
        """The first value of an `exclude` row that no job of the rule has; empty if each of them is some job's."""
        for name, value in row.values.items():
            if name not in known or typed(value) in known[name]:
                continue
            texts, text = list(map(axis_text, known[name].values())), axis_text(value)
            if text in texts:
                return f": '{name}' has {text} as another type, text or number"
            near = self._suggestions.did_you_mean(text, texts) or there_are(texts)
            return f": no '{name}' is '{text}'{near}"
        return ""

    def _combinations(
        self, rule: Rule, builder: JobBuilder, exclusion: Exclusion
    ) -> Iterator[tuple[Combination, int]]:
        items = self._items(rule)
        takes = range(1, rule.repeat + 1)
        if items or not rule.image_sets:
            for combination in combinations.product(rule, tuple(items.values())):
                if not exclusion.covers(combination):
                    yield from ((combination, take) for take in takes if builder.wanted(combination, take))
        for row in rule.include:
            image = row.values.get("image")
            chosen = tuple(items.values()) if image is None else self._named(str(image), items, row.location)
            for combination in combinations.included(row, rule, chosen, self.campaign):
                yield from ((combination, take) for take in takes)

    def _named(self, name: str, items: Mapping[str, Item], location: Location) -> tuple[Item, ...]:
        """The item of that id: of the rule, or else of any set that is not a chain."""
        found = items.get(name) or self._anywhere.get(name)
        if found is not None:
            return (found,)
        known = itertools.chain(items, self._anywhere)
        near = self._suggestions.did_you_mean(name, known)
        self.problems.add(location.problem(f"there is no image '{name}'{near}"))
        return ()

    def _items(self, rule: Rule) -> dict[str, Item]:
        items: dict[str, Item] = {}
        for image_set in rule.image_sets:
            for item in self._items_of(image_set):
                first = items.setdefault(item.id, item)
                # Once, however many rules have both.
                if first != item and item.location not in self._ambiguous:
                    self._ambiguous.add(item.location)
                    self.problems.add(
                        item.location.problem(
                            f"two images of rule '{rule.id}' have the id '{item.id}' but differ; "
                            "give one of them another 'id'"
                        )
                    )
        return items

    def _items_of(self, image_set: ImageSet) -> Iterator[Item]:
        if image_set.chain is None:
            yield from image_set.items
            return
        upstreams = self._upstreams[image_set.chain.rule]
        if not image_set.chain.approved:
            yield from (each.item(image_set.chain) for each in upstreams)
            return
        takes: dict[str, list[ChainInput]] = {}
        for each in upstreams:
            takes.setdefault(each.common_id, []).append(each)
        for first, *others in takes.values():
            keys = (first.key, *(other.key for other in others))
            yield first.item_of_approved(image_set.chain, keys)

    def _prepare_upstreams(self) -> None:
        """Compute the inputs of chains, each rule after those that it depends on."""
        needed = {chain.rule for rule in self.campaign.rules for chain in chains_of(rule)}
        for rule in upstreams_first(self.campaign.rules):
            if rule.id in needed:
                # Problems of these jobs are reported when the jobs themselves are made.
                builder = JobBuilder(self.campaign, rule, lambda _problem, _job: None, self._suggestions)
                self._upstreams[rule.id] = tuple(
                    upstream(rule, combination, take, builder.gives(combination, take))
                    for combination, take in self._combinations(rule, builder, Exclusion(rule.exclude))
                )

    def _is_new(self, job: Job, rule: Rule, item: Item | None) -> bool:
        key, folded = _digest(job.key), job.path.casefold()
        path = key if folded == job.key else _digest(folded)
        if key in self._keys:
            self.problems.add(rule.location.problem(f"two jobs have the key {job.key}"))
            return False
        self._keys.add(key)
        if path in self._paths:
            self._tell_of_collision(job, rule, item)
            return False
        self._paths.add(path)
        return True

    def _tell_of_collision(self, job: Job, rule: Rule, item: Item | None) -> None:
        """Report a job whose path another one has."""
        which = f"the second is {job.key}"
        if (other := self._in_another_form(job.key)) is not None:
            advice = (
                f"only their Unicode form differs from {in_ascii(other)}, the first, "
                f"which is {in_ascii(job.key)} here; rename one of them"
            )
        else:
            first = self._first_with_path_of(job)
            which = f"{first} and {job.key}" if first is not None else which
            if "job.key" not in rule.path.template.source:
                advice = "output.path must tell them apart, as {{ job.key }} does"
            elif first is None or first.lower() == job.key.lower():
                advice = "some systems do not distinguish upper and lower case, so rename one of them"
            else:
                advice = "some systems take them, as they do 'ß' and 'ss', for the same name, so rename one of them"
        # Without `jobs`, the only rule is written nowhere, and without `output`, neither is the path.
        written = (each for each in (rule.location, rule.path.location) if each.path)
        location = next(written, rule.location if item is None else item.location)
        self.problems.add(location.problem(f"two jobs would write to '{job.path}': {which}; {advice}"))

    def _first_with_path_of(self, second: Job) -> JobKey | None:
        """The key of the first job with that path; None once enough were looked for."""
        if not self._collisions_left:
            return None
        self._collisions_left -= 1
        folded = second.path.casefold()
        again = _Expansion(self.campaign, self.warn, _collisions_left=0)
        return next((job.key for job in again.jobs() if job.path.casefold() == folded), None)

    def _in_another_form(self, key: str) -> str | None:
        """The key of an earlier job that differs from `key` only in its Unicode form."""
        forms = (unicodedata.normalize(form, key) for form in ("NFC", "NFD"))
        return next((each for each in forms if each != key and _digest(each) in self._keys), None)


def _digest(text: str) -> bytes:
    """A short hash of a text: a million jobs keep a million of them in memory."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()
