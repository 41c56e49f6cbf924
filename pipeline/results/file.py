"""The results file: read as a stranger's, written whole or not at all."""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from pipeline.documents import schema
from pipeline.documents.yaml_reader import dump_yaml, read_yaml
from pipeline.errors import InvalidInput, Position, Problem
from pipeline.files import follow_links, read_limited, stamp, write_atomically
from pipeline.jobs import Json, canonical_json
from pipeline.purchases import Purchase, PurchaseId, Records, Status, as_json
from pipeline.records import purchase_from_json
from pipeline.state.transitions import PHASES, phase

# Who reads of a `submitting` that is not its own writes it as one in need of attention.
_PUBLISHED = frozenset({Status.SUBMITTING, Status.ATTENTION, Status.VOID})
_LARGEST = 1 << 30
# As deep as the YAML reader goes, so that both forms hold the same.
_DEEPEST = 64
_CONFLICT = re.compile(r"^(<{7} |={7}$|>{7} |\|{7} )")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsFile:
    """A results manifest that was read.

    `published` are the purchases that others may have read of as ones that may have been bought: void or not, they
    stay in it. By its `stamp`, from before it was read, one sees whether it was written since.
    """

    campaign: str
    manifest: str
    records: Records
    published: frozenset[PurchaseId]
    document: Mapping[str, Json] = field(repr=False)
    jobs: Sequence[Mapping[str, Any]] = field(repr=False)
    stamp: tuple[int, int, int] | None = None


def read(path: Path, name: str) -> ResultsFile | None:
    """The results manifest at `path`, None where there is none. `name` is how people know it.

    Raises:
        InvalidInput: it cannot be read, holds a merge conflict, or is not valid by its schema.
    """
    if not os.path.lexists(path):
        return None
    before = stamp(path)
    document = _read_document(path, name)
    findings = schema.check_json(document, "results")
    if findings or not isinstance(document, dict):
        raise InvalidInput([Problem(finding, Position(name, 1, 1)) for finding in findings])
    return replace(_results(document, name), stamp=before)


def _read_document(path: Path, name: str) -> Json:
    try:
        content = read_limited(follow_links(path), _LARGEST).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        _refuse(name, 1, 1, f"cannot be read: {error}")
    for number, line in enumerate(content.splitlines(), start=1):
        if _CONFLICT.match(line):
            hint = "`pipeline merge OURS THEIRS --out FILE` joins both sides"
            _refuse(name, number, 1, f"a merge conflict of git; {hint}")
    return read_yaml(path, name, limit=_LARGEST).root.plain() if is_yaml(path) else _read_json(content, name)


def _read_json(content: str, name: str) -> Json:
    try:
        parsed: Json = json.loads(content, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        _refuse(name, error.lineno, error.colno, f"not JSON: {error.msg}")
    except RecursionError:
        _refuse(name, 1, 1, f"nested more than {_DEEPEST} levels deep")
    except ValueError as error:
        _refuse(name, 1, 1, f"not sound JSON: {error}")
    if _is_deeper(parsed, _DEEPEST):
        _refuse(name, 1, 1, f"nested more than {_DEEPEST} levels deep")
    return parsed


def _is_deeper(value: Json, levels: int) -> bool:
    """Whether `value` is nested deeper than that, found without a call for each level."""
    level = [value]
    for _ in range(levels + 1):
        level = [inner for each in level for inner in _parts(each)]
        if not level:
            return False
    return True


def _parts(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _refuse(name: str, line: int, column: int, message: str) -> NoReturn:
    raise InvalidInput(Problem(message, Position(name, line, column)))


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return made


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number")


def _results(document: dict[str, Any], name: str) -> ResultsFile:
    purchases = {}
    for written in document["purchases"]:
        purchase = purchase_from_json(written)
        _assert_sound(purchase, name)
        if purchase.id in purchases:
            _refuse(name, 1, 1, f"purchases: {purchase.id} stands twice")
        purchases[purchase.id] = purchase
    served = {}
    for job in document["jobs"]:
        purchase_id = named_in(job)
        if purchase_id in purchases:
            served[job["key"]] = purchase_id
    return ResultsFile(
        campaign=document["campaign"],
        manifest=document["manifest"],
        records=Records(purchases=purchases, served=served),
        published=frozenset(each.id for each in purchases.values() if each.status in _PUBLISHED),
        document=document,
        jobs=document["jobs"],
    )


def named_in(row: Mapping[str, Any]) -> PurchaseId | None:
    """The purchase that a job's row names: what serves it, else what did before."""
    purchase_id: PurchaseId | None = row.get("purchase") or row.get("last")
    return purchase_id


def _assert_sound(purchase: Purchase, name: str) -> None:
    """What no schema says: that the parts of a purchase agree, and can be written again."""
    has_id = purchase.workflow_id is not None
    needs_id = purchase.status in {Status.SUBMITTED, Status.SUCCEEDED, Status.DONE}
    if phase(purchase) not in PHASES or (needs_id and not has_id):
        _refuse(name, 1, 1, f"purchases: {purchase.id} cannot be {purchase.status} like this")
    try:
        canonical_json(as_json(purchase)).encode()
    except ValueError:
        _refuse(name, 1, 1, f"purchases: {purchase.id} holds characters that cannot be written")


def write(path: Path, document: Mapping[str, Json], before: Mapping[str, Json] | None) -> bool:
    """Write `document` to `path`, which holds `before`; False, and nothing done, where only `tool` would change.

    Raises:
        OSError: it cannot be written; what was there is untouched.
    """
    if before is not None and _without_tool(before) == _without_tool(document):
        return False
    write_atomically(path, _text(path, document).encode())
    return True


def _without_tool(document: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in document.items() if name != "tool"}


def _text(path: Path, document: Mapping[str, Json]) -> str:
    if is_yaml(path):
        return dump_yaml(dict(document))
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def is_yaml(path: Path) -> bool:
    """Whether results at `path` are YAML rather than JSON."""
    return path.suffix.lower() in {".yaml", ".yml"}
