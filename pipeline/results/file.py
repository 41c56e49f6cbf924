"""The results manifest as a file: JSON or YAML, read as untrusted input, written whole or not at all."""

from __future__ import annotations

import codecs
import errno
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pipeline import files
from pipeline.documents import schema
from pipeline.documents.json_locations import located
from pipeline.documents.json_reader import parse_json
from pipeline.documents.node import Finding
from pipeline.documents.problem_list import MAX_LISTED, listed
from pipeline.documents.yaml_reader import dump_yaml, read_yaml
from pipeline.errors import InvalidInput, Position, Problem, reason_of
from pipeline.files import FileStamp, open_regular, read_limited, stamp, write_atomically
from pipeline.json_values import Json
from pipeline.paths import behind_links, follow_links
from pipeline.planning.shards import Shard, ShardBy
from pipeline.purchases import Purchase, PurchaseId, Records, Status
from pipeline.records import purchase_from_json, unrecordable_reason
from pipeline.results.served import served_in
from pipeline.schemes import whole_path

if TYPE_CHECKING:
    from pipeline.media.facts import MediaMap

# A machine that reads another's `submitting` publishes it as `attention`.
_PUBLISHED = frozenset({Status.SUBMITTING, Status.ATTENTION, Status.VOID})
LARGEST = 1 << 30
# YAML takes most of a second per megabyte to read, JSON a hundredth of that. A larger document is written as
# JSON, which is YAML too.
_LARGEST_YAML = 16 << 20
# Bytes that suffice to tell JSON, an object in braces, from YAML.
_HEAD = 4096
_CONFLICT = re.compile(r"^(<{7} |={7}\r?$|>{7} |\|{7} )", re.MULTILINE)
# Top-level keys that no campaign has beside one another.
_KEYS = frozenset({"campaign", "jobs", "purchases"})
_Locate = Callable[[Sequence[Finding]], list[Problem]]
_Known = dict[int, tuple[Json, str]]
# Fast, as it does not indent: for names and scalar values.
_in_one_line = json.JSONEncoder(ensure_ascii=False).encode


class Texts:
    """Serialises results manifests, one after another: a row that is still the same object keeps its text."""

    def __init__(self) -> None:
        # By the `id()` of each row of the last document. Holding the row keeps its `id()` from being reused.
        self._known: _Known = {}

    def of(self, document: Mapping[str, Json]) -> str:
        """The text, as `json.dumps` writes it with an indent of 2, and a line feed."""
        before, self._known = self._known, {}
        fields = (f"  {_in_one_line(name)}: {self._value(value, before)}" for name, value in document.items())
        return "{\n" + ",\n".join(fields) + "\n}\n" if document else "{}\n"

    def _value(self, value: Json, before: _Known) -> str:
        match value:
            case [_, *_]:
                rows = (f"    {text}" for text in self._texts(value, before))
                return "[\n" + ",\n".join(rows) + "\n  ]"
            case dict() if value:
                texts = self._texts(value.values(), before)
                rows = (f"    {_in_one_line(name)}: {text}" for name, text in zip(value, texts, strict=True))
                return "{\n" + ",\n".join(rows) + "\n  }"
        return _in_one_line(value)

    def _texts(self, rows: Iterable[Json], before: _Known) -> Iterator[str]:
        for row in rows:
            known = before.get(id(row))
            text = _spelled(row, "\n    ") if known is None else known[1]
            self._known[id(row)] = (row, text)
            yield text


def _spelled(value: Json, newline: str) -> str:
    """The value as `json.dumps` indents it, for which it has no fast encoder; `newline` indents the last line."""
    inner = f"{newline}  "
    if isinstance(value, dict) and value:
        rows = [f"{inner}{_in_one_line(name)}: {_spelled(each, inner)}" for name, each in value.items()]
        return f"{{{','.join(rows)}{newline}}}"
    if isinstance(value, list) and value:
        rows = [f"{inner}{_spelled(each, inner)}" for each in value]
        return f"[{','.join(rows)}{newline}]"
    return _in_one_line(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsFile:
    """A results manifest that was read.

    `published` are the purchases that others may have read here as possibly bought: void or not, they stay in it.
    `media` has the facts of files, by SHA-256. `emulated`: a rehearsal wrote it. `name` is its name in messages.
    `version` is the version of its bytes; None if it was not read from a file.
    """

    campaign: str
    manifest: str
    records: Records
    published: frozenset[PurchaseId]
    document: Mapping[str, Json] = field(repr=False)
    jobs: Sequence[Mapping[str, Any]] = field(repr=False)
    media: MediaMap = field(default_factory=dict, repr=False)
    shard: Shard | None = None
    emulated: bool = False
    name: str = ""
    version: Version | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of the bytes: their SHA-256, and the stamp of the file when written, or before it was read."""

    digest: str
    stamp: FileStamp | None


def version(path: Path) -> Version | None:
    """The version of the bytes at `path` now; None if there are none that can be read."""
    before = stamp(path)
    try:
        return Version(digest=hashlib.sha256(_bytes(path)).hexdigest(), stamp=before)
    except (OSError, ValueError):
        return None


def read(path: Path, name: str) -> ResultsFile | None:
    """The results manifest at `path`; None if there is none. `name` is its name in messages.

    Raises:
        InvalidInput: it cannot be read, holds a merge conflict, or is not valid by its schema.
    """
    if not os.path.lexists(path):
        return None
    before = stamp(path)
    try:
        content = _bytes(path)
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = error.object[: error.start].decode()  # without a byte order mark
        line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
        _refuse(name, line, f"cannot be read: not UTF-8 (byte 0x{error.object[error.start]:02X})", column)
    except (OSError, ValueError) as error:
        _refuse(name, 1, f"cannot be read: {reason_of(error)}")
    document, locate = _read_document(path, text, name)
    if isinstance(document, dict) and "templates" in document and "purchases" not in document:
        _refuse(name, 1, "this is a manifest; expected a results file, such as NAME.results.json")
    findings = schema.findings(document, "results")
    if findings or not isinstance(document, dict):
        raise InvalidInput(locate(findings))
    digest = hashlib.sha256(content).hexdigest()
    return replace(_results(document, locate), name=name, version=Version(digest=digest, stamp=before))


def _bytes(path: Path) -> bytes:
    return read_limited(follow_links(path), LARGEST)


def _read_document(path: Path, content: str, name: str) -> tuple[Json, _Locate]:
    """The document in the file, and a function that adds the positions to findings about it."""
    if conflict := _CONFLICT.search(content):
        hint = "`pipeline merge OURS THEIRS --out FILE` joins both sides"
        _refuse(name, content.count("\n", 0, conflict.start()) + 1, f"a git merge conflict; {hint}")
    if not is_yaml(path):
        return parse_json(content, name), partial(located, text=content, name=name)
    if content.startswith("{"):
        with suppress(InvalidInput):  # braces may be YAML too
            return parse_json(content, name), partial(located, text=content, name=name)
    if len(content) > _LARGEST_YAML:
        hint = "write it as JSON: `--results FILE.json`"
        _refuse(
            name,
            1,
            f"results of {len(content):,} characters in YAML, at most {_LARGEST_YAML:,} are read; {hint}",
        )
    document = read_yaml(path, name, limit=LARGEST)
    return document.root.plain(), document.located


def holds_results(path: Path) -> bool:
    """Whether the file is a results manifest, whatever its name; or one in which git left conflict markers."""
    try:
        text = _bytes(path).decode("utf-8-sig")
    except (OSError, ValueError):
        return False
    # Campaigns are read by this too, and hardly any of them has these words.
    if not all(key in text for key in _KEYS):
        return False
    if _CONFLICT.search(text):
        return all(re.search(rf"""^ {{0,2}}["']?{key}["']?:""", text, re.MULTILINE) for key in _KEYS)
    with suppress(InvalidInput):
        document, _ = _read_document(path, text, path.name)
        return isinstance(document, dict) and document.keys() >= _KEYS and "templates" not in document
    return False


def has_conflict(content: bytes, campaign: str) -> bool:
    """Whether this is a results manifest of `campaign`, as JSON or YAML, in which git left conflict markers."""
    text = content.decode("utf-8-sig", errors="replace")
    heading = rf"""^\s*["']?campaign["']?:\s*["']?{re.escape(campaign)}["']?,?\r?$"""
    return _CONFLICT.search(text) is not None and re.search(heading, text, re.MULTILINE) is not None


def _refuse(name: str, line: int, message: str, column: int = 1) -> NoReturn:
    raise InvalidInput(Problem(message, Position(name, line, column)))


def _results(document: dict[str, Any], locate: _Locate) -> ResultsFile:
    purchases: dict[PurchaseId, Purchase] = {}
    problems: list[Finding] = []
    for number, written in enumerate(document["purchases"]):
        purchase = purchase_from_json(written)
        if why := unrecordable_reason(purchase):
            problems.append(Finding(("purchases", number), why))
        if purchase.id in purchases:
            problems.append(Finding(("purchases", number), f"{purchase.id} occurs twice"))
        purchases[purchase.id] = purchase
    keys = set[str]()
    for number, row in enumerate(document.get("served", ())):
        if row["key"] in keys:
            problems.append(Finding(("served", number), f"{row['key']!r} occurs twice"))
        keys.add(row["key"])
    if problems:
        raise InvalidInput(listed(locate(problems[:MAX_LISTED]), len(problems)))
    served = served_in(jobs=document["jobs"], untold=document.get("served", ()), purchases=purchases)
    return ResultsFile(
        campaign=document["campaign"],
        manifest=document["manifest"],
        records=Records(purchases=purchases, served=served),
        published=frozenset(each.id for each in purchases.values() if each.status in _PUBLISHED),
        document=document,
        shard=_shard(document.get("shard")),
        emulated=document.get("emulated", False),
        jobs=document["jobs"],
        media=document.get("media", {}),
    )


def _shard(written: Mapping[str, Any] | None) -> Shard | None:
    if written is None:
        return None
    by = ShardBy(written.get("by", ShardBy.REQUESTS))
    return Shard(index=written["index"], count=written["count"], by=by)


def is_of_rehearsal(results: ResultsFile, path: Path) -> bool:
    """Whether `results`, read from `path`, are of a rehearsal: they, or else their name, say so."""
    whole = whole_path(path)
    return results.emulated or whole.name.removesuffix(whole.suffix).endswith(".emulated.results")


def write(
    path: Path, document: Mapping[str, Json], before: Mapping[str, Json] | None, texts: Texts | None = None
) -> Version | None:
    """Write `document` to `path`, which holds `before`; write nothing and return None if only `tool` would change.

    `texts` has the text of unchanged rows from the document written before.

    Raises:
        OSError: it cannot be written, or is too large to be read again; the old file is untouched.
    """
    if before is not None and _without_tool(before) == _without_tool(document):
        return None
    text = (texts or Texts()).of(document)
    # YAML beyond its limit would not be read, so it is not written: purchases must never become unreadable.
    if is_yaml(path) and len(text) <= _LARGEST_YAML:
        as_yaml = dump_yaml(dict(document))
        text = as_yaml if len(as_yaml) <= _LARGEST_YAML else text
    content = text.encode()
    if len(content) > LARGEST:
        raise OSError(errno.EFBIG, f"more than {LARGEST:,} bytes could not be read again; split the campaign")
    return Version(
        digest=hashlib.sha256(content).hexdigest(), stamp=write_atomically(behind_links(path), content)
    )


def sweep(path: Path) -> None:
    """Remove temporary files of a killed `write`. Must not run while results are written to `path`."""
    with suppress(OSError):  # a link that leads elsewhere is reported when the results are read
        files.sweep(behind_links(path))


def _without_tool(document: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in document.items() if name != "tool"}


def is_yaml(path: Path) -> bool:
    """Whether results at `path` are YAML rather than JSON.

    By the name, or by the content if there is no suffix, as git's merge driver passes such names.
    """
    if path.suffix:
        return path.suffix.lower() in {".yaml", ".yml"}
    with suppress(OSError, ValueError), os.fdopen(open_regular(follow_links(path)), "rb") as file:
        head = file.read(_HEAD).removeprefix(codecs.BOM_UTF8).lstrip()
        return head != b"" and not head.startswith(b"{")
    return False
