"""The whole state as JSON, for `pipeline state export` and `import`.

An import is joined like any other set of purchases, so there is no order to keep and nothing to conflict.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeGuard

from pipeline.errors import InvalidInput, Problem
from pipeline.jobs import JobKey, Json
from pipeline.purchases import Purchase, PurchaseId, Records, as_json
from pipeline.records import purchase_from_json
from pipeline.state.store import LoggedEvent

VERSION = 1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What an export brings: the campaign it is of, its purchases, and whose intents its state `recorded`."""

    campaign: str
    records: Records
    recorded: frozenset[PurchaseId] = frozenset()


def write(
    campaign: str,
    records: Records,
    events: Sequence[LoggedEvent],
    durations: Mapping[str, float],
    recorded: Collection[PurchaseId] = (),
) -> dict[str, Json]:
    """The state as JSON: purchases by key and age, what served each key, and for people the events."""
    purchases = sorted(records.purchases.values(), key=lambda purchase: (purchase.key, purchase.age))
    return {
        "version": VERSION,
        "campaign": campaign,
        "purchases": [as_json(purchase) for purchase in purchases],
        "served": dict(sorted(records.served.items())),
        "recorded": [*sorted(recorded)],
        "events": [asdict(event) for event in events],
        "durations": dict(sorted(durations.items())),
    }


def read(document: Json, name: str) -> Snapshot:
    """What `write` wrote; `name` is the file it came from. Events and durations are not taken over.

    Raises:
        InvalidInput: it is no export, or one of a newer version; names every purchase that is wrong.
    """
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise InvalidInput(
            f"{name}: not a state export of version {VERSION}; `pipeline state export` writes one"
        )
    campaign, written, served = (document.get(part) for part in ("campaign", "purchases", "served"))
    if not isinstance(campaign, str) or not isinstance(written, list) or not _is_texts(served):
        raise InvalidInput(
            f"{name}: a state export has a campaign, a list of purchases, and what served each key"
        )
    # An export from before there was this list recorded nothing that could be relied on.
    recorded = document.get("recorded", [])
    if not isinstance(recorded, list) or not all(isinstance(each, str) for each in recorded):
        raise InvalidInput(f"{name}: recorded: expected a list of purchases")
    problems: list[Problem] = []
    purchases: dict[PurchaseId, Purchase] = {}
    for number, each in enumerate(written):
        place = f"{name}: purchases[{number}]"
        try:
            purchase = _purchase(each)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problems.append(Problem(f"{place}: not a purchase as the export writes it ({error!r:.200})"))
            continue
        if purchase.id in purchases:
            problems.append(Problem(f"{place}: {purchase.id} occurs twice"))
        purchases[purchase.id] = purchase
    if problems:
        raise InvalidInput(problems)
    return Snapshot(campaign, Records(purchases, served), frozenset(map(PurchaseId, map(str, recorded))))


def _is_texts(value: Json) -> TypeGuard[dict[JobKey, PurchaseId]]:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _purchase(written: Json) -> Purchase:
    if not isinstance(written, dict):
        raise TypeError("not an object")
    purchase = purchase_from_json(written)
    texts: list[object] = [getattr(purchase, name) for name in _TEXTS]
    texts += [value for name in _OPTIONAL_TEXTS if (value := getattr(purchase, name)) is not None]
    texts += purchase.inputs
    texts += [step.flow for step in purchase.steps]
    outputs = [*purchase.outputs, *(output for step in purchase.steps for output in step.outputs)]
    for output in outputs:
        texts += [output.content_type, output.url or "", output.sha256 or ""]
    numbers = [purchase.credits, *(output.bytes for output in outputs)]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a text is expected where something else stands")
    if not all(number is None or type(number) is int for number in numbers):
        raise TypeError("a whole number is expected where something else stands")
    flags: list[object] = [purchase.deleted, purchase.again]
    if not all(isinstance(flag, bool) for flag in flags):
        raise TypeError("deleted and again are true or false")
    if not isinstance(purchase.request, dict):
        raise TypeError("the request is not an object")
    return purchase


_TEXTS = ("id", "key", "fingerprint", "bought_at", "template_id", "path")
_OPTIONAL_TEXTS = ("workflow_id", "created_at", "updated_at", "error")
