"""Makes the rows of the gallery (jobs, purchases and files) from the rows of the results."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.purchases import PENDING
from pipeline.report.parts import parts_of

if TYPE_CHECKING:
    from pipeline.json_values import Json

Document = Mapping[str, Any]
# The page shortens hashes to this many digits: they only have to be unique within one page.
SHORT_HASH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedJob:
    """A job of the manifest: its readable request and its template, its known price, and what a run would do.

    `upstream` is what it is made from, an approved take of it if it `needs_approval`.
    """

    request: Mapping[str, Json] = field(default_factory=dict)
    template_id: str = ""
    credits: int | None = None
    action: str | None = None
    upstream: str | None = None
    needs_approval: bool = False


class Rows:
    """Makes the rows of one campaign from those of its results. Each file is listed once, and referred to by number.

    The arguments may change later: a live page then requests the affected rows again. `purchases` and `decided` are
    by purchase, `planned` by key; `prompt_options`, `hrefs`, `stills`, `stored`, `altered`, `pointers` and `media`
    are as in `GalleryRecords`.
    """

    def __init__(
        self,
        *,
        purchases: Mapping[str, Document],
        decided: Mapping[str, Document],
        planned: Mapping[str, PlannedJob],
        prompt_options: Mapping[str, Collection[str]],
        hrefs: Mapping[str, str],
        stills: Collection[str],
        stored: Collection[str] = (),
        altered: Collection[str] = (),
        pointers: Collection[str] = (),
        media: Mapping[str, Mapping[str, Json]],
    ) -> None:
        self.files: list[Json] = []
        self._purchases = purchases
        self._decided = decided
        self._planned = planned
        self._prompt_options = prompt_options
        self._hrefs = hrefs
        self._stills = stills
        self._stored = stored
        self._altered = altered
        self._pointers = pointers
        self._media = media
        self._outputs: list[Document] = []
        self._numbers: dict[str, int] = {}

    def job(self, job: Document) -> dict[str, Json]:
        """The row of a job."""
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
            "needs_approval": planned.needs_approval or None,
        }
        if purchase is None or job["status"] == PENDING:
            written["text"], written["request"] = self._request(planned.request, planned.template_id)
            written["price"] = planned.credits
            # Without a plan, this tells which jobs ask for the same, so that one purchase serves them.
            written["fingerprint"] = None if planned.action else job.get("fingerprint", "")[:SHORT_HASH]
        return present({**written, **parts_of(job, purchase)})

    def _upstream(self, purchase: Document | None) -> str | None:
        inputs = purchase.get("inputs", ()) if purchase else ()
        return next((self._purchases[each]["key"] for each in inputs if each in self._purchases), None)

    def purchase(self, purchase: Document) -> dict[str, Json]:
        """The row of a purchase."""
        text, request = self._request(purchase.get("request", {}), purchase["template_id"])
        decided = self._decided.get(purchase["id"], {})
        written: dict[str, Json] = {
            "id": purchase["id"],
            "key": purchase["key"],
            "fingerprint": purchase.get("fingerprint", "")[:SHORT_HASH],
            "status": purchase["status"],
            "reason": purchase.get("reason"),
            "template": purchase["template_id"],
            "workflow": purchase.get("workflow_id"),
            "text": text,
            "request": request,
            "inputs": list(purchase.get("inputs", ())),
            "replaces": list(purchase.get("replaces", ())),
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
        return present({**written, **{name: decided.get(name) for name in fields}})

    def _request(self, request: Document, template_id: str) -> tuple[str | None, dict[str, Json]]:
        """The rendered prompt, and the rest of the request in a readable form."""
        options = dict(request.get("options", {}))
        name = _prompt_option(options, self._prompt_options.get(template_id, ()))
        text = options.pop(name) if name is not None else None
        shown = {key: _readable(value) for key, value in options.items()}
        images = [_image(each) for each in request.get("images", ())]
        return text, present({"options": shown, "images": images, "event": request.get("event_id")})

    def _step(self, step: Document) -> Json:
        """A step's name, with its fetched media."""
        kept: list[Json] = [self._file(each) for each in step["outputs"] if each.get("sha256")]
        return {"flow": step["flow"], "files": kept} if kept else step["flow"]

    def _file(self, output: Document) -> int:
        """The number of a file in `files`; a file that was never fetched gets a new entry."""
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
        """By number, the files whose rows have changed since they were listed."""
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
            "stored": (href is None and digest in self._stored) or None,
            "altered": (href is None and digest in self._altered) or None,
            "pointer": (href is None and digest in self._pointers) or None,
            "poster": digest in self._stills or None,
        }
        return present({**written, **facts})


def _prompt_option(options: Mapping[str, Any], sent_in: Collection[str]) -> str | None:
    """The option that is the prompt: of those in which the manifest sends it, or else of those called so."""
    texts = {
        name: value
        for name, value in options.items()
        if isinstance(value, str) and "negative" not in name.lower()
    }
    known = texts.keys() & set(sent_in)
    called = sorted(name for name in known or texts if "prompt" in name.lower())
    if "prompt" in called:
        return "prompt"
    # Of options that are called otherwise, the longest has the most of it: another may hold no more than its name.
    return next(iter(called), None) or max(known, key=lambda name: (len(texts[name]), name), default=None)


def _readable(value: Any) -> Json:
    """A value as the page shows it; a URL without its query, which may contain a signature."""
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
    digest = image.get("sha256")
    return present(
        {
            "id": image.get("id"),
            "source": _without_query(str(source)),
            "of": image.get("output"),
            "content": str(digest)[:SHORT_HASH] if digest else image.get("version"),
        }
    )


def _without_query(text: str) -> str:
    return text.partition("?")[0] if text.startswith(("http://", "https://")) else text


def present(written: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in written.items() if value not in (None, [], {}, "")}
