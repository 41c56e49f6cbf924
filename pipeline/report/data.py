"""Builds the data of the gallery from results manifests and decisions: exactly what the page shows.

All functions are pure. Callers pass in where files are, which of them have a still, and what the manifest says about
jobs for which nothing was bought yet.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.report.gallery_rows import Document, PlannedJob, Rows, present
from pipeline.results.job_status import credits_written

if TYPE_CHECKING:
    from pipeline.json_values import Json

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryRecords:
    """Everything known about one campaign.

    `command` is the manifest as commands on the page name it, `flags` are the other arguments that they need, and
    `variables` the flags of its vars; `results_argument` are, if that manifest is not there, the results with their
    flags. `keys` are the selected jobs, None: all, and `selection` the flags that select
    them. `hrefs`, `stills` and `media` are by SHA-256: the link to each file that is on this machine (empty: it is
    here, but the page contains no videos), the files that have a still, and media facts. `stored` are the files in an
    object store, whether or not the page links to them, `altered` those in whose place another file is on this
    machine, and `pointers` those in whose place Git LFS left a pointer. `budget_left` is what all jobs
    have left of `budget`, without those whose price is not known (`budget_unpriced`).
    `prompt_options` are, by template id, those in which the manifest sends the prompt.
    `forecast` is what the next run would make and buy, in numbers; `unseen` of these jobs are new or changed in the
    manifest since the results were written.
    """

    results: Document
    decisions: Document
    command: str
    flags: str = ""
    results_argument: str = ""
    variables: Sequence[str] = ()
    emulated: bool = False
    budget: int | None = None
    budget_left: int | None = None
    budget_unpriced: int = 0
    max_credits: int | None = None
    keys: Collection[str] | None = None
    selection: str = ""
    planned: Mapping[str, PlannedJob] = field(default_factory=dict)
    prompt_options: Mapping[str, Collection[str]] = field(default_factory=dict)
    forecast: Mapping[str, Json] = field(default_factory=dict)
    unseen: int = 0
    hrefs: Mapping[str, str] = field(default_factory=dict)
    stills: Collection[str] = frozenset()
    stored: Collection[str] = frozenset()
    altered: Collection[str] = frozenset()
    pointers: Collection[str] = frozenset()
    media: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    before: Document | None = None
    before_name: str = ""


def build(
    campaigns: Sequence[GalleryRecords], *, makes_stills: bool, holds_videos: bool, is_bundle: bool
) -> dict[str, Json]:
    """The data of one page. `makes_stills`: the extra for stills is installed; `is_bundle`: it is handed on."""
    tools = {str(each.results.get("tool", "")) for each in campaigns}
    return {
        "version": VERSION,
        "tool": ", ".join(sorted(tools)),
        "posters": makes_stills,
        "videos": holds_videos,
        "bundle": is_bundle,
        "campaigns": [_Campaign(each).as_json() for each in campaigns],
    }


class _Campaign:
    """Builds the data of one campaign."""

    def __init__(self, records: GalleryRecords) -> None:
        self._records = records
        self._purchases = {each["id"]: each for each in records.results["purchases"]}
        self._rows = Rows(
            purchases=self._purchases,
            decided=_last_decisions(records.decisions),
            planned=records.planned,
            prompt_options=records.prompt_options,
            hrefs=records.hrefs,
            stills=records.stills,
            stored=records.stored,
            altered=records.altered,
            pointers=records.pointers,
            media=records.media,
        )

    def as_json(self) -> dict[str, Json]:
        """The campaign, its jobs, purchases and files."""
        records, results = self._records, self._records.results
        jobs, shown = _chosen(results, records.keys)
        is_whole = records.keys is None
        written: dict[str, Json] = {
            "name": results["campaign"],
            "command": records.command,
            "flags": records.flags or None,
            "vars": list(records.variables) or None,
            "results": records.results_argument or None,
            "emulated": records.emulated or None,
            "spent": credits_written(shown),
            # The budget is for all jobs, so it would mislead beside the cost of a few; what is left limits them.
            "budget": records.budget if is_whole else None,
            "budget_left": records.budget_left,
            "budget_unpriced": records.budget_unpriced or None,
            "max_credits": records.max_credits,
            "selected_of": None if is_whole else len(results["jobs"]),
            "select": records.selection or None,
            **records.forecast,
            "unseen": records.unseen or None,
            "jobs": [self._rows.job(each) for each in jobs],
            "purchases": [self._rows.purchase(each) for each in shown],
        }
        if records.before is not None:
            written["before"] = self._before(records.before, known={each["id"] for each in shown})
        written["files"] = self._rows.files
        return {name: value for name, value in written.items() if value is not None}

    def _before(self, document: Document, known: Collection[str]) -> Json:
        """The results to compare with: what served each job, or did last, and the purchases that are not `known`."""
        jobs, shown = _chosen(document, self._records.keys)
        rows: list[Json] = [
            present({name: each.get(name) for name in ("key", "status", "purchase", "last")}) for each in jobs
        ]
        unknown: list[Json] = [self._rows.purchase(each) for each in shown if each["id"] not in known]
        return {"name": self._records.before_name, "jobs": rows, "purchases": unknown}


def files_on_page(records: GalleryRecords) -> dict[str, str]:
    """By SHA-256, the content type of each file that the page of these records shows."""
    _, shown = _chosen(records.results, records.keys)
    if records.before is not None:
        shown = [*shown, *_chosen(records.before, records.keys)[1]]
    return {
        output["sha256"]: output["content_type"]
        for purchase in shown
        for outputs in (purchase, *purchase.get("steps", ()))
        for output in outputs.get("outputs", ())
        if "sha256" in output
    }


def _chosen(document: Document, keys: Collection[str] | None) -> tuple[list[Document], list[Document]]:
    """The jobs and purchases of a document.

    With `keys`: those jobs, and the purchases that serve them, served them before, or were bought for them.
    """
    if keys is None:
        return document["jobs"], document["purchases"]
    jobs = [each for each in document["jobs"] if each["key"] in keys]
    # A key of which this document has no job is selected for the results to compare with.
    own = {each["key"] for each in jobs}
    served = _with_replaced({each.get("purchase") or each.get("last") for each in jobs}, document)
    # What served these jobs before may have been bought for another one that asks for the same.
    last_of: dict[object, str] = {}
    for each in document["purchases"]:
        if each["id"] in served and "fingerprint" in each:
            request = _request_of(each)
            last_of[request] = max(each["bought_at"], last_of.get(request, ""))
    purchases = [
        each
        for each in document["purchases"]
        if each["key"] in own
        or each["id"] in served
        or each["bought_at"] < last_of.get(_request_of(each), "")
    ]
    return jobs, purchases


def _with_replaced(served: set[str | None], document: Document) -> set[str | None]:
    """The purchases of these ids, with those that they have replaced, one after another."""
    replaced = {each["id"]: each["replaces"] for each in document["purchases"] if "replaces" in each}
    found, left = set(served), list(served)
    while left:
        before = {*replaced.get(left.pop(), ())} - found
        found |= before
        left += before
    return found


def _request_of(purchase: Document) -> object:
    return purchase.get("fingerprint"), tuple(purchase.get("inputs", ()))


def _last_decisions(document: Document) -> dict[str, Document]:
    """The last decision on each purchase."""
    return {each["purchase"]: each for each in document.get("decisions", ())}
