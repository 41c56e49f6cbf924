"""A small campaign manifest, and the edits that people make to one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pipeline.jobs import Coordinates, Job, JobKey, LocalFile, Request, UpstreamOutput, in_plan_order

TEMPLATE = "overlay"
CREDITS = 10


@dataclass(frozen=True)
class Row:
    """One job as written: made from an image, or from the output of an earlier row.

    With `only_approved`, it is made from the approved take of that row's job.
    """

    rule: str
    prompt: str
    image: str = ""
    upstream: int | None = None
    take: int = 1
    retries: int = 0
    only_approved: bool = False


@dataclass(frozen=True)
class Manifest:
    """The contents of prompts and images by name, and the rows that use them."""

    prompts: Mapping[str, str]
    images: Mapping[str, str]
    rows: Mapping[int, Row] = field(default_factory=dict)

    def jobs(self) -> list[Job]:
        """The jobs in plan order; of two with the same key, the first is kept."""
        made: dict[str, tuple[int, Job]] = {}
        names: dict[int, str] = {}
        # Rows that use an approved take come last, as a take of their upstream may be written after them.
        for number in sorted(self.rows, key=lambda each: (self._approvals(each), each)):
            job = self._job(self.rows[number], names)
            if job is not None and job.key not in made:
                made[job.key] = (number, job)
                names[number] = job.key
        return in_plan_order(job for _, job in sorted(made.values(), key=lambda each: each[0]))

    def _approvals(self, number: int) -> int:
        """How many successive approvals a row needs."""
        row = self.rows[number]
        return row.only_approved + (0 if row.upstream is None else self._approvals(row.upstream))

    def _takes(self, number: int, names: Mapping[int, str]) -> tuple[JobKey, ...]:
        """The keys of all takes of a row's job."""
        wanted = replace(self.rows[number], take=1, retries=0)
        same = [each for each in names if replace(self.rows[each], take=1, retries=0) == wanted]
        return tuple(JobKey(names[each]) for each in sorted(same, key=lambda each: self.rows[each].take))

    def _job(self, row: Row, names: Mapping[int, str]) -> Job | None:
        if row.upstream is None:
            source: LocalFile | UpstreamOutput = LocalFile(f"{row.image}.png", self.images[row.image])
        elif row.upstream not in names:
            return None
        elif row.only_approved:
            takes = self._takes(row.upstream, names)
            source = UpstreamOutput(takes[0], takes=takes)
        else:
            source = UpstreamOutput(JobKey(names[row.upstream]))
        request = Request(
            "vimmerse", TEMPLATE, {"prompt": self.prompts[row.prompt]}, (source,), take=row.take
        )
        key = Coordinates(row.rule, TEMPLATE, self._item(row), row.prompt, take=row.take)
        return Job(key, request, path=key.for_path, credits=CREDITS, retries=row.retries)

    def _item(self, row: Row) -> str:
        if row.upstream is None:
            return row.image
        above = self.rows[row.upstream]
        take = f"-take{above.take}" if above.take > 1 and not row.only_approved else ""
        return f"{self._item(above)}-{above.prompt}{take}"

    # Edits

    def with_prompt(self, name: str, text: str) -> "Manifest":
        return replace(self, prompts={**self.prompts, name: text})

    def with_image(self, name: str, content: str) -> "Manifest":
        return replace(self, images={**self.images, name: content})

    def with_prompts_swapped(self, one: str, other: str) -> "Manifest":
        return self.with_prompt(one, self.prompts[other]).with_prompt(other, self.prompts[one])

    def with_prompt_renamed(self, old: str, new: str) -> "Manifest":
        rows = {
            number: replace(row, prompt=new) if row.prompt == old else row
            for number, row in self.rows.items()
        }
        return replace(self, prompts=_renamed(self.prompts, old, new), rows=rows)

    def with_image_renamed(self, old: str, new: str) -> "Manifest":
        rows = {
            number: replace(row, image=new) if row.image == old else row for number, row in self.rows.items()
        }
        return replace(self, images=_renamed(self.images, old, new), rows=rows)

    def with_row(self, row: Row) -> "Manifest":
        return replace(self, rows={**self.rows, max(self.rows, default=0) + 1: row})

    def with_row_moved(self, number: int, rule: str) -> "Manifest":
        return replace(self, rows={**self.rows, number: replace(self.rows[number], rule=rule)})

    def without_row(self, number: int) -> "Manifest":
        """The manifest without a row and everything made from it."""
        gone = {number}
        for each in sorted(self.rows):
            if self.rows[each].upstream in gone:
                gone.add(each)
        return replace(self, rows={each: row for each, row in self.rows.items() if each not in gone})

    def depth(self, number: int) -> int:
        """The length of the chain that ends with this row."""
        upstream = self.rows[number].upstream
        return 1 if upstream is None else 1 + self.depth(upstream)


def _renamed(values: Mapping[str, str], old: str, new: str) -> dict[str, str]:
    return {new if name == old else name: value for name, value in values.items()}
