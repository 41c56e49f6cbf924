"""The data of the gallery, built from results manifests and decisions: what the page shows, and nothing it does not.

All of this is pure. Where files lie, which of them have a still and what the manifest says of jobs that nothing was
bought for yet are handed in.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.jobs import Json
from pipeline.purchases import PENDING
from pipeline.report.parts import parts_of

VERSION = 1
Document = Mapping[str, Any]
# Hashes are shortened to this in the page: they only have to be unique within one page.
SHORT_HASH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedJob:
    """A job of the manifest: the request as people read it, its known price, what a run would do."""

    request: Mapping[str, Json] = field(default_factory=dict)
    credits: int | None = None
    action: str | None = None
    upstream: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryRecords:
    """All that is known of one campaign.

    `command` is the manifest as the commands on the page are to name it, `flags` what they need besides. `keys` are
    the jobs that were selected, None: all. `hrefs`, `stills` and `media` are by SHA-256: where the page finds each
    file that is on this machine (empty: it is here, but the page holds no videos), which files have a still, and what
    each holds.
    """

    results: Document
    decisions: Document
    command: str
    flags: str = ""
    emulated: bool = False
    budget: int | None = None
    max_credits: int | None = None
    keys: Collection[str] | None = None
    planned: Mapping[str, PlannedJob] = field(default_factory=dict)
    hrefs: Mapping[str, str] = field(default_factory=dict)
    stills: Collection[str] = frozenset()
    media: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    before: Document | None = None
    before_name: str = ""


def build(campaigns: Sequence[GalleryRecords], *, makes_stills: bool, holds_videos: bool) -> dict[str, Json]:
    """The data of one page, which says too whether stills are made, or the extra that makes them is not installed."""
    tools = {str(each.results.get("tool", "")) for each in campaigns}
    return {
        "version": VERSION,
        "tool": ", ".join(sorted(tools)),
        "posters": makes_stills,
        "videos": holds_videos,
        "campaigns": [_Campaign(each).as_json() for each in campaigns],
    }


def _present(written: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in written.items() if value not in (None, [], {}, "")}


class Rows:
    """Makes the rows of one campaign from those of its results. Files are listed once, and known by their number.

    What it is given may change under it: a page that is live asks again for the rows that this is about. `purchases`
    and `decided` are by purchase, `planned` by key; `hrefs`, `stills` and `media` as in `GalleryRecords`.
    """

    def __init__(
        self,
        *,
        purchases: Mapping[str, Document],
        decided: Mapping[str, Document],
        planned: Mapping[str, PlannedJob],
        hrefs: Mapping[str, str],
        stills: Collection[str],
        media: Mapping[str, Mapping[str, Json]],
    ) -> None:
        self.files: list[Json] = []
        self._purchases = purchases
        self._decided = decided
        self._planned = planned
        self._hrefs = hrefs
        self._stills = stills
        self._media = media
        self._outputs: list[Document] = []
        self._numbers: dict[str, int] = {}

    def job(self, job: Document) -> dict[str, Json]:
        """A job of the page."""
        key = job["key"]
        purchase = self._purchases.get(job.get("purchase") or job.get("last") or "")
        planned = self._planned.get(key, PlannedJob())
        decided = self._decided.get(purchase["id"]) if purchase else None
        written: dict[str, Json] = {
            "key": key,
            "status": job["status"],
            "reason": job.get("reason"),
            "purchase": job.get("purchase"),
            "last": job.get("last"),
            "decision": decided.get("decision") if decided else job.get("decision"),
            "action": planned.action,
            "upstream": planned.upstream or self._upstream(purchase),
        }
        if purchase is None or job["status"] == PENDING:
            written["text"], written["request"] = _request(planned.request)
            written["price"] = planned.credits
        return _present({**written, **parts_of(job, purchase)})

    def _upstream(self, purchase: Document | None) -> str | None:
        inputs = purchase.get("inputs", ()) if purchase else ()
        return next((self._purchases[each]["key"] for each in inputs if each in self._purchases), None)

    def purchase(self, purchase: Document) -> dict[str, Json]:
        """A purchase of the page."""
        text, request = _request(purchase.get("request", {}))
        decided = self._decided.get(purchase["id"], {})
        written: dict[str, Json] = {
            "id": purchase["id"],
            "key": purchase["key"],
            "status": purchase["status"],
            "reason": purchase.get("reason"),
            "template": purchase["template_id"],
            "workflow": purchase.get("workflow_id"),
            "text": text,
            "request": request,
            "inputs": list(purchase.get("inputs", ())),
            "price": purchase.get("credits"),
            "bought": purchase["bought_at"],
            "created": purchase.get("created_at"),
            "updated": purchase.get("updated_at"),
            "error": purchase.get("error"),
            "deleted": purchase.get("deleted"),
            "files": [self._file(each) for each in purchase.get("outputs", ())],
            "steps": [self._step(each) for each in purchase.get("steps", ())],
        }
        fields = ("decision", "rating", "note", "by", "at", "notes")
        return _present({**written, **{name: decided.get(name) for name in fields}})

    def _step(self, step: Document) -> Json:
        """A step's name, with those of its media that were fetched."""
        kept: list[Json] = [self._file(each) for each in step["outputs"] if each.get("sha256")]
        return {"flow": step["flow"], "files": kept} if kept else step["flow"]

    def _file(self, output: Document) -> int:
        """The number of a file in the list of files; one that was never fetched has an entry of its own."""
        digest: str = output.get("sha256", "")
        if digest and digest in self._numbers:
            return self._numbers[digest]
        number = len(self.files)
        if digest:
            self._numbers[digest] = number
        self._outputs.append(output)
        self.files.append(self._file_row(output))
        return number

    def renew_files(self) -> dict[int, Json]:
        """By number: those files of which more, or less, is known now than when they were listed."""
        changed: dict[int, Json] = {}
        for number, output in enumerate(self._outputs):
            row = self._file_row(output)
            if row != self.files[number]:
                self.files[number] = changed[number] = row
        return changed

    def _file_row(self, output: Document) -> dict[str, Json]:
        digest: str = output.get("sha256", "")
        href = self._hrefs.get(digest)
        facts = {name: value for name, value in self._media.get(digest, {}).items() if name != "rule"}
        written: dict[str, Json] = {
            "id": digest[:SHORT_HASH],
            "type": output["content_type"],
            "bytes": output.get("bytes"),
            "here": href is not None or None,
            "href": href,
            "poster": digest in self._stills or None,
        }
        return _present({**written, **facts})


class _Campaign:
    """Builds the part of one campaign."""

    def __init__(self, records: GalleryRecords) -> None:
        self._records = records
        self._purchases = {each["id"]: each for each in records.results["purchases"]}
        self._rows = Rows(
            purchases=self._purchases,
            decided=_last_decisions(records.decisions),
            planned=records.planned,
            hrefs=records.hrefs,
            stills=records.stills,
            media=records.media,
        )

    def as_json(self) -> dict[str, Json]:
        """The campaign, its jobs, purchases and files."""
        records, results = self._records, self._records.results
        jobs, shown = _chosen(results, records.keys)
        written: dict[str, Json] = {
            "name": results["campaign"],
            "command": records.command,
            "flags": records.flags or None,
            "emulated": records.emulated or None,
            "spent": sum(cost(each) for each in results["purchases"]),
            "budget": records.budget,
            "max_credits": records.max_credits,
            "selected_of": len(results["jobs"]) if records.keys is not None else None,
            "jobs": [self._rows.job(each) for each in jobs],
            "purchases": [self._rows.purchase(each) for each in shown],
        }
        if records.before is not None:
            written["before"] = self._before(records.before)
        written["files"] = self._rows.files
        return {name: value for name, value in written.items() if value is not None}

    def _before(self, document: Document) -> Json:
        """Another results manifest: which purchase served which job, and the purchases that are not known here."""
        jobs, shown = _chosen(document, self._records.keys)
        rows: list[Json] = [
            _present({"key": each["key"], "status": each["status"], "purchase": each.get("purchase")})
            for each in jobs
        ]
        unknown: list[Json] = [
            self._rows.purchase(each) for each in shown if each["id"] not in self._purchases
        ]
        return {"name": self._records.before_name, "jobs": rows, "purchases": unknown}


def files_on_page(records: GalleryRecords) -> dict[str, str]:
    """By SHA-256: the content type of each file that the page of these records shows."""
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
    """The jobs and purchases of a document; of `keys` those jobs, what serves them and what was bought for them."""
    if keys is None:
        return document["jobs"], document["purchases"]
    jobs = [each for each in document["jobs"] if each["key"] in keys]
    served = {each.get("purchase") or each.get("last") for each in jobs}
    purchases = [each for each in document["purchases"] if each["key"] in keys or each["id"] in served]
    return jobs, purchases


def cost(purchase: Document) -> int:
    """The credits that a purchase took, as far as they are known: none where nothing was bought."""
    free = purchase["status"] == "void" or purchase.get("reason") == "rejected"
    return 0 if free else purchase.get("credits") or 0


def _last_decisions(document: Document) -> dict[str, Document]:
    """Of each purchase, the last decision."""
    return {each["purchase"]: each for each in document.get("decisions", ())}


def _request(request: Mapping[str, Any]) -> tuple[str | None, dict[str, Json]]:
    """The prompt as it was rendered, and the rest of what was sent, for people to read."""
    options = dict(request.get("options", {}))
    name = _prompt_option(options)
    text = options.pop(name) if name is not None else None
    shown = {key: _readable(value) for key, value in options.items()}
    images = [_image(each) for each in request.get("images", ())]
    return text, _present({"options": shown, "images": images, "event": request.get("event_id")})


def _prompt_option(options: Mapping[str, Any]) -> str | None:
    names = [name for name, value in options.items() if isinstance(value, str) and "prompt" in name.lower()]
    wanted = [name for name in names if "negative" not in name.lower()]
    return "prompt" if "prompt" in wanted else next(iter(sorted(wanted)), None)


def _readable(value: Any) -> Json:
    """A value as it is shown: of a url the address only, as its query may hold a signature."""
    if isinstance(value, str):
        return _without_query(value)
    if isinstance(value, list):
        return [_readable(each) for each in value]
    if isinstance(value, dict):
        if "file" in value and "sha256" in value:
            return str(value["file"])
        return {name: _readable(each) for name, each in value.items()}
    plain: Json = value
    return plain


def _image(image: Mapping[str, Any]) -> Json:
    source = image.get("path") or image.get("url") or image.get("outputs_of") or ""
    return _present({"id": image.get("id"), "source": _without_query(str(source)), "of": image.get("output")})


def _without_query(text: str) -> str:
    return text.partition("?")[0] if text.startswith(("http://", "https://")) else text
