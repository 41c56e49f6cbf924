"""The campaign model that all other packages use: typed, frozen, all references resolved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.documents.node import Location
from pipeline.errors import Problem, counted
from pipeline.jobs import Coordinates, LocalFile, MediaType, RemoteFile, UpstreamOutput, Visibility
from pipeline.json_values import Json
from pipeline.manifest import catalog
from pipeline.manifest.texts import Text


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """The provider. `api` is `v1` or `v2`; `location` is that of the name, if it is written."""

    name: str = "vimmerse"
    api: str = "v1"
    report_errors: bool = False
    location: Location | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a run, and the defaults of those that a manifest leaves out.

    Caps on buying, where None is no cap: `max_creates` and `max_credits` for one run, `budget` for all runs of the
    campaign together. `concurrency` limits the calls under way, `in_flight` the workflows that are bought but have
    not ended, `rate` (None: unlimited) the requests per second. `fail_threshold` is the share of failed jobs, 0 to
    1, with which a run still counts as good; with `canary` one job of each template goes first.
    """

    max_creates: int = 1000
    max_credits: int | None = None
    budget: int | None = None
    concurrency: int = 8
    in_flight: int = 50
    rate: float | None = None
    fail_threshold: float = 0.0
    canary: bool = False


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """Where files go. `dir` is a real path; `path` the template as written, with its `.{{ ext }}`."""

    dir: Path
    path: str
    steps: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One input of a job: its images in order, or the one output of an upstream job.

    `gives` is the type of an upstream's output, where the catalogue knows it.
    """

    id: str
    images: tuple[LocalFile | RemoteFile | UpstreamOutput, ...]
    vars: Mapping[str, Json]
    location: Location = field(compare=False)
    gives: MediaType | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """The items of a set are the outputs of `rule`: the results of its jobs, or of their `step`.

    With `approved` there is one item for all takes of a job, and only an approved one is taken.
    """

    rule: str
    step: str | None
    approved: bool
    location: Location
    step_location: Location


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Named items, or the chain that gives them."""

    name: str
    items: tuple[Item, ...] = ()
    chain: Chain | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """A named text. `vars` are the other columns of its row, if it comes from a table."""

    name: str
    text: Text
    vars: Mapping[str, Json] = field(default_factory=dict)


# An option as written: plain, or containing texts that are yet to be rendered.
OptionTree = bool | int | float | str | Text | LocalFile | list["OptionTree"] | dict[str, "OptionTree"] | None


@dataclass(frozen=True, slots=True)
class OptionEntry:
    """One option of a template. `names` are those on which its texts depend; None if it has no text."""

    tree: OptionTree
    names: frozenset[str] | None
    location: Location


@dataclass(frozen=True, slots=True)
class Template:
    """One of the vendor's templates under a name of the campaign. `known` is its entry in the catalogue."""

    name: str
    template_id: str
    options: Mapping[str, OptionEntry]
    title: Text | None
    description: Text | None
    event_id: Text | None
    visibility: Visibility
    location: Location
    known: catalog.CatalogTemplate | None


@dataclass(frozen=True, slots=True)
class Row:
    """A row of `exclude` or `include`: `template`, `image`, `prompt` and axes by name."""

    values: Mapping[str, Json]
    location: Location


@dataclass(frozen=True, slots=True)
class Rule:
    """Makes jobs. Its templates include the rule's options already; the matrix is in the order written.

    An axis from a table has one `Named` text for each row: its id, with all columns of the row.

    `path` is the output path without its suffix; `timeout` in seconds.
    """

    id: str
    templates: tuple[Template, ...]
    image_sets: tuple[ImageSet, ...]
    prompts: tuple[Prompt, ...]
    matrix: tuple[tuple[str, tuple[Json, ...]], ...]
    when: Text | bool
    exclude: tuple[Row, ...]
    include: tuple[Row, ...]
    repeat: int
    path: Text
    steps: bool
    timeout: float
    retries: int
    location: Location


@dataclass(frozen=True, slots=True, repr=False)
class Campaign:
    """A manifest that was read and is valid. `manifest` and `root` (the project) are real paths.

    `names` are those that its vars define or its texts use, including `*` if any name may be used. `inputs` are the
    files that it was read from, with the links on the way to them and the submodules that they are in: relative to
    `root`, sorted.
    """

    name: str
    description: str
    manifest: Path
    root: Path
    provider: ProviderSettings
    limits: Limits
    output: OutputSettings
    rules: tuple[Rule, ...]
    templates: Mapping[str, Template]
    image_sets: Mapping[str, ImageSet]
    prompts: Mapping[str, Prompt]
    vars: Mapping[str, Json]
    catalog: catalog.Catalog
    location: Location
    names: frozenset[str] = frozenset()
    inputs: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()

    def __repr__(self) -> str:
        return f"<Campaign {self.name}: {counted(len(self.rules), 'rule')}, {self.manifest}>"

    def prompt_options(self) -> dict[str, set[str]]:
        """By template id, the options whose texts contain the prompt, or something of it."""
        found: dict[str, set[str]] = {}
        for template in (*self.templates.values(), *(each for rule in self.rules for each in rule.templates)):
            names = (name for name, entry in template.options.items() if "prompt" in (entry.names or ()))
            found.setdefault(template.template_id, set()).update(names)
        return found


@dataclass(frozen=True, slots=True)
class Combination:
    """One value of each axis; None if the axis is empty. Axis values are in the order of the matrix."""

    template: Template
    item: Item | None
    prompt: Prompt | None
    axes: tuple[tuple[str, Json], ...]

    def coordinates(self, rule: Rule, take: int) -> Coordinates:
        """The coordinates of the job that `rule` makes of it."""
        return Coordinates(
            rule=rule.id,
            template=self.template.name,
            image=None if self.item is None else self.item.id,
            prompt=None if self.prompt is None else self.prompt.name,
            axes=self.axes,
            take=take,
        )
